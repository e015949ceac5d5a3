"""What the clients of sound have in common: a codec."""

from __future__ import annotations

from typing import Any

from ..core.client import BaseAPIClient
from .codec import AudioCodec
from .wave_codec import WaveCodec


class AudioClient(BaseAPIClient):
    """A client that reads or writes sound files with the ``codec`` it is given (default: ``WaveCodec``, WAV only)."""

    def __init__(self, base_url: str, *, codec: AudioCodec | None = None, **given: Any) -> None:
        super().__init__(base_url, **given)
        self.codec = codec or WaveCodec()
