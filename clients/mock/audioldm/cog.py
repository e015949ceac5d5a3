"""A mock Cog server that makes sounds: 0.23 (Rust), or 0.9 (Python), which answers nothing while a request waits."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import random
import shutil
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..http.loopback import is_loopback
from ..http.responses import Request, Response
from ..http.server import MockServer
from ..media.sound import effect_wave
from .cog_schemas import IMAGES, document, problems
from .prediction import Prediction, timestamp
from .timing import STEP_S, count_steps

WEBHOOK_PAUSE_S = 0.5
RATE = 16_000
NEWEST, OLDER = "0.23.1", "0.9.25"

_SECONDS = ("duration", "seconds_total")


class CogServer:
    """The routes of a Cog server, which runs one prediction at a time."""

    def __init__(self, mock: MockServer, version: str, image: str | None) -> None:
        self.mock = mock
        self.version = version
        self.newest = version != OLDER
        self.image = image
        self._lock = threading.Lock()
        self._prediction: Prediction | None = None
        self._workers: list[threading.Thread] = []
        self._folder: Path | None = None

    def add_routes(self) -> None:
        route = self.mock.route
        route("GET", "/", lambda _: Response.json(self._index()))
        route("GET", "/health-check", self._health)
        route("GET", "/openapi.json", self._openapi)
        route("POST", "/predictions", self._create)
        route("PUT", "/predictions/{id}", self._create)
        route("POST", "/predictions/{id}/cancel", self._cancel)

    def missing(self, request: Request) -> Response:
        """Answer a request that no route fits."""
        allowed = self.mock.methods(request.path)
        status = 405 if allowed else 404
        if self.newest:
            return Response(status, b"", {"allow": ", ".join(allowed)} if allowed else {})
        response = Response.json({"detail": "Method Not Allowed" if allowed else "Not Found"}, status)
        if allowed:
            response.headers["allow"] = ", ".join(allowed)
        return response

    def hold(self) -> None:
        """Block while another request waits for a prediction: the older server serves only one request then."""
        prediction = self._prediction
        if not self.newest and prediction is not None and prediction.waits:
            prediction.ended.wait()

    def stop(self) -> None:
        """End the prediction and delete the files."""
        with self._lock:
            prediction, workers, folder = self._prediction, self._workers, self._folder
            self._workers, self._folder = [], None
        if prediction is not None:
            prediction.cancelled.set()
        for worker in workers:
            worker.join(1.0)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    # Information

    def _index(self) -> dict[str, str]:
        docs = {"docs_url": "/docs", "openapi_url": "/openapi.json"}
        if not self.newest:
            return docs
        return {
            "cog_version": self.version,
            "docs_url": "/docs",
            "healthcheck_url": "/health-check",
            "openapi_url": "/openapi.json",
            "predictions_cancel_url": "/predictions/{prediction_id}/cancel",
            "predictions_idempotent_url": "/predictions/{prediction_id}",
            "predictions_url": "/predictions",
            "shutdown_url": "/shutdown",
        }

    def _health(self, request: Request) -> Response:
        setup: dict[str, Any] = {"started_at": timestamp(), "completed_at": timestamp()}
        setup |= {"status": "succeeded", "logs": "loading stub\n"}
        status = "READY" if self._free() else "BUSY"
        if self.mock.faults.take("model_loading", "model"):
            status, setup = "STARTING", {"started_at": setup["started_at"], "status": "starting"}
        elif self.mock.faults.take("setup_failed", "model"):
            status, setup["status"] = "SETUP_FAILED", "failed"
            setup["logs"] = "Traceback (most recent call last):\nFileNotFoundError: no weights in /src/ckpt\n"
        elif self.mock.faults.take("unhealthy", "model"):
            status = "UNHEALTHY"
        answer = {"status": status, "setup": setup}
        if self.newest:
            answer["version"] = {
                "coglet": self.version,
                "git_sha": "9b9f6339",
                "build_time": "2026-10-20T14:46:36Z",
                "python_sdk": self.version,
                "python": "3.11.7",
            }
        return Response.json(answer)

    def _openapi(self, request: Request) -> Response:
        if self.image is None:
            return Response.json({"error": "OpenAPI schema not available"}, 503)
        return Response.json(document(self.image))

    def _cancel(self, request: Request) -> Response:
        prediction = self._prediction
        if prediction is None or prediction.ended.is_set() or prediction.id != request.parts["id"]:
            return Response.json({}, 404)
        if not self.mock.faults.take("ignore_cancel", prediction.prompt):
            prediction.cancelled.set()
        return Response.json({})

    # Predictions

    def _create(self, request: Request) -> Response:
        try:
            body = request.json()
        except ValueError as problem:
            return self._not_json(problem)
        refusal, prediction_id = self._refusal(request, body)
        if refusal is not None:
            return refusal
        respond_at_once = request.headers.get("Prefer") == "respond-async"
        prediction = Prediction(prediction_id, body)
        with self._lock:
            if not self._free() or self.mock.faults.take("busy", prediction.prompt):
                busy = {"error": "At capacity - all prediction slots busy", "status": "failed"}
                return Response.json(busy if self.newest else {"detail": "Already running a prediction"}, 409)
            self._prediction = prediction
            prediction.waits = not respond_at_once
        if respond_at_once:
            worker = threading.Thread(
                target=self._work, args=(prediction, lambda: False), name="mock-audioldm-prediction", daemon=True
            )
            self._workers.append(worker)
            if not self.newest:
                prediction.begin()
            answer = Response.json(self._state(prediction), 202)
            worker.start()
            return answer
        self._work(prediction, request.gone if self.newest else lambda: False)
        return Response.json(self._state(prediction))

    def _refusal(self, request: Request, body: Mapping[str, Any]) -> tuple[Response | None, str | None]:
        """Return the response to a prediction that is not begun, None to begin it, and its id.

        A request for the id of the running prediction is answered with its state.
        """
        place = request.parts.get("id")
        prediction_id = place or body.get("id") or (f"pred_{random.getrandbits(64):016x}" if self.newest else None)
        if place and body.get("id", place) != place:
            text = "prediction ID must match the ID supplied in the URL"
            return Response.json(
                {"detail": [{"loc": ["body", "id"], "msg": text, "type": "value_error"}]}, 422
            ), prediction_id
        if self.newest and request.headers.get("Accept") == "text/event-stream":
            text = "This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE."
            return Response.json({"error": text}, 406), prediction_id
        running = self._running(place)
        if self.newest and running is not None:
            return Response.json(self._state(running), 202), prediction_id
        found = problems(self.image, body.get("input") or {}, newest=self.newest) if self.image is not None else []
        if found and not self.newest and body.get("input") is None:
            return Response.json({"detail": "1 validation error for PredictionResponse"}, 500), prediction_id
        if not self.newest and body.get("webhook") and "://" not in str(body["webhook"]):
            text = "invalid or missing URL scheme"
            found.append({"loc": ["body", "webhook"], "msg": text, "type": "value_error.url.scheme"})
        if found:
            return Response.json({"detail": found}, 422), prediction_id
        if not self.newest and running is not None:
            return Response.json(self._state(running), 202), prediction_id
        return None, prediction_id

    def _not_json(self, problem: ValueError) -> Response:
        if self.newest:
            return Response.text(f"Failed to parse the request body as JSON: {problem}", 400)
        return Response.json(
            {"detail": [{"loc": ["body", 1], "msg": str(problem), "type": "value_error.jsondecode"}]}, 422
        )

    def _running(self, prediction_id: str | None) -> Prediction | None:
        current = self._prediction
        if not prediction_id or current is None or current.ended.is_set() or current.id != prediction_id:
            return None
        return current

    def _free(self) -> bool:
        return self._prediction is None or self._prediction.ended.is_set()

    def _work(self, prediction: Prediction, gone: Callable[[], bool]) -> None:
        """Simulate the prediction; end early when it is cancelled or when ``gone`` returns True."""
        started = time.monotonic()
        prediction.begin()
        self._post_webhook(prediction, "start")
        try:
            self._sample(prediction, gone)
        finally:
            prediction.seconds, prediction.completed_at = time.monotonic() - started, timestamp()
            self._post_webhook(prediction, "output")
            self._post_webhook(prediction, "completed")
            prediction.ended.set()

    def _sample(self, prediction: Prediction, gone: Callable[[], bool]) -> None:
        faults, prompt = self.mock.faults, prediction.prompt
        seed = prediction.input.get("random_seed", prediction.input.get("seed"))
        seed = random.getrandbits(31) if seed is None or seed < 0 else seed
        prediction.log += f"Using seed: {seed}\n"
        if faults.take("oom", prompt, default=("*explode*",)) or "explode" in prompt:
            self._fail(prediction, "CUDA out of memory. Tried to allocate 2.00 GiB")
            return
        if faults.take("run_error", prompt):
            self._fail(prediction, "")
            return
        steps = count_steps(prompt)
        mute = faults.take("mute_log", prompt) is not None
        posted_at = time.monotonic()
        for step in range(1, steps + 1):
            if self.mock.clock.wait(STEP_S) or prediction.cancelled.is_set() or gone():
                prediction.status = "canceled"
                prediction.log = "" if self.newest else prediction.log
                return
            prediction.log += "" if mute else f"DDIM Sampler: {step * 100 // steps}%|{step}/{steps}\n"
            if time.monotonic() - posted_at >= self.mock.clock.seconds(WEBHOOK_PAUSE_S):
                posted_at = time.monotonic()
                self._post_webhook(prediction, "logs")
        if faults.take("cancelled_elsewhere", prompt):
            prediction.status = "canceled"
            return
        prediction.output = self._output(prediction, int(seed))
        prediction.status = "succeeded"

    def _fail(self, prediction: Prediction, text: str) -> None:
        prediction.status = "failed"
        prediction.error = (
            f"Prediction failed: Prediction failed: RuntimeError: {text}" if self.newest and text else text
        )
        if not self.newest:
            prediction.log += f"Traceback (most recent call last):\nRuntimeError: {text}\n"

    def _output(self, prediction: Prediction, seed: int) -> str | None:
        seconds = next((float(prediction.input[name]) for name in _SECONDS if name in prediction.input), 5.0)
        data = effect_wave(prediction.prompt, min(seconds, 60.0), rate=RATE, seed=seed)
        fault = next(
            (each for kind in _OUTPUT_FAULTS if (each := self.mock.faults.take(kind, prediction.prompt))), None
        )
        if fault is not None and fault.kind == "no_sound":
            return None
        if fault is not None:
            data = _OUTPUT_FAULTS[fault.kind]
        if not self.newest and (not prediction.waits):
            return self._file(data)
        media_type = "audio/wav" if self.newest else "audio/x-wav"
        return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

    def _file(self, data: bytes) -> str:
        """Write the sound to a file, as the older server does for a prediction in the background; return its path."""
        with self._lock:
            self._folder = self._folder or Path(tempfile.mkdtemp(prefix="mock-cog-"))
            path = self._folder / f"{random.getrandbits(40):010x}.wav"
        path.write_bytes(data)
        return str(path)

    def _state(self, prediction: Prediction) -> dict[str, Any]:
        if self.newest:
            return prediction.describe()
        return prediction.describe_old(None if self.image is None else IMAGES[self.image][0])

    def _post_webhook(self, prediction: Prediction, event: str) -> None:
        """Post the state to the prediction's webhook, if it has one for this event and it is on this machine."""
        if (
            not prediction.webhook
            or event not in prediction.events
            or (event == "output" and not (self.newest and prediction.output))
        ):
            return
        state = self._state(prediction)
        if event in ("start", "output"):
            state |= {"status": "processing", "metrics": {}} if self.newest else {}
        state.pop("input", None) if self.newest else None
        if event == "output":
            state["output"] = [prediction.output]
        if not self.newest:
            nothing = [name for name in ("version", "completed_at", "error", "metrics") if state[name] is None]
            state = {name: value for name, value in state.items() if name not in nothing}
            if prediction.waits and prediction.output is not None:
                state["output"] = self._file(b"RIFF\0\0\0\0WAVE")
        url = urllib.parse.urlsplit(str(prediction.webhook))
        if not is_loopback(url.hostname):
            return
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=5)
            with contextlib.closing(connection):
                connection.request("POST", url.path, json.dumps(state), {"Content-Type": "application/json"})
                connection.getresponse().read()


_OUTPUT_FAULTS = {
    "no_sound": b"",
    "bad_sound": b"<html>sign in</html>",
    "broken_sound": b"RIFF\0\0\0\0WAVEjunk",
    "flac_sound": b"fLaC" + bytes(64),
}
