"""A mock sound-effect server: a Cog container, or one of AudioLDM's own web apps."""

from __future__ import annotations

from typing import Any

from ..gradio.app import App
from ..gradio.gradio3 import MockGradio3
from ..http.responses import Request, Response
from .apps import make_sound_app
from .cog import NEWEST, OLDER, CogServer

COG_VERSIONS = {"cog-0.23": NEWEST, "cog-0.9": OLDER}
DIALECTS = (*COG_VERSIONS, "audioldm1", "audioldm2")


class MockAudioLDM(MockGradio3):
    """``dialect`` is ``cog-0.23``, ``cog-0.9``, ``audioldm1`` or ``audioldm2`` (the web apps, on Gradio 3.34).
    ``image`` is the model of a Cog server: ``audioldm``, ``audiogen``, ``mmaudio``, ``stable-audio``, ``image`` (which
    makes no sounds) or None for one without a schema.

    A sound takes five steps of 0.2 s, forty if the prompt contains ``slow``, no end of them if it contains ``endless``;
    with ``explode`` it fails for lack of memory.
    """

    name = "audioldm"

    def __init__(self, *, dialect: str = "cog-0.23", image: str | None = "audioldm", **options: Any) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"no such dialect: {dialect}; there are {', '.join(DIALECTS)}")
        self.dialect = dialect
        self.cog = CogServer(self, COG_VERSIONS[dialect], image) if dialect in COG_VERSIONS else None
        super().__init__(**options)

    def make_app(self) -> App:
        return App([], []) if self.cog is not None else make_sound_app(self.clock, self.dialect)

    def add_routes(self) -> None:
        if self.cog is not None:
            self.cog.add_routes()
        else:
            super().add_routes()

    def missing(self, request: Request) -> Response:
        return self.cog.missing(request) if self.cog is not None else super().missing(request)

    def forbidden(self, request: Request) -> Response | None:
        if self.cog is not None:
            self.cog.hold()
        return None

    def on_stop(self) -> None:
        if self.cog is not None:
            self.cog.stop()
        super().on_stop()
