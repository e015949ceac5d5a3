"""RVC-WebUI as a mock: the main branch on Gradio 3.14, and 2.2.231006 on Gradio 3.34."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from ...audio.wavefile import wave_bytes
from ..http.multipart import read_form
from ..http.responses import Request, Response, range_response
from ..http.server import MockServer
from .voices import VoiceBank
from .webui_config import MAIN, OF_2023, Program, make_config
from .webui_training import OneClickOf2023, Trainings

Values = list[Any]
UPDATE = {"__type__": "update"}
SUCCESS = "Success.\nIndex not used.\nTime:\nnpy: 0.10s, f0: 0.20s, infer: 0.30s."


class _Generator:
    """A running generator; only one request at a time can continue it."""

    def __init__(self, values: Iterator[Values], outputs: int) -> None:
        self.values = values
        self.outputs = outputs
        self.lock = threading.Lock()


class WebUIFlavour:
    """RVC-WebUI's functions, its files, and the running generators of each session."""

    def __init__(self, mock: MockServer, voices: VoiceBank, dialect: str, *, speaks: bool) -> None:
        self._mock = mock
        self._voices = voices
        self._speaks = speaks
        self.program: Program = MAIN if dialect == "rvc-webui" else OF_2023
        self.loaded: str | None = None
        training = Trainings if self.program is MAIN else OneClickOf2023
        self.trainings: Trainings | OneClickOf2023 = training(voices, mock.clock, mock.faults)
        self._lock = threading.Lock()
        self._files: dict[str, bytes] = {}
        self._generators: dict[tuple[str, int], _Generator] = {}
        self._functions: dict[str, Callable[..., Values]] = {
            "infer_clean": lambda: [{"value": "", **UPDATE}],
            "infer_refresh": self._refresh,
            "infer_change_voice": self._change_voice,
            "infer_convert": self._convert if self.program is MAIN else self._convert_path,
            **self.trainings.functions,
        }

    def restart(self) -> None:
        """Forget everything but the voices, as after a restart."""
        with self._lock:
            self._generators.clear()
            self.loaded = None
        self.trainings.forget()

    def add_routes(self) -> None:
        route = self._mock.route
        route("GET", "/config", lambda _: reply(make_config(self.program, self._voice_files())))
        route("POST", "/run/{name}", self._run)
        route("POST", "/api/{name}", self._run)
        route("GET", "/openapi.json", lambda _: reply(openapi(self._speaks)))
        route("GET", "/startup-events", lambda _: reply(False))
        route("GET", "/queue/status", lambda _: reply(self.program.queue_status))
        if self.program is OF_2023:
            route("POST", "/upload", self._upload)

    def serve(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        if request.method == "GET" and request.path.startswith("/file"):
            return self._file(request)
        return answer(request)

    # Calls

    def _run(self, request: Request) -> Response:
        try:
            body = request.json()
        except ValueError:
            return reply(self.program.not_json, 422)
        name, number = request.parts["name"], body.get("fn_index")
        if number is None:
            number = self.program.number(name)
            if number is None:
                return reply({"error": f"This app has no endpoint /api/{name}/."}, 500)
        started = time.monotonic()
        values = self._values(number, body, named="fn_index" not in body)
        if values is None:
            return reply({"error": None}, 500)
        data, generating = values
        spent = time.monotonic() - started
        answer = {"data": data, "is_generating": generating, "duration": spent, "average_duration": spent}
        return reply(answer)

    def _values(self, number: int, body: dict[str, Any], *, named: bool) -> tuple[Values, bool] | None:
        """Return the values, and True if there are more; None for any failure."""
        function, data = self.program.functions[number], body.get("data", [])
        if len(data) != len(function.inputs):
            return None
        start = self.trainings.generators.get(function.name)
        if start is None:
            return self._call(function.name, number, data)
        key = (str(body.get("session_hash")), number)
        with self._lock:
            generator = self._generators.get(key)
            if generator is None or (named and self.program is OF_2023):  # by name it starts anew there
                generator = self._generators[key] = _Generator(start(*data), function.outputs)
        if not generator.lock.acquire(blocking=False):
            return None
        try:
            return next(generator.values), True
        except StopIteration:
            with self._lock:
                self._generators.pop(key, None)
            return [None] * function.outputs, False
        except (ValueError, LookupError):
            return None
        finally:
            generator.lock.release()

    def _call(self, name: str, number: int, data: Values) -> tuple[Values, bool] | None:
        function = self._functions.get(name) or self.trainings.stops.get(number)
        if function is None:
            return None
        try:
            return function(*data), False
        except (ValueError, TypeError, LookupError, AttributeError):
            return None

    # Voices

    def _voice_files(self) -> list[str]:
        return [f"{each}.pth" for each in self._voices]

    def _refresh(self) -> Values:
        found: Values = [{"choices": self._voice_files(), **UPDATE}]
        return found if self.program is MAIN else [*found, {"choices": [], **UPDATE}]

    def _change_voice(self, name: str, *_protect: float) -> Values:
        voice = name.removesuffix(".pth")
        if voice not in self._voices or self._mock.faults.take("voice_broken", voice) is not None:
            raise LookupError(name)
        self._mock.clock.wait(0.2)
        self.loaded = voice
        slider = {"visible": True, "value": 0.33, **UPDATE}
        return [{"visible": True, "maximum": 109, **UPDATE}, slider, slider, *({"value": "", **UPDATE},) * 2]

    def _convert(self, _speaker: int, sound: Any, pitch: int, method: str, *_rest: Any) -> Values:
        if sound is None:
            return ["You need to upload an audio", None]
        try:
            data = base64.b64decode(sound["data"].partition(",")[2], validate=True)
        except binascii.Error as error:
            raise ValueError("no sound") from error
        return self._convert_sound(data, pitch, method)

    def _convert_path(
        self, _speaker: int, path: str | None, pitch: int, _curve: Any, method: str, *_rest: Any
    ) -> Values:
        if path is None:
            return ["You need to upload an audio", None]
        return self._convert_sound(self._files[path], pitch, method)

    def _convert_sound(self, sound: bytes, pitch: int, method: str) -> Values:
        if self.loaded is None:
            raise LookupError("no voice")
        voice = self.loaded
        if self._mock.faults.take("conversion_failed", voice) is not None:
            return ['Traceback (most recent call last):\n  File "infer.py", line 1\nRuntimeError: no index', None]
        if self._mock.faults.take("conversion_oom", voice) is not None:
            return ["Traceback (most recent call last):\ntorch.OutOfMemoryError: CUDA out of memory.", None]
        samples, rate = self._voices.convert(sound, voice, pitch=pitch, method=method)
        path = f"/srv/tmp/tmp{len(self._files):08d}.wav"
        self._files[path] = wave_bytes(samples, rate)
        return [SUCCESS, {"name": path, "data": None, "is_file": True}]

    # Files

    def _upload(self, request: Request) -> Response:
        part = read_form(request.headers.get("Content-Type", ""), request.body)["files"]
        path = f"/srv/gradio_tmp/{len(self._files):040x}/{part.filename}"
        self._files[path] = part.data
        return reply([path])

    def _file(self, request: Request) -> Response:
        path = "/" + urllib.parse.unquote(request.path).partition("file")[2].lstrip("=/")
        data = self._files.get(path)
        if data is not None:
            head = {
                "content-type": "audio/x-wav",
                "last-modified": "Sun, 22 Nov 2026 14:50:44 GMT",
                "etag": f'"{path}"',
            }
            answer = range_response(data, head, request.headers.get("Range"))
            answer.headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer
        if self.program is MAIN:
            return Response(500, b"Internal Server Error", {"content-type": "text/plain; charset=utf-8"})
        return reply({"detail": f"File not allowed: {path}."}, 403)


def openapi(speaks: bool) -> dict[str, Any]:
    """Describe the routes as FastAPI does, as far as clients look for the speech route."""
    paths = ["/config", "/run/{api_name}", "/api/{api_name}", *(["/v1/audio/speech"] if speaks else [])]
    info = {"title": "FastAPI", "version": "0.1.0"}
    return {"openapi": "3.1.0", "info": info, "paths": {path: {} for path in paths}}


def reply(value: Any, status: int = 200) -> Response:
    """Answer with JSON as these servers send it."""
    return Response(status, json.dumps(value).encode(), {"content-type": "application/json"})
