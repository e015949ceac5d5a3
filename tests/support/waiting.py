"""Waiting for what no event tells of."""

from __future__ import annotations

import threading
from collections.abc import Callable

GUARD_S = 20.0
TICK_S = 0.01


def eventually(ready: Callable[[], object]) -> bool:
    """Return whether ``ready`` has come true within the guard's time."""
    tick = threading.Event()
    return any(ready() or tick.wait(TICK_S) for _ in range(int(GUARD_S / TICK_S)))
