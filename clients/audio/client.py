"""The base class of the clients for sound: they have a codec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.client import BaseAPIClient
from .codec import AudioCodec
from .wave_codec import WaveCodec

if TYPE_CHECKING:
    from ..core.context import Recorder
    from ..core.options import ClientOptions
    from ..http.transport import Transport


class AudioClient(BaseAPIClient):
    """A client that reads or writes sound files."""

    def __init__(
        self,
        base_url: str,
        *,
        codec: AudioCodec | None = None,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        options: ClientOptions | None = None,
        transport: Transport | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Create a client; ``codec`` reads and writes the sound files (None: ``WaveCodec``, which knows only WAV). The
        other arguments are those of ``BaseAPIClient``.
        """
        super().__init__(
            base_url, api_key=api_key, headers=headers, options=options, transport=transport, recorder=recorder
        )
        self.codec = codec or WaveCodec()
