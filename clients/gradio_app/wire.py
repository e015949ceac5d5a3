"""Applies our rules to the requests of ``gradio_client`` through the library's one hook: httpx's ``auth``.

httpx passes each request and its response to its ``auth`` object. So every request of a call has the cookies of the
login and our time-outs, and goes to no other address than the server's; every response is bounded and checked, and an
error becomes a typed one; and each socket is known (httpcore's ``trace``), so that another thread can end blocking
calls. Nothing is sent twice, and no redirect is followed.

Facts: the library's reader of the event stream fails on comments, on unknown messages and on ``unexpected_error``, and
prints a traceback; a broken stream (``RemoteProtocolError``) ends its calls quietly, and any ``TransportError`` ends
its heartbeat quietly.
"""

from __future__ import annotations

import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from typing import Any

import httpx

from ..core.errors import BackendError, ConnectionLost, ProtocolError, StreamInterrupted
from ..gradio.config import GradioConfig
from ..gradio.errors import make_call_error
from ..gradio.http import GradioHTTP
from ..http.error_text import error_text
from ..http.errors import translated
from ..http.interruptible_pool import shut_down
from ..http.json_decode import decode_json
from ..http.proxies import proxy_for
from ..http.session import ERROR_BODY_BYTES
from ..http.sse import EventStreamParser, batches
from ..http.tls import tls_context
from ..http.url import ServerURL

MAX_EVENT_BYTES = 64 * 1024 * 1024
MAX_STREAM_BYTES = 1024 * 1024 * 1024
IDLE_TIMEOUT_S = 300.0
"""Time-out of the stream, on which the server sends a heartbeat every 15 s: its event loop can stall for minutes
while a model loads, and giving up would cancel the call.
"""

JOIN, STREAM, HEARTBEAT = "/queue/join", "/queue/data", "/heartbeat/"
_CLOSED = "close_stream"
_WITH_VALUES = frozenset({"process_generating", "process_completed"})
_PASSED_ON = frozenset({"estimation", "process_starts", "progress", "log", _CLOSED, *_WITH_VALUES})
_BROKEN = frozenset({"unexpected_error", "server_stopped"})
_CONNECTED = (".connect_tcp.complete", ".start_tls.complete")

Trace = Callable[[str, Mapping[str, Any]], None]


