"""One prediction of a mock Cog server, and its state in the format of each generation of the server."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Collection, Mapping
from typing import Any


class Prediction:
    """One prediction. ``waits``: the request that created it waits for its end."""

    def __init__(self, prediction_id: str | None, body: Mapping[str, Any]) -> None:
        self.id = prediction_id
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
        return str(self.input.get("text") or self.input.get("prompt") or "")

    def begin(self) -> None:
        self.status = "processing"
        self.started_at = self.started_at or timestamp()

    def describe(self) -> dict[str, Any]:
        """Describe the prediction as version 0.23 does."""
        if self.status == "starting":
            return {"id": self.id, "status": "starting"}
        state: dict[str, Any] = {"id": self.id, "logs": self.log, "metrics": {}, "status": self.status}
        if self.status == "processing":
            state["input"] = dict(sorted({"random_seed": None, **self.input}.items()))
        else:
            state["metrics"] = {"predict_time": self.seconds}
        if self.output is not None:
            state["output"] = self.output
        if self.error is not None:
            state["error"] = self.error
        return dict(sorted(state.items()))

    def describe_old(self, inputs: Collection[str] | None) -> dict[str, Any]:
        """Describe the prediction as version 0.9 does; ``inputs`` are the declared ones, None: all."""
        defaults = {"text": None, "duration": "5.0", "guidance_scale": 2.5, "random_seed": None, "n_candidates": 3}
        declared = {name: each for name, each in self.input.items() if inputs is None or name in inputs}
        over = self.status not in ("starting", "processing")
        return {
            "input": {**defaults, **declared},
            "output": self.output,
            "id": self.id,
            "version": None,
            "created_at": None,
            "started_at": self.started_at or None,
            "completed_at": self.completed_at if over else None,
            "logs": self.log,
            "error": self.error,
            "status": self.status,
            "metrics": {"predict_time": self.seconds} if over and self.error is None else None,
            "webhook_events_filter": self.events,
            "output_file_prefix": None,
            "webhook": self.webhook,
        }


def timestamp() -> str:
    """Return the time in Cog's format."""
    return datetime.datetime.now(datetime.UTC).isoformat()
