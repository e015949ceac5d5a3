"""One conversion, and one training, at a time on each server: what it has loaded belongs to everybody who asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from ..core.scope import Scope
from ..http.url import ServerURL

LOOK_AGAIN_S = 1.0
"""How often a waiting job looks whether its own time is over; everything else wakes it."""


class ServerLock:
    """Turns for one kind of work on one server, shared by all clients of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False

    @property
    def busy(self) -> bool:
        """Whether somebody has his turn now."""
        return self._taken

    @contextmanager
    def turn(self, scope: Scope) -> Iterator[None]:
        """Wait for a turn and keep it for the block; raises what ``scope.check`` does."""
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


class ServerTurns:
    """The turns of one server: those of conversions, and those of trainings, of which it does one at a time too."""

    def __init__(self) -> None:
        self.conversions = ServerLock()
        self.trainings = ServerLock()


_known: WeakValueDictionary[tuple[str, int, str], ServerTurns] = WeakValueDictionary()
_lock = threading.Lock()


def turns_of(server: ServerURL) -> ServerTurns:
    """Return the turns of the server at that address; all names of this machine are one."""
    host = "localhost" if server.is_loopback else server.host.rstrip(".")
    key = (host, server.port, server.path)
    with _lock:
        server_lock = _known.get(key)
        if server_lock is None:
            server_lock = _known[key] = ServerTurns()
        return server_lock
