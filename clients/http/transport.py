"""Pooled HTTP over urllib3, with time-outs by phase, typed errors, and calls that another thread can break off.

urllib3 is used without requests on top: it is what Blender ships anyway, costs about half per small request, and lets
the socket of a call be reached. Both of its generations (1.26.8, which Blender 4.2 ships, and 2.x) are served; bodies
are read from the standard library's answer below, for the two differ there, and the older one unpacks gzip unbounded.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from urllib3 import exceptions as u3

from ..core.errors import BackendError, ProtocolError
from ..core.interrupt import Interrupter
from ..core.options import ClientOptions
from .encoding import Decoder
from .errors import TRANSPORT_ERRORS, broken_off, translated
from .interruptible_pool import Call, Connection, Pool, SecurePool
from .proxies import Proxy, proxy_for
from .tls import tls_context
from .url import ServerURL

CHUNK_BYTES = 256 * 1024


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


def _as_it_is(error: BackendError) -> BackendError:
    return error


class Response:
    """An answer whose head has arrived. Read it or ``close`` it; a context manager, for one thread.

    ``finish`` is applied to the errors that reading raises; it changes them in place.
    """

    def __init__(self, raw: Any, url: str, call: Call, read_timeout_s: float) -> None:
        self.status: int = raw.status
        self.url = url
        self.headers: Mapping[str, str] = raw.headers
        self.finish: Callable[[BackendError], BackendError] = _as_it_is
        self._raw = raw
        self._body: http.client.HTTPResponse = raw._fp
        self._left = self._announced = self._body.length  # None: chunked, or up to the connection's end
        self._call = call
        self._read_timeout_s = read_timeout_s
        self._decoder: Decoder | None = None

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The length in bytes that the body will have when read, None if that is not announced."""
        return None if self._encoding else self._announced

    @property
    def _encoding(self) -> str:
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        return "" if encoding == "identity" else encoding

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the body as it comes, at most ``size`` bytes at a time; typed errors if it is cut or stalls."""
        return self._pieces(size, "read")

    def available(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The same for a stream that pauses between events: too long a silence has its code ``stream_idle``."""
        return self._pieces(size, "stream_idle")

    def chunks_within(self, limit: int) -> Iterator[bytes]:
        """The same, but ``ProtocolError`` (code ``too_large``) for a body of more than ``limit`` bytes."""
        room = limit - (self.content_length or 0)
        if room >= 0:
            room = limit
            for chunk in self.chunks():
                room -= len(chunk)
                if room < 0:
                    break
                yield chunk
        if room < 0:
            self._drop()
            raise self.finish(
                ProtocolError(
                    f"The answer of {self.url.partition('?')[0]} is larger than {limit} bytes.",
                    code="too_large",
                    hint="If the server can be trusted, raise max_response_bytes.",
                )
            )

    def read(self, limit: int) -> bytes:
        """Return the whole body; ``ProtocolError`` (code ``too_large``) if it has more than ``limit`` bytes."""
        return b"".join(self.chunks_within(limit))

    def start(self, limit: int) -> bytes:
        """Return the body's first bytes, up to ``limit``, as far as they can be read; for what an error says."""
        parts: list[bytes] = []
        length = 0
        try:
            for chunk in self.chunks(limit):
                parts.append(chunk)
                length += len(chunk)
                if length >= limit:
                    break
        except BackendError:
            pass
        return b"".join(parts)[:limit]

    def set_patience(self, seconds: float) -> None:
        """Allow so much silence from now on while ``chunks`` or ``available`` is read; for the end of a stream."""
        self._call.settimeout(seconds)

    def close(self) -> None:
        """Give the connection back if the body was read, else close it."""
        if self._left == 0 or self._body.isclosed():
            self._release()
        else:
            self._drop()

    def _pieces(self, size: int, phase: str) -> Iterator[bytes]:
        try:
            with self._call.guarded():
                self._call.settimeout(self._read_timeout_s)
                while data := self._piece(size):
                    yield data
                self._check_end()
            self._release()
        except BackendError as error:
            self._drop()
            self.finish(error)
            raise
        except TRANSPORT_ERRORS as error:
            self._drop()
            failure = translated(error, self.url, phase=phase, interrupted=self._call.interrupter.fired)
            failure.__cause__ = error
            self.finish(failure)
            raise failure from failure.__cause__

    def _piece(self, size: int) -> bytes:
        if not self._encoding:
            return self._raw_piece(size)
        decoder = self._decoder = self._decoder or Decoder(self._encoding)
        while not (data := decoder.decode(size)):
            more = self._raw_piece(size)
            if not more:
                break
            decoder.waiting += more
        return data

    def _raw_piece(self, size: int) -> bytes:
        if self._left is None:
            return self._body.read1(size)
        data = self._body.read1(min(size, self._left)) if self._left else b""
        if self._left and not data:
            raise http.client.IncompleteRead(b"", self._left)
        self._left -= len(data)
        return data

    def _check_end(self) -> None:
        if self._call.interrupter.fired:  # what looks like the end is our own breaking off
            raise broken_off(self.url)
        if self._decoder is not None and not self._decoder.finished:
            raise http.client.IncompleteRead(b"")

    def _release(self) -> None:
        self._call.release()
        self._body.close()
        self._raw.release_conn()

    def _drop(self) -> None:
        self._call.release()
        self._raw.close()


