"""Turning what urllib3, ssl and the socket say into the typed errors."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from urllib3 import exceptions as u3

from ..errors import (
    BackendError,
    ConnectionFailed,
    ConnectionLost,
    NetworkError,
    NetworkTimeout,
    ProtocolError,
    TLSError,
    ValidationError,
)

_PHASE_WORDS = {
    "connect": "did not take the connection",
    "first_byte": "took the request but did not begin to answer",
    "read": "stopped sending in the middle of its answer",
    "stream_idle": "has been silent for too long",
}
_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_LAYER_FAILURE", re.IGNORECASE)


def translated(error: BaseException, url: str, *, phase: str) -> BackendError:
    """Return the typed error for what was raised while talking to ``url``, in time-out phase ``phase``."""
    if isinstance(error, BackendError):
        return error
    place = urlsplit(url).netloc.rpartition("@")[2]
    causes = list(_causes(error))
    for kind, make in _TABLE:
        found = next((each for each in causes if isinstance(each, kind)), None)
        if found is not None:
            made: BackendError = make(found, place, phase)
            return made
    words = f"{type(error).__name__}: {error}"
    return NetworkError(f"Talking to {place} failed: {words}", context={"server": place})


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what lies beneath it: urllib3 wraps, and says the cause as an argument or a ``reason``."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]


def _certificate(error: BaseException, place: str, _phase: str) -> BackendError:
    reason = getattr(error, "verify_message", "") or str(error)
    return TLSError(
        f"The certificate of {place} was refused: {reason}.",
        code="certificate",
        hint="If it is a certificate of your own, name its file in the preferences.",
        context={"server": place},
    )


def _tls(error: BaseException, place: str, _phase: str) -> BackendError:
    if _NOT_TLS.search(str(error)):
        return ProtocolError(
            f"{place} does not speak https.",
            code="not_https",
            hint="Write the address with http:// instead of https://.",
            context={"server": place},
        )
    return TLSError(
        f"No secure connection to {place}: {error}.", hint="Check the server's TLS set-up.", context={"server": place}
    )


def _timeout(error: BaseException, place: str, phase: str) -> BackendError:
    code = "connect" if isinstance(error, u3.ConnectTimeoutError) else phase
    return NetworkTimeout(
        f"{place} {_PHASE_WORDS[code]} within the time allowed.",
        code=code,
        hint="Is the server busy or hung? If it is only slow, raise the time-outs in the preferences.",
        context={"server": place},
    )


def _dns(_error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionFailed(
        f"The name of {place} is not known to this network.",
        code="dns_failed",
        hint="Check the address for typing errors.",
        context={"server": place},
    )


def _refused(_error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionFailed(
        f"Nothing answers at {place}.",
        code="refused",
        hint="Is the server running, and is the port right?",
        context={"server": place},
    )


def _unreachable(error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionFailed(
        f"{place} can't be reached: {error}.",
        code="unreachable",
        hint="Check the network and the address.",
        context={"server": place},
    )


def _proxy(error: BaseException, place: str, _phase: str) -> BackendError:
    return NetworkError(
        f"The proxy on the way to {place} failed: {error}.",
        code="proxy",
        hint="Check the proxy settings of this machine (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).",
        context={"server": place},
    )


def _malformed(error: BaseException, place: str, _phase: str) -> BackendError:
    return ProtocolError(
        f"{place} does not answer in HTTP: {error!r}.",
        code="not_http",
        hint="Is this the address of the right server? An https server needs https://.",
        context={"server": place},
    )


def _lost(error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionLost(
        f"The connection to {place} ended in the middle: {error}.",
        hint="Has the server stopped? Try again.",
        context={"server": place},
    )


def _invalid(error: BaseException, _place: str, _phase: str) -> BackendError:
    return ValidationError(
        f"The request can't be sent: {error}.",
        code="invalid_header",
        hint="Check the headers and the key in the preferences.",
    )


# The first row that any of the causes is an instance of decides, so the narrow ones stand first.
_TABLE = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, _tls),
    (u3.ProxyError, _proxy),
    (socket.gaierror, _dns),
    (ConnectionRefusedError, _refused),
    (u3.NewConnectionError, _unreachable),
    (u3.ConnectTimeoutError, _timeout),
    (u3.ReadTimeoutError, _timeout),
    (TimeoutError, _timeout),
    (u3.InvalidHeader, _malformed),
    (http.client.RemoteDisconnected, _lost),
    (http.client.IncompleteRead, _lost),
    (http.client.HTTPException, _malformed),
    (u3.DecodeError, _malformed),
    (u3.ProtocolError, _lost),
    (OSError, _lost),
    (ValueError, _invalid),
)
