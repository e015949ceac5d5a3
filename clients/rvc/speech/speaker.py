"""Who speaks a line before RVC gives it a voice: RVC itself reads no text."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ...core.errors import MissingResource
from ..errors import BACKEND

if TYPE_CHECKING:
    from ...core.scope import Scope

HOW_TO_SPEAK = (
    "Install espeak-ng (Linux: the package espeak-ng; macOS: brew install espeak-ng; Windows: its installer) and see "
    "that it is on the PATH; or name a voice for piper, or a server with /v1/audio/speech (in Blender: in the "
    "preferences, under RVC); or record the line."
)


@dataclass(frozen=True)
class Line:
    """What is to be spoken: ``voice`` is the speaker's own name of a voice, None for its usual one; ``speed`` 1.0 is
    normal.
    """

    text: str
    voice: str | None = None
    speed: float = 1.0


@dataclass(frozen=True)
class Spoken:
    """A spoken line: the sound file, and what the result's metadata say of its speaker."""

    path: Path
    told: dict[str, object] = field(default_factory=dict)


class Speaker(abc.ABC):
    """Turns a text into a sound file; give your own to ``RVCClient(speakers=...)``. Called on worker threads."""

    name: ClassVar[str]

    @abc.abstractmethod
    def available(self, line: Line) -> bool:
        """Whether it can speak this line on this machine; quick."""

    @abc.abstractmethod
    def speak(self, line: Line, target: Path, scope: Scope) -> Spoken:
        """Speak the line into ``target``, a WAV or any sound that the client's codec reads.

        A cancel fires ``scope.interrupter`` and is to end it. Raises a ``BackendError`` that says what is wrong.
        """


def choose_speaker(speakers: Sequence[Speaker], line: Line, name: str | None, also: str = "") -> Speaker:
    """Return the speaker of that name, or the first one that can speak; ``MissingResource`` (code ``no_speaker``) with
    what to do if there is none, among it ``also``.
    """
    names = [each.name for each in speakers]
    wanted = [each for each in speakers if name in (None, each.name)]
    found = next((each for each in wanted if each.available(line)), None)
    if found is not None:
        return found
    if name is None:
        message, hint = "Nothing here can speak a text: RVC only changes voices.", f"{also}{HOW_TO_SPEAK}"
    elif name in names:
        message, hint = f"The speaker {name} is not there, or lacks a voice for this line.", HOW_TO_SPEAK
    else:
        message, hint = f"There is no speaker called {name}.", f"There are: {', '.join(names) or 'none'}."
    raise MissingResource(
        message,
        kind="speaker",
        name=name or "",
        code="no_speaker",
        backend=BACKEND,
        hint=hint,
        context={"known": names},
    )
