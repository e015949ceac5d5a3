"""Reports the events of the MCP server to a job, each once.

Facts: a snapshot has only the newest events, the same ones repeatedly; the server's own log lines are among them as
``stream`` events; the percentage can fall.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...core.context import JobContext
from ...core.json_fields import as_number, get_objects
from ..progress import parse_phase

_NOISE = re.compile(
    r"^(\[\d\d/\d\d/\d\d [\d:]+\])?\s*(INFO\s+Processing request of type|CallToolRequest|ListToolsRequest).*", re.DOTALL
)
_MAX_LINE = 500
_MOST = 1_000_000_000


class EventReporter:
    """Reports events to one job; used by one worker thread."""

    def __init__(self, job: JobContext) -> None:
        self._job = job
        self._seen = 0.0
        self._seen_now: set[int] = set()

    def take(self, events: Any) -> bool:
        """Report the new events of a snapshot; return True if there were any."""
        has_new = False
        for event in get_objects(events):
            if self._is_new(event):
                self._report(str(event.get("kind")), event.get("data"))
                has_new = True
        return has_new

    def _is_new(self, event: Mapping[str, Any]) -> bool:
        """Return True for an event that was not seen before: events have no ids, and several can have the same time."""
        at = as_number(event.get("timestamp"))
        if at is None or at < self._seen:
            return False
        mark = hash(repr(event))
        if at > self._seen:
            self._seen = at
            self._seen_now = {mark}
            return True
        if mark in self._seen_now:
            return False
        self._seen_now.add(mark)
        return True

    def _report(self, kind: str, data: Any) -> None:
        if kind == "progress" and isinstance(data, Mapping):
            self._report_progress(data)
        elif kind in ("status", "info") and isinstance(data, str):
            self._job.message(data[:_MAX_LINE])
            self._log(data)
        elif kind == "stream" and isinstance(data, Mapping):
            self._log(_NOISE.sub("", str(data.get("text") or "")))

    def _report_progress(self, data: Mapping[str, Any]) -> None:
        percent, phase = _number(data.get("progress")), parse_phase(str(data.get("status") or ""))
        step, total = _number(data.get("current_step")), _number(data.get("total_steps"))
        self._job.progress(
            None if percent is None else percent / 100.0,
            step=None if step is None else int(step),
            total_steps=None if total is None else int(total),
            stage=phase.name or str(data.get("phase") or ""),
            eta_s=phase.eta_s,
        )

    def _log(self, text: str) -> None:
        line = text.strip()
        if line:
            self._job.log(line[:_MAX_LINE])


def _number(value: Any) -> float | None:
    return as_number(value, least=0, most=_MOST)
