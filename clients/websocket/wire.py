"""What websocket-client reads from and writes to: our connected socket, buffered, with the bounds that it lacks.

Facts (websocket-client 1.9): it reads the head byte by byte and without a limit, and the body of a refusal whole; it
keeps cookies for all of the process's connections; after ``websocket.enableTrace``, which another add-on may have
called, it prints the head that it sends; its frames have no limit, and fragments are joined in quadratic time.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import threading
import time
from typing import Any

import websocket
from urllib3.util.wait import wait_for_read

MAX_HEAD_BYTES = 64 * 1024
_RECEIVE_BYTES = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})\b")
_COOKIE = re.compile(rb"\nset-cookie:[^\n]*", re.IGNORECASE)
_CONTROL, _LONGEST_CONTROL = 0x8, 125


class TooLarge(websocket.WebSocketProtocolException):
    """A message of more bytes than are taken."""


class Wire:
    """The socket. Sending is for any thread, ``take`` for one; the handshake has ended by ``deadline`` (monotonic).

    ``header_lines`` go out with the handshake; ``status`` is that of its answer, 0 if it is no HTTP. ``silences`` is
    the number of time-outs since something came.
    """

    def __init__(self, sock: socket.socket, header_lines: bytes, deadline: float) -> None:
        self.sock = sock
        self.status = 0
        self.silences = 0
        self.sending = threading.Lock()
        # OpenSSL does not bear one thread that reads and another that writes
        self._reading = self.sending if isinstance(sock, ssl.SSLSocket) else threading.Lock()
        self._header_lines = header_lines
        self._deadline = deadline
        self._head: io.BytesIO | None = None
        self._buffer = b""
        self._at = 0
        self._later: list[bytes] = []

    def gettimeout(self) -> float | None:
        """Return the socket's time-out in seconds."""
        return self.sock.gettimeout()

    def send(self, data: bytes) -> int:
        """Send all of it; the first call is the handshake's and adds the header lines."""
        with self.sending:
            if self._header_lines:
                data = data.removesuffix(b"\r\n") + self._header_lines + b"\r\n"
                self._header_lines = b""
            self.sock.sendall(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Return bytes of the answer's head, without cookies; what else of the handshake is asked for is refused."""
        if self._head is None:
            self._head = io.BytesIO(_COOKIE.sub(b"", self._read_head()))
        data = self._head.read(size)
        if not data:
            raise websocket.WebSocketException("the body of a refusal is not read")
        return data

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def take(self, size: int) -> bytes:
        """Return so many bytes of what follows the handshake. After a ``TimeoutError`` it may be called again."""
        start, end = self._at, self._at + size
        if end <= len(self._buffer):
            self._at = end
            return self._buffer[start:end]
        missing = size - (len(self._buffer) - start) - sum(map(len, self._later))
        while missing > 0:
            data = self._receive()
            self._later.append(data)
            missing -= len(data)
        pieces = [self._buffer[start:], *self._later]
        cut = len(pieces[-1]) + missing  # at most one piece goes over: the last
        self._buffer, self._at, self._later = pieces[-1][cut:], 0, []
        pieces[-1] = pieces[-1][:cut]
        return b"".join(pieces)  # the only copy of a large message

    def _receive(self) -> bytes:
        try:
            data = self._received()
        except TimeoutError:
            self.silences += 1
            raise
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self.silences = 0
        return data

    def _received(self) -> bytes:
        if self._reading is not self.sending:
            return self.sock.recv(_RECEIVE_BYTES)
        tls: ssl.SSLSocket = self.sock  # type: ignore[assignment]  # what else shares its lock
        if not tls.pending() and not wait_for_read(tls, tls.gettimeout()):
            raise TimeoutError("nothing came")
        with self._reading:
            return tls.recv(_RECEIVE_BYTES)

    def _read_head(self) -> bytes:
        answer = b""
        while _END_OF_HEAD not in answer:
            if len(answer) > MAX_HEAD_BYTES:
                raise websocket.WebSocketException("the answer has too many headers")
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the handshake timed out")
            self.sock.settimeout(left_s)
            answer += self._receive()
        head, _, self._buffer = answer.partition(_END_OF_HEAD)
        status = _STATUS.match(head)
        self.status = int(status[1]) if status else 0
        return head + _END_OF_HEAD


class Fragments(websocket.continuous_frame):
    """Joins a message's fragments, in linear time."""

    def __init__(self) -> None:
        super().__init__(fire_cont_frame=False, skip_utf8_validation=True)

    def add(self, frame: websocket.ABNF) -> None:
        """Take a fragment, or a message in one frame."""
        super().add(frame)
        if self.cont_data and not frame.fin and isinstance(self.cont_data[1], bytes):
            self.cont_data[1] = bytearray(self.cont_data[1])

    @property
    def size(self) -> int:
        """Bytes of the message so far."""
        return len(self.cont_data[1]) if self.cont_data else 0


class BoundedFrames(websocket.frame_buffer):
    """Reads frames from a ``Wire``; refuses one by its announced length, before a byte of it is read."""

    def __init__(self, wire: Wire, fragments: Fragments, max_message_bytes: int) -> None:
        super().__init__(wire.recv, skip_utf8_validation=True)
        self._wire = wire
        self._fragments = fragments
        self._most = max_message_bytes

    def recv_strict(self, bufsize: int) -> bytes:
        """Read so many bytes."""
        return self._wire.take(bufsize)

    def recv_length(self) -> None:
        """Read the frame's length and check it."""
        super().recv_length()
        header: Any = self.header
        length: Any = self.length
        final, *_, opcode, masked, _ = header
        if masked:
            raise websocket.WebSocketProtocolException("a masked frame")
        if opcode & _CONTROL:
            if not final or length > _LONGEST_CONTROL:
                raise websocket.WebSocketProtocolException("a control frame in pieces or of more than 125 bytes")
        elif length + self._fragments.size > self._most:
            raise TooLarge(f"a message of more than {self._most} bytes")
