"""What a codec does for the clients, and the errors that all of them raise."""

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
    """Let a conversion go on: the check where none is given."""


@dataclass(frozen=True)
class AudioInfo:
    """A sound file's own header: ``kind`` as ``kind_of`` names it, ``rate`` in Hz, ``frames`` at that rate.

    The kind of a WAV that is neither PCM nor float has its coding too, such as ``wav (coding 7, 8 bit)``.
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
    """A WAV file that a codec has written, 16 bits a sample, and what it was made of.

    ``peak`` is the loudest sample and ``rms`` the root of the mean square, both as parts of full scale.
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
        """True if nothing can be heard: no sample is above -60 dB."""
        return self.peak <= SILENCE


class AudioCodec(abc.ABC):
    """Reads sound files and writes 16-bit WAV. Thread-safe; its methods block, so they are for worker threads.

    ``name`` says in results which codec it was. Both methods raise ``StorageError`` (code ``missing_file`` and others)
    for a file that can't be read from disk, and ``ValidationError``: code ``needs_audio_codec`` for a kind of sound
    that this codec can't read but another may, ``unreadable_audio`` for what is broken or no sound at all,
    ``audio_too_long`` for what would not fit into a WAV file.
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
        """Write the sound of ``source`` (of a video too) to ``target`` as 16-bit PCM WAV, and say how loud it is.

        ``rate`` in Hz and ``channels`` (1 or 2) are the source's own unless given. The header says the true length.
        ``check`` is called from time to time; what it raises ends the conversion. A ``target`` that could not be
        finished is removed; ``StorageError`` if the disk refuses it. The source stays as it is.
        """


def decibels(level: float) -> float:
    """Return a part of full scale in decibels, never below -120."""
    return max(-120.0, 20 * math.log10(level)) if level > 0 else -120.0


def needs_codec(path: Path, kind: str) -> ValidationError:
    """Return the error for a kind of file that only a codec with decoders can read."""
    problem = f"{path.name} is {kind.upper()} sound, and only WAV can be read here."
    return ValidationError(
        problem,
        code="needs_audio_codec",
        problems=[problem],
        hint="Convert it to WAV first; or use it from Blender 4.5 or newer, which reads it by itself.",
        context={"kind": kind},
    )


def unreadable_audio(path: Path, why: str) -> ValidationError:
    """Return the error for a file that is no sound, or a broken one."""
    problem = f"{path.name} can't be read as sound: {why}."
    return ValidationError(
        problem, code="unreadable_audio", problems=[problem], hint="Choose another file, or save it as WAV again."
    )


def too_long() -> ValidationError:
    """Return the error for a sound of which a WAV file can't hold all."""
    problem = "The sound is too long: a WAV file holds 4 GiB, which is six hours of stereo at 48 kHz."
    return ValidationError(problem, code="audio_too_long", problems=[problem], hint="Cut it into shorter parts.")
