"""Parses the log of a running model: progress and seed."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..core.context import JobContext

_PERCENT = re.compile(r"(\d{1,3})%\|(?:[^\n\r|]*\|)?\s*(?:(\d+)/(\d+))?")
_STEPS = re.compile(r"(?:step|sampl|iter)\D{0,20}\b(\d{1,6})/(\d{1,6})\b|\b(\d{1,6})/(\d{1,6}) ?\[", re.IGNORECASE)
_SEED = re.compile(r"\bseed\b\W{0,4}(?:is |= ?|: ?)?(\d{1,19})", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\r\n]+")

STAGE = "Generating"


class LogReader:
    """Follows one run's log, which each response contains from its start; ``redact`` removes secrets."""

    def __init__(self, job: JobContext, redact: Callable[[str], str]) -> None:
        self._job = job
        self._redact = redact
        self._seen = ""
        self._reported = False

    @property
    def has_progress(self) -> bool:
        """True once the log has shown progress."""
        return self._reported

    @property
    def seed(self) -> int | None:
        """The seed in the log, None if there is none."""
        found = _SEED.search(self._seen)
        return int(found[1]) if found else None

    @property
    def last_line(self) -> str:
        """The last line with content."""
        lines = [each for each in _LINE_ENDS.split(self._seen) if each.strip()]
        return lines[-1].strip() if lines else ""

    def take(self, log: object) -> None:
        """Update with the current log."""
        if not isinstance(log, str) or self._seen.startswith(log := self._redact(log)):
            return  # nothing new, or older than the last response
        new = log[len(self._seen) :] if log.startswith(self._seen) else log
        self._seen = log
        for line in _LINE_ENDS.split(new):
            if line.strip():
                self._take_line(line)

    def _take_line(self, line: str) -> None:
        progress = parse_progress(line)
        if progress is None:
            self._job.log(line.rstrip())
            return
        fraction, step, steps = progress
        self._reported = True
        self._job.progress(fraction, step=step, total_steps=steps, stage=STAGE)


def parse_progress(line: str) -> tuple[float, int | None, int | None] | None:
    """Return fraction, step and steps of a progress bar's line such as tqdm's; None for other lines."""
    found = _PERCENT.search(line)
    if found:
        whole = found[2] is not None
        return min(100, int(found[1])) / 100, int(found[2]) if whole else None, int(found[3]) if whole else None
    counted = _STEPS.search(line)
    if counted:
        step, steps = (int(each) for each in counted.groups() if each is not None)
        if 0 < steps >= step:
            return step / steps, step, steps
    return None
