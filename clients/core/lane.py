"""The lane of one backend: the jobs that wait, run or drain, and the worker threads that take them in order."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import BackendError
from .events import Failed

if TYPE_CHECKING:
    from .context import JobContext
    from .dispatcher import StartThread
    from .hooks import Hooks
    from .interrupt import Interrupter
    from .job_internals import JobInternals

_log = logging.getLogger(__name__)

POSITION_EVENTS = 64
"""Number of waiting jobs that get an event with their new position when a job leaves; ``status`` is exact for all."""


@dataclass(order=True)
class LaneEntry:
    """One job in the lane; ``rank`` orders it: lower first. ``draining`` is set while its cancel is on its way."""

    rank: tuple[int, int]
    job: JobInternals = field(compare=False)
    context: JobContext = field(compare=False)
    rejoin: bool = field(compare=False)
    hooks: Hooks | None = field(default=None, compare=False)
    draining: Interrupter | None = field(default=None, compare=False)


def _failed_to_end(job: JobInternals) -> Failed:
    error = BackendError(
        "Movie Director has an internal error and could not finish the job.",
        code="internal",
        backend=job.backend,
        hint="Please report this with the text in the system console.",
    )
    return Failed(error, job_id=job.id, at=time.time())


class Lane:
    """Thread-safe.

    A worker calls ``process`` with each entry, then ``finish``; it asks ``max_workers`` before each job.
    """

    def __init__(
        self,
        backend: str,
        process: Callable[[LaneEntry], None],
        finish: Callable[[LaneEntry], None],
        max_workers: Callable[[], int],
        start_thread: StartThread,
    ) -> None:
        self._backend = backend
        self._process = process
        self._finish = finish
        self._max_workers = max_workers
        self._start_thread = start_thread
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[LaneEntry] = []
        self._entries: dict[str, LaneEntry] = {}
        self._serial = 0
        self._idle_workers = 0
        self._running = 0
        self._workers: list[threading.Thread] = []
        self.closing = threading.Event()

    # Jobs in and out

    def make_entry(self, job: JobInternals, context: JobContext, priority: int, *, rejoin: bool) -> LaneEntry:
        """Return an entry that comes after all entries of its ``priority`` and before all of a lower one."""
        with self._changed:
            self._serial += 1
            return LaneEntry((-priority, self._serial), job, context, rejoin)

    def position_for(self, entry: LaneEntry) -> int:
        """Return the number of waiting jobs that would come before the entry."""
        with self._changed:
            return bisect_left(self._waiting, entry)

    def add(self, entry: LaneEntry) -> bool:
        """Add an entry and start a worker if needed; return False, without adding it, once the lane is closing."""
        with self._changed:
            if self.closing.is_set():
                return False
            insort(self._waiting, entry)
            self._entries[entry.job.id] = entry
            self._start_worker_if_needed()
            self._changed.notify()
            return True

    def remove_if_not_started(self, entry: LaneEntry) -> bool:
        """Remove a waiting job that was never sent; return False if it runs, has run, or is re-joined."""
        with self._changed:
            at = self._waiting_index(entry)
            if at is None or entry.rejoin:
                return False
            del self._waiting[at]
            return True

    def retire(self, entry: LaneEntry) -> bool:
        """Remove an entry whose job has left the lane; return False if a resumed job has its id now."""
        with self._changed:
            known = self._entries.get(entry.job.id)
            if known is entry:
                del self._entries[entry.job.id]
            self._changed.notify_all()
            return known is None or known is entry

    # Lookups

    def entry(self, job_id: str) -> LaneEntry | None:
        """Return the entry of a job that waits, runs or drains."""
        with self._changed:
            return self._entries.get(job_id)

    def position(self, job_id: str) -> int | None:
        """Return the number of jobs before the job, None if it does not wait here."""
        with self._changed:
            entry = self._entries.get(job_id)
            return None if entry is None else self._waiting_index(entry)

    def busy(self) -> bool:
        """Return True while any job waits, runs or drains."""
        return bool(self._entries)

    def job_ids(self) -> frozenset[str]:
        """Return the ids of the jobs that wait, run or drain."""
        with self._changed:
            return frozenset(self._entries)

    def announce_positions(self) -> None:
        """Send the first waiting jobs their new positions."""
        with self._changed:
            first = self._waiting[:POSITION_EVENTS]
        for position, entry in enumerate(first):
            entry.context.queued(position)

    # The end

    def close(self) -> list[LaneEntry] | None:
        """Accept no more jobs, wake every worker, and return the remaining entries; None if closed before.

        Waiting entries come first: ending a running job first would let its worker take one of them.
        """
        with self._changed:
            if self.closing.is_set():
                return None
            self.closing.set()
            self._changed.notify_all()
            waiting = {entry.job.id for entry in self._waiting}
            return sorted(self._entries.values(), key=lambda entry: entry.job.id not in waiting)

    @property
    def workers(self) -> list[threading.Thread]:
        """The worker threads started so far."""
        return self._workers

    # Workers

    def _waiting_index(self, entry: LaneEntry) -> int | None:
        at = bisect_left(self._waiting, entry)
        return at if at < len(self._waiting) and self._waiting[at] is entry else None

    def _start_worker_if_needed(self) -> None:
        if self._idle_workers >= len(self._waiting) or len(self._workers) >= self._max_workers():
            return
        self._workers.append(self._start_thread(self._work, f"worker-{len(self._workers)}"))

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            self.announce_positions()
            try:
                self._process(entry)
            except BaseException as error:  # noqa: BLE001 - whatever a job raises, its lane goes on
                # the type alone: the failure may be an exception whose text can't be made
                _log.error("Ending a %s job failed: %s", self._backend, type(error).__name__)
                entry.job.end(_failed_to_end(entry.job))
            finally:
                with self._changed:
                    self._running -= 1
                self._finish(entry)

    def _next(self) -> LaneEntry | None:
        with self._changed:
            self._idle_workers += 1
            try:
                while not self._may_begin():
                    self._changed.wait()
                if not self._waiting:
                    return None
                self._running += 1
                return self._waiting.pop(0)
            finally:
                self._idle_workers -= 1

    def _may_begin(self) -> bool:
        """Return True if a worker has something to do; ``max_workers`` may be lower now than when it started."""
        if self.closing.is_set():
            return True
        return bool(self._waiting) and self._running < self._max_workers()
