"""A scripted server of a small Gradio app, and clients of it; for tests of ``clients/gradio_app``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faultserver import FaultServer, Peer, answer

from movie_director.clients import ClientOptions
from movie_director.clients.gradio_app import EndpointRequest, GradioAppClient
from support.gradio import EVENTS, as_json, event
from support.waiting import HANG_GUARD_S

JOINED = as_json({"event_id": "e1"})
ECHO = EndpointRequest("/echo", {"text": "hi"})


def config(**more: Any) -> dict[str, Any]:
    """Return what ``/config`` answers: the endpoint ``/echo``, which takes a text, a State and a file it can do
    without, and the generator ``/count``.
    """
    return {
        "version": "6.31.0",
        "api_prefix": "/gradio_api",
        "protocol": "sse_v3",
        "title": "small",
        "app_id": 7,
        "connect_heartbeat": False,
        "dependencies": [
            {"id": 3, "api_name": "echo", "inputs": [1, 4, 5], "outputs": [2]},
            {"id": 4, "api_name": "count", "inputs": [1], "outputs": [2, 6], "types": {"generator": True}},
        ],
        "components": [
            {"id": 1, "type": "textbox", "props": {"label": "Text"}, "api_info": {"type": "string"}},
            {"id": 2, "type": "textbox", "props": {"label": "Out"}, "api_info": {"type": "string"}},
            {"id": 4, "type": "state", "props": {}, "skip_api": True},
            {"id": 5, "type": "audio", "props": {"label": "Sample"}, "api_info": {"type": "filepath"}},
            {"id": 6, "type": "json", "props": {"label": "Data"}, "api_info": {"type": {}}},
        ],
        **more,
    }


def info(**more: Any) -> dict[str, Any]:
    """Return what ``/info`` answers for it."""
    text = {"label": "Text", "parameter_name": "text", "type": {"type": "string"}, "component": "Textbox"}
    sample = {
        "label": "Sample",
        "parameter_name": "sample",
        "parameter_has_default": True,
        "type": {"type": "filepath"},
        "component": "Audio",
    }
    out = {"label": "Out", "type": {"type": "string"}, "component": "Textbox"}
    data = {"label": "Data", "type": {}, "component": "Json"}
    named = {
        "/echo": {"parameters": [text, sample], "returns": [out]},
        "/count": {"parameters": [text], "returns": [out, data]},
    }
    return {"named_endpoints": {**named, **more}, "unnamed_endpoints": {}}


Answer = bytes | Callable[[Peer], object]


class ScriptedApp:
    """Answers each request by the last part of its path; ``asked`` has the paths in their order, without queries.

    What is given for a path are bytes, or a function that is given the connection.
    """

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {
            "config": as_json(config()),
            "info": as_json(info()),
            "join": JOINED,
            "cancel": as_json({"success": True}),
            "upload": as_json(["/srv/up/a.wav"]),
            **answers,
        }
        self.asked: list[str] = []
        self.bodies: dict[str, Any] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self._arrived = threading.Condition()

    def __call__(self, peer: Peer) -> None:
        while True:
            asked = peer.request()
            path = asked.target.partition("?")[0]
            name = "heartbeat" if "/heartbeat/" in path else path.rpartition("/")[2]
            with self._arrived:
                self.asked.append(path)
                self.headers[name] = asked.headers
                self.bodies[name] = _body(asked.body)
                self._arrived.notify_all()
            given = self.answers[name]
            if callable(given):
                given(peer)
            else:
                peer.send(given)

    def wait_for(self, path: str) -> None:
        """Wait until a request of that path has come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(each.endswith(path) for each in self.asked), HANG_GUARD_S), (
                self.asked
            )

    def count(self, path: str) -> int:
        """Return how many requests there were whose path ends so."""
        return sum(each.endswith(path) for each in self.asked)


def _body(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def silent_stream(*messages: Any) -> Callable[[Peer], object]:
    """Return an event stream that says nothing after these messages."""

    def serve(peer: Peer) -> None:
        peer.send(EVENTS + b"".join(map(event, messages)))
        peer.wait_gone()

    return serve


def cut_stream(*messages: Any) -> Callable[[Peer], object]:
    """Return an event stream that is broken off after these messages."""

    def serve(peer: Peer) -> None:
        peer.send(EVENTS + b"".join(map(event, messages)))
        peer.reset()

    return serve


def starts(event_id: str = "e1") -> dict[str, Any]:
    """Return the message that a call runs."""
    return {"msg": "process_starts", "event_id": event_id, "eta": None}


@contextmanager
def serving(folder: Path, app: ScriptedApp, path: str = "", **more: Any) -> Iterator[GradioAppClient]:
    """Serve the app and make a client of it; ``path`` goes behind the address."""
    options: dict[str, Any] = {
        "backoff_base_s": 0.001,
        "backoff_max_s": 0.001,
        "max_retries": 1,
        "drain_timeout_s": 5.0,
    }
    options |= {"first_byte_timeout_s": 10.0, "output_dir": folder, "max_workers": 1, **more.pop("options", {})}
    with FaultServer(app, **more.pop("server", {})) as server:
        address = f"{server.url}{path}"
        with GradioAppClient(address, options=ClientOptions(**options), **more) as client:
            yield client


def refused(words: str, status: str) -> bytes:
    """Return an error status with a text."""
    return answer(words.encode(), "Content-Type: text/plain", status=status)
