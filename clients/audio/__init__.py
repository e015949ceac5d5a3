"""Sound files: told apart, measured, and brought to the one form that servers and Blender both take."""

from .artifacts import published_sound
from .client import AudioClient
from .codec import AudioCodec, AudioInfo, Conversion
from .file_format import kind_of, kind_of_file
from .wave_codec import WaveCodec

__all__ = [
    "AudioClient",
    "AudioCodec",
    "AudioInfo",
    "Conversion",
    "WaveCodec",
    "kind_of",
    "kind_of_file",
    "published_sound",
]
