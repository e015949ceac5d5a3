"""A mock RVC server: rvc-python, and on request one of the others."""

import io
import threading
import wave
from array import array
from collections.abc import Mapping
from typing import Any

from ..http.responses import Request, Response
from ..http.server import MockServer, Route
from ..media.sound import converted_samples, speech_wave
from .rvc_python import RVCPythonFlavour
from .webui import WebUIFlavour

VOICES: Mapping[str, int] = {"demo-voice": 40_000, "demo-narrator": 48_000}
CONVERSION_S = 0.3
SPEECH_S = 0.2
SECONDS_PER_SECOND = {"harvest": 5.0}
QUICK_SECONDS_PER_SECOND = 0.1

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

    ``voices`` maps their names to their rates in Hz. ``speaks`` adds ``POST /v1/audio/speech``, which no real one but
    AllTalk has, so that demo mode speaks with nothing installed. Conversions are audible: as loud at each moment as
    what was sent, at the pitch that goes with the voice's name; ``harvest`` is slow, as the real one.
    """

    name = "rvc"
    server_header = "uvicorn"

    def __init__(
        self,
        *,
        dialect: str = "rvc-python",
        voices: Mapping[str, int] | None = None,
        speaks: bool = True,
        **given: Any,
    ) -> None:
        if dialect not in FLAVOURS:
            raise ValueError(f"no such dialect: {dialect}; there are applio, {', '.join(FLAVOURS)}")
        self.dialect = dialect
        self.voices = dict(VOICES if voices is None else voices)
        self.speaks = speaks
        self.changing = threading.RLock()
        self.flavour = FLAVOURS[dialect](self)
        super().__init__(**given)

    @classmethod
    def make(cls, **options: Any) -> MockServer:
        """Make the server of that ``dialect``; Applio is another program in all."""
        if options.get("dialect") != "applio":
            return cls(**options)
        from .applio import MockApplio  # here, because it imports this module

        return MockApplio(**{name: value for name, value in options.items() if name != "dialect"})

    def add_routes(self) -> None:
        self.flavour.add_routes()
        if self.speaks:
            self.route("POST", "/v1/audio/speech", self._speech)

    def answer(self, request: Request) -> Response:
        return self.flavour.serve(request, super().answer)

    def _speech(self, request: Request) -> Response:
        body = request.json()
        self.pace.wait(SPEECH_S)
        sound = speech_wave(str(body["input"]), str(body["voice"]), rate=24_000)
        return Response(200, sound, {"content-type": "audio/wav"})

    def missing(self, request: Request) -> Response:
        methods = self.methods(request.path)
        if not methods:
            return fastapi({"detail": "Not Found"}, 404)
        response = fastapi({"detail": "Method Not Allowed"}, 405)
        response.headers["allow"] = ", ".join(methods)
        return response

    def _guarded(self, handler: Route, request: Request) -> Response:
        return handler(request)

    def converted(self, sound: bytes, voice: str, *, pitch: float, method: str) -> "tuple[array[int], int]":
        """The sound in that voice and the voice's rate; takes its time. ``ValueError`` for what is no WAV."""
        rate = self.voices[voice]
        return converted(self, sound, voice, rate, pitch=pitch, method=method), rate


def converted(server: MockServer, sound: bytes, voice: str, wanted: int, *, pitch: float, method: str) -> "array[int]":
    """A recording in a voice of a server, at the rate ``wanted``; takes its time."""
    samples, rate = read_wave(sound)
    seconds = len(samples) / rate
    server.pace.wait(CONVERSION_S + seconds * SECONDS_PER_SECOND.get(method, QUICK_SECONDS_PER_SECOND))
    if server.faults.take("silent_conversion", voice) is not None or server.stopping.is_set():
        return array("h", bytes(2 * round(seconds * wanted)))
    return converted_samples(stretched(samples, rate, wanted), voice, rate=wanted, pitch=pitch)


def read_wave(sound: bytes) -> tuple[list[float], int]:
    """The samples of a 16-bit WAV (the first channel) and its rate; ``ValueError`` for anything else."""
    try:
        with wave.open(io.BytesIO(sound)) as file:
            if file.getsampwidth() != 2:
                raise ValueError("not 16 bit")
            samples = array("h", file.readframes(file.getnframes()))
            return [each / 32768 for each in samples[:: file.getnchannels()]], file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error)) from error


def stretched(samples: list[float], rate: int, wanted: int) -> list[float]:
    """The samples at another rate, the nearest one for each moment."""
    count = round(len(samples) * wanted / rate)
    return [samples[min(len(samples) - 1, at * rate // wanted)] for at in range(count)]


def fastapi(value: Any, status: int = 200) -> Response:
    """JSON as FastAPI sends it."""
    response = Response.json(value, status)
    response.headers = {"content-type": "application/json"}
    return response