class Wire(httpx.Auth):
    """The requests and responses of one call of ``function``.

    ``error`` is the error that ended the event stream, None if there was none. ``join_sent`` is True once a connection
    for the call was made, ``stream_opened`` once the server has responded with the event stream. ``cut`` ends all
    blocking calls, now and later.
    """

    def __init__(self, access: GradioHTTP, config: GradioConfig, function: str) -> None:
        self.error: BackendError | None = None
        self.join_sent = False
        self.stream_opened = False
        self._access = access
        self._function = function
        self._base = str(httpx.URL(f"{self._url}{config.api_prefix}"))
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_cut = False

    @property
    def _url(self) -> ServerURL:
        return self._access.http.url

    @property
    def base_url(self) -> str:
        """The server's address for the library."""
        return f"{self._url}/"

    @property
    def tls(self) -> ssl.SSLContext | bool:
        """The certificates that httpx trusts: the same as for our own requests."""
        if self._url.scheme != "https":
            return False
        return tls_context(self._access.http.transport.verify_tls, ssl.SSLContext)

    def httpx_settings(self) -> dict[str, Any]:
        """Return the settings of all requests: this wire, and the proxy that our own requests use, if any."""
        settings: dict[str, Any] = {"auth": self, "trust_env": False}
        proxy = proxy_for(self._url)
        if proxy is not None:
            settings["proxy"] = httpx.Proxy(str(proxy), headers=proxy.headers)
        return settings

    def cut(self) -> None:
        """Shut down every socket, including later ones."""
        with self._lock:
            self._is_cut = True
            sockets = list(self._sockets)
        for each in sockets:
            shut_down(each)

    def translate(self, error: httpx.HTTPError, phase: str) -> BackendError:
        """Return the typed error for an exception of httpx in that time-out ``phase``."""
        if isinstance(error, httpx.ConnectTimeout):
            phase = "connect"
        if isinstance(error, httpx.RemoteProtocolError):
            lost = ConnectionLost(
                f"The connection to {self._url.authority} was lost.",
                hint="Did the server stop? Try again.",
                context={"server": self._url.authority},
            )
            return self._access.http.clean(lost)
        return self._access.http.clean(translated(error, str(self._url), phase=phase, interrupted=False))

    def fail(self, error: BackendError) -> httpx.RemoteProtocolError:
        """Store the error that ended the event stream, and return the exception that ends it quietly in the library."""
        self.error = self.error or self._access.http.clean(error)
        return httpx.RemoteProtocolError("the event stream is of no use any more")

    # For httpx, on the library's threads

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Prepare the request, and check its answer."""
        route = self._route(request)
        self._prepare(request, route)
        response = yield request
        if route == JOIN:
            self._check_join(response)
        elif route == STREAM:
            self._check_stream(response)
        else:
            response.stream = _Heartbeats(response.stream)

    def _route(self, request: httpx.Request) -> str:
        for route in (JOIN, STREAM, HEARTBEAT):
            if str(request.url).startswith(f"{self._base}{route}"):
                return route
        raise httpx.RemoteProtocolError("no request that a call makes")

    def _prepare(self, request: httpx.Request, route: str) -> None:
        times = self._access.http.timeouts
        request.extensions["timeout"] = {
            "connect": times.connect_s,
            "read": times.first_byte_s if route == JOIN else IDLE_TIMEOUT_S,
            "write": times.first_byte_s,
            "pool": times.connect_s,
        }
        request.extensions["trace"] = self._tracer(route)
        cookie = self._access.cookie()
        if cookie:
            request.headers["Cookie"] = cookie
        if self._url.query:
            address = str(request.url)
            request.url = httpx.URL(f"{address}{'&' if '?' in address else '?'}{self._url.query}")

    def _tracer(self, route: str) -> Trace:
        def trace(step: str, info: Mapping[str, Any]) -> None:
            if not step.endswith(_CONNECTED):
                return
            with self._lock:
                self._sockets.add(info["return_value"].get_extra_info("socket"))
                is_cut = self._is_cut
            if is_cut:
                info["return_value"].close()  # httpx does not have this connection yet, so it would not close it
                raise httpx.RemoteProtocolError("the call has ended")
            self.join_sent = self.join_sent or route == JOIN

        return trace

    def _check_join(self, response: httpx.Response) -> None:
        """Raise the typed error of a rejected call; else check the response and pass it on."""
        body = _read(response)
        if response.status_code >= 300:
            raise self._refusal(response, body)
        answer = decode_json(body)
        event_id = answer.get("event_id") if isinstance(answer, Mapping) else None
        if not isinstance(event_id, str) or not event_id:
            raise self._access.http.clean(
                ProtocolError(
                    f"{self._access.server} took the call of {self._function} but returned no id.",
                    code="no_event_id",
                    hint="Is this the address of the right server?",
                )
            )
        response.stream = httpx.ByteStream(body)

    def _check_stream(self, response: httpx.Response) -> None:
        if response.status_code >= 300:
            raise self.fail(self._refusal(response, _read(response)))
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self.fail(_malformed("the event stream is compressed"))
        self.stream_opened = True
        response.stream = _Events(self, response.stream)

    def _refusal(self, response: httpx.Response, body: bytes) -> BackendError:
        content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        words = error_text(body, content_type, self._access.http.redact)
        if response.status_code == 401:
            return self._access.login_error(words)
        if response.status_code < 400:
            return self._access.http.clean(
                ProtocolError(
                    f"{self._access.server} redirects the call of {self._function} to another address.",
                    code="redirected",
                    hint="If that is the server, use it as the address; there may also be a login page in front "
                    "of the server.",
                    context={"status": response.status_code},
                )
            )
        return make_call_error(self._access, response.status_code, words, self._function)

    # For the event stream

    def accepts(self, text: str) -> bool:
        """Return True if the library understands the message, and the message belongs to a call or ends the stream.

        Raises ``ProtocolError`` for a malformed message, and ``StreamInterrupted`` for one that reports a failure of
        the stream.
        """
        message = decode_json(text)
        if not isinstance(message, Mapping):
            return False
        kind = message.get("msg")
        if kind in _BROKEN:
            reported = message.get("message")
            reason = self._access.http.redact(reported) if isinstance(reported, str) else ""
            raise StreamInterrupted(f"The server has ended the event stream: {reason or 'it has stopped'}.")
        if kind in _WITH_VALUES and not _has_values(message.get("output")):
            raise _malformed("it has no output, or its values are not a list")
        if kind == "progress" and not _has_bars(message.get("progress_data")):
            return False
        return kind in _PASSED_ON and (kind == _CLOSED or isinstance(message.get("event_id"), str))


class _Events(httpx.SyncByteStream):
    """An event stream that passes on only complete, well-formed messages."""

    def __init__(self, wire: Wire, stream: Any) -> None:
        self._wire = wire
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            for events in batches(self._bounded(), EventStreamParser(MAX_EVENT_BYTES)):
                for event in events:
                    if self._wire.accepts(event.data):
                        yield f"data: {event.data}".replace("\n", " ").encode() + b"\n\n"
        except httpx.HTTPError as error:
            raise self._wire.fail(self._wire.translate(error, "stream_idle")) from None
        except BackendError as error:
            raise self._wire.fail(error) from None

    def _bounded(self) -> Iterator[bytes]:
        room = MAX_STREAM_BYTES
        for chunk in self._stream:
            room -= len(chunk)
            if room < 0:
                raise ProtocolError(
                    f"The server has sent more than {MAX_STREAM_BYTES} bytes of messages.",
                    code="too_large",
                    hint="Is this the address of the right server?",
                )
            yield chunk

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


class _Heartbeats(httpx.SyncByteStream):
    """A heartbeat that passes on only its beats, so that no long line can fill the memory."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        for _ in self._stream:
            yield b"\n"

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()


def _read(response: httpx.Response) -> bytes:
    """Return the start of the body, as far as readable, and close the response.

    The response to a call is short, and the start of an error's body is enough.
    """
    parts: list[bytes] = []
    length = 0
    stream: Any = response.stream
    with suppress(httpx.HTTPError):
        for chunk in stream:
            parts.append(chunk)
            length += len(chunk)
            if length >= ERROR_BODY_BYTES:
                break
    stream.close()
    return b"".join(parts)[:ERROR_BODY_BYTES]


def _has_values(output: Any) -> bool:
    """Return True if the output has a list of values, or no values, as after an error or a cancel."""
    return isinstance(output, Mapping) and isinstance(output.get("data", []), list)


def _has_bars(listed: Any) -> bool:
    return isinstance(listed, list) and all(isinstance(each, dict) for each in listed)


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(
        f"The server sent an invalid message: {what}.",
        code="bad_message",
        hint="Its Gradio may be too new for Movie Director.",
    )
