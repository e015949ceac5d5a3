"""The interface of speakers: they read a line before RVC converts it, since RVC reads no text."""

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
    "Install espeak-ng (Linux: the package espeak-ng; macOS: brew install espeak-ng; Windows: its installer) "
    "and make sure that it is on the PATH; or choose a voice for piper, or a server with /v1/audio/speech (in "
    "Blender: in the "
    "preferences, under RVC); or record the line."
)


@dataclass(frozen=True)
class Line:
    """A line to speak: ``voice`` is the speaker's name of a voice, None for its default; ``speed`` 1.0 is normal."""

    text: str
    voice: str | None = None
    speed: float = 1.0


@dataclass(frozen=True)
class Spoken:
    """A spoken line: the sound file, and the speaker's metadata for the result."""

    path: Path
    metadata: dict[str, object] = field(default_factory=dict)


class Speaker(abc.ABC):
    """Reads a text into a sound file; pass your own to ``RVCClient(speakers=...)``. Called on worker threads."""

    name: ClassVar[str]

    @abc.abstractmethod
    def available(self, line: Line) -> bool:
        """Return True if the speaker can speak this line on this machine; quick."""

    @abc.abstractmethod
    def speak(self, line: Line, target: Path, scope: Scope) -> Spoken:
        """Speak the line into ``target``, a WAV or any sound that the client's codec reads.

        A cancel fires ``scope.interrupter``, which must end the call. Raises a ``BackendError``.
        """


def choose_speaker(speakers: Sequence[Speaker], line: Line, name: str | None, also: str = "") -> Speaker:
    """Return the speaker of that name, or the first available one; ``MissingResource`` (code ``no_speaker``) if there
    is none, with ``also`` in its hint.
    """
    names = [each.name for each in speakers]
    wanted = [each for each in speakers if name in (None, each.name)]
    found = next((each for each in wanted if each.available(line)), None)
    if found is not None:
        return found
    if name is None:
        message, hint = "No program here can read a text aloud: RVC only changes voices.", f"{also}{HOW_TO_SPEAK}"
    elif name in names:
        message, hint = f"The speaker {name} is not available, or has no voice for this line.", HOW_TO_SPEAK
    else:
        message, hint = f"There is no speaker {name}.", f"There are: {', '.join(names) or 'none'}."
    raise MissingResource(
        message,
        kind="speaker",
        name=name or "",
        code="no_speaker",
        backend=BACKEND,
        hint=hint,
        context={"known": names},
    )
