"""Voices from RVC."""

from __future__ import annotations

from typing import ClassVar

from ..requests import Request
from ..unfinished import UnfinishedClient
from .request import ConvertRequest, SpeakRequest, TrainRequest


class RVCClient(UnfinishedClient):
    """Voices from RVC."""

    name: ClassVar[str] = "rvc"
    request_types: ClassVar[tuple[type[Request], ...]] = (
        ConvertRequest,
        SpeakRequest,
        TrainRequest,
    )
