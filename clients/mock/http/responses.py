"""What a route of a mock server is given and what it answers."""

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
    """One request. ``path`` is the route: without the server's prefix; ``raw_path`` is percent-encoded as it came.

    ``gone`` says whether the client has closed the connection meanwhile.
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
        """The body as JSON; ``ValueError`` (answered with 500, as the real servers do) where it is none."""
        return json.loads(self.body)


@dataclass
class Response:
    """One answer. ``body`` is sent in slices; ``chunked`` and ``close`` are for answers that real servers give so.
    ``cookies`` are Set-Cookie headers, of which there may be several."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    close: bool = False
    cookies: tuple[str, ...] = ()

    @classmethod
    def json(cls, data: Any, status: int = 200) -> "Response":
        return cls(status, json.dumps(data).encode(), {"Content-Type": "application/json; charset=utf-8"})

    @classmethod
    def text(cls, text: str, status: int = 200, *, close: bool = False) -> "Response":
        return cls(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"}, close=close)

    @classmethod
    def html(cls, text: str, status: int = 200) -> "Response":
        return cls(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})


@dataclass
class Upgrade(Response):
    """Turns the connection into a websocket.

    ``open`` is called before the handshake is answered, so that whoever has seen the answer is known to the server;
    what it returns is called then, and owns the connection until it ends.
    """

    status: int = 101
    open: "Callable[[WebSocketConnection], Callable[[], None]]" = field(default=lambda _: lambda: None)


@dataclass
class Stream(Response):
    """An answer sent piece by piece, each as one chunk, as ``pieces`` yields them; ``StreamCut`` resets the connection.

    ``pieces`` is closed when the client leaves. That is found out by writing, or where an empty piece asks for it.
    """

    pieces: Iterator[bytes] = field(default_factory=lambda: iter(()))
    chunked: bool = True


class StreamCut(Exception):
    """Raised by the pieces of a ``Stream`` to reset the connection in mid-stream."""


def server_error() -> Response:
    """aiohttp's answer to an exception in a handler."""
    return Response.text("500 Internal Server Error\n\nServer got itself in trouble", 500, close=True)


def too_large(limit: int) -> Response:
    """aiohttp's answer to a body over its limit."""
    return Response.text(f"Maximum request body size {limit} exceeded.", 413, close=True)


_RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")


def ranged(body: bytes, headers: dict[str, str], wanted: str | None) -> Response:
    """``body``, or the part of it that the Range header ``wanted`` names: 200, 206 or 416."""
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
