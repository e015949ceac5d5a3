"""One server's HTTP: its address, headers, time-outs and retries over a shared transport."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from ..core.errors import (
    APIError,
    AuthenticationError,
    BackendError,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    ValidationError,
)
from ..core.interrupt import Interrupter
from ..core.options import ClientOptions
from ..core.scope import Scope, SessionScope
from .error_text import error_text
from .headers import checked_headers, merged_headers
from .json_decode import decode_json
from .redaction import ErrorT, Redactor, redact_error
from .response import Response
from .retry import IDEMPOTENT, RetryPolicy, retry_after_s
from .transport import Timeouts, Transport
from .url import ServerURL, parse_server_url

MAX_REDIRECTS = 5
ERROR_BODY_BYTES = 64 * 1024
EVENT_STREAM = "text/event-stream"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE_IN_URL = "%/:?#[]@!$&'()*+,;=~"
_FOR_ANY_ORIGIN = frozenset({"accept", "range", "if-range"})
_OWN_HEADERS = {"User-Agent": "MovieDirector", "Accept-Encoding": "identity"}


class HTTPSession:
    """Requests to one server. Thread-safe. Errors are typed, name the backend, and hold no secret.

    ``headers`` go with every request to the server's own origin; ``ValidationError`` (code ``invalid_header``) for one
    that can't be sent.
    """

    def __init__(
        self,
        transport: Transport,
        url: ServerURL,
        backend: str,
        options: ClientOptions,
        headers: Mapping[str, str],
    ) -> None:
        self.transport = transport
        self.url = url
        self.backend = backend
        self.timeouts = Timeouts.of(options)
        self.redact = Redactor([*headers.values(), *(part.partition("=")[2] for part in url.query.split("&"))])
        self._headers = checked_headers(headers)
        self._retry = RetryPolicy.of(options)
        self._closing = Interrupter()
        self._max_bytes = options.max_response_bytes
        self.max_file_bytes = options.max_file_bytes

    def request(
        self,
        method: str,
        path: str,
        *,
        scope: Scope | None = None,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: Iterable[int] = (),
        repeatable: bool | None = None,
        timeouts: Timeouts | None = None,
        stream: bool = False,
    ) -> Response:
        """Send a request and return the answer, which the caller reads or closes.

        An error status raises its typed error unless it stands in ``expect``. What is lost on the way or refused for
        the moment is sent again within the retry bounds if that is ``repeatable`` (default: if the method is
        idempotent); an iterator as the body can be sent only once. Reading a repeatable request's answer is a part of
        it: a body that is cut is asked for again. With ``stream`` the body is left to the caller, as it comes.
        """
        scope = scope or self.free_scope()
        if repeatable is None:
            repeatable = method in IDEMPOTENT
        once = isinstance(body, Iterator)
        extra = checked_headers(headers or {})
        attempt = 0
        while True:
            scope.check()
            try:
                response = self._send(method, path, scope, body, extra, frozenset(expect), timeouts or self.timeouts)
                if repeatable and not stream and response.status < 400 and response.content_type != EVENT_STREAM:
                    response.buffer(self._max_bytes)
                return response
            except BackendError as error:
                scope.check()
                self.clean(error)
                pause = None if once else self._retry.pause_s(attempt, error, repeatable=repeatable)
                if pause is None or scope.interrupter.fired or error.code == "interrupted":
                    raise
            attempt += 1
            scope.sleep(pause)

    def with_timeouts(self, *, first_byte_s: float) -> HTTPSession:
        """Return a session to the same server, with the same secrets, that allows so much silence before an answer."""
        other = copy.copy(self)
        other.timeouts = Timeouts(self.timeouts.connect_s, first_byte_s, self.timeouts.read_s)
        return other

    def clean(self, error: ErrorT) -> ErrorT:
        """Take the secrets out of an error that the server's words went into, and name the backend in it."""
        return redact_error(error, self.redact, self.backend)

    @contextmanager
    def cleaned(self) -> Iterator[None]:
        """Clean the errors of the block."""
        try:
            yield
        except BackendError as error:
            self.clean(error)
            raise

    def hide(self, *secrets: str) -> None:
        """Redact these texts too, such as a password or the token that the server gave for it."""
        self.redact.add(*secrets)

    def free_scope(self) -> SessionScope:
        """Return a scope for requests that belong to no job; ``close`` ends it."""
        return SessionScope(self._closing)

    def close(self) -> None:
        """Break off the requests that belong to no job, and refuse new ones; the transport stays open."""
        self._closing.fire()

    def get_json(self, path: str, *, scope: Scope | None = None, expect: Iterable[int] = ()) -> Any:
        """GET and decode JSON."""
        with self.request("GET", path, scope=scope, expect=expect) as response:
            return self.json_of(response)

    def post_json(
        self,
        path: str,
        payload: Any,
        *,
        scope: Scope | None = None,
        expect: Iterable[int] = (),
        repeatable: bool = False,
    ) -> Response:
        """POST JSON; NaN and infinities, which JSON has not, raise ``ValueError``."""
        body = json.dumps(payload, allow_nan=False).encode()
        headers = {"Content-Type": "application/json"}
        return self.request("POST", path, scope=scope, body=body, headers=headers, expect=expect, repeatable=repeatable)

    def json_of(self, response: Response) -> Any:
        """Read a response as JSON; a web page instead raises a ``ProtocolError`` (code ``web_page``)."""
        chunks = response.chunks_within(self._max_bytes)
        first = next(chunks, b"")
        if response.content_type == "text/html" or first[:64].lstrip()[:1] == b"<":
            response.close()
            raise self.clean(
                ProtocolError(
                    f"{self.url} returned a web page instead of data from {self.backend}.",
                    code="web_page",
                    hint="Is this the right address? There may be a login page or a proxy in front of the "
                    "server: add its key or headers in the preferences.",
                )
            )
        try:
            return decode_json(itertools.chain((first,), chunks))
        except ProtocolError as error:
            self.clean(error)
            raise

    def error_of(self, response: Response) -> BackendError:
        """Read a response with an error status and return its typed error, with the server's own text."""
        words = error_text(response.start(ERROR_BODY_BYTES), response.content_type, self.redact)
        return self.clean(error_for_status(response, words, str(self.url)))

    def _send(
        self,
        method: str,
        path: str,
        scope: Scope,
        body: bytes | Iterable[bytes] | None,
        headers: Mapping[str, str],
        expect: frozenset[int],
        timeouts: Timeouts,
    ) -> Response:
        place, target = self.url, self.url.join(path)
        for _ in range(MAX_REDIRECTS + 1):
            response = self.transport.exchange(
                method,
                place,
                target,
                headers=self._headers_for(place, headers),
                body=body,
                timeouts=timeouts,
                interrupter=scope.interrupter,
            )
            response.finish = self.clean
            if response.status < 300 or response.status in expect:
                return response
            with response:
                if response.status not in _REDIRECTS:
                    raise self.error_of(response)
                place, target = self._redirected(method, place, target, response)
        raise ProtocolError(f"{self.url} redirects in a loop.", code="redirects", hint="Check the address.")

    def _headers_for(self, place: ServerURL, headers: Mapping[str, str]) -> dict[str, str]:
        """Return what may be sent there: to another origin nothing of the user's."""
        if place.origin == self.url.origin:
            return merged_headers(_OWN_HEADERS, headers, self._headers)
        harmless = {name: headers[name] for name in headers if name.lower() in _FOR_ANY_ORIGIN}
        return merged_headers(_OWN_HEADERS, harmless)

    def _redirected(self, method: str, place: ServerURL, target: str, response: Response) -> tuple[ServerURL, str]:
        """Return where a redirect leads; ``ProtocolError`` (code ``redirected``) if it may not be followed."""
        location = response.headers.get("Location", "")
        other, there = None, ""
        with suppress(ValueError, ValidationError):
            there = urljoin(target, quote(location.encode("latin-1"), safe=_SAFE_IN_URL))
            other = parse_server_url(there)
        if other is None or method not in ("GET", "HEAD") or not location or not self._may_follow(place, other, there):
            raise ProtocolError(
                f"{self.url} redirects this request to {other.origin if other else 'an invalid address'}.",
                code="redirected",
                hint="If that is the server, use it as the address; there may also be a login page in front of "
                "the server.",
                context={"status": response.status},
            )
        return other, there

    def _may_follow(self, place: ServerURL, other: ServerURL, there: str) -> bool:
        """Not from this machine to others, which would get round Blender's switch for online access; and not with a
        key in the address to another origin.
        """
        if place.is_loopback and not other.is_loopback:
            return False
        return other.origin == self.url.origin or self.redact(there) == there


