"""rvc-python as a mock: 0.1.5 from PyPI, and the git version before it."""

from __future__ import annotations

import base64
import binascii
import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from ...audio.wavefile import wave_bytes
from ..http.multipart import read_form
from ..http.responses import Request, Response
from ..http.server import MockServer
from .openapi import document
from .voices import VoiceBank

DEFAULTS: dict[str, Any] = {
    "f0method": "rmvpe",
    "f0up_key": 0,
    "index_rate": 0.6,
    "filter_radius": 3,
    "resample_sr": 0,
    "rms_mix_rate": 0.25,
    "protect": 0.5,
}
NEW_RATE = 40_000
NO_DTYPE = "An error occurred: 'tuple' object has no attribute 'dtype'"
OUT_OF_MEMORY = "An error occurred: CUDA out of memory. Tried to allocate 2.00 GiB"
BROKEN = "PytorchStreamReader failed reading zip archive: failed finding central directory"
LOADING_S = 0.2


class RVCPythonFlavour:
    """rvc-python's routes and its state, which all clients share. It serves one request at a time."""

    def __init__(self, mock: MockServer, voices: VoiceBank, dialect: str, *, speaks: bool) -> None:
        self._mock = mock
        self._voices = voices
        self._git = dialect == "rvc-python-git"
        self._speaks = speaks
        self._loop = threading.Lock()
        self._phantoms: list[str] = []
        self.loaded: str | None = None
        self.params = dict(DEFAULTS)

    def add_routes(self) -> None:
        route = self._mock.route
        route("GET", "/models", self._models)
        route("POST", "/models/{name}", self._load)
        route("GET", "/params", lambda _: reply(self.params))
        route("POST", "/params", self._set)
        route("POST", "/convert", self._convert)
        route("POST", "/set_device", self._set_device)
        route("POST", "/set_models_dir", self._set_models_dir)
        route("GET", "/openapi.json", self._openapi)
        if not self._git:
            route("POST", "/convert_file", self._convert_file)
            route("POST", "/upload_model", self._upload)

    def serve(self, request: Request, answer: Callable[[Request], Response]) -> Response:
        """Serve a request, one at a time: the real handlers block the event loop."""
        with self._loop:
            response = answer(request)
        response.headers.setdefault("vary", "Origin")
        return response

    def _models(self, request: Request) -> Response:
        return reply({"models": [*self._voices, *self._phantoms]})

    def _load(self, request: Request) -> Response:
        name = request.parts["name"]
        if name not in self._voices:
            if name not in self._phantoms:
                self._phantoms.append(name)
            return reply({"detail": f"Model file {name} not found."}, 400)
        if self._mock.faults.take("voice_broken", name) is not None:
            return reply({"detail": BROKEN}, 400)
        self._mock.clock.wait(LOADING_S)
        self.loaded = name
        return reply({"message": f"Model {name} loaded successfully"})

    def _set(self, request: Request) -> Response:
        body = _json(request)
        if not isinstance(body, dict) or "params" not in body:
            return missing("params", body)
        self.params.update({key: value for key, value in body["params"].items() if key in self.params})
        return reply({"message": "Parameters updated successfully"})

    def _set_device(self, request: Request) -> Response:
        body = _json(request)
        if "device" not in body:
            return missing("device", body)
        return reply({"message": f"Device set to {body['device']}"})

    def _set_models_dir(self, request: Request) -> Response:
        return reply({"detail": f"Directory {_json(request).get('models_dir')} does not exist"}, 400)

    def _convert(self, request: Request) -> Response:
        body = _json(request)
        if "audio_data" not in body:
            return missing("audio_data", body)
        if self.loaded is None:
            return reply({"detail": "No model loaded. Please load a model first."}, 400)
        try:
            sound = base64.b64decode(body["audio_data"])
        except (binascii.Error, TypeError, ValueError):
            return reply({"detail": "Invalid audio data"}, 400)
        return self._convert_sound(sound)

    def _convert_file(self, request: Request) -> Response:
        part = read_form(request.headers.get("Content-Type", ""), request.body).get("file")
        if part is None:
            return missing("file", None)
        if self.loaded is None:
            return reply({"detail": "No model loaded. Please load a model first."}, 400)
        return self._convert_sound(part.data)

    def _convert_sound(self, sound: bytes) -> Response:
        voice, params = str(self.loaded), self.params
        if self._mock.faults.take("conversion_oom", voice) is not None:
            return reply({"detail": OUT_OF_MEMORY}, 500)
        if self._mock.faults.take("conversion_failed", voice) is not None or not _usable(params):
            return reply({"detail": NO_DTYPE}, 500)
        try:
            samples, rate = self._voices.convert(sound, voice, pitch=params["f0up_key"], method=str(params["f0method"]))
        except ValueError:
            return reply({"detail": NO_DTYPE}, 500)
        wanted = params["resample_sr"]
        if wanted >= 16_000 and wanted != rate:  # the samples change, the header does not
            count = len(samples) * wanted // rate
            samples = type(samples)("h", [samples[at * rate // wanted] for at in range(count)])
        return Response(200, wave_bytes(samples, rate), {"content-type": "audio/wav"})

    def _upload(self, request: Request) -> Response:
        part = read_form(request.headers.get("Content-Type", ""), request.body).get("file")
        if part is None:
            return missing("file", None)
        try:
            with zipfile.ZipFile(io.BytesIO(part.data)) as archive:
                paths = [PurePosixPath(name) for name in archive.namelist()]
        except zipfile.BadZipFile as error:
            return reply({"detail": str(error)}, 500)
        for path in paths:
            if path.suffix == ".pth" and len(path.parts) == 2:
                self._voices.setdefault(path.parts[0], NEW_RATE)
        return reply({"message": "Models uploaded and extracted successfully"})

    def _openapi(self, request: Request) -> Response:
        return reply(document(git=self._git, speaks=self._speaks))


def reply(value: Any, status: int = 200) -> Response:
    """Answer with JSON as FastAPI sends it where CORS is open."""
    return Response(status, json.dumps(value).encode(), {"content-type": "application/json"})


def missing(field: str, given: Any) -> Response:
    """Make FastAPI's 422 for a missing field."""
    return reply(
        {"detail": [{"type": "missing", "loc": ["body", field], "msg": "Field required", "input": given}]}, 422
    )


def _usable(params: dict[str, Any]) -> bool:
    """True if the settings have the right types; ``POST /params`` takes any, and the next conversion fails."""
    return all(isinstance(params[name], (int, float)) for name in DEFAULTS if name != "f0method")


def _json(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        return {}
