"""A mock Cog server that makes sounds, of either generation: 0.23 (Rust) or 0.9 (Python, mute while a call waits)."""

import base64
import contextlib
import datetime
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
from typing import TYPE_CHECKING, Any

from ..http.responses import Request, Response
from ..media.sound import effect_wave
from .cog_schemas import IMAGES, document, problems

if TYPE_CHECKING:
    from .server import MockAudioLDM

STEP_S = 0.2
STEPS, SLOW_STEPS, ENDLESS_STEPS = 5, 40, 100_000
WEBHOOK_PAUSE_S = 0.5
RATE = 16_000
NEWEST, OLDER = "0.23.1", "0.9.25"

_SECONDS = ("duration", "seconds_total")


class Run:
    """One prediction: its ``state`` as the server shows it."""

    def __init__(self, run_id: str | None, body: Mapping[str, Any]) -> None:
        self.id = run_id
        self.input: dict[str, Any] = dict(body.get("input") or {})
        self.webhook = body.get("webhook")
        self.events = body.get("webhook_events_filter") or ["start", "output", "logs", "completed"]
        self.status = "starting"
        self.log = ""
        self.error: str | None = None
        self.output: str | None = None
        self.seconds = 0.0
        self.started_at = self.completed_at = ""
        self.cancelled = threading.Event()
        self.ended = threading.Event()
        self.waits = False

    @property
    def prompt(self) -> str:
        """What is to be heard."""
        return str(self.input.get("text") or self.input.get("prompt") or "")


