"""The base of mock Gradio apps, generations 4, 5 and 6: the routes, the event stream, files and sign-in.

An ``App`` is made of components and wired functions. A backend's mock derives from ``MockGradio`` and makes one::

    class MockEcho(MockGradio):
        def make_app(self) -> App:
            parts = [Component(1, "textbox", "text"), Component(2, "textbox", "out")]
            return App(parts, [Dependency(0, "echo", lambda call, text: text, (1,), (2,), ((3, "click"),))])

Facts: recordings of 4.44.1, 5.29.0 and 6.31.0 (tests/recordings/gradio), with which the tests compare it.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from typing import Any

from ..http.multipart import read_files
from ..http.responses import Request, Response, Stream, StreamCut
from ..http.server import MockServer
from .app import App, Dependency, GradioError
from .config import ServerFacts, make_config, make_info
from .events import Event, make_event
from .files import FileCache
from .messages import Dialect, Message, as_event
from .queue import EventQueue, QueueFull

HEARTBEAT_S = 15.0
CHECK_S = 0.05
OPEN = ("/", "/login", "/login/", "/theme.css", "/robots.txt", "/startup-events")
TRACEBACK = (
    'Traceback (most recent call last):\n  File "/srv/gradio/queueing.py", line 300, in push\n'
    "    fn = self.blocks.fns[fn_index]\nKeyError: 99999\n"
)


class MockGradio(MockServer):
    """A Gradio server of ``version`` 4.x, 5.x or 6.x (else ``ValueError``).

    ``login`` is the user name and password that all routes but the page require; ``max_queue`` bounds the waiting
    events (None: no bound); ``max_file_size`` bounds an upload, in bytes; ``show_error`` sends the text of every
    exception. ``heartbeat_s`` is the silence after which a stream sends a heartbeat.
    """

    name = "gradio"
    server_header = "uvicorn"
    max_body = 1 << 30
    heartbeat_s = HEARTBEAT_S

    def __init__(
        self,
        *,
        version: str = "5.29.0",
        login: tuple[str, str] | None = None,
        max_queue: int | None = None,
        max_file_size: int | None = None,
        show_error: bool = False,
        **options: Any,
    ) -> None:
        self.dialect = Dialect(version)
        self.login = login
        self.max_file_size = max_file_size
        self.show_error = show_error
        self.app_id = secrets.randbits(63)
        self.files = FileCache(self.dialect.generation)
        self._cookie_id = secrets.token_urlsafe(32)
        self._tokens: set[str] = set()
        super().__init__(**options)
        self.app = self.make_app()
        self.queue = EventQueue(self.app, self.dialect, self.files, self.clock)
        self.queue.max_size, self.queue.show_errors = max_queue, show_error
        self.queue.fails = self._injected_failure

    def make_app(self) -> App:
        """Make the app that is served; a backend's mock overrides it."""
        return App([], [])

    @property
    def base(self) -> str:
        """The address of the routes, with their prefix."""
        return self.url + self.dialect.prefix

    def on_start(self) -> None:
        self.app_id = secrets.randbits(63)
        self._cookie_id = secrets.token_urlsafe(32)
        self._tokens.clear()

    def on_stop(self) -> None:
        self.queue.stop()
        self.app.forget_sessions()

    # Routes

    def add_routes(self) -> None:
        prefix = self.dialect.prefix
        self.route("GET", "/", lambda _: Response.html(f"<!doctype html><title>{self.app.title}</title>"))
        self.route("GET", "/config", lambda _: reply(self.config()))
        self.route("GET", "/robots.txt", lambda _: Response.text("User-agent: *\nDisallow: "))
        self.route("POST", "/login", self._login)
        self.route("GET", "/logout", self._logout)
        if prefix:
            self.route("GET", f"{prefix}/config", lambda _: reply(self.config()))
        self.route("GET", f"{prefix}/info", lambda _: reply(make_info(self.app, self.dialect, self.url)))
        self.route("GET", f"{prefix}/app_id", lambda _: reply({"app_id": self.app_id}))
        self.route("GET", f"{prefix}/login_check", lambda _: reply(None))
        self.route("GET", f"{prefix}/startup-events", lambda _: reply(False))
        self.route("GET", f"{prefix}/queue/status", self._status)
        self.route("GET", f"{prefix}/queue/data", self._data)
        self.route("POST", f"{prefix}/queue/join", self._join)
        self.route("POST", f"{prefix}/cancel", self._cancel)
        self.route("POST", f"{prefix}/reset", lambda _: reply({"success": True}))
        self.route("POST", f"{prefix}/upload", self._upload)
        self.route("POST", f"{prefix}/call/{{name}}", self._call)
        self.route("GET", f"{prefix}/call/{{name}}/{{event_id}}", self._call_data)
        self.route("GET", f"{prefix}/heartbeat/{{session}}", self._heartbeat)
        for word in ("run", "api"):
            self.route("POST", f"{prefix}/{word}/{{name}}", self._run)

    def config(self) -> Message:
        """Make the response of GET /config."""
        username = self.login[0] if self.login is not None else None
        facts = ServerFacts(self.dialect, self.url, self.app_id, self.show_error, self.max_file_size, username)
        return make_config(self.app, facts)

    def answer(self, request: Request) -> Response:
        self.files.base_url = f"http://{request.headers.get('Host', '127.0.0.1')}{self.prefix}{self.dialect.prefix}"
        return super().answer(request)

    def missing(self, request: Request) -> Response:
        start = f"{self.dialect.prefix}/file="
        if request.method == "GET" and request.path.startswith(start):
            path = urllib.parse.unquote(request.path.removeprefix(start))
            return lowercase_headers(self.files.answer(path, request.headers.get("Range")))
        if self.methods(request.path):
            return reply({"detail": "Method Not Allowed"}, 405)
        return reply({"detail": "Not Found"}, 404)

    def _status(self, request: Request) -> Response:
        return reply(self.dialect.estimation(None, None, self.queue.size(), None))

    # Signing in

    def forbidden(self, request: Request) -> Response | None:
        if self.login is None or request.path in OPEN:
            return None
        return None if self._username(request) is not None else reply(self.dialect.locked(), 401)

    def _username(self, request: Request) -> str | None:
        pairs = (each.strip().partition("=") for each in request.headers.get("Cookie", "").split(";"))
        names = (f"access-token-{self._cookie_id}", f"access-token-unsecure-{self._cookie_id}")
        known = any(name in names and value in self._tokens for name, _, value in pairs)
        return self.login[0] if known and self.login is not None else None

    def _login(self, request: Request) -> Response:
        form = urllib.parse.parse_qs(request.body.decode())
        if self.login is None or (form.get("username"), form.get("password")) != tuple([each] for each in self.login):
            return reply({"detail": "Incorrect credentials."}, 400)
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        response = reply({"success": True})
        response.cookies = (
            f"access-token-{self._cookie_id}={token}; HttpOnly; Path=/; SameSite=none; Secure",
            f"access-token-unsecure-{self._cookie_id}={token}; HttpOnly; Path=/; SameSite=lax",
        )
        return response

    def _logout(self, request: Request) -> Response:
        self._tokens.clear()
        gone = '=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax'
        cookies = tuple(f"{name}-{self._cookie_id}{gone}" for name in ("access-token", "access-token-unsecure"))
        return Response(302, b"", {"location": self.url}, cookies=cookies)

    # Calls

    def _join(self, request: Request) -> Response:
        try:
            body = json.loads(request.body)
        except ValueError as error:
            return not_json(str(error).partition(":")[0])
        if not body.get("session_hash"):
            return reply({"detail": "Session hash not found."}, 400)
        dependency = self.app.dependencies.get(body.get("fn_index"))
        if dependency is None:
            return self._broken()
        fields = {"trigger_id": body.get("trigger_id"), "username": self._username(request)}
        return self._push(make_event(dependency, str(body["session_hash"]), body.get("data") or [], **fields))

    def _push(self, event: Event) -> Response:
        full = self.faults.take("queue_full", event.dependency.api_name or "")
        if full is not None:
            size = int(full.seconds(1))
            return reply({"detail": f"Queue is full. Max size is {size} and size is {size}."}, 503)
        try:
            self.queue.push(event)
        except QueueFull as error:
            return reply({"detail": str(error)}, 503)
        return reply({"event_id": event.id})

    def _broken(self) -> Response:
        if self.dialect.generation == 5:
            return Response.text(TRACEBACK, 500)
        return Response.text("Internal Server Error", 500)

    def _named(self, request: Request) -> Dependency | None:
        return self.app.by_name.get(request.parts["name"])

    def _call(self, request: Request) -> Response:
        dependency = self._named(request)
        if dependency is None:
            return self._broken()
        body = request.json()
        session = str(body.get("session_hash") or uuid.uuid4().hex)
        username = self._username(request)
        return self._push(make_event(dependency, session, body.get("data") or [], whole=True, username=username))

    def _run(self, request: Request) -> Response:
        dependency = self._named(request)
        if dependency is None:
            return self._broken()
        body = request.json()
        session = str(body.get("session_hash") or uuid.uuid4().hex)
        try:
            return reply(self.queue.run_now(make_event(dependency, session, body.get("data") or [])))
        except GradioError as error:
            return reply(self.dialect.error(str(error), raised=True, duration=error.duration), 500)
        except Exception as error:  # noqa: BLE001 - a function may raise anything, which is sent to the client
            return reply(self.dialect.error(str(error), raised=False, shown=self.show_error), 500)

    def _cancel(self, request: Request) -> Response:
        body = request.json()
        self.queue.cancel(str(body.get("session_hash")), str(body.get("event_id")))
        return reply({"success": True})

    def _injected_failure(self, dependency: Dependency) -> Exception | None:
        fault = self.faults.take("function_error", dependency.api_name or "", str(dependency.id))
        if fault is None:
            return None
        return RuntimeError("injected") if fault.value is None else GradioError(str(fault.value))

    # Uploads

    def _upload(self, request: Request) -> Response:
        parts = read_files(request.headers.get("Content-Type", ""), request.body, "files")
        limit = self.max_file_size
        if limit is not None and any(len(each.data) > limit for each in parts):
            return Response.text(f"File size exceeded maximum allowed size of {limit} bytes.", 413)
        return reply([self.files.add(each.filename or "blob", each.data) for each in parts])

    # Streams

    def _data(self, request: Request) -> Response:
        session = request.query.get("session_hash", "")
        return stream(self._events(session))

    def _events(self, session: str) -> Iterator[bytes]:
        last = time.monotonic()
        left = True
        try:
            while not self.stopping.is_set():
                messages = self._messages(session)
                if messages is None:
                    yield as_event(self.dialect.no_session())
                    left = False
                    return
                if not messages and time.monotonic() - last > self.heartbeat_s:
                    messages = [self.dialect.heartbeat()]
                yield b""
                for message in messages:
                    last = time.monotonic()
                    yield from self._apply_faults(message)
                    ended = message["msg"] == "process_completed"
                    if ended and self.queue.completed(session, message["event_id"]):
                        yield as_event(self.dialect.close_stream())
                        left = False
                        return
        finally:
            if left:
                self.queue.leave(session)

    def _messages(self, session: str) -> list[Message] | None:
        if self.faults.take("session_lost", session) is not None:
            self.queue.leave(session)
            return None
        return self.queue.receive(session, CHECK_S)

    def _apply_faults(self, message: Message) -> Iterator[bytes]:
        """Encode one message, applying any injected fault."""
        kind = str(message["msg"])
        if self.faults.take("sse_cut", kind) is not None:
            raise StreamCut
        silent = self.faults.take("sse_silent", kind)
        if silent is not None:
            yield from self._silence()
        if self.faults.take("sse_noise", kind) is not None:
            yield b": a comment\r\n\r\n" + as_event({"msg": "from_the_future", "event_id": None}) + b"event: ping\n\n"
        if self.faults.take("sse_bad_json", kind) is not None:
            yield b'data: {"msg": "progress", "event_\n\n'
            return
        yield as_event(message)

    def _silence(self) -> Iterator[bytes]:
        while not self.stopping.is_set():
            yield b""
            self.stopping.wait(CHECK_S)

    def _call_data(self, request: Request) -> Response:
        return stream(self._call_events(request.parts["event_id"]))

    def _call_events(self, event_id: str) -> Iterator[bytes]:
        event = self.queue.event(event_id)
        if event is None:
            yield as_event(self.dialect.no_session()["message"], "error")
            return
        ended = False
        try:
            while not ended and not self.stopping.is_set():
                yield b""
                for message in self.queue.receive(event.session, CHECK_S) or ():
                    if message["msg"] == "process_generating":
                        yield as_event(message["output"]["data"], "generating")
                    elif message["msg"] == "process_completed":
                        ended = True
                        self.queue.completed(event.session, event_id)
                        yield self._call_end(message)
        finally:
            if not ended:
                self.queue.leave(event.session)

    def _call_end(self, message: Message) -> bytes:
        if message["success"]:
            return as_event(message["output"].get("data"), "complete")
        return as_event(message["output"] if self.dialect.generation == 6 else None, "error")

    def _heartbeat(self, request: Request) -> Response:
        return stream(self._heartbeats())

    def _heartbeats(self) -> Iterator[bytes]:
        last = -self.heartbeat_s
        while not self.stopping.wait(CHECK_S):
            if time.monotonic() - last > self.heartbeat_s:
                last = time.monotonic()
                yield b"data: ALIVE\n\n"
            yield b""


def reply(data: Any, status: int = 200) -> Response:
    """Answer with JSON as Gradio writes it."""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, {"content-type": "application/json"})


def not_json(reason: str) -> Response:
    """Make FastAPI's response to a body that is not JSON."""
    detail = {"type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error", "input": {}}
    return reply({"detail": [{**detail, "ctx": {"error": reason}}]}, 422)


def stream(pieces: Iterator[bytes]) -> Stream:
    """Answer with server-sent events."""
    return Stream(200, headers={"content-type": "text/event-stream; charset=utf-8"}, pieces=pieces)


def lowercase_headers(response: Response) -> Response:
    """Write header names in lower case, as uvicorn does."""
    response.headers = {name.lower(): value for name, value in response.headers.items()}
    return response
