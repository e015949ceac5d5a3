"""urllib3's connections, made so that another thread can break off the call that uses one.

Which socket a call uses is noted at every step at which it can change: while connecting (see ``connect``), before the
TLS handshake, and when a pooled connection is taken. Breaking off is shutting that socket down: the blocked call ends
with an error or with an early end, and whoever reads looks at the interrupter before believing in the end.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

from urllib3 import exceptions as u3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ..core.interrupt import Interrupter
from .connect import BrokenOff, connect_tcp
from .log_filter import filter_queries

MAX_INTERIM_ANSWERS = 20
MAX_IDLE_S = 4.0
"""Uvicorn closes an idle connection after 5 s; one that a laptop's sleep or another network has cut off says nothing.

By the wall clock, for the other one stands still while the machine sleeps.
"""
_SWITCHING = 101

_thread = threading.local()


filter_queries("urllib3.connectionpool")


class Call:
    """One exchange on its wire.

    ``interrupter`` ends it, and ``closing`` does, which is the transport's. ``send_timeout_s`` bounds the silence of a
    server that does not take what is sent; ``proxy_headers`` sign in to the proxy, if there is one. ``sent`` turns True
    when sending begins; with TLS that is after the handshake.
    """

    def __init__(
        self,
        interrupter: Interrupter,
        send_timeout_s: float,
        proxy_headers: dict[str, str] | None = None,
        closing: Interrupter | None = None,
    ) -> None:
        self.interrupter = interrupter
        self.closing = closing or Interrupter()
        self.send_timeout_s = send_timeout_s
        self.proxy_headers = proxy_headers or {}
        self.tls_host = ""
        self.sent = False
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Be the call of this thread, which connections note themselves at, while the block runs."""
        _thread.call = self
        try:
            with self.guarded():
                yield
        finally:
            _thread.call = None

    @property
    def interrupted(self) -> bool:
        """True once the call is broken off, whatever becomes of it."""
        return self.interrupter.fired or self.closing.fired

    @contextmanager
    def guarded(self, end: Callable[[], None] | None = None) -> Iterator[None]:
        """Have ``end`` called, or the socket shut down, if the call is broken off while the block runs."""
        end = end or self.shut_down
        with self.interrupter.guard(end), self.closing.guard(end):
            yield

    def use(self, sock: Any) -> None:
        """Note the socket; ``BrokenOff`` if the call is cancelled."""
        with self._lock:
            self._sock = getattr(sock, "socket", sock)  # within urllib3's TLS through TLS there is one
        if self.interrupted:
            raise BrokenOff("cancelled")

    def settimeout(self, seconds: float) -> None:
        """Set how long the socket may be silent."""
        with self._lock:
            if self._sock is not None:
                self._sock.settimeout(seconds)

    def release(self) -> None:
        """Forget the socket, before it serves another call."""
        with self._lock:
            self._sock = None

    def shut_down(self) -> None:
        """Make what blocks on the socket end; for another thread than the one that does."""
        with self._lock:
            if self._sock is not None:
                shut_down(self._sock)


def shut_down(sock: socket.socket) -> None:
    """Make what blocks on the socket end; for another thread than the one that does."""
    with suppress(OSError):
        # not SSLSocket's own, which takes the reading thread's TLS object away
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def current_call() -> Call:
    """Return the call that this thread is making."""
    call: Call = _thread.call
    return call


class TLSSocket(ssl.SSLSocket):
    """What our TLS settings make of sockets: the handshake can be broken off, and is a part of connecting."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within the socket's time-out."""
        current_call().use(self)
        try:
            super().do_handshake(block)
        except TimeoutError as error:
            self.close()
            raise u3.ConnectTimeoutError("the TLS handshake timed out") from error


class TLSContext(ssl.SSLContext):
    """TLS settings whose sockets are ``TLSSocket``.

    urllib3 1.26 tells no name where the host is an IP address, which checking the certificate takes all the same.
    """

    sslsocket_class = TLSSocket

    def wrap_socket(self, sock: socket.socket, *args: Any, server_hostname: Any = None, **kwargs: Any) -> ssl.SSLSocket:
        """Return the socket with TLS, the handshake done."""
        name = server_hostname or current_call().tls_host
        return super().wrap_socket(sock, *args, **{**kwargs, "server_hostname": name})


