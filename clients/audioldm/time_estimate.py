"""Estimates progress from the time that earlier sounds took on the same server, for servers that report none."""

from __future__ import annotations

import threading
import time
from collections import deque

from ..core.context import JobContext
from .log_progress import STAGE

REMEMBERED = 5
_AT_ESTIMATE = 0.9


class Estimates:
    """The time that a second of sound takes on one server; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates: deque[float] = deque(maxlen=REMEMBERED)

    def learn(self, work: float, seconds: float) -> None:
        """Record the time for ``work`` (seconds of sound, times candidates)."""
        if work > 0:
            with self._lock:
                self._rates.append(seconds / work)

    def estimate_seconds(self, work: float) -> float | None:
        """Return the estimated time, None without any record."""
        with self._lock:
            rates = sorted(self._rates)
        return rates[len(rates) // 2] * work if rates else None


class Clock:
    """Reports a job's progress from the time since ``start``."""

    def __init__(self, job: JobContext, estimates: Estimates, work: float) -> None:
        self._job = job
        self._estimates = estimates
        self._work = work
        self._mark_started: float | None = None

    def start(self) -> None:
        """Start the clock: the server has begun."""
        if self._mark_started is None:
            self._mark_started = time.monotonic()

    def report(self) -> None:
        """Report the estimated progress."""
        self.start()
        assert self._mark_started is not None
        elapsed, whole = time.monotonic() - self._mark_started, self._estimates.estimate_seconds(self._work)
        if whole is None:
            self._job.progress(None, estimated=True, stage=STAGE)
        else:
            self._job.progress(
                estimate_fraction(elapsed, whole), estimated=True, stage=STAGE, eta_s=max(0.0, whole - elapsed)
            )

    def learn(self) -> None:
        """Record the time that the finished sound took."""
        if self._mark_started is not None:
            self._estimates.learn(self._work, time.monotonic() - self._mark_started)


def estimate_fraction(elapsed: float, whole: float) -> float:
    """Return a fraction that is 0.9 at the end of the estimate and approaches 1 after it."""
    part = elapsed / whole if whole > 0 else 1.0
    return _AT_ESTIMATE * part if part <= 1 else 1 - (1 - _AT_ESTIMATE) / part
