"""What can be asked of AudioLDM."""

from __future__ import annotations

from dataclasses import dataclass

from ..requests import Request, integer_problems, number_problems, text_problems


@dataclass(frozen=True)
class SoundRequest(Request):
    """A sound of ``duration_s`` seconds; what is None is left to the server."""

    prompt: str
    duration_s: float
    negative_prompt: str | None = None
    guidance: float | None = None
    steps: int | None = None
    seed: int | None = None
    candidates: int | None = None

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [
            *super().problems(),
            *text_problems("prompt", self.prompt),
            *number_problems("duration_s", self.duration_s, above=0),
            *integer_problems("steps", self.steps, least=1),
            *integer_problems("seed", self.seed, least=0),
            *integer_problems("candidates", self.candidates, least=1),
        ]
