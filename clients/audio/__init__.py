"""Sound files: detect their format, measure them, convert them to the one format for all servers and Blender."""

from .artifacts import publish_sound
from .client import AudioClient
from .codec import AudioCodec, AudioInfo, Conversion
from .file_format import detect_file_kind, kind_of
from .wave_codec import WaveCodec

__all__ = [
    "AudioClient",
    "AudioCodec",
    "AudioInfo",
    "Conversion",
    "WaveCodec",
    "detect_file_kind",
    "kind_of",
    "publish_sound",
]
