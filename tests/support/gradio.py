"""Gradio sessions against mock and scripted servers, closed at the end; a scope that can be ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from faultserver import answer

from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.errors import JobCancelled
from movie_director.clients.gradio.config import GradioConfig, read_config
from movie_director.clients.gradio.http import GradioHTTP
from movie_director.clients.gradio.login import SignIn
from movie_director.clients.gradio.session import GradioSession
from movie_director.clients.http.session import HTTPSession
from movie_director.clients.http.transport import Transport
from movie_director.clients.http.url import parse_server_url

JSON = "Content-Type: application/json"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class JobScope:
    """A scope as a job's: ``cancel`` ends it from another thread."""

    def __init__(self) -> None:
        self.interrupter = Interrupter()
        self.slept: list[float] = []
        self._ended = threading.Event()

    def cancel(self) -> None:
        """Do what the runner does to a job that is cancelled."""
        self._ended.set()
        self.interrupter.fire()

    def check(self) -> None:
        """Raise once it is cancelled."""
        if self._ended.is_set():
            raise JobCancelled("The job was cancelled.")

    def sleep(self, seconds: float) -> None:
        """Pause."""
        self.slept.append(seconds)
        self._ended.wait(seconds)
        self.check()


class Bench:
    """What a test makes of clients; all of it is closed at the end."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.folder = folder
        self.scope = JobScope()
        self.options: dict[str, Any] = {}
        self._stack = stack
        self._transport = stack.enter_context(Transport())

    def access(
        self, url: str, sign_in: SignIn | None = None, headers: dict[str, str] | None = None, **options: Any
    ) -> GradioHTTP:
        """Make the access to a server."""
        quick = {"backoff_base_s": 0.001, "backoff_max_s": 0.001, "max_retries": 1, "first_byte_timeout_s": 10.0}
        given = ClientOptions(**{**quick, **self.options, **options})
        return GradioHTTP(HTTPSession(self._transport, parse_server_url(url), "wan2gp", given, headers or {}), sign_in)

    def session(self, url: str, session_hash: str | None = None, *, idle_timeout_s: float = 20.0) -> GradioSession:
        """Ask a server for its app and make a session."""
        access = self.access(url)
        config = read_config(access, scope=self.scope)
        return self.session_on(access, config, session_hash, idle_timeout_s=idle_timeout_s)

    def session_on(
        self,
        access: GradioHTTP,
        config: GradioConfig,
        session_hash: str | None = None,
        *,
        idle_timeout_s: float = 20.0,
    ) -> GradioSession:
        """Make a session with an app that is known."""
        made = GradioSession(access, config, session_hash, idle_timeout_s=idle_timeout_s)
        self._stack.callback(made.close)
        return made


@contextmanager
def bench(folder: Path) -> Iterator[Bench]:
    """Make a bench."""
    with ExitStack() as stack:
        yield Bench(stack, folder)


def outline(**more: Any) -> dict[str, Any]:
    """Return what ``/config`` of a small app answers: ``echo``, ``steps`` and ``add``, and one that is hidden."""
    functions: list[dict[str, Any]] = [
        {"id": 0, "api_name": "echo", "inputs": [1], "outputs": [2], "targets": [[3, "click"]]},
        {"id": 1, "api_name": "steps", "inputs": [1], "outputs": [2, 2], "types": {"generator": True}},
        {"id": 2, "api_name": "add", "inputs": [1, 4], "outputs": [2], "trigger_after": 0},
        {"id": 7, "api_name": False, "inputs": [], "outputs": [], "backend_fn": False},
    ]
    components = [
        {"id": 1, "type": "textbox", "props": {"label": "text"}},
        {"id": 3, "type": "button", "props": {"value": "Go"}},
        {"id": 4, "type": "state", "props": {}},
    ]
    return {
        "version": "5.29.0",
        "api_prefix": "/gradio_api",
        "protocol": "sse_v3",
        "title": "small",
        "dependencies": functions,
        "components": components,
        **more,
    }


def as_json(value: Any, *headers: str, status: str = "200 OK") -> bytes:
    """Return an answer with JSON."""
    return answer(json.dumps(value).encode(), JSON, *headers, status=status)


def event(message: Any) -> bytes:
    """Return one message as a chunk of an event stream."""
    block = f"data: {message if isinstance(message, str) else json.dumps(message)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(block), block)


def stream(*messages: Any, ended: bool = True) -> bytes:
    """Return an event stream, which ends as the server's does unless it is cut."""
    return EVENTS + b"".join(map(event, messages)) + (b"0\r\n\r\n" if ended else b"")


CLOSE = {"msg": "close_stream", "event_id": None}


def done(event_id: str, *data: Any) -> dict[str, Any]:
    """Return the message that a call has succeeded."""
    output = {"data": list(data), "is_generating": False, "duration": 0.5}
    return {"msg": "process_completed", "event_id": event_id, "output": output, "success": True, "title": None}
