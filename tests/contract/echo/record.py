"""Record what the server answers: ``python record.py http://127.0.0.1:8190 recordings/echo-1.4``.

One JSON line for each request and each answer, as in all of ``tests/recordings``. A scenario asks for everything that
the client will rely on, the refusals too.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Recorder:
    """Makes requests of one server and keeps the lines."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = time.monotonic()
        self.lines: list[dict[str, Any]] = []

    def call(self, method: str, path: str, payload: Any = None) -> Any:
        """Make one request and return the answer's JSON, None if it has none."""
        body = None if payload is None else json.dumps(payload).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._keep("send", method=method, path=path, headers=headers, json=payload)
        request = urllib.request.Request(self._url + path, body, headers, method=method)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            text = answer.read().decode()
        data = json.loads(text) if answer.headers.get_content_type() == "application/json" else None
        told = {"text": text} if data is None else {"json": data}
        self._keep("recv", status=answer.status, headers=[list(pair) for pair in answer.headers.items()], **told)
        return data

    def _keep(self, direction: str, **said: Any) -> None:
        passed = round(time.monotonic() - self._began, 3)
        self.lines.append({"t": passed, "dir": direction, "channel": "http", **said})


def say(recorder: Recorder) -> None:
    """A text is said: who the server is, a job from its beginning to its file."""
    recorder.call("GET", "/version")
    recorder.call("POST", "/jobs", {"id": "job-1", "text": "Anybody there?", "times": 3})
    while recorder.call("GET", "/jobs/job-1")["state"] != "done":
        time.sleep(0.05)  # noqa: TID251 - it is another program's time that passes
    recorder.call("GET", "/files/job-1.txt")


def refuse(recorder: Recorder) -> None:
    """What the server refuses, what it does not know, and a cancel."""
    recorder.call("POST", "/jobs", {"id": "job-2", "text": "Anybody there?", "times": 0})
    recorder.call("GET", "/jobs/job-2")
    recorder.call("DELETE", "/jobs/job-2")
    recorder.call("POST", "/jobs", {"id": "job-3", "text": "Anybody there?", "times": 1000})
    recorder.call("DELETE", "/jobs/job-3")
    recorder.call("GET", "/jobs/job-3")


SCENARIOS: tuple[Callable[[Recorder], None], ...] = (say, refuse)


def record(url: str, folder: Path) -> None:
    """Write one file for each scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in SCENARIOS:
        recorder = Recorder(url)
        scenario(recorder)
        lines = [f"{json.dumps(line)}\n" for line in recorder.lines]
        (folder / f"{scenario.__name__}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    record(sys.argv[1], Path(sys.argv[2]))
