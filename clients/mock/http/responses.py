"""Requests and responses of the mock servers' routes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .websocket import WebSocketConnection

MAX_BODY = 100 * 1024 * 1024
"""Bytes a request body may have (ComfyUI's own default)."""


@dataclass(frozen=True)
class Request:
    """One request. ``path`` is the route, without the server's prefix; ``raw_path`` is percent-encoded as received.

    ``gone`` returns True once the client has closed the connection.
    """

    method: str
    path: str
    raw_path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)
    gone: Callable[[], bool] = field(kw_only=True)

    def json(self) -> Any:
        """Parse the body as JSON; ``ValueError`` (answered with 500, as by the real servers) if it is not JSON."""
        return json.loads(self.body)


@dataclass
class Response:
    """One response. ``chunked`` and ``close`` are for responses that the real servers send that way; ``cookies`` are
    Set-Cookie headers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    close: bool = False
    cookies: tuple[str, ...] = ()

    @classmethod
    def json(cls, data: Any, status: int = 200) -> Response:
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json; charset=utf-8"})

    @classmethod
    def text(cls, text: str, status: int = 200, *, close: bool = False) -> Response:
        return cls(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"}, close=close)

    @classmethod
    def html(cls, text: str, status: int = 200) -> Response:
        return cls(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


@dataclass
class Upgrade(Response):
    """Turns the connection into a websocket.

    ``open`` is called before the handshake is answered, so that the server knows every client that has seen the
    answer. It returns the function that then runs the connection until it ends.
    """

    status: int = 101
    open: Callable[[WebSocketConnection], Callable[[], None]] = field(default=lambda _: lambda: None)


@dataclass
class Stream(Response):
    """A response sent as ``pieces`` yields it, each piece as one chunk; ``StreamCut`` resets the connection.

    ``pieces`` is closed when the client leaves, which is noticed when writing, and at each empty piece.
    """

    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    chunked: bool = True


class StreamCut(Exception):
    """Raised by the pieces of a ``Stream`` to reset the connection in mid-stream."""


def server_error() -> Response:
    """Make aiohttp's response to an exception in a handler."""
    return Response.text("500 Internal Server Error\n\nServer got itself in trouble", 500, close=True)


def too_large(limit: int) -> Response:
    """Make aiohttp's response to a body over its limit."""
    return Response.text(f"Maximum request body size {limit} exceeded.", 413, close=True)


_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def range_response(body: bytes, headers: dict[str, str], wanted: str | None) -> Response:
    """Answer with ``body``, or the part of it that the Range header ``wanted`` names: 200, 206 or 416."""
    match = _RANGE.match(wanted or "")
    if match is None or match.groups() == ("", ""):
        return Response(200, body, {**headers, "Accept-Ranges": "bytes"})
    first, last = match.groups()
    size = len(body)
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if start >= size or end < start:
        kept = {name: value for name, value in headers.items() if name not in ("Etag", "Last-Modified")}
        return Response(416, b"", {**kept, "Content-Range": f"bytes */{size}"}, chunked=True)
    headers = {**headers, "Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end}/{size}"}
    return Response(206, body[start : end + 1], headers)
