"""The request to AudioLDM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.request import Request, integer_problems, mapping_problems, number_problems, text_problems

SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class SoundRequest(Request):
    """A sound of ``duration_s`` seconds; None leaves a value to the server, but a missing seed is chosen here.

    ``candidates`` is the number of sounds from which the server keeps the best. ``model`` is one of the server's, if
    it has several. ``settings`` are fields of this kind of server only, under its own names. The file has
    ``sample_rate`` Hz, whatever the model's rate. Unsupported values are ignored and listed in the result's metadata.
    """

    prompt: str
    duration_s: float
    negative_prompt: str | None = None
    guidance: float | None = None
    steps: int | None = None
    seed: int | None = None
    candidates: int | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    sample_rate: int = SAMPLE_RATE

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
        found = [
            *super().problems(),
            *text_problems("prompt", self.prompt),
            *number_problems("duration_s", self.duration_s, above=0),
            *integer_problems("steps", self.steps, least=1),
            *integer_problems("seed", self.seed, least=0),
            *integer_problems("candidates", self.candidates, least=1),
            *mapping_problems("settings", self.settings),
        ]
        if self.guidance is not None:
            found += number_problems("guidance", self.guidance, above=-1)
        for name in ("negative_prompt", "model"):
            if not isinstance(getattr(self, name), (str, type(None))):
                found.append(f"{name}: a text is required.")
        return found + integer_problems("sample_rate", self.sample_rate, least=8000, most=192_000)
