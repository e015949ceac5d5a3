"""HTTP for tests, on every urllib3 that the clients run with: what 2.x answers can do, for 1.26 too."""

from __future__ import annotations

import contextlib
import json
import socket
import weakref
from typing import Any

import urllib3


class Answer:
    """A response of urllib3; what it lacks in 1.26 is here."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)

    def __iter__(self) -> Any:
        return iter(self._answer)

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self._answer.data)

    def shutdown(self) -> None:
        """End the reading of another thread."""
        with contextlib.suppress(OSError, AttributeError):
            self._answer._fp.fp.raw._sock.shutdown(socket.SHUT_RD)


class Pool:
    """A ``PoolManager`` without retries, whose answers are ``Answer``."""

    def __init__(self, timeout: float = 20.0, maxsize: int = 20) -> None:
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, maxsize=maxsize)
        weakref.finalize(self, self._pool.clear)  # 1.26 leaves its connections open

    def request(self, method: str, url: str, **given: Any) -> Any:
        """Send a request and return its answer."""
        return Answer(self._pool.request(method, url, **given))

    def clear(self) -> None:
        """Close the connections."""
        self._pool.clear()


def request(method: str, url: str, **given: Any) -> Any:
    """Send one request over a connection of its own."""
    pool = Pool()
    try:
        return pool.request(method, url, **given)
    finally:
        pool.clear()
