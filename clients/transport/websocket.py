"""One websocket connection: typed errors, keepalive, bounded messages; receiving on one thread, closing from any.

On websocket-client, with its pure-Python UTF-8 check off (bytes are decoded in C, which checks as well): three to
four times its default rate.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import websocket
from websocket._abnf import ABNF, frame_buffer

from ..errors import (
    AuthenticationError,
    BackendError,
    ConnectionLost,
    NetworkTimeout,
    NotFound,
    PermissionDenied,
    ProtocolError,
)
from .failures import translated
from .http import Transport, proxy_for
from .url import ServerURL

MAX_MESSAGE_BYTES = 1024 * 1024 * 1024
PING_EVERY_S = 20.0
_HANDSHAKE_ERRORS: dict[int, type[BackendError]] = {401: AuthenticationError, 403: PermissionDenied, 404: NotFound}


class _BoundedFrames(frame_buffer):
    """Refuses a frame that announces more than the bound, before memory is taken for it."""

    limit = MAX_MESSAGE_BYTES

    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > self.limit:
            raise ProtocolError(
                f"The server announced a websocket message of {self.length} bytes.",
                code="too_large",
                hint="Is this the address of the right server?",
            )


class WebSocketConnection:
    """An open websocket. ``receive`` and ``send_text`` may be used by different threads; ``close`` by any."""

    def __init__(self, sock: websocket.WebSocket, place: str, idle_timeout_s: float) -> None:
        self._sock = sock
        self._place = place
        self._ping_every_s = min(PING_EVERY_S, idle_timeout_s / 2)
        self._idle_timeout_s = idle_timeout_s
        self._heard = self._pinged = time.monotonic()
        self._closed = False

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
    ) -> WebSocketConnection:
        """Connect and shake hands within ``connect_timeout_s``; raises the typed error of what went wrong.

        No Origin header is sent: servers compare it with Host, and tunnels rewrite one of the two.
        """
        target = url.websocket(path)
        sock = websocket.WebSocket(
            skip_utf8_validation=True,
            enable_multithread=True,
            sslopt={"context": transport.tls_context()} if url.scheme == "https" else {},
        )
        sock.frame_buffer = _BoundedFrames(sock._recv, True)
        sock.frame_buffer.limit = max_message_bytes
        sock.settimeout(connect_timeout_s)
        try:
            raw = _direct_socket(url, connect_timeout_s) if not proxy_for(url) else None
            sock.connect(  # type: ignore[no-untyped-call]  # websocket-client types only a part of itself
                target,
                header=[f"{name}: {value}" for name, value in headers.items()],
                suppress_origin=True,
                socket=_secured(raw, transport, url),
            )
        except websocket.WebSocketBadStatusException as error:
            raise _handshake_error(error, url) from error
        except websocket.WebSocketTimeoutException as error:
            raise translated(TimeoutError(str(error)), target, phase="connect") from error
        except websocket.WebSocketException as error:
            raise ProtocolError(
                f"{url} does not speak websocket here: {error}.",
                code="no_websocket",
                hint="Does a proxy before the server let websockets through?",
            ) from error
        except Exception as error:
            raise translated(error, target, phase="connect") from error
        sock.settimeout(min(PING_EVERY_S, idle_timeout_s / 2))
        return cls(sock, url.origin, idle_timeout_s)

    def receive(self) -> str | bytes | None:
        """Return the next message, text as ``str``; None when the server has closed the connection in order.

        Raises ``ConnectionLost`` if it ended without a word, ``NetworkTimeout`` (code ``stream_idle``) if not even
        pings were answered, ``ProtocolError`` for malformed frames.
        """
        while True:
            try:
                opcode, data = self._sock.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                self._keep_alive()
                continue
            except (websocket.WebSocketConnectionClosedException, ssl.SSLError, OSError) as error:
                raise ConnectionLost(
                    f"The websocket of {self._place} was cut.", hint="Has the server stopped?"
                ) from error
            except (websocket.WebSocketException, ValueError) as error:
                raise ProtocolError(
                    f"{self._place} sent a malformed websocket frame: {error}.",
                    code="bad_frame",
                    hint="Is a proxy between here and the server broken?",
                ) from error
            self._heard = time.monotonic()
            if opcode == ABNF.OPCODE_TEXT:
                return _text(data, self._place)
            if opcode == ABNF.OPCODE_BINARY:
                return bytes(data)
            if opcode == ABNF.OPCODE_CLOSE:
                return None

    def send_text(self, text: str) -> None:
        """Send a text message; ``ConnectionLost`` if the connection is gone."""
        self._send(text, ABNF.OPCODE_TEXT)

    def close(self) -> None:
        """End the connection at once; a ``receive`` under way on another thread ends too."""
        self._closed = True
        raw = self._sock.sock
        if raw is None:
            return
        with suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            raw.close()

    def _keep_alive(self) -> None:
        if self._closed:
            raise ConnectionLost(f"The websocket of {self._place} was closed here.")
        if self._pinged > self._heard + self._idle_timeout_s:
            raise NetworkTimeout(
                f"{self._place} does not answer on its websocket any more.",
                code="stream_idle",
                hint="Is the network still there?",
            )
        self._send("", ABNF.OPCODE_PING)
        self._pinged = time.monotonic()

    def _send(self, payload: str, opcode: int) -> None:
        try:
            self._sock.send(payload, opcode)
        except (websocket.WebSocketException, OSError) as error:
            raise ConnectionLost(f"The websocket of {self._place} was cut.", hint="Has the server stopped?") from error


def _direct_socket(url: ServerURL, timeout_s: float) -> socket.socket:
    """Connect without websocket-client's own proxy look-up, which sends even loopback through HTTP_PROXY."""
    sock = socket.create_connection((url.host, url.port), timeout_s)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _secured(sock: socket.socket | None, transport: Transport, url: ServerURL) -> socket.socket | None:
    if sock is None or url.scheme != "https":
        return sock
    return transport.tls_context().wrap_socket(sock, server_hostname=url.host)


def _handshake_error(error: Any, url: ServerURL) -> BackendError:
    status = int(error.status_code)
    kind = _HANDSHAKE_ERRORS.get(status)
    if kind is None:
        return ProtocolError(
            f"{url} refused the websocket with status {status}.",
            code="no_websocket",
            context={"status": status},
            hint="Does a proxy before the server let websockets through?",
        )
    return kind(
        f"{url} refused the websocket with status {status}.",
        status=status,  # type: ignore[call-arg]  # all three in the table are APIErrors
        hint="Check the address, and the key and headers in the preferences.",
    )


def _text(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(
            f"{place} sent text that is not UTF-8.", code="bad_frame", hint="Is this the address of the right server?"
        ) from error
