"""A server of one of the mock programs, or of all of them in one app."""

from __future__ import annotations

from typing import Any

from ..gradio.app import App
from ..gradio.server import MockGradio
from .programs import HELPLESS, PROGRAMS, Builder


class MockGradioApp(MockGradio):
    """A Gradio app of ``version`` 4.x, 5.x or 6.x with ``programs`` from ``PROGRAMS`` (default: all) and ``HELPLESS``.

    A prompt with ``slow`` takes eight times as long, one with ``endless`` does not end; ``explode`` fails for lack of
    memory, ``refuse`` with the app's own message, ``break`` without a reason. Further options are those of
    ``MockGradio``.
    """

    def __init__(self, *, programs: tuple[str, ...] = tuple(PROGRAMS), version: str = "6.31.0", **options: Any) -> None:
        self.programs = programs
        super().__init__(version=version, **options)

    def make_app(self) -> App:
        """Build the app of the programs."""
        builder = Builder()
        for name in self.programs:
            {**PROGRAMS, **HELPLESS}[name](self.clock, builder)
        return builder.app(self.programs[0].capitalize() if len(self.programs) == 1 else "Mock studio")
