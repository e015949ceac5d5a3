"""Watches the main thread: sockets, waits for locks, and large reads, which belong on the workers."""

from __future__ import annotations

import _socket
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

LOCK_WAIT_S = 0.05
READ_BYTES = 1_000_000
_SOCKET_CALLS = frozenset(
    (
        "accept",
        "bind",
        "connect",
        "connect_ex",
        "do_handshake",
        "getaddrinfo",
        "gethostbyname",
        "listen",
        "read",
        "recv",
        "recv_into",
        "recvfrom",
        "send",
        "sendall",
        "sendto",
        "shutdown",
        "write",
    )
)
_SOCKETS = (socket.socket, socket.SocketType, ssl.SSLSocket, ssl.SSLContext)

_watching: list[Watch] = []


class Watch:
    """What was done on the main thread that should not have been."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self._acquiring = 0.0

    def profile(self, _frame: FrameType, event: str, function: Any) -> None:
        """Note calls of sockets, and long waits for bare locks; ``sys.setprofile`` is for the main thread alone."""
        if event not in ("c_call", "c_return"):
            return
        name = getattr(function, "__name__", "")
        if name == "acquire" and event == "c_call":
            self._acquiring = time.perf_counter()
        elif name == "acquire" and event == "c_return":
            self.waited(time.perf_counter() - self._acquiring)
        elif name in _SOCKET_CALLS and event == "c_call":
            self._called_socket(function)

    def _called_socket(self, function: Any) -> None:
        owner = getattr(function, "__self__", None)
        if isinstance(owner, _SOCKETS) or owner is _socket:
            self.violations.append(f"socket: {function.__name__}")

    def opened(self, path: object, mode: object) -> None:
        """Note a large file that is opened for reading."""
        if not isinstance(path, (str, bytes, os.PathLike)) or not isinstance(mode, str) or "r" not in mode:
            return
        try:
            size = Path(os.fsdecode(path)).stat().st_size
        except OSError:
            return
        if size > READ_BYTES:
            self.violations.append(f"read: {size} bytes of {os.fsdecode(path)}")

    def waited(self, seconds: float) -> None:
        """Note a wait for a lock that somebody else held."""
        if seconds > LOCK_WAIT_S:
            self.violations.append(f"lock: {seconds * 1000:.1f} ms")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event == "open" and threading.current_thread() is threading.main_thread():
        _watching[-1].opened(arguments[0], arguments[1])


sys.addaudithook(_audit)

_Lock, _RLock = threading.Lock, threading.RLock


class WatchedLock:
    """A lock that tells how long the main thread waited for it while it is watched."""

    def __init__(self) -> None:
        self._lock: Any = _Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock."""
        if self._lock.acquire(False):
            return True
        if not blocking:
            return False
        started = time.perf_counter()
        taken: bool = self._lock.acquire(True, timeout)
        if _watching and threading.current_thread() is threading.main_thread():
            _watching[-1].waited(time.perf_counter() - started)
        return taken

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def locked(self) -> bool:
        """Whether it is taken."""
        return bool(self._lock.locked())

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_exc: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)


class WatchedRLock(WatchedLock):
    """The same for a lock that its owner may take again."""

    def __init__(self) -> None:
        self._lock = _RLock()

    def locked(self) -> bool:
        """Whether another thread has it; an RLock does not tell before Python 3.14."""
        taken = self._lock.acquire(False)
        if taken:
            self._lock.release()
        return not taken


@contextmanager
def watched_locks() -> Iterator[None]:
    """Have all locks that are made within be watched ones."""
    threading.Lock, threading.RLock = WatchedLock, WatchedRLock  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        threading.Lock, threading.RLock = _Lock, _RLock  # type: ignore[misc]


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch the main thread within."""
    watch = Watch()
    _watching.append(watch)
    sys.setprofile(watch.profile)
    try:
        yield watch
    finally:
        sys.setprofile(None)
        _watching.remove(watch)
