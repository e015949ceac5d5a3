"""Turning what urllib3, ssl and the socket say into the typed errors."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Callable, Iterator
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


def translated(error: BaseException, url: str, *, phase: str, interrupted: bool) -> BackendError:
    """Return the typed error for an exception of an exchange with ``url``, in time-out phase ``phase``.

    Once the call was ``interrupted``, whatever goes wrong comes of that.
    """
    if interrupted:
        return broken_off(url)
    place = urlsplit(url).netloc.rpartition("@")[2]
    beneath = list(causes(error))
    for kind, make in _TABLE:
        found = next((each for each in beneath if isinstance(each, kind)), None)
        if found is not None:
            return make(found, place, phase)
    return NetworkError(f"The request to {place} failed: {_words(error)}.", context={"server": place})


def broken_off(url: str) -> ConnectionLost:
    """Return the error of a call that this side has broken off."""
    place = urlsplit(url).netloc.rpartition("@")[2]
    return ConnectionLost(
        f"The request to {place} was cancelled.",
        code="interrupted",
        hint="Send it again if you still need it.",
        context={"server": place},
    )


def causes(error: BaseException) -> Iterator[BaseException]:
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


def _words(error: BaseException) -> str:
    """Say what is wrong without the wrappings: of the deepest cause in the system's words, if it has some."""
    deepest = [each for each in causes(error) if isinstance(each, OSError)]
    told = deepest[-1] if deepest else error
    return getattr(told, "strerror", None) or str(told) or type(told).__name__


def _certificate(error: BaseException, place: str, _phase: str) -> BackendError:
    return TLSError(
        f"The certificate of {place} was rejected: {getattr(error, 'verify_message', '') or error}.",
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
        hint="Is the server busy or hung? If it is just slow, raise the time-outs in the preferences.",
        context={"server": place},
    )


def _dns(_error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionFailed(
        f"The host name of {place} can't be found.",
        code="dns_failed",
        hint="Check the spelling of the address.",
        context={"server": place},
    )


def _refused(_error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionFailed(
        f"No server responds at {place}.",
        code="refused",
        hint="Is the server running, and is the port right?",
        context={"server": place},
    )


def _unreachable(error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionFailed(
        f"{place} can't be reached: {_words(error)}.",
        code="unreachable",
        hint="Check the network and the address.",
        context={"server": place},
    )


def _proxy(error: BaseException, place: str, _phase: str) -> BackendError:
    return NetworkError(
        f"The proxy for {place} failed: {_words(error)}.",
        code="proxy",
        hint="Check the proxy settings of this machine (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).",
        context={"server": place},
    )


def _malformed(error: BaseException, place: str, _phase: str) -> BackendError:
    return ProtocolError(
        f"{place} did not send a valid HTTP response: {type(error).__name__} {str(error)[:100]!r}.",
        code="not_http",
        hint="Is this the address of the right server? An https server needs https://.",
        context={"server": place},
    )


def _lost(error: BaseException, place: str, _phase: str) -> BackendError:
    return ConnectionLost(
        f"The connection to {place} was lost: {_words(error)}.",
        hint="Did the server stop? Try again; an https server needs https://.",
        context={"server": place},
    )


# The first row that any of the causes is an instance of decides, so the narrow ones stand first.
_TABLE: tuple[tuple[type[BaseException], Callable[[BaseException, str, str], BackendError]], ...] = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLEOFError, _lost),
    (ssl.SSLZeroReturnError, _lost),
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
    (OSError, _lost),
)
