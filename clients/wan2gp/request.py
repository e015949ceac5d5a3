"""What can be asked of Wan2GP."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..requests import Request, integer_problems, mapping_problems, text_problems


@dataclass(frozen=True)
class VideoRequest(Request):
    """A clip: ``settings`` are the program's own, ``files`` maps a setting's name to a local file, ``seed`` None is
    random.
    """

    prompt: str
    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    seed: int | None = None

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [
            *super().problems(),
            *text_problems("prompt", self.prompt),
            *text_problems("model", self.model),
            *mapping_problems("settings", self.settings),
            *mapping_problems("files", self.files),
            *integer_problems("seed", self.seed, least=0),
        ]
