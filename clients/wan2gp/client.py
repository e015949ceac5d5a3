"""Video from Wan2GP (WanGP)."""

from __future__ import annotations

from typing import ClassVar

from ..requests import Request
from ..unfinished import UnfinishedClient
from .request import VideoRequest


class Wan2GPClient(UnfinishedClient):
    """Video from Wan2GP (WanGP)."""

    name: ClassVar[str] = "wan2gp"
    request_types: ClassVar[tuple[type[Request], ...]] = (VideoRequest,)