class Transport:
    """Connection pools that any number of sessions share; thread-safe. Whoever makes one closes it."""

    def __init__(self, *, pool_size: int = 8, verify_tls: bool | Path = True) -> None:
        self.verify_tls = verify_tls
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._managers: dict[tuple[Proxy | None, str], urllib3.PoolManager] = {}
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
        or has fired. What ``body`` raises is passed on.
        """
        call = Call(interrupter, timeouts.first_byte_s)
        try:
            opener, address = self._opener(url, target)
            with call.under_way():
                raw: Any = opener.urlopen(
                    method,
                    address,
                    body=body,
                    headers=dict(headers),
                    timeout=urllib3.Timeout(connect=timeouts.connect_s, read=timeouts.first_byte_s),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
        except TRANSPORT_ERRORS as error:
            raise translated(error, target, phase="first_byte", interrupted=interrupter.fired) from error
        return Response(raw, target, call, timeouts.read_s)

    def open_socket(self, url: ServerURL, *, timeout_s: float, interrupter: Interrupter) -> socket.socket:
        """Return a socket connected to the server, through the proxy and with TLS where the address asks for it, for
        protocols other than HTTP. Raises as ``exchange`` does; the socket's time-out is ``timeout_s``.
        """
        call = Call(interrupter, timeout_s)
        try:
            with call.under_way():
                return self._connected(url, proxy_for(url), timeout_s)
        except TRANSPORT_ERRORS as error:
            raise translated(error, url.origin, phase="connect", interrupted=interrupter.fired) from error

    def _connected(self, url: ServerURL, proxy: Proxy | None, timeout_s: float) -> socket.socket:
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

    def close(self) -> None:
        """Close all idle connections; those in use close when their answers do."""
        with self._lock:
            managers, self._managers = list(self._managers.values()), {}
        for manager in managers:
            manager.clear()

    def _opener(self, url: ServerURL, target: str) -> tuple[Any, str]:
        """Return what opens the target, and the target as that wants it.

        Without a proxy the host's own pool does, to which the manager would come after taking the URL apart twice.
        """
        proxy = proxy_for(url)
        manager = self._manager(url, proxy)
        path = target.removeprefix(url.origin)
        if proxy is not None or not path.startswith("/"):
            return manager, target
        return manager.connection_from_host(url.host, url.port, url.scheme), path

    def _manager(self, url: ServerURL, proxy: Proxy | None) -> urllib3.PoolManager:
        needs_tls = url.scheme == "https" or (proxy is not None and proxy.scheme == "https")
        tls = self.tls_context() if needs_tls else None
        key = (proxy, url.scheme)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = _new_manager(proxy, tls, self._pool_size)
            return self._managers[key]


def _new_manager(proxy: Proxy | None, tls: ssl.SSLContext | None, pool_size: int) -> urllib3.PoolManager:
    settings: dict[str, Any] = {"num_pools": 16, "maxsize": pool_size, "block": False, "ssl_context": tls}
    manager = (
        urllib3.ProxyManager(str(proxy), proxy_headers=proxy.headers, proxy_ssl_context=tls, **settings)
        if proxy
        else urllib3.PoolManager(**settings)
    )
    manager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}
    return manager
