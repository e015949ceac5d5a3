"""A mock sound-effect server: a Cog container, or one of AudioLDM's own web apps."""

from typing import Any

from .cog import NEWEST, OLDER, CogServer
from .responses import Request, Response
from .server import MockServer

DIALECTS = ("cog-0.23", "cog-0.9")


class MockAudioLDM(MockServer):
    """``dialect`` is ``cog-0.23`` or ``cog-0.9``; ``image`` is which model a Cog server has: ``audioldm``,
    ``audiogen``, ``mmaudio``, ``stable-audio``, ``image`` (which makes none) or None for one without a schema.

    A sound takes five steps of 0.2 s, forty if the prompt has ``slow`` in it, no end of them if ``endless``.
    """

    name = "audioldm"
    server_header = "uvicorn"

    def __init__(self, *, dialect: str = "cog-0.23", image: str | None = "audioldm", **given: Any) -> None:
        if dialect not in DIALECTS:
            raise ValueError(f"no such dialect: {dialect}; there are {', '.join(DIALECTS)}")
        self.dialect = dialect
        self.app = CogServer(self, NEWEST if dialect == "cog-0.23" else OLDER, image)
        super().__init__(**given)

    def add_routes(self) -> None:
        self.app.add_routes()

    def missing(self, request: Request) -> Response:
        return self.app.missing(request)

    def forbidden(self, request: Request) -> Response | None:
        self.app.hold()
        return None

    def on_stop(self) -> None:
        self.app.stop()
