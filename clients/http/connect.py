"""Making a TCP connection: every address of a name, the next one without waiting for the last, broken off at will.

The standard library tries one address after the other, each for the whole time-out, and nothing can end that. A server
on 127.0.0.1 that is addressed as ``localhost`` costs two seconds a connection on Windows, which tries ::1 first and
takes long to see that nobody is there. The name is looked up on a thread of its own, for that can't be bounded.
"""

from __future__ import annotations

import ipaddress
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from typing import Any, Protocol, cast

STAGGER_S = 0.25
"""How long one address has before the next one is tried beside it."""

_Address = tuple[Any, ...]


class Interruptible(Protocol):
    """What is connected for, and may end before."""

    @property
    def interrupted(self) -> bool:
        """True once it is broken off."""

    def guarded(self, end: Callable[[], None]) -> AbstractContextManager[None]:
        """Have ``end`` called if it is broken off while the block runs."""


class BrokenOff(ConnectionAbortedError):
    """The connection was cancelled while it was made."""


def connect_tcp(host: str, port: int, timeout_s: float, call: Interruptible) -> socket.socket:
    """Return a socket that is connected to the host, with ``timeout_s`` as its time-out.

    Raises ``socket.gaierror``, ``TimeoutError`` if all of it takes longer than ``timeout_s`` seconds, ``BrokenOff`` at
    once when ``call`` is broken off, else the ``OSError`` of an address, of one that refused if any did.
    """
    deadline = time.monotonic() + timeout_s
    race = _HappyEyeballs(_addresses(host, port, deadline, call))
    try:
        with call.guarded(race.wake):
            sock = race.run(deadline, call)
    finally:
        race.end()
    sock.settimeout(timeout_s)
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class _HappyEyeballs:
    """Attempts to connect, one for each address, begun one after the other."""

    def __init__(self, addresses: list[_Address]) -> None:
        self._addresses = addresses
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._running: list[socket.socket] = []
        self._errors: list[OSError] = []

    def wake(self) -> None:
        """End the wait of ``run``, which looks at its call then; for another thread."""
        with suppress(OSError):
            self._waker.send(b"\0")

    def run(self, deadline: float, call: Interruptible) -> socket.socket:
        next_at = 0.0
        while self._addresses or self._running:
            now = time.monotonic()
            if call.interrupted:
                raise BrokenOff("cancelled")
            if now >= deadline:
                raise TimeoutError("timed out")
            if self._addresses and (now >= next_at or not self._running):
                next_at = now + STAGGER_S
                self._begin(self._addresses.pop(0))
            if not self._running:
                continue
            for key, _ in self._selector.select(min(deadline, next_at if self._addresses else deadline) - now):
                sock = cast("socket.socket", key.fileobj)
                if sock is not self._woken and self._has_won(sock):
                    return sock
        raise min(self._errors, key=lambda error: not isinstance(error, ConnectionRefusedError))

    def end(self) -> None:
        """Close what has not won."""
        self._selector.close()
        for sock in (self._woken, self._waker, *self._running):
            sock.close()

    def _begin(self, address: _Address) -> None:
        family, kind, protocol, _, where = address
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            self._errors.append(error)
            return
        sock.setblocking(False)
        try:
            with suppress(BlockingIOError):
                sock.connect(where)
        except OSError as error:
            self._errors.append(error)
            sock.close()
            return
        self._running.append(sock)
        self._selector.register(sock, selectors.EVENT_WRITE)

    def _has_won(self, sock: socket.socket) -> bool:
        self._selector.unregister(sock)
        self._running.remove(sock)
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self._errors.append(OSError(problem, os.strerror(problem)))
            sock.close()
        return not problem


def _addresses(host: str, port: int, deadline: float, call: Interruptible) -> list[_Address]:
    if _needs_no_network(host):
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    answers: SimpleQueue[list[_Address] | OSError] = SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), name="movie-director-dns", daemon=True).start()
    try:
        with call.guarded(lambda: answers.put(BrokenOff("cancelled"))):
            answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty:
        raise TimeoutError("looking up the name timed out") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _look_up(host: str, port: int, answers: SimpleQueue[list[_Address] | OSError]) -> None:
    try:
        answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except OSError as error:
        answers.put(error)
    except UnicodeError as error:
        answers.put(socket.gaierror(socket.EAI_NONAME, str(error)))


def _needs_no_network(host: str) -> bool:
    if host.rstrip(".").lower() == "localhost":
        return True
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False
