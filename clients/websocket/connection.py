"""One websocket connection: typed errors, keepalive, bounded messages; receiving on one thread, closing from any.

websocket-client shakes hands and reads frames; the socket is ours, for it is connected, interrupted and closed as those
of HTTP are.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import websocket
from urllib3.util.wait import wait_for_write

from ..core.errors import (
    AuthenticationError,
    BackendError,
    ConnectionLost,
    NetworkTimeout,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
)
from ..core.interrupt import Interrupter
from ..http.errors import TRANSPORT_ERRORS, broken_off, translated
from ..http.headers import checked_headers, merged_headers
from ..http.interruptible_pool import shut_down
from ..http.transport import Transport
from ..http.url import ServerURL
from .wire import BoundedFrames, Fragments, TooLarge, Wire

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
PING_EVERY_S = 20.0
_SWITCHING = 101
_SAFE_IN_TARGET = "/%:?@!$&'()*+,=-._~"
_NO_HOST = "ws://none.invalid"
"""The library knows no server by name, so it has no cookies for one."""
_OF_THE_HANDSHAKE = ("host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version")
_KINDS: dict[int, type[BackendError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
    503: Overloaded,
}


class _WebSocket(websocket.WebSocket):
    def send_close(self, status: int = websocket.STATUS_NORMAL, reason: str | bytes = b"") -> None:
        """Do nothing: ``WebSocketConnection`` answers a close frame, without waiting for who takes nothing."""


class WebSocketConnection:
    """An open websocket. ``receive`` is for one thread; ``send_text`` and ``close`` are for any."""

    def __init__(self, library: websocket.WebSocket, wire: Wire, place: str, idle_timeout_s: float) -> None:
        self._library = library
        self._wire = wire
        self._place = place
        self._silences_allowed = max(2, math.ceil(idle_timeout_s / PING_EVERY_S))
        self._ping_every_s = idle_timeout_s / self._silences_allowed
        self._state = threading.Lock()
        self._receiving = False
        self._closed = False
        self._ended_in_order = False
        wire.sock.settimeout(self._ping_every_s)

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
        No Origin header is sent: servers compare it with Host, and tunnels rewrite one of the two.
        """
        interrupter = interrupter or Interrupter()
        deadline = time.monotonic() + connect_timeout_s
        lines = merged_headers(
            {"Host": urlsplit(url.origin).netloc, "User-Agent": "MovieDirector"}, checked_headers(headers)
        )
        sock = transport.open_socket(url, timeout_s=connect_timeout_s, interrupter=interrupter)
        try:
            with interrupter.guard(lambda: shut_down(sock)):
                library, wire = _shake_hands(sock, url, path, lines, deadline, max_message_bytes)
            if interrupter.fired:
                raise broken_off(url.origin)
        except TRANSPORT_ERRORS as error:
            sock.close()
            raise translated(error, url.origin, phase="connect", interrupted=interrupter.fired) from error
        except BackendError:
            sock.close()
            raise
        return cls(library, wire, url.origin, idle_timeout_s)

    def receive(self) -> str | bytes | None:
        """Return the next message, text as ``str``; None when the server has closed the connection in order.

        Raises ``ConnectionLost`` if it ended without a word or was closed here, ``NetworkTimeout`` (code
        ``stream_idle``) if not even pings were answered, ``ProtocolError`` for malformed frames and for a message
        that is too large. After each of these the connection is closed.
        """
        with self._state:
            if self._closed:
                if not self._ended_in_order:
                    raise self._lost()
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
        self._send(text, websocket.ABNF.OPCODE_TEXT)

    def close(self) -> None:
        """End the connection at once; a ``receive`` under way on another thread ends too."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._send_close_frame(websocket.STATUS_NORMAL)
            shut_down(self._wire.sock)
            if not self._receiving:
                self._close_socket()

    def _next_message(self) -> str | bytes | None:
        while True:
            try:
                opcode, frame = self._library.recv_data_frame()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self._ended_in_order = True
                    self.close()
                    return None
                return frame.data.decode() if opcode == websocket.ABNF.OPCODE_TEXT else bytes(frame.data)
            except TimeoutError:
                self._check_keepalive()
            except TooLarge as error:
                raise self._malformed(str(error), "too_large", websocket.STATUS_MESSAGE_TOO_BIG) from error
            except UnicodeDecodeError as error:
                raise self._malformed(
                    "a text that is not UTF-8", "bad_frame", websocket.STATUS_INVALID_PAYLOAD
                ) from error
            except websocket.WebSocketProtocolException as error:
                raise self._malformed(str(error), "bad_frame", websocket.STATUS_PROTOCOL_ERROR) from error
            except (websocket.WebSocketException, OSError, ValueError) as error:
                raise self._lost() from error

    def _stop_receiving(self) -> None:
        with self._state:
            self._receiving = False
            if self._closed:
                self._close_socket()

    def _check_keepalive(self) -> None:
        # Counts waits instead of looking at the clock: after a laptop's sleep there must be time for an answer.
        if self._wire.silences >= self._silences_allowed:
            raise NetworkTimeout(
                f"{self._place} no longer responds on its websocket.",
                code="stream_idle",
                hint="Is the network still connected?",
                context={"server": self._place},
            )
        self._send(b"", websocket.ABNF.OPCODE_PING)

    def _send(self, payload: str | bytes, opcode: int) -> None:
        try:
            self._library.send(payload, opcode)
        except (websocket.WebSocketException, OSError, ValueError) as error:
            failure = self._lost()
            self.close()
            raise failure from error

    def _send_close_frame(self, code: int) -> None:
        """Send a close frame if that can be done without waiting."""
        sock, frame = self._wire.sock, websocket.ABNF.create_frame(code.to_bytes(2, "big"), websocket.ABNF.OPCODE_CLOSE)
        if self._wire.sending.acquire(blocking=False):
            try:
                with suppress(OSError, ValueError):
                    if wait_for_write(sock, 0):
                        sock.sendall(frame.format())
            finally:
                self._wire.sending.release()

    def _close_socket(self) -> None:
        with self._wire.sending:
            self._wire.close()

    def _lost(self) -> ConnectionLost:
        here = self._closed and not self._ended_in_order
        return ConnectionLost(
            f"The websocket of {self._place} was {'closed by the client' if here else 'lost'}.",
            hint="Open a new one." if here else "Did the server stop?",
            context={"server": self._place},
        )

    def _malformed(self, problem: str, code: str, close_code: int) -> ProtocolError:
        self._send_close_frame(close_code)
        return ProtocolError(
            f"{self._place} violated the websocket protocol: {problem}.",
            code=code,
            hint="Is this the right server? A proxy in front of it may be faulty.",
            context={"server": self._place},
        )


def _shake_hands(
    sock: socket.socket, url: ServerURL, path: str, lines: dict[str, str], deadline: float, max_message_bytes: int
) -> tuple[websocket.WebSocket, Wire]:
    """Open the websocket; ``lines`` are the request's headers, of which those of the handshake itself are not taken."""
    others = {name: value for name, value in lines.items() if name.lower() not in _OF_THE_HANDSHAKE}
    wire = Wire(sock, "".join(f"{name}: {value}\r\n" for name, value in others.items()).encode("latin-1"), deadline)
    library = _WebSocket(skip_utf8_validation=True)
    library.cont_frame = Fragments()
    library.frame_buffer = BoundedFrames(wire, library.cont_frame, max_message_bytes)
    parts = urlsplit(url.join(path))
    target = quote(parts.path + (f"?{parts.query}" if parts.query else ""), safe=_SAFE_IN_TARGET)
    host = next(value for name, value in lines.items() if name.lower() == "host")
    try:
        connect: Any = library.connect
        connect(f"{_NO_HOST}{target}", socket=wire, host=host, suppress_origin=True, redirect_limit=0)
        opened = library.status == _SWITCHING and "sec-websocket-extensions" not in (library.headers or {})
    except websocket.WebSocketTimeoutException as error:
        raise TimeoutError("the handshake timed out") from error
    except websocket.WebSocketException:
        opened = False  # and no cause of the error: its text is the answer, which may repeat a key
    if not opened:
        raise _refusal(url.origin, wire.status)
    return library, wire


def _refusal(place: str, status: int) -> BackendError:
    """Return the error for an answer that does not open the websocket; a redirect is one, for it would take the key."""
    kind = _KINDS.get(status, ServerError if status >= 500 else None)
    if kind is not None:
        return kind(
            f"{place} rejected the websocket with status {status}.",
            status=status,  # type: ignore[call-arg]  # all of them are APIErrors
            context={"server": place, "status": status},
            hint="Check the address, and the key and headers in the preferences.",
        )
    refuses = f"rejected the websocket with status {status}"
    return ProtocolError(
        f"{place} {'does not speak the websocket protocol' if status in (0, _SWITCHING) else refuses}.",
        code="no_websocket",
        context={"server": place, "status": status} if status else {"server": place},
        hint="Is this the right server? Does a proxy in front of it block websockets?",
    )
