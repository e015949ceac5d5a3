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
        self._fired = threading.Event()

    @property
    def fired(self) -> bool:
        """True if calls are broken off from now on."""
        return self._fired.is_set()

    def wait(self, seconds: float) -> bool:
        """Pause, until ``fire`` at most; whether it has fired."""
        return self._fired.wait(seconds)

    @contextmanager
    def guard(self, close: Callable[[], None]) -> Iterator[None]:
        """Have ``close`` called if ``fire`` is, or has been, while the block runs. It may be called twice."""
        key = object()
        with self._lock:
            self._closers[key] = close
        try:
            if self.fired:
                _call(close)
            yield
        finally:
            with self._lock:
                del self._closers[key]

    def fire(self) -> None:
        """Break off what blocks now, and whatever is begun under this interrupter from now on."""
        self._fired.set()
        with self._lock:
            closers = list(self._closers.values())
        for close in closers:
            _call(close)


def _call(close: Callable[[], None]) -> None:
    with suppress(Exception):  # one that fails must not keep the others open
        close()
