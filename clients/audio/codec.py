"""The interface of codecs, and the errors that they raise."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..core.errors import ValidationError

SILENCE = 0.001
"""The peak, as a part of full scale, up to which a sound counts as silent: -60 dB."""


def go_on() -> None:
    """Do nothing: the default check of a conversion."""


@dataclass(frozen=True)
class AudioInfo:
    """The data of a sound file's header: ``kind`` as in ``kind_of``, ``rate`` in Hz, ``frames`` at that rate.

    The kind of a WAV that is neither PCM nor float includes its coding, such as ``wav (coding 7, 8 bit)``.
    """

    kind: str
    rate: int
    channels: int
    frames: int

    @property
    def duration_s(self) -> float:
        """The length in seconds."""
        return self.frames / self.rate


@dataclass(frozen=True)
class Conversion:
    """A 16-bit WAV file written by a codec, and its source.

    ``peak`` is the loudest sample and ``rms`` the root of the mean square, both as fractions of full scale.
    """

    path: Path
    rate: int
    channels: int
    frames: int
    peak: float
    rms: float
    source: AudioInfo

    @property
    def duration_s(self) -> float:
        """The length in seconds."""
        return self.frames / self.rate

    @property
    def peak_db(self) -> float:
        """The peak in decibels below full scale (0 is the loudest, -120 stands for less than can be stored)."""
        return decibels(self.peak)

    @property
    def silent(self) -> bool:
        """True if no sample is above -60 dB."""
        return self.peak <= SILENCE


class AudioCodec(abc.ABC):
    """Reads sound files and writes 16-bit WAV. Thread-safe; its methods block, so they are for worker threads.

    ``name`` identifies the codec in results. Both methods raise ``StorageError`` (code ``missing_file`` and others)
    for a file that can't be read from disk, and ``ValidationError``: code ``needs_audio_codec`` for a format that this
    codec can't read but another may, ``unreadable_audio`` for a damaged file or other content, ``audio_too_long`` for
    a sound that does not fit into a WAV file.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def probe(self, path: Path) -> AudioInfo:
        """Return the file's format, without decoding all of it."""

    @abc.abstractmethod
    def convert(
        self,
        source: Path,
        target: Path,
        *,
        rate: int | None = None,
        channels: int | None = None,
        check: Callable[[], None] = go_on,
    ) -> Conversion:
        """Write the sound of ``source`` (or of a video) to ``target`` as 16-bit PCM WAV, and measure its loudness.

        ``rate`` in Hz and ``channels`` (1 or 2) default to the source's. The header has the true length. ``check`` is
        called from time to time; its error ends the conversion. An unfinished ``target`` is deleted; ``StorageError``
        if the disk fails. The source stays.
        """


def decibels(level: float) -> float:
    """Return a fraction of full scale in decibels, never below -120."""
    return max(-120.0, 20 * math.log10(level)) if level > 0 else -120.0


def needs_codec(path: Path, kind: str) -> ValidationError:
    """Return the error for a format that only a codec with decoders can read."""
    problem = f"{path.name} is {kind.upper()} sound, and only WAV can be read here."
    return ValidationError(
        problem,
        code="needs_audio_codec",
        problems=[problem],
        hint="Convert it to WAV first, or use Blender 4.5 or newer, which reads it directly.",
        context={"kind": kind},
    )


def unreadable_audio(path: Path, why: str) -> ValidationError:
    """Return the error for a damaged file, or one that is not a sound."""
    problem = f"{path.name} can't be read as sound: {why}."
    return ValidationError(
        problem, code="unreadable_audio", problems=[problem], hint="Choose another file, or save it as WAV again."
    )


def too_long() -> ValidationError:
    """Return the error for a sound that is too long for a WAV file."""
    problem = "The sound is too long: a WAV file holds 4 GiB, which is six hours of stereo at 48 kHz."
    return ValidationError(problem, code="audio_too_long", problems=[problem], hint="Cut it into shorter parts.")
