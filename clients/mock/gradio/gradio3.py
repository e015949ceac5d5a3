"""The base of mock Gradio 3 apps: plain requests, one request per yield of a generator, files by their path.

A backend's mock derives from ``MockGradio3`` and makes an ``App``. Its functions get a ``Gradio3Call`` first::

    class MockHammer(MockGradio3):
        def make_app(self) -> App:
            def sound(call, prompt):
                return [call.file("hit.wav", wav), None]

            return App([Component(1, "textbox"), Component(2, "video")], [Dependency(0, None, sound, (1,), (2,))])

Facts: recordings of RVC-WebUI and AudioLDM on 3.14 and 3.34. Whatever a function raises is a 500 with ``error`` null. A
generator continues with the next request of the same session and ``fn_index``; by name, 3.34 begins it anew each time.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import mimetypes
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..http.faults import Fault
from ..http.multipart import read_files
from ..http.responses import Request, Response, range_response
from ..http.server import MockServer
from .app import App, Component, Dependency, generator_or_none, output_values
from .files import safe_name
from .server import reply

ROOT = "/tmp/gradio"  # noqa: S108 - a name in the mock's own memory: nothing is written there
MAX_FILES = 200
VERSIONS = ("3.14.0", "3.34.0")


@dataclass(frozen=True)
class Gradio3Call:
    """The first argument of every function: the session, and the server's files."""

    session: str
    server: MockGradio3

    def file(self, name: str, data: bytes, *, named: bool = False) -> dict[str, Any]:
        """Store a file and return its component value; ``named``: with ``orig_name``, as videos have."""
        path = self.server.store_file(name, data)
        value: dict[str, Any] = {"name": path, "data": None, "is_file": True}
        return {**value, "orig_name": name} if named else value

    def read(self, value: Any) -> bytes:
        """Return the content of an input: a path on the server, or a file with its content as a ``data:`` URL.

        Anything else raises ``ValueError``.
        """
        if isinstance(value, dict) and isinstance(value.get("data"), str):
            head, comma, content = value["data"].partition(",")
            if not comma or not head.endswith(";base64"):
                raise ValueError("not a data: URL")
            return base64.b64decode(content, validate=True)
        path = value.get("name") if isinstance(value, dict) else value
        content = self.server.find_file(str(path))
        if content is None:
            raise ValueError(f"no such file: {path}")
        return content


