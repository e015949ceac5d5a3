"""Waiting for what another thread or process does, where no event tells of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HANG_GUARD_S = 60.0
"""After so many seconds a test says that what it waits for does not come.

Ten times what the slowest test waits for on busy cores: a machine under load is slow, only what hangs takes this long.
"""

TICK_S = 0.005


def wait_for(condition: Callable[[], T], seconds: float = HANG_GUARD_S) -> T:
    """Return the first true value of ``condition``; fail if there is none within ``seconds``."""
    deadline, tick = time.monotonic() + seconds, threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "what the test waits for did not come"
        tick.wait(TICK_S)
    return value