class CogServer:
    """The routes and the one run at a time of a mock server, for which it works."""

    def __init__(self, mock: "MockAudioLDM", version: str, image: str | None) -> None:
        self.mock = mock
        self.version = version
        self.newest = version != OLDER
        self.image = image
        self._lock = threading.Lock()
        self._run: Run | None = None
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
        """The answer where no route fits."""
        allowed = self.mock.methods(request.path)
        status = 405 if allowed else 404
        if self.newest:
            return Response(status, b"", {"allow": ", ".join(allowed)} if allowed else {})
        response = Response.json({"detail": "Method Not Allowed" if allowed else "Not Found"}, status)
        if allowed:
            response.headers["allow"] = ", ".join(allowed)
        return response

    def hold(self) -> None:
        """Keeps a request of the older server waiting while another call waits for a sound: it serves nobody else."""
        run = self._run
        if not self.newest and run is not None and run.waits:
            run.ended.wait()

    def stop(self) -> None:
        """Ends the run."""
        with self._lock:
            run, workers, folder = self._run, self._workers, self._folder
            self._workers, self._folder = [], None
        if run is not None:
            run.cancelled.set()
        for worker in workers:
            worker.join(1.0)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    # Small answers

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
        setup: dict[str, Any] = {"started_at": _now(), "completed_at": _now()}
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
        run = self._run
        if run is None or run.ended.is_set() or run.id != request.parts["id"]:
            return Response.json({}, 404)
        if not self.mock.faults.take("ignore_cancel", run.prompt):
            run.cancelled.set()
        return Response.json({})

    # Runs

    def _create(self, request: Request) -> Response:
        try:
            body = request.json()
        except ValueError as problem:
            return self._no_json(problem)
        refusal, run_id = self._refusal(request, body)
        if refusal is not None:
            return refusal
        respond_at_once = request.headers.get("Prefer") == "respond-async"
        run = Run(run_id, body)
        with self._lock:
            if not self._free() or self.mock.faults.take("busy", run.prompt):
                busy = {"error": "At capacity - all prediction slots busy", "status": "failed"}
                return Response.json(busy if self.newest else {"detail": "Already running a prediction"}, 409)
            self._run = run
            run.waits = not respond_at_once
        if respond_at_once:
            worker = threading.Thread(
                target=self._work, args=(run, lambda: False), name="mock-audioldm-run", daemon=True
            )
            self._workers.append(worker)
            if not self.newest:
                self._begin(run)
            answer = Response.json(self._state(run), 202)
            worker.start()
            return answer
        self._work(run, request.gone if self.newest else lambda: False)
        return Response.json(self._state(run))

    def _refusal(self, request: Request, body: Mapping[str, Any]) -> tuple[Response | None, str | None]:
        """Why a run is not begun, or the state of the one that is under way under this id; and its id."""
        place = request.parts.get("id")
        run_id = place or body.get("id") or (f"pred_{random.getrandbits(64):016x}" if self.newest else None)
        if place and body.get("id", place) != place:
            words = "prediction ID must match the ID supplied in the URL"
            return Response.json(
                {"detail": [{"loc": ["body", "id"], "msg": words, "type": "value_error"}]}, 422
            ), run_id
        if self.newest and request.headers.get("Accept") == "text/event-stream":
            words = "This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE."
            return Response.json({"error": words}, 406), run_id
        run = self._run
        if self.newest and place and run is not None and run.id == place and not run.ended.is_set():
            return Response.json(self._state(run), 202), run_id
        found = problems(self.image, body.get("input") or {}, newest=self.newest) if self.image is not None else []
        if found and not self.newest and body.get("input") is None:
            return Response.json({"detail": "1 validation error for PredictionResponse"}, 500), run_id
        if not self.newest and body.get("webhook") and "://" not in str(body["webhook"]):
            words = "invalid or missing URL scheme"
            found.append({"loc": ["body", "webhook"], "msg": words, "type": "value_error.url.scheme"})
        if found:
            return Response.json({"detail": found}, 422), run_id
        if not self.newest and place and run is not None and run.id == place and not run.ended.is_set():
            return Response.json(self._state(run), 202), run_id
        return None, run_id

    def _no_json(self, problem: ValueError) -> Response:
        if self.newest:
            return Response.text(f"Failed to parse the request body as JSON: {problem}", 400)
        return Response.json(
            {"detail": [{"loc": ["body", 1], "msg": str(problem), "type": "value_error.jsondecode"}]}, 422
        )

    def _free(self) -> bool:
        return self._run is None or self._run.ended.is_set()

    def _begin(self, run: Run) -> None:
        run.status = "processing"
        run.started_at = run.started_at or _now()

    def _work(self, run: Run, gone: Callable[[], bool]) -> None:
        """Pretends to make the sound; ends early when it is cancelled or, where that counts, nobody waits any more."""
        started = time.monotonic()
        self._begin(run)
        self._tell(run, "start")
        try:
            self._sample(run, gone)
        finally:
            run.seconds, run.completed_at = time.monotonic() - started, _now()
            self._tell(run, "output")
            self._tell(run, "completed")
            run.ended.set()

    def _sample(self, run: Run, gone: Callable[[], bool]) -> None:
        faults, prompt = self.mock.faults, run.prompt
        seed = run.input.get("random_seed", run.input.get("seed"))
        seed = random.getrandbits(31) if seed is None or seed < 0 else seed
        run.log += f"Using seed: {seed}\n"
        if faults.take("oom", prompt, default=("*explode*",)) or "explode" in prompt:
            self._fail(run, "CUDA out of memory. Tried to allocate 2.00 GiB")
            return
        if faults.take("run_error", prompt):
            self._fail(run, "")
            return
        steps = ENDLESS_STEPS if "endless" in prompt else SLOW_STEPS if "slow" in prompt else STEPS
        mute = faults.take("mute_log", prompt) is not None
        told = time.monotonic()
        for step in range(1, steps + 1):
            if self.mock.pace.wait(STEP_S) or run.cancelled.is_set() or gone():
                run.status = "canceled"
                run.log = "" if self.newest else run.log
                return
            run.log += "" if mute else f"DDIM Sampler: {step * 100 // steps}%|{step}/{steps}\n"
            if time.monotonic() - told >= self.mock.pace.seconds(WEBHOOK_PAUSE_S):
                told = time.monotonic()
                self._tell(run, "logs")
        if faults.take("cancelled_elsewhere", prompt):
            run.status = "canceled"
            return
        run.output = self._output(run, int(seed))
        run.status = "succeeded"

    def _fail(self, run: Run, words: str) -> None:
        run.status = "failed"
        run.error = f"Prediction failed: Prediction failed: RuntimeError: {words}" if self.newest and words else words
        if not self.newest:
            run.log += f"Traceback (most recent call last):\nRuntimeError: {words}\n"

    def _output(self, run: Run, seed: int) -> str | None:
        seconds = next((float(run.input[name]) for name in _SECONDS if name in run.input), 5.0)
        data = effect_wave(run.prompt, min(seconds, 60.0), rate=RATE, seed=seed)
        fault = next((each for kind in _OUTPUT_FAULTS if (each := self.mock.faults.take(kind, run.prompt))), None)
        if fault is not None and fault.kind == "no_sound":
            return None
        if fault is not None:
            data = _OUTPUT_FAULTS[fault.kind]
        if not self.newest and (not run.waits):
            return self._file(data)
        media_type = "audio/wav" if self.newest else "audio/x-wav"
        return f"data:{media_type};base64,{base64.b64encode(data).decode()}"

    def _file(self, data: bytes) -> str:
        """Leaves the sound in a file, as the older server does when it works in the background."""
        with self._lock:
            self._folder = self._folder or Path(tempfile.mkdtemp(prefix="mock-cog-"))
            path = self._folder / f"{random.getrandbits(40):010x}.wav"
        path.write_bytes(data)
        return str(path)

    # What a run looks like

    def _state(self, run: Run) -> dict[str, Any]:
        return self._new_state(run) if self.newest else self._old_state(run)

    def _new_state(self, run: Run) -> dict[str, Any]:
        if run.status == "starting":
            return {"id": run.id, "status": "starting"}
        state: dict[str, Any] = {"id": run.id, "logs": run.log, "metrics": {}, "status": run.status}
        if run.status == "processing":
            state["input"] = dict(sorted({"random_seed": None, **run.input}.items()))
        else:
            state["metrics"] = {"predict_time": run.seconds}
        if run.output is not None:
            state["output"] = run.output
        if run.error is not None:
            state["error"] = run.error
        return dict(sorted(state.items()))

    def _old_state(self, run: Run) -> dict[str, Any]:
        defaults = {"text": None, "duration": "5.0", "guidance_scale": 2.5, "random_seed": None, "n_candidates": 3}
        over = run.status not in ("starting", "processing")
        return {
            "input": {**defaults, **{name: each for name, each in run.input.items() if self._declares(name)}},
            "output": run.output,
            "id": run.id,
            "version": None,
            "created_at": None,
            "started_at": run.started_at or None,
            "completed_at": run.completed_at if over else None,
            "logs": run.log,
            "error": run.error,
            "status": run.status,
            "metrics": {"predict_time": run.seconds} if over and run.error is None else None,
            "webhook_events_filter": run.events,
            "output_file_prefix": None,
            "webhook": run.webhook,
        }

    def _declares(self, name: str) -> bool:
        return self.image is None or name in IMAGES[self.image][0]

    def _tell(self, run: Run, event: str) -> None:
        """Posts the state to the run's webhook, if it wants to hear of this."""
        if not run.webhook or event not in run.events or (event == "output" and not (self.newest and run.output)):
            return
        state = self._state(run)
        if event in ("start", "output"):
            state |= {"status": "processing", "metrics": {}} if self.newest else {}
        state.pop("input", None) if self.newest else None
        if event == "output":
            state["output"] = [run.output]
        if not self.newest:
            nothing = [name for name in ("version", "completed_at", "error", "metrics") if state[name] is None]
            state = {name: value for name, value in state.items() if name not in nothing}
            if run.waits and run.output is not None:
                state["output"] = self._file(b"RIFF\0\0\0\0WAVE")
        url = urllib.parse.urlsplit(str(run.webhook))
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


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()
