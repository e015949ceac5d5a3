"""The server's side of a websocket connection, on wsproto."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from io import BufferedIOBase
from types import TracebackType
from typing import Self

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token

MAX_INCOMING = 4 * 1024 * 1024
"""Bytes of one client message before the connection is dropped (aiohttp's default)."""
MAX_WAITING = 64 * 1024 * 1024
"""Bytes that may wait for a client that does not read, before it is cut off."""
_READ = 64 * 1024


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept value for a handshake's ``key``."""
    return generate_accept_token(key.encode()).decode()


class WebSocketConnection:
    """One open websocket. Sending is safe from any thread and never blocks; only one thread may read.

    A writer thread sends, so that a client that does not read blocks nobody.
    """

    def __init__(self, connection: socket.socket, reader: BufferedIOBase, path: str) -> None:
        self.path = path
        self.deaf = False
        self._socket = connection
        self._reader = reader
        self._protocol = Connection(ConnectionType.SERVER)
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self._writer = threading.Thread(
            target=self._write, name=f"{threading.current_thread().name}-writer", daemon=True
        )

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._writer.join()

    # Sending

    def send(self, data: str | bytes) -> None:
        """Queue a text or binary message; do nothing once the connection is closed or muted."""
        if not self.deaf:
            self._queue(TextMessage(data) if isinstance(data, str) else BytesMessage(data))

    def close(self, code: int) -> None:
        """Queue a close frame after the waiting messages."""
        self._queue(CloseConnection(code))

    def cut(self) -> None:
        """Close the TCP connection at once, without a close frame."""
        with self._changed:
            self._ended = True
            self._waiting.clear()
            self._changed.notify_all()
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.shutdown(socket.SHUT_RDWR)

    def _queue(self, event: Event) -> None:
        with self._changed:
            if self._ended:
                return
            try:
                data = self._protocol.send(event)
            except LocalProtocolError:
                return  # a message after the close frame: no client can receive it
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            too_slow = self._waiting_bytes > MAX_WAITING
            self._changed.notify_all()
        if too_slow:
            self.cut()

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                data = self._waiting.popleft()
                self._waiting_bytes -= len(data)
            try:
                self._socket.sendall(data)
            except OSError:
                return

    # Reading

    def messages(self) -> Iterator[str | bytes]:
        """Yield the client's messages until the connection ends; pings are answered, even when muted."""
        parts: list[str | bytes] = []
        size = 0
        for event in self._events():
            if isinstance(event, Message):
                size += len(event.data)
                if size > MAX_INCOMING:
                    self.cut()
                    return
                parts.append(event.data)
                if event.message_finished:
                    yield _joined(parts)
                    parts, size = [], 0

    def _events(self) -> Iterator[Event]:
        while True:
            try:
                data = self._reader.read1(_READ)
            except OSError:
                return
            if not data:
                return
            with self._changed:
                self._protocol.receive_data(data)
                events = list(self._protocol.events())
            for event in events:
                if isinstance(event, Ping):
                    self._queue(event.response())
                elif isinstance(event, CloseConnection):
                    self._queue(event.response())
                    return
                yield event


def _joined(parts: list[str | bytes]) -> str | bytes:
    if isinstance(parts[0], str):
        return "".join(str(part) for part in parts)
    return b"".join(bytes(part) for part in parts if isinstance(part, (bytes, bytearray)))