class _Lines:
    """Reads a head's lines, and remembers the last one."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.last: bytes | None = None

    def readline(self, limit: int) -> bytes:
        self.last = line = self.file.readline(limit)
        return cast("bytes", line)

    def close(self) -> None:
        """Close the file, for who has had enough of the head."""
        self.file.close()


class StrictHTTPResponse(http.client.HTTPResponse):
    """The standard library's response, without its leniency.

    The standard library knows no interim responses but 100, takes a head that was cut for a whole one, and reads on,
    for what never comes, if the announced length makes no sense.
    """

    def begin(self) -> None:
        """Read the head."""
        file = self.fp
        lines: Any = _Lines(file)
        self.fp = lines
        try:
            super().begin()
        finally:
            self.fp = file if self.fp is lines else self.fp
        if not lines.last:
            raise http.client.RemoteDisconnected("Remote end closed connection within the head")
        problem = _framing_problem(self.headers)
        if problem:
            raise http.client.HTTPException(problem)

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_ANSWERS):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # there since Python 2.4
            if not 100 <= status < 200 or status == _SWITCHING:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("interim answers without end")


def _framing_problem(headers: http.client.HTTPMessage) -> str:
    """Return what leaves open where the body ends."""
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    if coding not in ("", "chunked", "identity"):
        return f"Transfer-Encoding {coding[:40]!r}"
    lengths = {length.strip() for length in headers.get_all("Content-Length", ())}
    if coding != "chunked" and (len(lengths) > 1 or not all(each.isascii() and each.isdigit() for each in lengths)):
        return f"Content-Length {', '.join(sorted(lengths))[:40]!r}"
    return ""


class Connection(HTTPConnection):
    """A plain connection of a ``Call``."""

    response_class = StrictHTTPResponse
    idle_since = 0.0

    def _new_conn(self) -> socket.socket:
        call = current_call()
        timeout_s: Any = self.timeout
        try:
            sock = connect_tcp(self._dns_host, self.port, timeout_s, call)
        except TimeoutError as error:
            raise u3.ConnectTimeoutError("connecting timed out") from error
        except OSError as error:
            raise u3.NewConnectionError(self, "connecting failed") from error
        try:
            call.use(sock)
        except BrokenOff:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        """Connect, and use the call's time-out from then on."""
        super().connect()
        self._take_over()

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        """Begin a request, on a new connection or a pooled one."""
        if self.sock is not None:
            self._take_over()
        current_call().sent = True
        super().putrequest(*args, **kwargs)

    def _take_over(self) -> None:
        call = current_call()
        call.use(self.sock)
        call.settimeout(call.send_timeout_s)


class SecureConnection(Connection, HTTPSConnection):
    """A connection with TLS of a ``Call``."""

    def connect(self) -> None:
        """Connect and shake hands."""
        current_call().tls_host = self._tunnel_host or self.host
        super().connect()
        self.is_verified = True  # or the user has said that it need not be; urllib3 would warn with each request

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        call = current_call()
        call.tls_host, target = hostname, call.tls_host
        try:
            return super()._connect_tls_proxy(hostname, sock)
        finally:
            call.tls_host = target


class _FreshConnections:
    """Closes a pooled connection before its next use once it was idle for longer than servers keep one."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]  # of the pool that this is mixed into
        if connection.sock is not None and abs(time.time() - connection.idle_since) > MAX_IDLE_S:
            connection.close()  # it connects again when it is used
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.time()
        super()._put_conn(connection)  # type: ignore[misc]


class Pool(_FreshConnections, HTTPConnectionPool):
    """A pool of plain connections."""

    ConnectionCls = Connection


class SecurePool(_FreshConnections, HTTPSConnectionPool):
    """A pool of connections with TLS."""

    ConnectionCls = SecureConnection


POOL_CLASSES = {"http": Pool, "https": SecurePool}