_ERRORS: dict[int, tuple[type[APIError], str, str]] = {
    401: (AuthenticationError, "Authentication failed at {server}", "Set the key in the preferences."),
    403: (
        PermissionDenied,
        "{server} denied access",
        "Check the key and its rights; a proxy in front of the server may also deny access.",
    ),
    404: (
        NotFound,
        "{server} has no {path}",
        "Is this the address of the right server, and its version new enough?",
    ),
    413: (APIError, "{server} answered with status {status}", "The data may be too large for the server."),
    429: (RateLimited, "{server} received too many requests", "Wait a little and try again."),
    503: (Overloaded, "{server} is busy", "Try again later."),
}
"""The kind of error, its message and its hint by status; the server's own text follows the message."""
_SERVER_ERROR = (ServerError, "{server} failed with status {status}", "Check the server's log.")
_OTHER_ERROR = (APIError, "{server} answered with status {status}", "Check the server's log.")


def error_for_status(response: Response, server_text: str, server: str) -> BackendError:
    """Return the typed error for an error status."""
    status, path = response.status, urlsplit(response.url).path
    kind, message, hint = _ERRORS.get(status) or (_SERVER_ERROR if status >= 500 else _OTHER_ERROR)
    pause_s = retry_after_s(response.headers.get("Retry-After"))
    more: dict[str, Any] = {"retry_after_s": pause_s} if kind is RateLimited else {}
    return kind(
        message.format(server=server, path=path, status=status) + (f": {server_text}" if server_text else "."),
        status=status,
        context={"server": server, "path": path, "status": status, "retry_after_s": pause_s},
        hint=hint,
        **more,
    )