class MockGradio3(MockServer):
    """A Gradio server of ``version`` 3.14.0 (no upload, a file of another folder is a 500) or 3.34.0 (else
    ``ValueError``). ``show_error`` sends the text of every exception.
    """

    name = "gradio"
    server_header = "uvicorn"
    max_body = 1 << 30

    def __init__(self, *, version: str = "3.34.0", show_error: bool = False, **options: Any) -> None:
        if version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}")
        self.version = version
        self.old = version == "3.14.0"
        self.show_error = show_error
        self._files: dict[str, bytes] = {}
        self._iterators: dict[tuple[str, int], Iterator[Any]] = {}
        self._spent: dict[int, list[float]] = {}
        self._lock = threading.Lock()
        super().__init__(**options)
        self.app = self.make_app()

    def make_app(self) -> App:
        """Make the app that is served; a backend's mock overrides it."""
        return App([], [])

    def on_stop(self) -> None:
        with self._lock:
            self._iterators.clear()
        self.app.forget_sessions()

    # Files

    def store_file(self, name: str, data: bytes) -> str:
        """Store a file under a new path and return the path."""
        path = f"{ROOT}/{hashlib.sha1(data, usedforsecurity=False).hexdigest()}/{safe_name(name)}"
        with self._lock:
            self._files[path] = data
            while len(self._files) > MAX_FILES:
                del self._files[next(iter(self._files))]
        return path

    def find_file(self, path: str) -> bytes | None:
        """Return the content of a file; None: no such file."""
        with self._lock:
            return self._files.get(path)

    # Routes

    def add_routes(self) -> None:
        self.route("GET", "/", lambda _: Response.html(f"<!DOCTYPE html><title>{self.app.title}</title>"))
        self.route("GET", "/config", lambda _: reply(self.config()))
        self.route("GET", "/startup-events", lambda _: reply(False))
        self.route("GET", "/queue/status", self._status)
        for word in ("run", "api"):
            self.route("POST", f"/{word}/{{name}}", self._run)
        if not self.old:
            self.route("POST", "/upload", self._upload)

    def config(self) -> dict[str, Any]:
        """Make the response of GET /config."""
        config: dict[str, Any] = {
            "version": self.version if self.old else f"{self.version}\n",
            "mode": "blocks",
            "dev_mode": False,
            "analytics_enabled": False,
            "components": [_component(each) for each in self.app.components.values()],
            "title": self.app.title,
            "is_space": False,
            "enable_queue": True,
            "show_error": self.show_error,
            "show_api": True,
            "is_colab": False,
            "dependencies": [self._dependency(each) for each in self.app.dependencies.values()],
        }
        if self.old:
            del config["analytics_enabled"]
        return config

    def _dependency(self, each: Dependency) -> dict[str, Any]:
        """Make an entry of ``dependencies``: its index is its id. 3.14 names the event once for all targets."""
        entry: dict[str, Any] = {
            "targets": [list(target) for target in each.targets],
            "inputs": list(each.inputs),
            "outputs": list(each.outputs),
            "backend_fn": each.function is not None,
            "js": None,
            "queue": None,
            "api_name": each.api_name,
        }
        if self.old:
            event = each.targets[0][1] if each.targets else None
            return {**entry, "targets": [target for target, _ in each.targets], "trigger": event}
        types = {"continuous": False, "generator": each.generator}
        return {**entry, "types": types, "trigger_after": each.trigger_after}

    def missing(self, request: Request) -> Response:
        if request.method == "GET" and request.path.startswith(("/file=", "/file/")):
            return self._file(urllib.parse.unquote(request.path[len("/file=") :]), request)
        if self.methods(request.path):
            return reply({"detail": "Method Not Allowed"}, 405)
        return reply({"detail": "Not Found"}, 404)

    def _file(self, path: str, request: Request) -> Response:
        data = self.find_file(path)
        if data is None and self.old:
            return Response.text("Internal Server Error", 500)
        if data is None:
            return reply({"detail": f"File not allowed: {path}."}, 403)
        headers = {
            "content-type": _media_type(path),
            "last-modified": email.utils.formatdate(0, usegmt=True),
            "etag": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        }
        return range_response(data, headers, None if self.old else request.headers.get("Range"))

    def _status(self, request: Request) -> Response:
        average = None if self.old else 0.0
        return reply(
            {
                "msg": "estimation",
                "rank": None,
                "queue_size": 0,
                "avg_event_process_time": average,
                "avg_event_concurrent_process_time": None,
                "rank_eta": None,
                "queue_eta": 1 if self.old else 1.0,
            }
        )

    def _upload(self, request: Request) -> Response:
        parts = read_files(request.headers.get("Content-Type", ""), request.body, "files")
        return reply([self.store_file(each.filename or "blob", each.data) for each in parts])

    # Calls

    def _run(self, request: Request) -> Response:
        try:
            body = json.loads(request.body)
        except ValueError:
            return _not_json(request.body)
        name = request.parts["name"]
        number = body.get("fn_index")
        dependency = self.app.by_name.get(name) if number is None else self.app.dependencies.get(number)
        if dependency is None or dependency.function is None:
            return reply({"error": f"This app has no endpoint /api/{name}/."}, 500)
        continues = number is not None or self.old
        began = time.monotonic()
        try:
            values = self._values(dependency, body, continues=continues)
        except Exception as error:  # noqa: BLE001 - a function may raise anything; the client is sent an error
            return reply({"error": str(error) if self.show_error else None}, 500)
        return reply({**values, **self._times(dependency.id, time.monotonic() - began)})

    def _values(self, dependency: Dependency, body: dict[str, Any], *, continues: bool) -> dict[str, Any]:
        """Return the next values of a call: of its running generator if it ``continues``, else of a new call."""
        fault: Fault | None = self.faults.take("function_error", dependency.api_name or "", str(dependency.id))
        if fault is not None:
            raise RuntimeError(fault.value or "injected")
        session = str(body.get("session_hash") or "")
        key = (session, dependency.id)
        with self._lock:
            steps = self._iterators.get(key) if continues and session else None
        if steps is None:
            data = body.get("data") or []
            if len(data) < len(dependency.inputs):
                raise ValueError("an argument is missing")
            assert dependency.function is not None
            result = dependency.function(Gradio3Call(session, self), *data[: len(dependency.inputs)])
            steps = generator_or_none(result)
            if steps is None:
                return {"data": output_values(result, dependency), "is_generating": False}
        return self._next_values(key, steps, dependency)

    def _next_values(self, key: tuple[str, int], steps: Iterator[Any], dependency: Dependency) -> dict[str, Any]:
        try:
            value = next(steps)
        except BaseException as ended:
            with self._lock:
                self._iterators.pop(key, None)
            if not isinstance(ended, StopIteration):
                raise
            return {"data": [None] * len(dependency.outputs), "is_generating": False}
        with self._lock:
            self._iterators[key] = steps
        return {"data": output_values(value, dependency), "is_generating": True}

    def _times(self, number: int, seconds: float) -> dict[str, float]:
        with self._lock:
            spent = self._spent.setdefault(number, [])
            spent.append(seconds)
            return {"duration": seconds, "average_duration": sum(spent) / len(spent)}


def _component(each: Component) -> dict[str, Any]:
    props = {"label": each.label, "name": each.type, **each.props} if each.label else {"name": each.type, **each.props}
    return {"id": each.id, "type": each.type, "props": props}


def _media_type(path: str) -> str:
    if path.endswith(".wav"):
        return "audio/x-wav"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


def _not_json(body: bytes) -> Response:
    """Make the FastAPI of 2023's response to a body that is not JSON."""
    message = "Expecting value"
    place = {"msg": message, "doc": body.decode("utf-8", "replace"), "pos": 0, "lineno": 1, "colno": 1}
    detail = {
        "loc": ["body", 0],
        "msg": f"{message}: line 1 column 1 (char 0)",
        "type": "value_error.jsondecode",
        "ctx": place,
    }
    return reply({"detail": [detail]}, 422)
