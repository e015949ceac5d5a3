"""Speakers that are programs on this machine: eSpeak NG and Piper."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ...core.errors import GenerationError
from ...core.scope import Scope
from ..errors import BACKEND, last_line
from .speaker import Line, Speaker, Spoken

TIME_LIMIT_S = 120.0
WORDS_PER_MINUTE = 160
SLOWEST, FASTEST = 80, 450
_NO_WINDOW = 0x08000000  # Windows: open no console window


class ESpeak(Speaker):
    """eSpeak NG: robotic, in a hundred languages; RVC keeps the rhythm and gives it a human timbre.

    A line's ``voice`` is one of ``espeak-ng --voices``, such as ``en-us`` or ``de+f3``.
    """

    name: ClassVar[str] = "espeak-ng"
    default_voice: ClassVar[str] = "en-us"

    def __init__(self, program: str | None = None, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._program = program
        self._time_limit_s = time_limit_s

    def available(self, line: Line) -> bool:
        """Return True if the program is on the PATH."""
        return self._find_voice() is not None

    def speak(self, line: Line, target: Path, scope: Scope) -> Spoken:
        """Speak the line into a WAV."""
        voice = line.voice or self.default_voice
        pace = round(min(FASTEST, max(SLOWEST, WORDS_PER_MINUTE * line.speed)))
        arguments = [self._find_voice() or self.name, "-v", voice, "-s", str(pace), "-w", str(target), "--stdin"]
        run_program(self.name, arguments, line.text, scope, self._time_limit_s)
        return Spoken(_check_output(self.name, target), {"name": self.name, "voice": voice})

    def _find_voice(self) -> str | None:
        if self._program is not None:
            return shutil.which(self._program)
        return shutil.which("espeak-ng") or shutil.which("espeak")


class Piper(Speaker):
    """Piper: natural voices, one downloaded file each.

    A line's ``voice`` is the path of its ``.onnx`` file; the ``voice`` here is the default.
    """

    name: ClassVar[str] = "piper"

    def __init__(
        self, voice: Path | str | None = None, program: str = "piper", *, time_limit_s: float = TIME_LIMIT_S
    ) -> None:
        self._voice = str(voice) if voice is not None else None
        self._program = program
        self._time_limit_s = time_limit_s

    def available(self, line: Line) -> bool:
        """Return True if the program is on the PATH and the voice's file exists."""
        voice = line.voice or self._voice
        return voice is not None and Path(voice).is_file() and shutil.which(self._program) is not None

    def speak(self, line: Line, target: Path, scope: Scope) -> Spoken:
        """Speak the line into a WAV."""
        voice = str(line.voice or self._voice)
        arguments = [shutil.which(self._program) or self._program, "-m", voice, "-f", str(target)]
        if line.speed != 1.0:
            arguments += ["--length_scale", f"{1.0 / line.speed:.3f}"]
        run_program(self.name, arguments, line.text, scope, self._time_limit_s)
        return Spoken(_check_output(self.name, target), {"name": self.name, "voice": Path(voice).name})


def run_program(name: str, arguments: Sequence[str], text: str, scope: Scope, time_limit_s: float) -> None:
    """Run a program with ``text`` as its input until it ends; a cancel kills it.

    Raises ``GenerationError``: code ``speaker_failed`` with its message, ``speaker_timeout`` after the time limit.
    """
    scope.check()
    try:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell; the text goes in by stdin
            list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            creationflags=_NO_WINDOW if sys.platform == "win32" else 0,
        )
    except OSError as error:
        raise _speaker_error(name, error.strerror or str(error)) from error
    with process, scope.interrupter.guard(process.kill):
        try:
            _, output = process.communicate(text.encode("utf-8", "replace"), timeout=time_limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            scope.check()
            raise GenerationError(
                f"{name} did not speak the line within {time_limit_s:g} s.",
                code="speaker_timeout",
                backend=BACKEND,
                hint="Make the line shorter, or choose another speaker.",
            ) from None
    scope.check()
    if process.returncode:
        raise _speaker_error(
            name, last_line(output.decode("utf-8", "replace")) or f"it exited with status {process.returncode}"
        )


def _check_output(name: str, target: Path) -> Path:
    if not target.is_file():
        raise _speaker_error(name, "it wrote no sound")
    return target


def _speaker_error(name: str, why: str) -> GenerationError:
    return GenerationError(
        f"{name} could not speak the line: {why}",
        code="speaker_failed",
        backend=BACKEND,
        hint="Try it in a terminal, or choose another speaker.",
    )
