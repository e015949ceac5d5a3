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
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, cast

STAGGER_S = 0.25
"""How long one address has before the next one is tried beside it."""

_LOOK_S = 0.05
"""How often a wait looks whether it is still wanted."""

_Address = tuple[Any, ...]


class BrokenOff(ConnectionAbortedError):
    """The connection is not wanted any more."""


def connect_tcp(host: str, port: int, timeout_s: float, unwanted: Callable[[], bool]) -> socket.socket:
    """Return a socket that is connected to the host, with ``timeout_s`` as its time-out.

    Raises ``socket.gaierror``, ``TimeoutError`` if all of it takes longer than ``timeout_s`` seconds, ``BrokenOff``
    soon after ``unwanted`` says so, else the ``OSError`` of an address, of one that refused if any did.
    """
    deadline = time.monotonic() + timeout_s
    race = _HappyEyeballs(_addresses(host, port, deadline, unwanted))
    try:
        sock = race.run(deadline, unwanted)
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
        self._running: list[socket.socket] = []
        self._errors: list[OSError] = []

    def run(self, deadline: float, unwanted: Callable[[], bool]) -> socket.socket:
        next_at = 0.0
        while self._addresses or self._running:
            now = time.monotonic()
            if unwanted():
                raise BrokenOff("not wanted any more")
            if now >= deadline:
                raise TimeoutError("timed out")
            if self._addresses and (now >= next_at or not self._running):
                next_at = now + STAGGER_S
                self._begin(self._addresses.pop(0))
            for key, _ in self._selector.select(min(_LOOK_S, deadline - now)) if self._running else ():
                sock = cast("socket.socket", key.fileobj)
                if self._has_won(sock):
                    return sock
        raise min(self._errors, key=lambda error: not isinstance(error, ConnectionRefusedError))

    def end(self) -> None:
        """Close what has not won."""
        self._selector.close()
        for sock in self._running:
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


def _addresses(host: str, port: int, deadline: float, unwanted: Callable[[], bool]) -> list[_Address]:
    if _needs_no_network(host):
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    answers: SimpleQueue[list[_Address] | OSError] = SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), name="movie-director-dns", daemon=True).start()
    while True:
        try:
            answer = answers.get(timeout=max(0.0, min(_LOOK_S, deadline - time.monotonic())))
        except Empty:
            if unwanted():
                raise BrokenOff("not wanted any more") from None
            if time.monotonic() >= deadline:
                raise TimeoutError("looking up the name timed out") from None
            continue
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
