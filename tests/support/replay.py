"""Serving a recording: a mock server that gives the recorded answers to the requests it was recorded with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from movie_director.clients.mock.http.responses import Request, Response, Stream
from movie_director.clients.mock.http.server import MockServer

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
_NOT_OURS = ("transfer-encoding", "content-length", "date", "server", "connection")


@dataclass
class Exchange:
    """One recorded request and its answer; ``events`` are the data of a stream."""

    method: str
    path: str
    sent: Any
    key: str | None
    status: int = 0
    headers: list[list[str]] = field(default_factory=list)
    body: Any = None
    text: str | None = None
    events: list[Any] = field(default_factory=list)
    ended: bool = True

    @property
    def streaming(self) -> bool:
        return bool(self.events)


def exchanges(path: Path) -> list[Exchange]:
    """Read a recording of HTTP calls made one after another."""
    found: list[Exchange] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["channel"] == "http" and event["dir"] == "send":
            key = event["headers"].get("Authorization")
            found.append(Exchange(event["method"], event["path"], event.get("json"), key))
        elif event["channel"] == "http":
            found[-1].status, found[-1].headers = event["status"], event["headers"]
            found[-1].body, found[-1].text = event.get("json"), event.get("text")
        elif event["channel"] == "sse" and "data" in event:
            found[-1].events.append(event["data"])
        elif event["channel"] == "tcp":
            found[-1].ended = False
    return found


class ReplayServer(MockServer):
    """Answers each chat request with the next recorded one, everything else with the first recorded one that fits."""

    name = "replay"
    server_header = "uvicorn"

    def __init__(self, recorded: list[Exchange], **given: Any) -> None:
        self._recorded = recorded
        self._chats = iter([each for each in recorded if each.path.endswith("/chat/completions")])
        super().__init__(**given)

    def add_routes(self) -> None:
        self.route("GET", "/health/liveliness", lambda _: _json("I'm alive!"))
        self.route("POST", "/v1/chat/completions", self._chat)

    def missing(self, request: Request) -> Response:
        for each in self._recorded:
            if (each.method, each.path.partition("?")[0]) == (request.method, request.path) and each.status:
                return response_of(each)
        if request.path == "/v1/models":
            return _json({"data": [], "object": "list"})
        return _json({"detail": "Not Found"}, 404)

    def _chat(self, request: Request) -> Response:
        return response_of(next(self._chats))


def response_of(recorded: Exchange) -> Response:
    """Return a recorded answer."""
    headers = {name: value for name, value in recorded.headers if name.lower() not in _NOT_OURS}
    if recorded.streaming:
        return Stream(recorded.status, headers=headers, pieces=_pieces(recorded.events))
    text = recorded.text if recorded.body is None else json.dumps(recorded.body)
    return Response(recorded.status, (text or "").encode(), headers)


def shape(value: Any) -> Any:
    """Return the keys, their order and the types of a value; numbers are one type, texts and null are told apart."""
    if isinstance(value, dict):
        return [(key, shape(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [shape(each) for each in value]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _pieces(events: list[Any]) -> Iterator[bytes]:
    for each in events:
        yield f"data: {each if isinstance(each, str) else json.dumps(each)}\n\n".encode()


def _json(value: Any, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json"})
