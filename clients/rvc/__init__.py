"""Voices from RVC."""

from .client import RVCClient
from .request import ConvertRequest, SpeakRequest, TrainRequest

__all__ = ["ConvertRequest", "RVCClient", "SpeakRequest", "TrainRequest"]
