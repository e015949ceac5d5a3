"""One websocket connection: typed errors, keepalive, bounded messages; receiving on one thread, closing from any."""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from urllib3.util.wait import wait_for_read, wait_for_write

from ..core.errors import BackendError, ConnectionLost, NetworkTimeout, ProtocolError
from ..core.interrupt import Interrupter
from ..http.errors import TRANSPORT_ERRORS, broken_off, translated
from ..http.headers import checked_headers
from ..http.interruptible_pool import shut_down
from ..http.transport import Transport
from ..http.url import ServerURL
from .frames import BINARY, CLOSE, NORMAL, PING, PONG, TEXT, TOO_LARGE, FrameError, FrameReader, frame
from .handshake import END_OF_HEAD, MAX_HEAD_BYTES, Handshake

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
PING_EVERY_S = 20.0
_RECEIVE_BYTES = 64 * 1024


class WebSocketConnection:
    """An open websocket. ``receive`` is for one thread; ``send_text`` and ``close`` are for any."""

    def __init__(self, sock: socket.socket, place: str, idle_timeout_s: float, reader: FrameReader) -> None:
        self._sock = sock
        self._place = place
        self._reader = reader
        self._silences_allowed = max(2, math.ceil(idle_timeout_s / PING_EVERY_S))
        self._ping_every_s = idle_timeout_s / self._silences_allowed
        self._silences = 0
        self._sending = threading.Lock()
        # OpenSSL does not bear one thread that reads and another that writes
        self._reading = self._sending if isinstance(sock, ssl.SSLSocket) else threading.Lock()
        self._state = threading.Lock()
        self._receiving = False
        self._closed = False
        self._ended_in_order = False
        sock.settimeout(self._ping_every_s)

    @classmethod
    def open(
        cls,
        transport: Transport,
        url: ServerURL,
        path: str,
        *,
        headers: Mapping[str, str],
        connect_timeout_s: float,
        idle_timeout_s: float,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        interrupter: Interrupter | None = None,
    ) -> WebSocketConnection:
        """Connect and shake hands within ``connect_timeout_s``; raises the typed error of what went wrong.

        ``interrupter`` breaks the opening off (``ConnectionLost``, code ``interrupted``); after that, ``close`` does.
        """
        interrupter = interrupter or Interrupter()
        deadline = time.monotonic() + connect_timeout_s
        handshake = Handshake(url, path, checked_headers(headers))
        sock = transport.open_socket(url, timeout_s=connect_timeout_s, interrupter=interrupter)
        reader = FrameReader(max_message_bytes)
        try:
            with interrupter.guard(lambda: shut_down(sock)):
                reader.feed(_shake_hands(sock, handshake, deadline))
            if interrupter.fired:
                raise broken_off(url.origin)
        except TRANSPORT_ERRORS as error:
            sock.close()
            raise translated(error, url.origin, phase="connect", interrupted=interrupter.fired) from error
        except BackendError:
            sock.close()
            raise
        return cls(sock, url.origin, idle_timeout_s, reader)

    def receive(self) -> str | bytes | None:
        """Return the next message, text as ``str``; None when the server has closed the connection in order.

        Raises ``ConnectionLost`` if it ended without a word or was closed here, ``NetworkTimeout`` (code
        ``stream_idle``) if not even pings were answered, ``ProtocolError`` for malformed frames and for a message
        that is too large. After each of these the connection is closed.
        """
        with self._state:
            if self._closed:
                self._after_the_end()
                return None
            self._receiving = True
        try:
            return self._next_message()
        except BackendError:
            self.close()
            raise
        finally:
            self._stop_receiving()

    def send_text(self, text: str) -> None:
        """Send a text message; ``ConnectionLost`` if the connection is gone."""
        self._send(TEXT, text.encode())

    def close(self) -> None:
        """End the connection at once; a ``receive`` under way on another thread ends too."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._say_goodbye(NORMAL)
            shut_down(self._sock)
            if not self._receiving:
                self._close_socket()

    def _next_message(self) -> str | bytes | None:
        while True:
            try:
                message = self._reader.next()
            except FrameError as error:
                self._say_goodbye(error.code)
                raise self._malformed(error) from error
            if message is None:
                self._listen()
            elif message.opcode in (TEXT, BINARY):
                return message.data
            elif message.opcode == PING:
                self._send(PONG, cast("bytes", message.data))
            elif message.opcode == CLOSE:
                self._ended_in_order = True
                self.close()
                return None

    def _stop_receiving(self) -> None:
        with self._state:
            self._receiving = False
            if self._closed:
                self._close_socket()

    def _listen(self) -> None:
        """Wait for more bytes; while there are none, see to it that the server is still there."""
        try:
            data = self._received()
        except TimeoutError:
            self._mind_the_silence()
            return
        except (OSError, ValueError) as error:
            raise self._lost() from error
        if not data:
            raise self._lost()
        self._silences = 0
        self._reader.feed(data)

    def _received(self) -> bytes:
        if self._reading is not self._sending:
            return self._sock.recv(_RECEIVE_BYTES)
        tls: ssl.SSLSocket = self._sock  # type: ignore[assignment]  # what else shares its lock
        if not tls.pending() and not wait_for_read(tls, self._ping_every_s):
            raise TimeoutError("nothing came")
        with self._reading:
            return tls.recv(_RECEIVE_BYTES)

    def _mind_the_silence(self) -> None:
        # Counts waits instead of looking at the clock: after a laptop's sleep there must be time for an answer.
        self._silences += 1
        if self._silences >= self._silences_allowed:
            raise NetworkTimeout(
                f"{self._place} does not answer on its websocket any more.",
                code="stream_idle",
                hint="Is the network still there?",
                context={"server": self._place},
            )
        self._send(PING, b"")

    def _send(self, opcode: int, payload: bytes) -> None:
        data = frame(opcode, payload)
        try:
            with self._sending:
                self._sock.sendall(data)
        except (OSError, ValueError) as error:
            failure = self._lost()
            self.close()
            raise failure from error

    def _say_goodbye(self, code: int) -> None:
        """Send a close frame if that can be done without waiting."""
        if self._sending.acquire(blocking=False):
            try:
                with suppress(OSError, ValueError):
                    if wait_for_write(self._sock, 0):
                        self._sock.sendall(frame(CLOSE, code.to_bytes(2, "big")))
            finally:
                self._sending.release()

    def _close_socket(self) -> None:
        with self._sending:
            self._sock.close()

    def _after_the_end(self) -> None:
        if not self._ended_in_order:
            raise self._lost()

    def _lost(self) -> ConnectionLost:
        here = self._closed and not self._ended_in_order
        return ConnectionLost(
            f"The websocket of {self._place} was {'closed here' if here else 'cut'}.",
            hint="Open a new one." if here else "Has the server stopped?",
            context={"server": self._place},
        )

    def _malformed(self, error: FrameError) -> ProtocolError:
        return ProtocolError(
            f"{self._place} sent {error} on its websocket.",
            code="too_large" if error.code == TOO_LARGE else "bad_frame",
            hint="Is this the right server? A proxy before it may be broken.",
            context={"server": self._place},
        )


def _shake_hands(sock: socket.socket, handshake: Handshake, deadline: float) -> bytes:
    """Do it, and return what has come after the answer's head already."""
    sock.sendall(handshake.request)
    answer = b""
    while END_OF_HEAD not in answer:
        if len(answer) > MAX_HEAD_BYTES:
            raise handshake.too_long()
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the handshake timed out")
        sock.settimeout(left_s)
        received = sock.recv(_RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the server closed the connection in the handshake")
        answer += received
    head, _, rest = answer.partition(END_OF_HEAD)
    handshake.check(head + END_OF_HEAD)
    return rest
