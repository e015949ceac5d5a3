"""Requests to one Gradio server, with a login if it requires one.

Facts: ``POST /login`` at the root takes user name and password as a form and sets two cookies, which go with every
later request, uploads and downloads included. Their names contain the app's id: after a restart of the server they are
invalid and the 401 comes back. A request that was answered with 401 has had no effect and can be repeated.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import AuthenticationError, BackendError, ProtocolError
from ..core.scope import Scope, SessionScope
from ..http.error_text import error_text
from ..http.response import Response
from ..http.session import ERROR_BODY_BYTES, HTTPSession
from ..http.transport import Timeouts
from .login import SignIn

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_UNAUTHORIZED = 401
_LOGIN_REFUSALS = (400, _UNAUTHORIZED)


class GradioHTTP:
    """One server's requests, with its cookies. Thread-safe. Cookies go to the server's own origin only.

    Without ``sign_in`` a server that requires a login raises ``AuthenticationError`` (code ``sign_in_needed``).
    """

    def __init__(self, http: HTTPSession, sign_in: SignIn | None = None) -> None:
        self.http = http
        self._sign_in = sign_in
        self._lock = threading.Lock()
        self._cookies: dict[str, str] = {}
        if sign_in is not None:
            http.hide(sign_in.password)

    @property
    def server(self) -> str:
        """The server's address, for messages."""
        return str(self.http.url)

    @property
    def max_file_bytes(self) -> int:
        """The largest file that is downloaded."""
        return self.http.max_file_bytes

    def free_scope(self) -> SessionScope:
        """Return a scope for requests that belong to no job."""
        return self.http.free_scope()

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
        """Send a request as ``HTTPSession.request`` does; it must be possible to iterate a ``body`` again.

        If the server requires a login, log in and repeat the request once.
        """
        scope = scope or self.http.free_scope()

        def send(cookie: str) -> Response:
            return self.http.request(
                method,
                path,
                scope=scope,
                body=body,
                headers={**(headers or {}), **({"Cookie": cookie} if cookie else {})},
                expect={*expect, _UNAUTHORIZED},
                repeatable=repeatable,
                timeouts=timeouts,
                stream=stream,
            )

        cookie = self.cookie()
        response = send(cookie)
        if response.status == _UNAUTHORIZED and self._sign_in is not None:
            self.error_text(response)
            self._renew(cookie, self._sign_in, scope)
            response = send(self.cookie())
        if response.status == _UNAUTHORIZED:
            raise self.login_error(self.error_text(response))
        return response

    def get_json(self, path: str, *, scope: Scope | None = None) -> Any:
        """GET and decode JSON."""
        with self.request("GET", path, scope=scope) as response:
            return self.http.json_of(response)

    def post_json(self, path: str, payload: Any, *, scope: Scope | None = None, expect: Iterable[int] = ()) -> Response:
        """POST JSON, at most once; NaN and infinities, which JSON lacks, raise ``ValueError``."""
        body = json.dumps(payload, allow_nan=False).encode()
        return self.request("POST", path, scope=scope, body=body, headers=_JSON, expect=expect, repeatable=False)

    def error_text(self, response: Response) -> str:
        """Read and close a response with an error status, and return its text for people."""
        with response:
            return error_text(response.start(ERROR_BODY_BYTES), response.content_type, self.http.redact)

    def cookie(self) -> str:
        """Return the cookies of the last login as a header's value, empty if there was none."""
        with self._lock:
            return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def _renew(self, used: str, sign_in: SignIn, scope: Scope) -> None:
        """Log in, unless another thread has done so since the cookies ``used`` were taken."""
        if self.cookie() != used:
            return
        cookies = self._log_in(sign_in, scope)
        self.http.hide(*cookies.values())
        with self._lock:
            self._cookies = cookies

    def _log_in(self, sign_in: SignIn, scope: Scope) -> dict[str, str]:
        response = self.http.request(
            "POST",
            "/login",
            scope=scope,
            body=sign_in.form(),
            headers=_FORM,
            expect=_LOGIN_REFUSALS,
            repeatable=True,
        )
        with response:
            if response.status in _LOGIN_REFUSALS:
                raise self._make_error(response.status, self.error_text(response))
            cookies = dict(_parse_cookies(response.headers))
            response.read(ERROR_BODY_BYTES)
        if not cookies:
            raise self.http.clean(
                ProtocolError(
                    f"{self.server} accepted the login but set no cookie.",
                    code="no_cookie",
                    hint="A proxy in front of the server may remove its cookies.",
                )
            )
        return cookies

    def login_error(self, text: str) -> BackendError:
        """Return the error of a request that was answered with 401 and a ``text``."""
        reported = f": {text}" if text and text != "Not authenticated" else "."
        return self.http.clean(
            AuthenticationError(
                f"{self.server} requires a user name and password{reported}",
                status=_UNAUTHORIZED,
                code="sign_in_needed",
                hint="Enter them as NAME:PASSWORD in the API Key field of the preferences.",
                context={"server": self.server},
            )
        )

    def _make_error(self, status: int, text: str) -> BackendError:
        reported = f": {text}" if text else "."
        return self.http.clean(
            AuthenticationError(
                f"{self.server} rejected this user name or password{reported}",
                status=status,
                code="sign_in_refused",
                hint="Correct NAME:PASSWORD in the API Key field of the preferences.",
                context={"server": self.server},
            )
        )


def _parse_cookies(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return name and value of the cookies in a response."""
    lines = [value for name, value in headers.items() if name.lower() == "set-cookie"]
    pairs = [line.partition(";")[0].partition("=") for line in lines]
    return [(name.strip(), value.strip()) for name, equals, value in pairs if equals and name.strip()]
