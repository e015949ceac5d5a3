"""Serialises conversions, and trainings, per server: the loaded voice is global to the server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from ..core.scope import Scope
from ..http.url import ServerURL

LOOK_AGAIN_S = 1.0
"""Poll interval for a waiting job's time limit; everything else wakes it."""


class ServerLock:
    """A lock for one kind of work on one server, shared by all clients of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False

    @property
    def locked(self) -> bool:
        """True while a job holds the lock."""
        return self._taken

    @contextmanager
    def hold(self, scope: Scope) -> Iterator[None]:
        """Wait for the lock and hold it for the block; raises the errors of ``scope.check``."""
        with scope.interrupter.guard(self._wake), self._changed:
            while self._taken:
                scope.check()
                self._changed.wait(LOOK_AGAIN_S)
            scope.check()
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class ServerLocks:
    """The locks of one server: one for conversions, one for trainings."""

    def __init__(self) -> None:
        self.conversions = ServerLock()
        self.trainings = ServerLock()


_locks: WeakValueDictionary[tuple[str, int, str], ServerLocks] = WeakValueDictionary()
_lock = threading.Lock()


def get_locks(server: ServerURL) -> ServerLocks:
    """Return the locks of the server at this address; all names of this machine are one server."""
    host = "localhost" if server.is_loopback else server.host.rstrip(".")
    key = (host, server.port, server.path)
    with _lock:
        server_lock = _locks.get(key)
        if server_lock is None:
            server_lock = _locks[key] = ServerLocks()
        return server_lock
