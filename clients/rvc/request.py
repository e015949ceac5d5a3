"""What can be asked of RVC."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..requests import Request, integer_problems, path_problems, text_problems


@dataclass(frozen=True)
class ConvertRequest(Request):
    """A recording in another voice; ``pitch`` in semitones."""

    audio: Path
    voice: str
    pitch: int = 0

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [
            *super().problems(),
            *path_problems("audio", self.audio),
            *text_problems("voice", self.voice),
            *integer_problems("pitch", self.pitch, least=-48, most=48),
        ]


@dataclass(frozen=True)
class SpeakRequest(Request):
    """A line of text spoken in a voice."""

    text: str
    voice: str

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [*super().problems(), *text_problems("text", self.text), *text_problems("voice", self.voice)]


@dataclass(frozen=True)
class TrainRequest(Request):
    """A new voice made of recordings."""

    voice: str
    samples: list[Path]
    epochs: int = 100

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        found = [*super().problems(), *text_problems("voice", self.voice)]
        found += integer_problems("epochs", self.epochs, least=1, most=10_000)
        if not isinstance(self.samples, (list, tuple)) or not self.samples:
            found.append("samples: a list with at least one file is needed.")
        return found
