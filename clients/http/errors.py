"""Turning what urllib3, ssl and the socket say into the typed errors."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from urllib3 import exceptions as u3

from ..core.errors import (
    BackendError,
    ConnectionFailed,
    ConnectionLost,
    NetworkError,
    NetworkTimeout,
    ProtocolError,
    TLSError,
)

TRANSPORT_ERRORS = (u3.HTTPError, http.client.HTTPException, OSError, ValueError)
"""What urllib3 and what is below it raise. Anything else is a defect of ours and is not hidden as the network's."""

_PHASE_WORDS = {
    "connect": "did not accept the connection",
    "first_byte": "did not start to respond",
    "read": "stopped sending in the middle of its response",
    "stream_idle": "sent no data",
}
_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_LAYER_FAILURE", re.IGNORECASE)


def translated(
    error: BaseException,
    url: str,
    *,
    phase: str,
    interrupted: bool,
    sent: bool = True,
    handled: BaseException | None = None,
) -> BackendError:
    """Return the typed error for an exception of an exchange with ``url``, in time-out phase ``phase``.

    Once the call was ``interrupted``, whatever goes wrong comes of that. The exceptions forget their request, whose
    headers hold the key: they become causes of the typed error. ``sent`` says that sending had begun; ``handled`` is
    the exception that the caller was handling before, which is no part of this exchange.
    """
    beneath = list(causes(error, handled))
    for each in beneath:
        _forget_request(each)
    if interrupted:
        return broken_off(url)
    for kind, failure in _TABLE:
        found = next((each for each in beneath if isinstance(each, kind)), None)
        if found is not None:
            return _make_error(failure, found, url, phase, sent, handled)
    return _make_error(_OTHER, error, url, phase, sent, handled)


def _forget_request(error: BaseException) -> None:
    """Take away the request and the response that requests and httpx note in their exceptions."""
    for name in ("request", "response", "_request"):
        if vars(error).get(name) is not None:
            setattr(error, name, None)


def broken_off(url: str) -> ConnectionLost:
    """Return the error of a call that this side has broken off."""
    server = _server_in(url)
    return ConnectionLost(
        f"The request to {server} was cancelled.",
        code="interrupted",
        hint="Send it again if you still need it.",
        context={"server": server},
    )


def causes(error: BaseException, handled: BaseException | None = None) -> Iterator[BaseException]:
    """Yield the error and what lies beneath it: urllib3 wraps, and says the cause as an argument or a ``reason``.

    What was ``handled`` before the exchange began, and a typed error, which ended another one, lie outside.
    """
    seen = {id(handled)}
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or isinstance(each, BackendError) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        context = None if each.__suppress_context__ else each.__context__
        waiting += [getattr(each, "reason", None), each.__cause__, context, *each.args]


def _words(error: BaseException, handled: BaseException | None) -> str:
    """Say what is wrong without the wrappings: of the deepest cause in the system's words, if it has some."""
    deepest = [each for each in causes(error, handled) if isinstance(each, OSError)]
    told = deepest[-1] if deepest else error
    return getattr(told, "strerror", None) or str(told) or type(told).__name__


def _make_error(
    failure: _Failure, error: BaseException, url: str, phase: str, sent: bool, handled: BaseException | None
) -> BackendError:
    if failure is _TLS and _NOT_TLS.search(str(error)):
        failure = _NOT_HTTPS
    server, code = _server_in(url), failure.code
    if failure is _TIMED_OUT:
        code = "connect" if isinstance(error, u3.ConnectTimeoutError) else phase
    message = failure.message.format(
        server=server,
        reason=_words(error, handled),
        detail=getattr(error, "verify_message", "") or error,
        response=f"{type(error).__name__} {str(error)[:100]!r}",
        phase=_PHASE_WORDS.get(code, ""),
    )
    context: dict[str, Any] = {"server": server}
    if not sent:
        context["sent"] = False
    return failure.kind(message, code=code or None, hint=failure.hint, context=context)


def _server_in(url: str) -> str:
    """Return the host and port, without a user name."""
    return urlsplit(url).netloc.rpartition("@")[2]


class _Failure(NamedTuple):
    """One kind of failure: the error that it becomes, with its code, message and hint."""

    kind: type[BackendError]
    code: str
    message: str
    hint: str


_CERTIFICATE = _Failure(
    TLSError,
    "certificate",
    "The certificate of {server} was rejected: {detail}.",
    "If it is a certificate of your own, choose its file in the preferences.",
)
_NOT_HTTPS = _Failure(
    ProtocolError,
    "not_https",
    "{server} does not speak https.",
    "Write the address with http:// instead of https://.",
)
_TLS = _Failure(
    TLSError,
    "tls",
    "No secure connection to {server}: {detail}.",
    "Check the server's TLS set-up.",
)
_TIMED_OUT = _Failure(
    NetworkTimeout,
    "",
    "{server} {phase} within the time allowed.",
    "Is the server busy or hung? If it is just slow, raise the time-outs in the preferences.",
)
_UNKNOWN_NAME = _Failure(
    ConnectionFailed,
    "dns_failed",
    "The host name of {server} can't be found.",
    "Check the spelling of the address.",
)
_REFUSED = _Failure(
    ConnectionFailed,
    "refused",
    "No server responds at {server}.",
    "Is the server running, and is the port right?",
)
_UNREACHABLE = _Failure(
    ConnectionFailed,
    "unreachable",
    "{server} can't be reached: {reason}.",
    "Check the network and the address.",
)
_PROXY = _Failure(
    NetworkError,
    "proxy",
    "The proxy for {server} failed: {reason}.",
    "Check the proxy settings of this machine (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).",
)
_NOT_HTTP = _Failure(
    ProtocolError,
    "not_http",
    "{server} did not send a valid HTTP response: {response}.",
    "Is this the address of the right server? An https server needs https://.",
)
_LOST = _Failure(
    ConnectionLost,
    "connection_lost",
    "The connection to {server} was lost: {reason}.",
    "Did the server stop? Try again; an https server needs https://.",
)
_OTHER = _Failure(
    NetworkError,
    "",
    "The request to {server} failed: {reason}.",
    "",
)

# The first row that any of the causes is an instance of decides, so the narrow ones stand first.
_TABLE: tuple[tuple[type[BaseException], _Failure], ...] = (
    (ssl.SSLCertVerificationError, _CERTIFICATE),
    (ssl.SSLEOFError, _LOST),
    (ssl.SSLZeroReturnError, _LOST),
    (ssl.SSLError, _TLS),
    (u3.ProxyError, _PROXY),
    (socket.gaierror, _UNKNOWN_NAME),
    (ConnectionRefusedError, _REFUSED),
    (u3.NewConnectionError, _UNREACHABLE),
    (u3.ConnectTimeoutError, _TIMED_OUT),
    (u3.ReadTimeoutError, _TIMED_OUT),
    (TimeoutError, _TIMED_OUT),
    (u3.InvalidHeader, _NOT_HTTP),
    (http.client.RemoteDisconnected, _LOST),
    (http.client.IncompleteRead, _LOST),
    (http.client.HTTPException, _NOT_HTTP),
    (OSError, _LOST),
)
