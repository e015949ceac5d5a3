"""A mock RVC server: rvc-python, and on request one of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..http.responses import Request, Response
from ..http.server import MockServer, Route
from ..media.sound import speech_wave
from .applio import MockApplio
from .rvc_python import RVCPythonFlavour
from .voices import VoiceBank
from .webui import WebUIFlavour

SPEECH_S = 0.2

FLAVOURS: dict[str, type[RVCPythonFlavour] | type[WebUIFlavour]] = {
    "rvc-python": RVCPythonFlavour,
    "rvc-python-git": RVCPythonFlavour,
    "rvc-webui": WebUIFlavour,
    "rvc-webui-2.2": WebUIFlavour,
}


class MockRVC(MockServer):
    """An RVC server. ``dialect`` is ``rvc-python`` (0.1.5), ``rvc-python-git`` (before it), ``rvc-webui`` (main, on
    Gradio 3.14) or ``rvc-webui-2.2`` (on 3.34); for ``applio`` the method ``make``
    returns a ``MockApplio``.

    ``voices`` maps names to rates in Hz. ``speaks`` adds ``POST /v1/audio/speech``, which of the real servers only
    AllTalk has, so that demo mode speaks with nothing installed. A conversion is audible: as loud as the recording at
    each moment, at a pitch that belongs to the voice; ``harvest`` is slow, as the real method.
    """

    name = "rvc"
    server_header = "uvicorn"

    def __init__(
        self,
        *,
        dialect: str = "rvc-python",
        voices: Mapping[str, int] | None = None,
        speaks: bool = True,
        **options: Any,
    ) -> None:
        if dialect not in FLAVOURS:
            raise ValueError(f"no such dialect: {dialect}; there are applio, {', '.join(FLAVOURS)}")
        self.dialect = dialect
        self.speaks = speaks
        self._rates = voices
        super().__init__(**options)

    @classmethod
    def make(cls, **options: Any) -> MockServer:
        """Make the server of that ``dialect``; Applio has a class of its own."""
        if options.get("dialect") != "applio":
            return cls(**options)
        return MockApplio(**{name: value for name, value in options.items() if name != "dialect"})

    def add_routes(self) -> None:
        self.voices = VoiceBank(self._rates, self.clock, self.faults)
        self.flavour = FLAVOURS[self.dialect](self, self.voices, self.dialect, speaks=self.speaks)
        self.flavour.add_routes()
        if self.speaks:
            self.route("POST", "/v1/audio/speech", self._speech)

    def answer(self, request: Request) -> Response:
        return self.flavour.serve(request, super().answer)

    def _speech(self, request: Request) -> Response:
        body = request.json()
        self.clock.wait(SPEECH_S)
        sound = speech_wave(str(body["input"]), str(body["voice"]), rate=24_000)
        return Response(200, sound, {"content-type": "audio/wav"})

    def missing(self, request: Request) -> Response:
        methods = self.methods(request.path)
        if not methods:
            return fastapi({"detail": "Not Found"}, 404)
        response = fastapi({"detail": "Method Not Allowed"}, 405)
        response.headers["allow"] = ", ".join(methods)
        return response

    def call_route(self, handler: Route, request: Request) -> Response:
        return handler(request)


def fastapi(value: Any, status: int = 200) -> Response:
    """Answer with JSON as FastAPI sends it."""
    response = Response.json(value, status)
    response.headers = {"content-type": "application/json"}
    return response
