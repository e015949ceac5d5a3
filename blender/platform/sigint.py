"""Ctrl-C in the terminal while the main thread waits for a job."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Interrupted(Exception):
    """The user pressed Ctrl-C in the terminal."""


@contextlib.contextmanager
def noticed_interrupts() -> Iterator[threading.Event]:
    """Note Ctrl-C instead of dying of it; Blender in the background would only set a flag of its own.

    Blender's handler is written in C, so Python can neither name it nor put it back by ``signal.signal`` alone.
    """
    import ctypes
    import signal

    noticed = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield noticed
        return
    get_handler, set_handler = ctypes.pythonapi.PyOS_getsig, ctypes.pythonapi.PyOS_setsig
    get_handler.argtypes, get_handler.restype = [ctypes.c_int], ctypes.c_void_p
    set_handler.argtypes, set_handler.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    handler_before = get_handler(signal.SIGINT)
    before = signal.signal(signal.SIGINT, lambda *_arguments: noticed.set())
    try:
        yield noticed
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        set_handler(signal.SIGINT, handler_before)
