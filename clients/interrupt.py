"""Ending another thread's blocking I/O."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Interrupter:
    """Knows how to break off the blocking calls that are under way for one job.

    ``fire`` is called from another thread than the one that blocks; it does I/O (it shuts sockets down), so never
    from Blender's main thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closers: dict[object, Callable[[], None]] = {}
        self.fired = False

    @contextmanager
    def guard(self, close: Callable[[], None]) -> Iterator[None]:
        """Have ``close`` called if ``fire`` is, or has been, while the block runs."""
        key = object()
        with self._lock:
            self._closers[key] = close
            fired = self.fired
        if fired:
            close()
        try:
            yield
        finally:
            with self._lock:
                self._closers.pop(key, None)

    def fire(self) -> None:
        """Break off what blocks now, and whatever is begun under this interrupter from now on."""
        with self._lock:
            self.fired = True
            closers = list(self._closers.values())
        for close in closers:
            with suppress(OSError):
                close()
