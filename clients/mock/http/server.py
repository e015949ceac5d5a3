"""The base of every mock backend: a real HTTP server on loopback, with faults on request.

One thread per connection (keep-alive), one that accepts. Nothing polls: accepting and reading block, and
:meth:`MockServer.stop` wakes them by closing what they wait on.
"""

import contextlib
import http.server
import re
import socket
import socketserver
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from .faults import HTTP_REFUSE, HTTP_SPOIL, Fault, FaultBook
from .handler import Handler
from .request_log import Predicate, RecordedRequest, RequestLog
from .responses import MAX_BODY, Request, Response, server_error

Route = Callable[[Request], Response]


class Pace:
    """How fast the mock's pretended work goes; ``wait`` ends early when the server stops."""

    def __init__(self, speed: float, stopping: threading.Event) -> None:
        if not speed > 0:
            raise ValueError("speed must be above 0")
        self.speed = speed
        self.stopping = stopping

    def seconds(self, seconds: float) -> float:
        return seconds / self.speed

    def wait(self, seconds: float) -> bool:
        """Pretends to work for so long; True if the server is stopping."""
        return self.stopping.wait(self.seconds(seconds))


class MockServer:
    """A mock backend. Use it as a context manager, or through :class:`..MockBackends`.

    ``prefix`` is a path before all routes (a reverse proxy's); ``auth`` a value the Authorization header must have
    (else 401). ``speed`` 2.0 is twice as fast, infinity leaves every delay out. All public members are safe from any
    thread; :meth:`start` and :meth:`stop` may be called twice, and again after each other (on another port).
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
    ) -> None:
        self.prefix = prefix.rstrip("/")
        self.auth = auth
        self.stopping = threading.Event()
        self.pace = Pace(speed, self.stopping)
        self.faults = FaultBook(faults)
        self.requests = RequestLog()
        self._host = host
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self._listener: Listener | None = None
        self._lifecycle = threading.Lock()
        self._down_until = 0.0
        self.add_routes()

    @classmethod
    def make(cls, **options: Any) -> "MockServer":
        """Make the server of these keyword arguments; one that imitates several programs may choose another class."""
        return cls(**options)

    # Life

    def start(self) -> Self:
        """Listens and serves. Raises ``OSError`` where no loopback port can be had."""
        with self._lifecycle:
            if self._listener is None:
                self.stopping.clear()
                self._listener = Listener(self, self._host)
                self.on_start()
                self._listener.launch()
        return self

    def stop(self) -> None:
        """Ends within a second: closes every socket and joins every thread."""
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
        """``http://127.0.0.1:PORT`` and the prefix; ``RuntimeError`` while the server is stopped."""
        if self._listener is None:
            raise RuntimeError(f"the mock {self.name} is not running")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._listener.server_port}{self.prefix}"

    # What tests ask and set

    def inject(self, fault: Fault) -> None:
        """Commits ``fault`` from now on, after the faults injected before it."""
        self.faults.add(fault)

    def clear_faults(self) -> None:
        self.faults.clear()

    def wait_for_request(self, what: str | Predicate, timeout: float = 10.0) -> RecordedRequest:
        """The first request that fits ``what`` ("POST /prompt", or a predicate); ``TimeoutError`` after ``timeout``."""
        return self.requests.wait(what, timeout)

    # What a backend overrides

    def add_routes(self) -> None:
        """Adds the routes, with :meth:`route`."""

    def on_start(self) -> None:
        """Starts what runs beside the HTTP server."""

    def on_stop(self) -> None:
        """Ends it; ``self.stopping`` is set."""

    def missing(self, request: Request) -> Response:
        """The answer where no route fits."""
        return Response.text("404: Not Found", 404)

    def route_of(self, path: str) -> str:
        """``path`` without what stands before every route of this backend."""
        return path

    def forbidden(self, request: Request) -> Response | None:
        """A refusal that comes before any route; None: go on."""
        return None

    # Serving

    def route(self, method: str, pattern: str, handler: Route) -> None:
        """Adds a route; ``{name}`` in ``pattern`` stands for one path segment, percent-decoded into the parts."""
        regex = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern))
        self._routes.append((method, re.compile(regex + r"\Z"), handler))

    def methods(self, path: str) -> list[str]:
        """The methods that have a route at ``path``."""
        return [method for method, regex, _ in self._routes if regex.match(path)]

    def answer(self, request: Request) -> Response:
        """The answer of the backend itself, no fault applied."""
        if self.auth is not None and request.headers.get("Authorization") != self.auth:
            return Response(401, b"", {"WWW-Authenticate": "Bearer"})
        refusal = self.forbidden(request)
        if refusal is not None:
            return refusal
        for method, regex, handler in self._routes:
            match = regex.match(request.path)
            if match and request.method == method:
                parts = {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}
                return self._guarded(handler, Request(**{**request.__dict__, "parts": parts}))
        return self.missing(request)

    def _guarded(self, handler: Route, request: Request) -> Response:
        try:
            return handler(request)
        except (ValueError, TypeError, AttributeError, LookupError):
            return server_error()

    def refusing_fault(self, request: Request) -> Fault | None:
        return self.faults.take_request(HTTP_REFUSE, request.method, request.path)

    def spoiling_fault(self, request: Request) -> Fault | None:
        return self.faults.take_request(HTTP_SPOIL, request.method, request.path)

    def go_down(self, seconds: float) -> None:
        """Resets every connection, and every new one for ``seconds``."""
        self._down_until = time.monotonic() + seconds
        if self._listener is not None:
            self._listener.reset_all()

    @property
    def down(self) -> bool:
        return time.monotonic() < self._down_until


