"""One conversion at a time on each server: its loaded voice and its settings belong to everybody who asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from ..transport.session import Scope

LOOK_AGAIN_S = 1.0
"""How often a waiting job looks whether its own time is over; everything else wakes it."""


class Turns:
    """The turns of one server, shared by all clients of this process."""

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


_known: WeakValueDictionary[str, Turns] = WeakValueDictionary()
_lock = threading.Lock()


def turns_of(server: str) -> Turns:
    """Return the turns of the server at that address."""
    with _lock:
        turns = _known.get(server)
        if turns is None:
            turns = _known[server] = Turns()
        return turns
