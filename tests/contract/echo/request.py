"""What can be asked of Echo."""

from __future__ import annotations

from dataclasses import dataclass

from movie_director.clients.core.request import Request, integer_problems, text_problems

MOST_TIMES = 10_000


@dataclass(frozen=True)
class EchoRequest(Request):
    """A text to be said so many ``times``."""

    text: str
    times: int = 3

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [
            *super().problems(),
            *text_problems("text", self.text),
            *integer_problems("times", self.times, least=1, most=MOST_TIMES),
        ]
