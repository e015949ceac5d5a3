"""The opening of a websocket connection (RFC 6455), without any I/O."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from ..core.errors import (
    AuthenticationError,
    BackendError,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
)
from ..http.headers import merged_headers
from ..http.url import ServerURL

MAX_HEAD_BYTES = 64 * 1024
END_OF_HEAD = b"\r\n\r\n"
_SWITCHING = 101
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SAFE_IN_TARGET = "/%:?@!$&'()*+,;=-._~"
_KINDS: dict[int, type[BackendError]] = {
    401: AuthenticationError,
    403: PermissionDenied,
    404: NotFound,
    429: RateLimited,
    503: Overloaded,
}


class Handshake:
    """One client's side of it: ``request`` is what to send.

    No Origin header is sent: servers compare it with Host, and tunnels rewrite one of the two. ``headers`` are
    checked ones.
    """

    def __init__(self, url: ServerURL, path: str, headers: Mapping[str, str]) -> None:
        self._place = url.origin
        key = base64.b64encode(os.urandom(16)).decode()
        self._accept = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()
        parts = urlsplit(url.join(path))
        target = quote(parts.path + (f"?{parts.query}" if parts.query else ""), safe=_SAFE_IN_TARGET)
        fixed = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
        }
        lines = merged_headers({"Host": parts.netloc, "User-Agent": "MovieDirector"}, headers, fixed)
        head = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", ""]
        self.request = "\r\n".join(head).encode("latin-1")

    def check(self, answer: bytes) -> None:
        """Raise the typed error of an answer (its head) that does not open the connection."""
        head = _parsed(answer)
        if head is None:
            raise self._no_websocket("does not answer in HTTP")
        if head.status != _SWITCHING:
            raise self._refused(head.status)
        upgraded = head.headers.get("Upgrade", "").strip().lower() == "websocket"
        connection = [each.strip().lower() for each in head.headers.get("Connection", "").split(",")]
        if not upgraded or "upgrade" not in connection:
            raise self._no_websocket("does not switch to the websocket protocol")
        if head.headers.get("Sec-WebSocket-Accept", "").strip() != self._accept:
            raise self._no_websocket("answers another client's handshake")
        if head.headers.get("Sec-WebSocket-Extensions"):
            raise self._no_websocket("wants extensions that were not offered")

    def too_long(self) -> BackendError:
        """Return the error for an answer whose head has no end."""
        return self._no_websocket("answers with too many headers")

    def _refused(self, status: int) -> BackendError:
        kind = _KINDS.get(status, ServerError if status >= 500 else None)
        if kind is None:
            return self._no_websocket(f"refuses the websocket with status {status}", status=status)
        return kind(
            f"{self._place} refuses the websocket with status {status}.",
            status=status,  # type: ignore[call-arg]  # all of them are APIErrors
            context={"server": self._place, "status": status},
            hint="Check the address, and the key and headers in the preferences.",
        )

    def _no_websocket(self, problem: str, **context: int) -> ProtocolError:
        return ProtocolError(
            f"{self._place} {problem}.",
            code="no_websocket",
            context={"server": self._place, **context},
            hint="Is this the right server? Does a proxy before it let websockets through?",
        )


class _Received:
    """What ``http.client`` takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parsed(head: bytes) -> http.client.HTTPResponse | None:
    answer = http.client.HTTPResponse(_Received(head), method="GET")  # type: ignore[arg-type]  # enough of one
    try:
        answer.begin()
    except (http.client.HTTPException, ValueError):
        return None
    return answer
