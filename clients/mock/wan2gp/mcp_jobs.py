"""One job of a mock MCP server of WanGP: its events and its result, in the program's form."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from .generation_task import Command, TaskRunner
from .task import Refused, Task

CONSOLE = (
    "                    INFO     Processing request of type            server.py:619",
    "                             CallToolRequest                                    ",
)
"""The program's own log lines of each request, which it adds to the events."""
PHASES = (("Encoding", "encoding_text", 18), ("VAE", "decoding", 95), ("Aborting", "cancelled", 90))
TICK_S = 0.02


class Job:
    """One job of ``MockWan2GPMCP``. Its methods are called under the server's lock."""

    def __init__(self, job_id: str, task: Task, lists_items: bool) -> None:
        self.id = job_id
        self.files: list[str] = []
        self.runner: TaskRunner | None = None
        self.restarting = False
        self.task = task
        self._lists_items = lists_items
        self._created = self._updated = time.time()
        self._events: list[dict[str, Any]] = []
        self._result: dict[str, Any] | None = None
        self._cancelling = False
        self._error: dict[str, Any] | None = None
        self._refused: Refused | None = None
        self._reported = False
        self._add("started", {"tasks": 1})

    @property
    def done(self) -> bool:
        return self._result is not None

    @property
    def refused(self) -> bool:
        """True if the settings were refused, so that nothing runs."""
        return self.done or self._refused is not None

    def check(self) -> None:
        """End the job if the program refuses its settings: at once for an unknown model, else at the second request."""
        if self.task.model is None:
            self._fail("'NoneType' object has no attribute 'get'", "runtime", None)
            self._finish(cancelled=False)
            return
        try:
            self.task.check()
        except Refused as error:
            self._refused = error

    def start(self, runner: TaskRunner) -> None:
        self.runner = runner.start()

    def cancel(self) -> None:
        if self.runner is not None and not self.done:
            self._cancelling = True
            self.runner.abort()

    def wait(self, seconds: float, stopping: threading.Event, lock: Any, limit: Any) -> dict[str, Any]:
        """Wait up to ``seconds`` for the end, without holding ``lock``; return a snapshot."""
        deadline = time.monotonic() + seconds
        while True:
            with lock:
                snapshot = self.snapshot(limit)
            if self.done or time.monotonic() >= deadline or stopping.wait(TICK_S):
                return snapshot

    def console(self) -> None:
        """Add the console lines that a request to the server leaves among the events."""
        if not self.done:
            for text in CONSOLE:
                self._add("stream", {"stream": "stderr", "text": text})

    def collect(self) -> None:
        """Handle the runner's new commands."""
        if self._refused is not None and self._reported and not self.done:
            self._fail(str(self._refused), "validation", 1)
            self._finish(cancelled=False)
        while self.runner is not None and not self.done:
            try:
                self._handle(self.runner.commands.get_nowait())
            except queue.Empty:
                return

    def snapshot(self, limit: Any = None, items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Describe the job, with its newest events."""
        self.collect()
        self._reported = True
        result = self._result
        if result is not None and self._lists_items:
            result = {**result, "gallery_items": items or []}
        return {
            "job_id": self.id,
            "done": self.done,
            "cancel_requested": self._cancelling,
            "webui_submission_ready": False,
            "webui_load_queue_token": "",
            "created_at": self._created,
            "updated_at": self._updated,
            "events": self._events[-max(1, min(500, int(limit or 20))) :],
            "result": result,
        }

    # Events

    def _add(self, kind: str, data: Any) -> None:
        self._updated = time.time()
        self._events.append({"kind": kind, "timestamp": self._updated, "data": data})
        del self._events[:-2000]

    def _handle(self, command: Command) -> None:
        if command.kind == "status":
            self._add("status", command.data)
        elif command.kind == "progress":
            self._progress(*command.data)
        elif command.kind == "preview":
            last: dict[str, Any] = next(
                (each["data"] for each in reversed(self._events) if each["kind"] == "progress"), {}
            )
            known = {key: last.get(key) for key in ("phase", "status", "progress", "current_step", "total_steps")}
            self._add("preview", {"has_image_preview": True, **known})
        elif command.kind == "output":
            self._add("output", None)
        elif command.kind == "error":
            self._fail(command.data, "generation", 1)
        elif command.kind == "restart":
            self.restarting = True
        else:
            self._finish(cancelled=bool(command.data))

    def _progress(self, index: int, length: int | None, text: str) -> None:
        raw = text.partition(" | ")[0].rpartition(" - ")[2]
        phase, percent = "inference", 20 if not length else 20 + round(70 * index / length)
        for start, name, fixed in PHASES:
            if raw.startswith(start):
                phase, percent = name, fixed
        for number, ordinal in enumerate(("First", "Second", "Third"), 1):
            if ordinal in raw:
                phase = f"inference_stage_{number}"
        step = None if length is None else index
        progress = {"phase": phase, "status": text, "progress": percent, "current_step": step, "total_steps": length}
        self._add("progress", {**progress, "raw_phase": raw, "unit": None})

    def _fail(self, message: str, stage: str, index: int | None, *, cancelled: bool = False) -> None:
        self._error = {
            "message": message, "task_index": index, "task_id": index, "stage": stage, "cancelled": cancelled,
        }  # fmt: skip
        self._add("error", dict(self._error))

    def _finish(self, *, cancelled: bool) -> None:
        if cancelled:
            self._fail("Generation was cancelled", "cancelled", 1, cancelled=True)
        error = self._error
        failed = error is not None and error["task_index"] is not None
        self._result = {
            "success": error is None,
            "cancelled": cancelled,
            "generated_files": [f"/srv/wan2gp/outputs/{name}" for name in self.files],
            "errors": [] if error is None else [error],
            "total_tasks": 1,
            "successful_tasks": 1 if error is None else 0,
            "failed_tasks": 1 if failed else 0,
            "artifacts": [],
            "gallery_items": [],
        }
        reported = {key: value for key, value in self._result.items() if key != "gallery_items"}
        self._add("completed", reported)
