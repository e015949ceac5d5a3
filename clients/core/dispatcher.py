"""Two threads beside the workers: one calls listeners, one breaks off the blocking calls of cancelled jobs.

Breaking off shuts sockets down, which is I/O: the thread that cancels (Blender's main thread) must not do it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from .interrupt import Interrupter
from .job_internals import JobInternals

StartThread = Callable[[Callable[[], None], str], threading.Thread]
"""Starts a daemon thread for a function, named after the role."""


class Dispatcher:
    """The dispatcher and the interrupter of one runner. Thread-safe; starts its threads with their first work."""

    def __init__(self, start_thread: StartThread) -> None:
        self._start_thread = start_thread
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._changed_jobs: SimpleQueue[JobInternals | None] = SimpleQueue()
        self._interrupts: SimpleQueue[Interrupter | None] = SimpleQueue()
        self._ended = False

    def dispatch(self, job: JobInternals) -> None:
        """Have the job's listeners called on the dispatcher thread; on a thread of its own after ``close``."""
        with self._lock:
            if not self._ended:
                self._start()
                self._changed_jobs.put(job)
                return
        self._start_thread(job.dispatch, "late-dispatcher")

    def interrupt(self, interrupter: Interrupter) -> None:
        """Have the interrupter fired on the interrupter thread."""
        with self._lock:
            self._start()
            self._interrupts.put(interrupter)

    def close(self) -> list[threading.Thread]:
        """Let both threads end once their queues are empty, and return them."""
        with self._lock:
            self._ended = self._ended or not self._threads
            self._changed_jobs.put(None)
            self._interrupts.put(None)
            return self._threads

    def _start(self) -> None:
        if not self._threads and not self._ended:
            self._threads = [
                self._start_thread(self._dispatch_jobs, "dispatcher"),
                self._start_thread(self._fire_interrupters, "interrupter"),
            ]

    def _dispatch_jobs(self) -> None:
        while (job := self._changed_jobs.get()) is not None:
            job.dispatch()
        with self._lock:
            self._ended = True
        while not self._changed_jobs.empty():
            last = self._changed_jobs.get()
            if last is not None:
                last.dispatch()

    def _fire_interrupters(self) -> None:
        while (interrupter := self._interrupts.get()) is not None:
            interrupter.fire()
