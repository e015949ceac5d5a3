"""Sound effects from AudioLDM."""

from __future__ import annotations

from typing import ClassVar

from ..requests import Request
from ..unfinished import UnfinishedClient
from .request import SoundRequest


class AudioLDMClient(UnfinishedClient):
    """Sound effects from AudioLDM."""

    name: ClassVar[str] = "audioldm"
    request_types: ClassVar[tuple[type[Request], ...]] = (SoundRequest,)
