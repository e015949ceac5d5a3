"""Progress by the clock, for servers that say nothing: against what earlier sounds took on the same server."""

from __future__ import annotations

import threading
import time
from collections import deque

from ..core.context import JobContext
from .log_progress import STAGE

REMEMBERED = 5
_AT_ESTIMATE = 0.9


class Estimates:
    """How long a second of sound takes on one server; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates: deque[float] = deque(maxlen=REMEMBERED)

    def learn(self, work: float, seconds: float) -> None:
        """Remember that ``work`` (seconds of sound, times candidates) took so long."""
        if work > 0:
            with self._lock:
                self._rates.append(seconds / work)

    def seconds_for(self, work: float) -> float | None:
        """Return how long it will take, None while nothing is known."""
        with self._lock:
            rates = sorted(self._rates)
        return rates[len(rates) // 2] * work if rates else None


class Clock:
    """Tells a job's progress from the time since ``start``."""

    def __init__(self, job: JobContext, estimates: Estimates, work: float) -> None:
        self._job = job
        self._estimates = estimates
        self._work = work
        self._started: float | None = None

    def start(self) -> None:
        """The server has begun."""
        if self._started is None:
            self._started = time.monotonic()

    def tell(self) -> None:
        """Say how far the job should be by now."""
        self.start()
        assert self._started is not None
        elapsed, whole = time.monotonic() - self._started, self._estimates.seconds_for(self._work)
        if whole is None:
            self._job.progress(None, estimated=True, stage=STAGE)
        else:
            self._job.progress(
                fraction_after(elapsed, whole), estimated=True, stage=STAGE, eta_s=max(0.0, whole - elapsed)
            )

    def learn(self) -> None:
        """The server has finished: remember how long it took."""
        if self._started is not None:
            self._estimates.learn(self._work, time.monotonic() - self._started)


def fraction_after(elapsed: float, whole: float) -> float:
    """Return a fraction that is 0.9 when the estimate is over and comes ever nearer to 1 after it."""
    part = elapsed / whole if whole > 0 else 1.0
    return _AT_ESTIMATE * part if part <= 1 else 1 - (1 - _AT_ESTIMATE) / part
