"""Sound files through Blender's own decoders: MP3, FLAC, Ogg, M4A, the rarer codings of WAV and the sound of videos.

``aud`` decodes; it does not write, nor resample: in Blender 4.5 and 5.2 its ``write`` adds frames to WAV files and
fails for many pairs of rates, and what it does holds Python's lock from the first sample to the last, which would
freeze the interface. Decoding alone takes about a millisecond for a second of sound. It is done in one call: slices of
a sound (``limit``) are found by seeking, and begin up to a thousand samples beside the place in Ogg, AAC and MP3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...clients.audio import AudioInfo, WaveCodec
from ...clients.audio.codec import needs_codec, unreadable_audio
from ...clients.audio.resample import Resampler
from ...clients.audio.wavefile import BLOCK_FRAMES, FULL_SCALE, check_bounds

if TYPE_CHECKING:
    from types import ModuleType


class NumpyResampler(Resampler):
    """The same filter, all samples of a block at once."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        import numpy as np

        super().__init__(source_rate, target_rate)
        self._table = np.asarray(self._filters)

    def _compute_ready(self, length: int) -> list[float]:
        import numpy as np

        width = 2 * self._half
        last = (length - width + 1) * self._up
        positions = np.arange(self._position, max(last, self._position), self._down)
        if not len(positions):
            return []
        windows = np.lib.stride_tricks.sliding_window_view(np.asarray(self._kept), width)[positions // self._up]
        made: list[float] = np.einsum("ij,ij->i", windows, self._table[positions % self._up]).tolist()
        self._advance(len(made), length)
        return made


class BlenderCodec(WaveCodec):
    """Reads what Blender reads. Where Blender has no ``aud`` (the ``bpy`` 4.2 module), WAV alone."""

    name: ClassVar[str] = "blender"
    resampler: ClassVar[type[Resampler]] = NumpyResampler

    def other_info(self, path: Path, kind: str) -> AudioInfo:
        """Ask ``aud`` for the file's sample rate and channels."""
        return _described(_decoder(path, kind), path, kind)[1]

    def other_samples(self, path: Path, kind: str) -> tuple[AudioInfo, Iterator[Sequence[float]]]:
        """Have ``aud`` decode it."""
        aud = _decoder(path, kind)
        sound, info = _described(aud, path, kind)
        try:
            data = sound.data()
        except aud.error as error:
            raise unreadable_audio(path, str(error).rstrip(".")) from error
        return AudioInfo(kind, info.rate, info.channels, len(data)), _blocks(data)


def _decoder(path: Path, kind: str) -> ModuleType:
    try:
        import aud
    except ImportError:
        raise needs_codec(path, kind) from None
    module: ModuleType = aud
    return module


def _described(aud: Any, path: Path, kind: str) -> tuple[Any, AudioInfo]:
    try:
        sound = aud.Sound.file(str(path))
        rate, channels = sound.specs
        length = sound.length
    except aud.error as error:
        raise unreadable_audio(path, str(error).rstrip(".")) from error
    check_bounds(path, channels, round(rate))
    return sound, AudioInfo(kind, round(rate), channels, max(0, length))


def _blocks(data: Any) -> Iterator[Sequence[float]]:
    """Yield numpy's ``(frames, channels)`` floats as interleaved numbers on the scale of 16-bit ones."""
    for start in range(0, len(data), BLOCK_FRAMES):
        yield (data[start : start + BLOCK_FRAMES].ravel() * FULL_SCALE).tolist()
