"""One server's HTTP: its address, headers, time-outs and retries over a shared transport."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from ..errors import (
    APIError,
    AuthenticationError,
    BackendError,
    NotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
)
from ..interrupt import Interrupter
from ..options import ClientOptions
from .http import Response, Timeouts, Transport
from .jsontext import decode_json
from .redaction import Redactor
from .retry import IDEMPOTENT, RetryPolicy, retry_after_s
from .url import ServerURL

MAX_REDIRECTS = 5
ERROR_BODY_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TAGS = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SPACE = re.compile(r"\s+")


class Scope(Protocol):
    """What a request belongs to: it can be broken off, and its pauses can be cut short."""

    @property
    def interrupter(self) -> Interrupter:
        """Breaks off the request's blocking calls."""

    def check(self) -> None:
        """Raise if the work is not wanted any more."""

    def sleep(self, seconds: float) -> None:
        """Pause between tries."""


class FreeScope:
    """The scope of a request that belongs to no job."""

    def __init__(self, interrupter: Interrupter | None = None) -> None:
        self.interrupter = interrupter or Interrupter()
        self._never = threading.Event()

    def check(self) -> None:
        """Go on."""

    def sleep(self, seconds: float) -> None:
        """Pause."""
        self._never.wait(seconds)


class HTTPSession:
    """Requests to one server. Thread-safe. Errors are typed, name the backend, and hold no secret."""

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
        self.redact = Redactor(headers.values())
        self._headers = dict(headers)
        self._retry = RetryPolicy.of(options)
        self._closing = Interrupter()
        self._max_bytes = options.max_response_bytes

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
    ) -> Response:
        """Send a request and return the answer, which the caller reads or closes.

        An error status raises its typed error unless it stands in ``expect``. What is lost on the way or refused for
        the moment is sent again within the retry bounds if that is ``repeatable`` (default: if the method is
        idempotent and the body is not an iterator).
        """
        scope = scope or FreeScope(self._closing)
        if repeatable is None:
            repeatable = method in IDEMPOTENT and (body is None or isinstance(body, bytes))
        attempt = 0
        while True:
            scope.check()
            try:
                return self._send(
                    method, path, scope, body, headers or {}, frozenset(expect), timeouts or self.timeouts
                )
            except BackendError as error:
                scope.check()
                self._finish(error)
                pause = self._retry.pause_s(attempt, error, repeatable=repeatable)
                if pause is None:
                    raise
            attempt += 1
            scope.sleep(pause)

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
        """Read an answer as JSON; a web page instead of it is a ``ProtocolError`` that says so."""
        body = response.read(self._max_bytes)
        if response.content_type == "text/html" or body[:64].lstrip()[:1] == b"<":
            raise self._finish(
                ProtocolError(
                    f"{self.url} answers with a web page where {self.backend} would send data.",
                    code="web_page",
                    hint="Is this the right address? A login page or a proxy may stand before the server: "
                    "add its key or headers in the preferences.",
                )
            )
        try:
            return decode_json(body)
        except ProtocolError as error:
            raise self._finish(error) from error.__cause__

    def error_of(self, response: Response) -> BackendError:
        """Read an answer with an error status and return its typed error, with the server's own words."""
        body = response.read(ERROR_BODY_BYTES) if (response.content_length or 0) <= ERROR_BODY_BYTES else b""
        words = self.redact(words_of(body, response.content_type))
        return self._finish(error_for_status(response, words, str(self.url)))

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
        url, target = self.url, self.url.join(path)
        sent = {"User-Agent": "MovieDirector", "Accept-Encoding": "identity", **headers}
        for _ in range(MAX_REDIRECTS + 1):
            own = self._headers if urlsplit(target)[:2] == urlsplit(url.origin)[:2] else {}
            response = self.transport.exchange(
                method,
                url,
                target,
                headers={**sent, **own},
                body=body,
                timeouts=timeouts,
                interrupter=scope.interrupter,
            )
            if response.status < 300 or response.status in expect:
                return response
            with response:
                if response.status not in _REDIRECTS:
                    raise self.error_of(response)
                target = self._redirect_target(method, response)
        raise ProtocolError(f"{url} redirects in a circle.", code="redirects", hint="Check the address.")

    def _redirect_target(self, method: str, response: Response) -> str:
        location = response.headers.get("Location", "")
        target = urljoin(response.url, location)
        parts = urlsplit(target)
        if method not in ("GET", "HEAD") or not location or parts.scheme not in ("http", "https"):
            raise ProtocolError(
                f"{self.url} sends this request on to {parts.scheme}://{parts.netloc}.",
                code="redirected",
                hint="If that is the server, set it as the address; a login page may also stand before the server.",
            )
        return target

    def _finish(self, error: BackendError) -> BackendError:
        error.backend = self.backend
        error.message = self.redact(error.message)
        error.args = (error.message,)
        error.context = {
            key: self.redact(each) if isinstance(each, str) else each for key, each in error.context.items()
        }
        return error


def error_for_status(response: Response, words: str, server: str) -> BackendError:
    """Return the typed error for an error status; ``words`` are the server's."""
    status = response.status
    said = f": {words}" if words else "."
    pause = retry_after_s(response.headers.get("Retry-After"))
    context = {"server": server, "path": urlsplit(response.url).path, "status": status, "retry_after_s": pause}
    if status == 401:
        return AuthenticationError(
            f"{server} wants a valid key{said}", status=status, context=context, hint="Set the key in the preferences."
        )
    if status == 403:
        return PermissionDenied(
            f"{server} refuses this{said}",
            status=status,
            context=context,
            hint="Check the key and its rights; a proxy before the server may also refuse.",
        )
    if status == 404:
        return NotFound(
            f"{server} has no {urlsplit(response.url).path}{said}",
            status=status,
            context=context,
            hint="Is this the address of the right server, and its version new enough?",
        )
    if status == 429:
        return RateLimited(
            f"{server} wants fewer requests{said}",
            status=status,
            context=context,
            retry_after_s=pause,
            hint="Wait a little and try again.",
        )
    if status == 503:
        return Overloaded(f"{server} is too busy now{said}", status=status, context=context, hint="Try again later.")
    if status >= 500:
        return ServerError(
            f"{server} failed with status {status}{said}",
            status=status,
            context=context,
            hint="Look at the server's log.",
        )
    return APIError(
        f"{server} answered with status {status}{said}",
        status=status,
        context=context,
        hint="The data may be too large for the server." if status == 413 else "Look at the server's log.",
    )


def words_of(body: bytes, content_type: str) -> str:
    """Return what an error body says to people, in one line of bounded length."""
    text = body.decode("utf-8", "replace")
    if content_type.endswith("json"):
        try:
            text = _message_in(json.loads(text)) or text
        except (ValueError, RecursionError):
            pass
    if "<" in text:
        text = html.unescape(_TAGS.sub(" ", text))
    return _SPACE.sub(" ", text).strip()[:500]


def _message_in(value: Any) -> str:
    """Find the message in the forms that servers use: error.message, error, detail, message."""
    for key in ("error", "detail", "message"):
        if isinstance(value, dict) and value.get(key):
            return _message_in(value[key])
    return value if isinstance(value, str) else ""
