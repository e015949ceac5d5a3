"""The Echo server, as somebody else might have written it: ``python program.py 8190``."""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

STEP_S = 0.05


class Job:
    """A text that is being said."""

    def __init__(self, job_id: str, text: str, times: int) -> None:
        self.id, self.text, self.times = job_id, text, times
        self.began, self.cancelled_at = time.monotonic(), 0.0

    def report(self) -> dict[str, Any]:
        """Return how far it is."""
        said = min(self.times, int(((self.cancelled_at or time.monotonic()) - self.began) / STEP_S))
        state = "cancelled" if self.cancelled_at else "done" if said == self.times else "running" if said else "queued"
        file = f"{self.id}.txt" if state == "done" else None
        return {"id": self.id, "state": state, "said": said, "times": self.times, "file": file, "error": None}


class Handler(BaseHTTPRequestHandler):
    """The routes."""

    protocol_version = "HTTP/1.1"
    server_version = "echo/1.4"
    jobs: ClassVar[dict[str, Job]] = {}

    def do_GET(self) -> None:
        _, kind, *rest = self.path.split("/")
        job = self.jobs.get(rest[0].removesuffix(".txt")) if rest else None
        if kind == "version":
            self.answer(200, {"program": "echo", "version": "1.4"})
        elif job is None:
            self.answer(404, {"error": "no such job"})
        elif kind == "jobs":
            self.answer(200, job.report())
        else:
            self.answer(200, f"{job.text}\n" * job.times)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not 1 <= asked["times"] <= 10_000:
            self.answer(400, {"error": "times must be between 1 and 10000"})
            return
        job = self.jobs[asked["id"]] = Job(asked["id"], asked["text"], asked["times"])
        self.answer(201, job.report())

    def do_DELETE(self) -> None:
        job = self.jobs.get(self.path.split("/")[-1])
        if job is None:
            self.answer(404, {"error": "no such job"})
            return
        job.cancelled_at = job.cancelled_at or time.monotonic()
        self.answer(200, job.report())

    def answer(self, status: int, data: dict[str, Any] | str) -> None:
        """Send JSON, or a text as a file."""
        body = (data if isinstance(data, str) else json.dumps(data)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(data, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
