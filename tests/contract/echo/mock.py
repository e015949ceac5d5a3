"""A mock Echo server, held to recordings/echo-1.4."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from movie_director.clients.mock.http.responses import Request, Response
from movie_director.clients.mock.http.server import MockServer

STEP_S = 0.05


@dataclass
class Saying:
    """A text that is being said; ``stopped_at`` on the monotonic clock, 0 while it is not cancelled."""

    id: str
    text: str
    times: int
    began: float
    failure: str | None
    stopped_at: float = 0.0


class MockEcho(MockServer):
    """Echo 1.4. Faults on a text: ``oom`` and ``run_error`` make its job fail, ``ignore_cancel`` lets it go on."""

    name = "echo"
    server_header = "echo/1.4"

    def __init__(self, **options: Any) -> None:
        self._jobs: dict[str, Saying] = {}
        self._lock = threading.Lock()
        super().__init__(**options)

    def add_routes(self) -> None:
        """Add the routes of Echo."""
        self.route("GET", "/version", lambda _: Response.json({"program": "echo", "version": "1.4"}))
        self.route("POST", "/jobs", self._post)
        self.route("GET", "/jobs/{id}", lambda request: self._answer(self._job(request)))
        self.route("DELETE", "/jobs/{id}", self._delete)
        self.route("GET", "/files/{id}", self._file)

    def forget_jobs(self) -> None:
        """Do as if the server had been restarted."""
        with self._lock:
            self._jobs.clear()

    def _post(self, request: Request) -> Response:
        asked = request.json()
        if not 1 <= asked["times"] <= 10_000:
            return Response.json({"error": "times must be between 1 and 10000"}, 400)
        failure = None
        if self.faults.take("oom", asked["text"]):
            failure = "out of memory"
        elif self.faults.take("run_error", asked["text"]):
            failure = ""
        job = Saying(asked["id"], asked["text"], asked["times"], time.monotonic(), failure)
        with self._lock:
            self._jobs[job.id] = job
        return self._answer(job, 201)

    def _delete(self, request: Request) -> Response:
        job = self._job(request)
        if job is not None and not self.faults.take("ignore_cancel", job.text):
            job.stopped_at = job.stopped_at or time.monotonic()
        return self._answer(job)

    def _file(self, request: Request) -> Response:
        job = self._job(request)
        return self._answer(None) if job is None else Response.text(f"{job.text}\n" * job.times)

    def _job(self, request: Request) -> Saying | None:
        with self._lock:
            return self._jobs.get(request.parts["id"].removesuffix(".txt"))

    def _answer(self, job: Saying | None, status: int = 200) -> Response:
        if job is None:
            return Response.json({"error": "no such job"}, 404)
        passed = (job.stopped_at or time.monotonic()) - job.began
        step_s = self.clock.seconds(STEP_S)
        said = min(job.times, int(passed / step_s)) if step_s else job.times
        state = "done" if said == job.times else "running" if said else "queued"
        if job.stopped_at:
            state = "cancelled"
        elif job.failure is not None and said:
            state = "failed"
        file = f"{job.id}.txt" if state == "done" else None
        error = job.failure if state == "failed" else None
        told = {"id": job.id, "state": state, "said": said, "times": job.times, "file": file, "error": error}
        return Response.json(told, status)
