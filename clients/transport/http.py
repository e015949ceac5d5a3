"""Pooled HTTP over urllib3, with time-outs by phase, typed errors, and calls that another thread can break off.

urllib3 is used without requests on top: it is what Blender ships anyway, costs about half per small request, and lets
the socket of a call be reached. Both of its generations (1.26.8, which Blender 4.2 ships, and 2.x) are served.
"""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ..errors import ProtocolError, ValidationError
from ..interrupt import Interrupter
from ..options import ClientOptions
from .failures import translated
from .url import ServerURL

CHUNK_BYTES = 256 * 1024

_thread = threading.local()


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


class _Breakable:
    """The wire of the call that this thread makes: which connection it uses, and whether it was broken off."""

    def __init__(self, interrupter: Interrupter) -> None:
        self.interrupter = interrupter
        self.connection: HTTPConnection | None = None

    def shut_down(self) -> None:
        """Make the blocked call fail now; on another thread than the call's."""
        sock = getattr(self.connection, "sock", None)
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _note_connection(connection: HTTPConnection) -> None:
    call: _Breakable | None = getattr(_thread, "call", None)
    if call is not None:
        call.connection = connection
        if call.interrupter.fired:
            connection.close()
            raise ConnectionAbortedError("broken off")


class _Connection(HTTPConnection):
    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        _note_connection(self)
        super().putrequest(*args, **kwargs)

    def connect(self) -> None:
        super().connect()
        _note_connection(self)


class _SecureConnection(HTTPSConnection):
    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        _note_connection(self)
        super().putrequest(*args, **kwargs)

    def connect(self) -> None:
        super().connect()
        _note_connection(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Response:
    """An answer whose head has arrived. Read it or ``close`` it; a context manager."""

    def __init__(self, raw: Any, url: str, call: _Breakable, timeouts: Timeouts) -> None:
        self.status: int = raw.status
        self.reason: str = raw.reason or ""
        self.url = url
        self.headers: Mapping[str, str] = raw.headers
        self._raw = raw
        self._call = call
        self._timeouts = timeouts

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
        """The announced length in bytes, None if there is none to go by."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdigit() else None

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the body as it comes, at most about ``size`` bytes at a time; typed errors if it is cut or stalls."""
        with self._breakable():
            try:
                while data := self._raw.read(size, decode_content=True):
                    yield data
            except Exception as error:
                self._raw.close()
                raise translated(error, self.url, phase="read") from error

    def available(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the body's bytes as soon as any have come, for streams that pause between events."""
        with self._breakable():
            try:
                while data := self._read_some(size):
                    yield data
            except Exception as error:
                self._raw.close()
                raise translated(error, self.url, phase="stream_idle") from error

    def _read_some(self, size: int) -> bytes:
        read1 = getattr(self._raw, "read1", None)
        if read1 is not None:
            data: bytes = read1(size)
            return data
        return bytes(self._raw._fp.read1(size))  # urllib3 1.26 has no read1 of its own

    def read(self, limit: int) -> bytes:
        """Return the whole body; ``ProtocolError`` (code ``too_large``) if it has more than ``limit`` bytes."""
        parts: list[bytes] = []
        length = 0
        for chunk in self.chunks():
            length += len(chunk)
            if length > limit:
                self._raw.close()
                raise ProtocolError(
                    f"The answer of {_place(self.url)} is larger than {limit} bytes.",
                    code="too_large",
                    hint="If the server can be trusted, raise max_response_bytes.",
                )
            parts.append(chunk)
        return b"".join(parts)

    def close(self) -> None:
        """Give the connection back if the body was read, else close it."""
        if self._raw.closed or getattr(self._raw, "_fp", None) is None:
            return
        fp = self._raw._fp
        if fp.isclosed():
            self._raw.release_conn()
        else:
            self._raw.close()

    def _breakable(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(self._call.interrupter.guard(self._call.shut_down))
        sock = getattr(self._call.connection, "sock", None)
        if sock is not None:
            sock.settimeout(self._timeouts.read_s)
        return stack


class Transport:
    """Connection pools that any number of sessions share; thread-safe. Whoever makes one closes it."""

    def __init__(self, *, pool_size: int = 8, verify_tls: bool | Path = True) -> None:
        self.verify_tls = verify_tls
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._managers: dict[str, urllib3.PoolManager] = {}
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
        """
        call = _Breakable(interrupter)
        _thread.call = call
        try:
            with interrupter.guard(call.shut_down):
                raw = self._manager(url).urlopen(
                    method,
                    target,
                    body=body,
                    headers=dict(headers),
                    timeout=urllib3.Timeout(connect=timeouts.connect_s, read=timeouts.first_byte_s),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
        except Exception as error:
            raise translated(error, target, phase="first_byte") from error
        finally:
            _thread.call = None
        return Response(raw, target, call, timeouts)

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS settings, made once: the system's certificates and certifi's, or the user's file, or none."""
        with self._lock:
            if self._tls is None:
                self._tls = _tls_context(self.verify_tls)
            return self._tls

    def close(self) -> None:
        """Close all idle connections; those in use close when their answers do."""
        with self._lock:
            managers, self._managers = list(self._managers.values()), {}
        for manager in managers:
            manager.clear()

    def _manager(self, url: ServerURL) -> urllib3.PoolManager:
        proxy = proxy_for(url)
        tls = self.tls_context() if url.scheme == "https" or proxy.startswith("https") else None
        key = f"{proxy} {url.scheme}"
        with self._lock:
            if key not in self._managers:
                self._managers[key] = _new_manager(proxy, tls, self._pool_size)
            return self._managers[key]


def _new_manager(proxy: str, tls: ssl.SSLContext | None, pool_size: int) -> urllib3.PoolManager:
    settings: dict[str, Any] = {"num_pools": 16, "maxsize": pool_size, "block": False}
    if tls is not None:
        settings["ssl_context"] = tls
    if proxy:
        parts = urlsplit(proxy)
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if parts.username else None
        manager: urllib3.PoolManager = urllib3.ProxyManager(
            proxy, proxy_headers=urllib3.make_headers(proxy_basic_auth=login), **settings
        )
    else:
        manager = urllib3.PoolManager(**settings)
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def proxy_for(url: ServerURL) -> str:
    """Return the proxy that the environment names for this server, empty for none; never one for this or a private
    network.
    """
    if url.is_private or urllib.request.proxy_bypass(url.host):
        return ""
    proxy = urllib.request.getproxies().get(url.scheme, "")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _tls_context(verify: bool | Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    bundle = certifi.where() if verify is True else str(verify)
    try:
        context.load_verify_locations(bundle)
    except (OSError, ssl.SSLError) as error:
        raise ValidationError(
            f"The certificate file {bundle} can't be read: {error}.",
            code="invalid_certificate_file",
            hint="Choose a file of certificates in PEM format.",
        ) from error
    return context


def _place(url: str) -> str:
    return url.partition("?")[0]
