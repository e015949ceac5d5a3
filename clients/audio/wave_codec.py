"""The codec without dependencies: reads and writes WAV with the standard library alone."""

from __future__ import annotations

import math
import operator
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, ClassVar

from ..core.errors import ValidationError
from ..files.storage_errors import input_errors, storage_errors
from .codec import AudioCodec, AudioInfo, Conversion, go_on, needs_codec, too_long, unreadable_audio
from .file_format import PAGE, UNKNOWN, WAV, detect_file_kind
from .resample import Resampler
from .wavefile import FULL_SCALE, MAX_DATA_BYTES, WaveFormat, header, little_endian, read_format, sample_blocks

Samples = Sequence[float]


class WaveCodec(AudioCodec):
    """Reads WAV (PCM and float); raises ``needs_audio_codec`` for other formats.

    A codec for more formats overrides ``other_info`` and ``other_samples``; ``resampler`` may be a faster one.
    """

    name: ClassVar[str] = "wave"
    resampler: ClassVar[type[Resampler]] = Resampler

    def probe(self, path: Path) -> AudioInfo:
        """Return the file's format."""
        kind = check_kind(path)
        if kind != WAV:
            return self.other_info(path, kind)
        with _open_file(path) as file:
            found = _detect_format(file, path)
        return _make_info(found) if isinstance(found, WaveFormat) else self.other_info(path, found)

    def convert(
        self,
        source: Path,
        target: Path,
        *,
        rate: int | None = None,
        channels: int | None = None,
        check: Callable[[], None] = go_on,
    ) -> Conversion:
        """Write any readable sound as 16-bit WAV; see ``AudioCodec.convert``."""
        kind = check_kind(source)
        with ExitStack() as stack:
            blocks: Iterator[Samples]
            file = stack.enter_context(_open_file(source))
            found = _detect_format(file, source) if kind == WAV else kind
            if isinstance(found, WaveFormat):
                info, blocks = _make_info(found), sample_blocks(file, found, source)
            else:
                info, blocks = self.other_samples(source, found)
            if not info.frames:
                raise unreadable_audio(source, "it contains no samples")
            rate, channels = rate or info.rate, channels or min(info.channels, 2)
            if info.frames * rate // info.rate * channels * 2 > MAX_DATA_BYTES:
                raise too_long()
            writing = stack.enter_context(WaveWriter(target, rate, channels))
            lanes = _ChannelPipeline(info, writing.rate, writing.channels, self.resampler)
            for block in blocks:
                check()
                writing.write(lanes.through(block))
            writing.write(lanes.rest())
        return writing.conversion(info)

    def other_info(self, path: Path, kind: str) -> AudioInfo:
        """Return the data of a file that is not a WAV, or a WAV in another coding (see ``kind``)."""
        raise needs_codec(path, kind)

    def other_samples(self, path: Path, kind: str) -> tuple[AudioInfo, Iterator[Samples]]:
        """Return the data of such a file and its interleaved samples, block by block, on the 16-bit scale."""
        raise needs_codec(path, kind)


class WaveWriter:
    """Writes a 16-bit WAV block by block and measures it. A context manager: an error in its block deletes the file."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path = path
        self.rate = rate
        self.channels = channels
        self._bytes = 0
        self._peak = 0
        self._squares = 0.0

    def __enter__(self) -> WaveWriter:
        with storage_errors(self.path.parent):
            self._file = self.path.open("wb")
            self._file.write(header(self.rate, self.channels, 0))
        return self

    def __exit__(self, kind: object, *_exc: object) -> None:
        try:
            with self._file, storage_errors(self.path.parent):
                if kind is None:
                    self._file.seek(0)
                    self._file.write(header(self.rate, self.channels, self._bytes))
                    self._file.close()
                    return
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        self.path.unlink(missing_ok=True)

    def write(self, samples: Samples) -> None:
        """Add interleaved samples on the scale of 16-bit numbers; louder ones are clipped."""
        if not len(samples):
            return
        whole = _round(samples)
        self._peak = max(self._peak, abs(max(whole)), abs(min(whole)))
        self._squares += sum(map(operator.mul, whole, whole))
        data = little_endian(whole).tobytes()
        if self._bytes + len(data) > MAX_DATA_BYTES:
            raise too_long()
        with storage_errors(self.path.parent):
            self._file.write(data)
        self._bytes += len(data)

    def conversion(self, source: AudioInfo) -> Conversion:
        """Return the report of the written file."""
        samples = self._bytes // 2
        rms = math.sqrt(self._squares / samples) / FULL_SCALE if samples else 0.0
        frames = samples // self.channels
        return Conversion(self.path, self.rate, self.channels, frames, self._peak / FULL_SCALE, rms, source)


class _ChannelPipeline:
    """Converts a file's channels to another number and rate."""

    def __init__(self, found: AudioInfo, rate: int, channels: int, resampler: type[Resampler]) -> None:
        self._found = found.channels
        self._wanted = channels
        count = min(found.channels, channels)
        self._resamplers = [resampler(found.rate, rate) for _ in range(count)] if rate != found.rate else []

    def through(self, block: Samples) -> Samples:
        if not self._resamplers and self._found == self._wanted:
            return block
        lanes = self._mix(block)
        if self._resamplers:
            lanes = [each.feed(lane) for each, lane in zip(self._resamplers, lanes, strict=True)]
        return self._interleave(lanes)

    def rest(self) -> Samples:
        return self._interleave([each.finish() for each in self._resamplers]) if self._resamplers else []

    def _mix(self, block: Samples) -> list[Samples]:
        """Return one sequence for each resampled channel: the mean of all for mono, the first two for stereo."""
        if self._found == 1:
            return [block]
        lanes = [block[each :: self._found] for each in range(self._found)]
        if self._wanted > 1:
            return lanes[: self._wanted]
        return [[sum(frame) / self._found for frame in zip(*lanes, strict=True)]]

    def _interleave(self, lanes: Sequence[Samples]) -> Samples:
        if self._wanted == 1:
            return lanes[0]
        mixed = [0.0] * (len(lanes[0]) * self._wanted)
        for each in range(self._wanted):
            mixed[each :: self._wanted] = lanes[each % len(lanes)]
        return mixed


def _round(samples: Samples) -> array[int]:
    if isinstance(samples, array):
        return samples
    try:
        return array("h", map(round, samples))
    except OverflowError:
        return array("h", [round(min(32767.0, max(-32768.0, each))) for each in samples])


def check_kind(path: Path) -> str:
    """Return the format; ``ValidationError`` (code ``unreadable_audio``) for a file that is not a sound."""
    kind = detect_file_kind(path)
    if kind == PAGE:
        raise unreadable_audio(path, "it is a text file")
    if kind == UNKNOWN:
        raise unreadable_audio(path, "its audio format is not supported")
    return kind


@contextmanager
def _open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file; an error of the disk, also while reading, is a ``StorageError``."""
    with input_errors(path), path.open("rb") as file:
        yield file


def _detect_format(file: BinaryIO, path: Path) -> WaveFormat | str:
    """Return the format of a WAV, or its kind and coding if only a decoder can read it."""
    try:
        return read_format(file, path)
    except ValidationError as error:
        if error.code != "needs_audio_codec":
            raise
        return str(error.context["kind"])


def _make_info(found: WaveFormat) -> AudioInfo:
    return AudioInfo(WAV, found.rate, found.channels, found.frames)
