"""Aborts another thread's blocking I/O."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Interrupter:
    """Aborts the blocking calls of one job.

    Call ``fire`` from another thread than the blocking one, and never from Blender's main thread: it does I/O (it
    shuts sockets down).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closers: dict[object, Callable[[], None]] = {}
        self._fired = threading.Event()

    @property
    def fired(self) -> bool:
        """True once calls are aborted."""
        return self._fired.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait up to ``seconds``, or until ``fire``; return True if it has fired."""
        return self._fired.wait(seconds)

    @contextmanager
    def guard(self, close: Callable[[], None]) -> Iterator[None]:
        """Call ``close`` if ``fire`` is called during the block or was called before; ``close`` may be called twice."""
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
        """Abort all blocking calls under this interrupter, now and later."""
        self._fired.set()
        with self._lock:
            closers = list(self._closers.values())
        for close in closers:
            _call(close)


def _call(close: Callable[[], None]) -> None:
    with suppress(Exception):  # one that fails must not keep the others open
        close()