class Listener(http.server.ThreadingHTTPServer):
    """Accepts connections and knows them, so that it can close them and join their threads."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, mock: MockServer, host: str) -> None:
        self.mock = mock
        if ":" in host:
            self.address_family = socket.AF_INET6
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__((host, 0), Handler)
        self._acceptor = threading.Thread(target=self._accept, name=f"mock-{mock.name}-accept", daemon=True)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for the machine's name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.mock.name, self.socket.getsockname()[1]

    def launch(self) -> None:
        self._acceptor.start()

    def _accept(self) -> None:
        number = 0
        while True:
            connection, _ = self.socket.accept()
            if self.mock.stopping.is_set():
                connection.close()
                return
            if self.mock.down:
                reset(connection)
                continue
            number += 1
            name = f"mock-{self.mock.name}-{number}"
            thread = threading.Thread(target=self._serve, args=(connection,), name=name, daemon=True)
            with self._lock:
                for each, old in list(self._connections.items()):
                    if not old.is_alive():
                        del self._connections[each]
                self._connections[connection] = thread
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # The thread stays listed until it is dead, so that the stop of the server joins it in its last moment too.
        with contextlib.suppress(OSError, ValueError), connection:
            Handler(connection, connection.getpeername(), self)

    def reset_all(self) -> None:
        with self._lock:
            for connection in self._connections:
                _linger_zero(connection)
                _shut(connection)

    def halt(self) -> None:
        """Stops accepting, closes every connection and joins every thread."""
        # A connection of our own is the one portable way to wake accept() at once.
        with socket.create_connection(self.socket.getsockname()[:2], timeout=1.0):
            self._acceptor.join()
        self.server_close()
        with self._lock:
            open_now = list(self._connections.items())
            for connection, _ in open_now:
                _shut(connection)
        deadline = time.monotonic() + 0.5
        for _, thread in open_now:
            thread.join(max(0.0, deadline - time.monotonic()))


def reset(connection: socket.socket) -> None:
    """Closes ``connection`` with an RST."""
    _linger_zero(connection)
    connection.close()


def _linger_zero(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
