"""The base of every mock backend: a real HTTP server on loopback, with faults on request.

Nothing polls: accepting and reading block, and ``MockServer.stop`` wakes them by closing the sockets.
"""

from __future__ import annotations

import re
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from .context import ServerContext, SimulatedClock
from .faults import Fault, FaultBook
from .listener import Listener
from .loopback import is_from_elsewhere
from .request_log import Predicate, RecordedRequest, RequestLog
from .responses import MAX_BODY, Request, Response, server_error

Route = Callable[[Request], Response]


class MockServer:
    """A mock backend. Use it as a context manager, or through ``MockBackends``.

    - ``faults``: the faults that it begins with.
    - ``speed``: 2.0 is twice as fast, infinity leaves out every delay.
    - ``prefix``: a path before all routes, as behind a reverse proxy.
    - ``auth``: the Authorization header that every request must have (else 401).
    - ``host``: the loopback address to listen on.
    - ``local_only``: refuse the requests of web pages from elsewhere (403).

    All public members are safe from any thread; ``start`` and ``stop`` may be called twice, and again after each other
    (on another port).
    """

    name = "mock"
    server_header = "mock"
    max_body = MAX_BODY

    def __init__(
        self,
        *,
        faults: Iterable[Fault] = (),
        speed: float = 1.0,
        prefix: str = "",
        auth: str | None = None,
        host: str = "127.0.0.1",
        local_only: bool = True,
    ) -> None:
        self.prefix = prefix.rstrip("/")
        self.auth = auth
        self.stopping = threading.Event()
        self.clock = SimulatedClock(speed, self.stopping)
        self.faults = FaultBook(faults)
        self.requests = RequestLog()
        self._context = ServerContext(
            self.name,
            self.server_header,
            self.prefix,
            self.max_body,
            self.stopping,
            self.faults,
            self.requests,
            refuses=is_from_elsewhere if local_only else lambda _headers: False,
            answer=lambda request: self.answer(request),  # noqa: PLW0108 (tests replace ``answer``)
            route_path=self.route_path,
        )
        self._host = host
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self._listener: Listener | None = None
        self._lifecycle = threading.Lock()
        self.add_routes()

    @classmethod
    def make(cls, **options: Any) -> MockServer:
        """Make the server of these keyword arguments; one that imitates several programs may choose another class."""
        return cls(**options)

    # Life

    def start(self) -> Self:
        """Listen and serve. Raise ``OSError`` if there is no free loopback port."""
        with self._lifecycle:
            if self._listener is None:
                self.stopping.clear()
                self._listener = Listener(self._context, self._host)
                self.on_start()
                self._listener.launch()
        return self

    def stop(self) -> None:
        """Close every socket and join every thread, within a second."""
        with self._lifecycle:
            if self._listener is not None:
                self.stopping.set()
                self.on_stop()
                self._listener.halt()
                self._listener = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT`` and the prefix; raises ``RuntimeError`` while the server is stopped."""
        if self._listener is None:
            raise RuntimeError(f"the mock {self.name} is not running")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._listener.server_port}{self.prefix}"

    # For tests

    def inject(self, fault: Fault) -> None:
        """Commit ``fault`` from now on, after the faults injected before it."""
        self.faults.add(fault)

    def clear_faults(self) -> None:
        self.faults.clear()

    def wait_for_request(self, what: str | Predicate, timeout: float = 10.0) -> RecordedRequest:
        """Return the first request that matches ``what`` ("POST /prompt", or a predicate).

        Raise ``TimeoutError`` after ``timeout`` seconds.
        """
        return self.requests.wait(what, timeout)

    def go_down(self, seconds: float) -> None:
        """Reset every connection, and every new one for ``seconds``."""
        self._context.down_until = time.monotonic() + seconds
        if self._listener is not None:
            self._listener.reset_all()

    @property
    def down(self) -> bool:
        """True while the server refuses connections."""
        return self._context.down

    # Hooks of a backend

    def add_routes(self) -> None:
        """Add the routes, with ``route``."""

    def on_start(self) -> None:
        """Start the threads that run beside the HTTP server."""

    def on_stop(self) -> None:
        """End the threads that run beside the HTTP server; ``self.stopping`` is set."""

    def missing(self, request: Request) -> Response:
        """Answer a request that no route fits."""
        return Response.text("404: Not Found", 404)

    def route_path(self, path: str) -> str:
        """Cut off the base path that this backend puts before its routes."""
        return path

    def forbidden(self, request: Request) -> Response | None:
        """Refuse a request before any route; None: accept it."""
        return None

    # Serving

    def route(self, method: str, pattern: str, handler: Route) -> None:
        """Add a route; ``{name}`` in ``pattern`` matches one path segment, percent-decoded into ``parts``."""
        regex = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))
        self._routes.append((method, re.compile(regex + r"\Z"), handler))

    def methods(self, path: str) -> list[str]:
        """Return the methods that have a route at ``path``."""
        return [method for method, regex, _ in self._routes if regex.match(path)]

    def answer(self, request: Request) -> Response:
        """Make the backend's own response, without faults."""
        if self.auth is not None and request.headers.get("Authorization") != self.auth:
            return Response(401, b"", {"WWW-Authenticate": "Bearer"})
        refusal = self.forbidden(request)
        if refusal is not None:
            return refusal
        for method, regex, handler in self._routes:
            match = regex.match(request.path)
            if match and request.method == method:
                parts = {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}
                return self.call_route(handler, Request(**{**request.__dict__, "parts": parts}))
        return self.missing(request)

    def call_route(self, handler: Route, request: Request) -> Response:
        """Call a route's handler; an exception that bad input causes is answered with 500."""
        try:
            return handler(request)
        except (ValueError, TypeError, AttributeError, LookupError):
            return server_error()
