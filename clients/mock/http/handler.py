"""One HTTP connection of a mock server: reads requests, commits faults, writes answers."""

from __future__ import annotations

import contextlib
import email.message
import http.server
import json
import select
import socket
import struct
import urllib.parse
from http import HTTPStatus
from typing import Protocol, cast

from .context import ServerContext
from .faults import HTTP_REFUSE, HTTP_SPOIL, Fault
from .responses import Request, Response, Stream, StreamCut, Upgrade, too_large

SLICE = 64 * 1024
LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action='/login' method='post'>"
    "<input name='user'><input name='password' type='password'><button>Sign in</button></form></body></html>"
)


class _TooLarge(Exception):
    pass


class _Listener(Protocol):
    context: ServerContext


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one connection until it is closed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = SLICE
    headers: email.message.Message

    @property
    def context(self) -> ServerContext:
        return cast(_Listener, self.server).context

    def version_string(self) -> str:
        return self.context.server_header

    def log_message(self, *args: object) -> None:
        """Write nothing to the user's console."""

    def finish(self) -> None:
        # Each for itself: the base class leaves the second open when closing the first fails.
        for file in (self.wfile, self.rfile):
            with contextlib.suppress(OSError):
                file.close()

    def serve(self) -> None:
        """Read one request and answer it."""
        try:
            body = self._read_body()
        except _TooLarge:
            self._send(too_large(self.context.max_body), None)
            return
        request = self._request(body)
        self.context.requests.add(request.method, self.path, request.path, request.headers, body)
        if self.context.refuses(request.headers):
            self._send(Response(403), None)
            return
        fault = self._take_fault(HTTP_REFUSE, request)
        if fault is not None:
            self._refuse(fault)
            return
        response = self.context.answer(request)
        if isinstance(response, Upgrade):
            self._upgrade(request, response)
        elif isinstance(response, Stream):
            self._send_stream(response)
        else:
            self._send(response, self._take_fault(HTTP_SPOIL, request))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = serve

    def _take_fault(self, point: str, request: Request) -> Fault | None:
        return self.context.faults.take_request(point, request.method, request.path)

    def _request(self, body: bytes) -> Request:
        raw_path, _, query = self.path.partition("?")
        prefix = self.context.prefix
        inside = raw_path.startswith(prefix + "/") or not prefix
        path = self.context.route_path(raw_path[len(prefix) :]) if inside else ""
        pairs = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        headers = cast(dict[str, str], self.headers)
        method = "GET" if self.command == "HEAD" else self.command
        return Request(method, path, raw_path, pairs, headers, body, gone=self._gone)

    def _gone(self) -> bool:
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True

    # The body

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunked()
        return self._read_exactly(int(self.headers.get("Content-Length", 0)), 0)

    def _read_chunked(self) -> bytes:
        parts = []
        total = 0
        while size := int(self.rfile.readline(SLICE).split(b";")[0] or b"0", 16):
            parts.append(self._read_exactly(size, total))
            total += size
            self.rfile.readline(SLICE)
        while self.rfile.readline(SLICE).strip():
            pass
        return b"".join(parts)

    def _read_exactly(self, size: int, before: int) -> bytes:
        too_large = before + size > self.context.max_body
        parts = []
        while size:
            part = self.rfile.read(min(size, SLICE))
            if not part:
                raise ConnectionError("the client left in the middle of its request")
            if not too_large:
                parts.append(part)
            size -= len(part)
        if too_large:
            raise _TooLarge
        return b"".join(parts)

    # The answer

    def _send(self, response: Response, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "lost_answer":
            self._reset()
            return
        body = response.body
        if kind == "bad_json":
            body = json.dumps({"cut": "x" * 20}).encode()[:15]
        declared = len(body)
        if kind == "wrong_length":
            declared += int(fault.seconds(10)) if fault is not None else 0
        if kind in ("cut_body", "view_truncated"):
            body = body[: len(body) // 2]
        self._send_head(response, declared, close=response.close or kind not in ("", "slow_body", "bad_json"))
        if self.command == "HEAD" or response.status in (204, 304):
            self.wfile.flush()
        elif fault is not None and kind == "slow_body":
            self._send_slowly(body, fault.seconds(0.1))
        else:
            self._send_slices(body, response.chunked)

    def _send_head(self, response: Response, length: int, *, close: bool) -> None:
        self.send_response(response.status, HTTPStatus(response.status).phrase)
        for name, value in response.headers.items():
            self.send_header(name, value)
        for cookie in response.cookies:
            self.send_header("set-cookie", cookie)
        if response.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif response.status not in (204, 304):
            self.send_header("Content-Length", str(length))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def _send_slices(self, body: bytes, chunked: bool) -> None:
        view = memoryview(body)
        for start in range(0, len(body), SLICE):
            part = view[start : start + SLICE]
            if chunked:
                self.wfile.write(b"%x\r\n" % len(part) + part + b"\r\n")
            else:
                self.wfile.write(part)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _send_stream(self, response: Stream) -> None:
        self._send_head(response, 0, close=False)
        with contextlib.ExitStack() as stack:
            stack.callback(getattr(response.pieces, "close", lambda: None))
            try:
                for piece in response.pieces:
                    if not piece:
                        self._check_client()
                        continue
                    self.wfile.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
                    self.wfile.flush()
            except StreamCut:
                self._reset()
                return
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _check_client(self) -> None:
        """Send what is buffered; raise ``ConnectionError`` if the client has closed the connection."""
        self.wfile.flush()
        if self._gone():
            raise ConnectionError("the client left the stream")

    def _send_slowly(self, body: bytes, pause: float) -> None:
        step = max(1, -(-len(body) // 10))
        for start in range(0, len(body), step):
            if start and self.context.stopping.wait(pause):
                return
            self.wfile.write(body[start : start + step])
            self.wfile.flush()

    # Faults instead of an answer

    def _refuse(self, fault: Fault) -> None:
        kind = fault.kind
        if kind == "reset":
            self._reset()
        elif kind == "close_before_answer":
            self.close_connection = True
        elif kind == "stall":
            self._stall()
        elif kind == "html_login_page":
            self._send(Response.html(LOGIN_PAGE), None)
        elif kind == "redirect":
            target = str(fault.value or "http://login.invalid/sign-in")
            self._send(Response(302, b"", {"Location": target}), None)
        elif kind == "huge_body":
            self._flood(int(fault.seconds(1 << 30)))
        elif kind == "view_404":
            self._send(Response(404), None)
        else:
            status = int(fault.seconds(500))
            response = Response.json({"error": HTTPStatus(status).phrase}, status)
            if fault.retry_after is not None:
                response.headers["Retry-After"] = f"{fault.retry_after:g}"
            self._send(response, None)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _stall(self) -> None:
        """Wait until the client, or the stop of the server, closes the connection."""
        self.close_connection = True
        while self.rfile.read1(SLICE):
            pass

    def _flood(self, size: int) -> None:
        head = Response(200, b"", {"Content-Type": "application/json; charset=utf-8"})
        self._send_head(head, size, close=True)
        opening = b'{"huge": "'
        self.wfile.write(opening)
        chunk = b"x" * SLICE
        for left in range(size - len(opening), 0, -SLICE):
            self.wfile.write(chunk[:left])
        self.wfile.flush()

    # Websocket

    def _upgrade(self, request: Request, response: Upgrade) -> None:
        from .websocket import WebSocketConnection, accept_key

        key = request.headers.get("Sec-WebSocket-Key")
        if key is None or "websocket" not in request.headers.get("Upgrade", "").lower():
            self._send(Response.text("No WebSocket UPGRADE hdr", 400), None)
            return
        self.close_connection = True
        connection = WebSocketConnection(self.connection, self.rfile, self.path)
        converse = response.open(connection)
        self.send_response(101, "Switching Protocols")
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(key))
        with contextlib.suppress(OSError):  # a client that has left is found out when it is read from
            self.end_headers()
            self.wfile.flush()
        with connection:
            converse()
