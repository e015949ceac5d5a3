"""Pooled HTTP over ``requests``, with time-outs by phase, typed errors, and calls that another thread can break off.

``requests.Session`` finds and shares the connections; bodies, redirects and retries are ours (``response``,
``session``). Both generations of urllib3 below it (1.26.8, which Blender 4.2 ships, and 2.x) are served.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from urllib3 import exceptions as u3

from ..core.errors import NetworkError
from ..core.interrupt import Interrupter
from ..core.options import ClientOptions
from .adapter import make_request, make_session
from .errors import TRANSPORT_ERRORS, translated
from .headers import merged_headers
from .interruptible_pool import Call, Connection
from .proxies import Proxy, proxy_for
from .response import Response
from .tls import tls_context
from .url import ServerURL

if TYPE_CHECKING:
    import requests  # noqa: TID251

CLOSE_TIMEOUT_S = 1.0
"""How long ``close`` waits, unless told, for threads whose calls it has broken off; they take milliseconds."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds of silence allowed while connecting, before the first byte of the answer, and within it."""

    connect_s: float
    first_byte_s: float
    read_s: float

    @classmethod
    def of(cls, options: ClientOptions) -> Timeouts:
        """Take them from a client's options."""
        return cls(options.connect_timeout_s, options.first_byte_timeout_s, options.read_timeout_s)


class Transport:
    """Connection pools that any number of sessions share; thread-safe. Whoever makes one closes it."""

    def __init__(self, *, pool_size: int = 8, verify_tls: bool | Path = True) -> None:
        self.verify_tls = verify_tls
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._sessions: dict[bool, requests.Session] = {}
        self._closing = Interrupter()
        self._under_way = 0
        self._at_rest = threading.Condition(self._lock)
        self._responses: weakref.WeakSet[Response] = weakref.WeakSet()
        self._tls: ssl.SSLContext | None = None

    @classmethod
    def for_options(cls, options: ClientOptions) -> Transport:
        """Make one as a client's options say."""
        return cls(pool_size=options.pool_size, verify_tls=options.verify_tls)

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def exchange(
        self,
        method: str,
        url: ServerURL,
        target: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        timeouts: Timeouts,
        interrupter: Interrupter,
    ) -> Response:
        """Send one request to ``target`` (an absolute URL) and return the answer once its head is here.

        Nothing is repeated and no redirect followed. ``url`` is the server's address, which decides about proxies.
        Raises the typed error of what went wrong; ``ConnectionLost`` with code ``interrupted`` if ``interrupter`` fires
        or has fired. What ``body`` raises is passed on; one that is neither bytes nor a list needs its Content-Length.
        """
        handled = sys.exc_info()[1]
        proxy = proxy_for(url)
        request = make_request(method, target, _with_length(headers, body), body)
        with self._call(interrupter, timeouts.first_byte_s, proxy) as call:
            try:
                answer = self._session(url, proxy).send(
                    request,
                    call=call,
                    timeout=(timeouts.connect_s, timeouts.first_byte_s),
                    proxies={url.scheme: str(proxy)} if proxy else {},
                    stream=True,
                    allow_redirects=False,
                )
            except TRANSPORT_ERRORS as error:
                raise translated(
                    error,
                    target,
                    phase="first_byte",
                    interrupted=call.interrupted,
                    sent=call.sent,
                    handled=handled,
                ) from error
            response = Response(answer.raw, target, call, timeouts.read_s)
            with self._lock:
                self._responses.add(response)
            return response

    def open_socket(self, url: ServerURL, *, timeout_s: float, interrupter: Interrupter) -> socket.socket:
        """Return a socket connected to the server, through the proxy and with TLS where the address asks for it, for
        protocols other than HTTP. Raises as ``exchange`` does; the socket's time-out is ``timeout_s``.
        """
        handled = sys.exc_info()[1]
        with self._call(interrupter, timeout_s) as call:
            try:
                with call.under_way():
                    return self._connected(url, proxy_for(url), timeout_s)
            except TRANSPORT_ERRORS as error:
                raise translated(
                    error, url.origin, phase="connect", interrupted=call.interrupted, handled=handled
                ) from error

    @contextmanager
    def _call(self, interrupter: Interrupter, send_timeout_s: float, proxy: Proxy | None = None) -> Iterator[Call]:
        """Make a call that ``close`` breaks off, and waits for until the block has ended."""
        with self._lock:
            closing = self._closing
            self._under_way += 1
        try:
            yield Call(interrupter, send_timeout_s, proxy.headers if proxy else None, closing)
        finally:
            with self._lock:
                self._under_way -= 1
                self._at_rest.notify_all()

    def _connected(self, url: ServerURL, proxy: Proxy | None, timeout_s: float) -> socket.socket:
        if proxy is not None and proxy.scheme == "https":
            raise NetworkError(
                f"The live connection to {url.authority} can't go through a proxy with an https:// address.",
                code="proxy",
                hint="Put the server into NO_PROXY, or name a proxy with an http:// address.",
                context={"server": url.authority},
            )
        to = proxy or url
        connection = Connection(to.host, to.port, timeout=timeout_s)
        try:
            if proxy is not None:
                connection.set_tunnel(url.host, url.port, proxy.headers)
            connection.connect()
        except OSError as error:
            connection.close()
            raise error if proxy is None else u3.ProxyError("no tunnel", error) from error
        sock: socket.socket = connection.sock
        if url.scheme != "https":
            return sock
        return self.tls_context().wrap_socket(sock, server_hostname=url.host.rstrip("."))

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS settings, made once; see ``tls.tls_context``."""
        with self._lock:
            if self._tls is None:
                self._tls = tls_context(self.verify_tls)
            return self._tls

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Break off the calls that are under way and close all connections of HTTP, whatever still refers to them.

        The threads of those calls are waited for, ``timeout_s`` seconds at most. Sockets of ``open_socket`` are their
        users' own. The transport can be used again.
        """
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
            closing, self._closing = self._closing, Interrupter()
        closing.fire()
        with self._lock:
            self._at_rest.wait_for(lambda: not self._under_way, timeout_s)
            responses = list(self._responses)
        for response in responses:
            response.abandon()
        for session in sessions:
            session.close()

    def _session(self, url: ServerURL, proxy: Proxy | None) -> requests.Session:
        """Return the session for what has TLS on its way, or for what has not: reading certificates takes time."""
        secure = url.scheme == "https" or (proxy is not None and proxy.scheme == "https")
        tls = self.tls_context() if secure else None
        with self._lock:
            if secure not in self._sessions:
                self._sessions[secure] = make_session(self._pool_size, tls)
            return self._sessions[secure]


def _with_length(headers: Mapping[str, str], body: bytes | Iterable[bytes] | None) -> dict[str, str]:
    """Add the body's length; ``ValueError`` for a stream whose headers do not tell it.

    Without it requests sends chunks, which not all servers take, and requests 2.27 sends those without a time-out.
    """
    if isinstance(body, (bytes, list)):
        length = len(body) if isinstance(body, bytes) else sum(map(len, body))
        return merged_headers(headers, {"Content-Length": str(length)})
    if body is not None and not any(name.lower() == "content-length" for name in headers):
        raise ValueError("a streamed body needs its Content-Length")
    return dict(headers)
