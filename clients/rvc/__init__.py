"""Voices from RVC."""

from .client import RVCClient
from .request import ConvertRequest, SpeakRequest, TrainRequest
from .speech.speaker import Line, Speaker

__all__ = ["ConvertRequest", "Line", "RVCClient", "SpeakRequest", "Speaker", "TrainRequest"]
