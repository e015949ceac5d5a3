"""Ctrl-C in the terminal while the main thread waits for a job."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Interrupted(Exception):
    """The user pressed Ctrl-C in the terminal."""


@contextlib.contextmanager
def noticed_interrupts() -> Iterator[threading.Event]:
    """Note Ctrl-C instead of dying of it; Blender in the background would only set a flag of its own."""
    import signal

    noticed = threading.Event()
    try:
        before = signal.signal(signal.SIGINT, lambda *_arguments: noticed.set())
    except ValueError:  # not the main thread: signals are not ours to take
        yield noticed
        return
    try:
        yield noticed
    finally:
        signal.signal(signal.SIGINT, before)
