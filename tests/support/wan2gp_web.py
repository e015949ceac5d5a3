"""A server that gives the recorded answers of WanGP's web page, function by function in their order."""

from __future__ import annotations

import json
import queue
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from movie_director.clients.mock.http.responses import Request, Response, Stream, StreamCut
from movie_director.clients.mock.http.server import MockServer

FOLDER = Path(__file__).resolve().parents[1] / "recordings" / "wan2gp"
MESSAGE_S = 0.04
"""Between two messages, so that a reader sees them one by one."""

MOVIE = b"\0\0\0\x18ftypmp42" + bytes(64)
HEADING = "<div align=center><H1>Wan<SUP>GP</SUP> v12.60 <FONT SIZE=4>by <I>DeepBeepMeep</I></FONT></H1></div>"


def page() -> dict[str, Any]:
    """Return /config, as far as its outline tells, with the heading that names the version."""
    outline = json.loads((FOLDER / "config_outline.json").read_text(encoding="utf-8"))
    parts = [
        {"id": int(number), "type": kind, "props": {"label": label}}
        for number, (kind, label) in outline["components"].items()
    ]
    heading = {"id": 1, "type": "markdown", "props": {"value": HEADING}}
    return {**outline, "components": [heading, *parts], "app_id": 7, "title": "WanGP"}


def recorded_events(scenario: str) -> dict[int, deque[list[tuple[int, dict[str, Any]]]]]:
    """Return by function what the stream has said of each of its calls, in order, with the place in the recording."""
    lines = [json.loads(line) for line in (FOLDER / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()]
    function_of: dict[int, int] = {}
    calls: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    events: defaultdict[int, deque[list[tuple[int, dict[str, Any]]]]] = defaultdict(deque)
    for place, line in enumerate(lines):
        body = line.get("json")
        if line["channel"] == "http" and isinstance(body, dict) and "fn_index" in body:
            function_of[line["x"]] = body["fn_index"]
        elif line["channel"] == "http" and isinstance(body, dict) and "event_id" in body:
            calls[body["event_id"]] = []
            events[function_of[line["x"]]].append(calls[body["event_id"]])
        elif line["channel"] == "sse" and isinstance(line.get("data"), dict) and line["data"].get("event_id") in calls:
            calls[line["data"]["event_id"]].append((place, line["data"]))
    return events


class ReplayedPage(MockServer):
    """Answers as recorded; a function without a recorded call ends well with no values."""

    name = "wan2gp"
    server_header = "uvicorn"

    def __init__(self, scenario: str, **given: Any) -> None:
        self.events = recorded_events(scenario)
        self.page = page()
        self.joined: list[dict[str, Any]] = []
        self.fetched: list[str] = []
        self._pending: queue.PriorityQueue[tuple[int, str, dict[str, Any]]] = queue.PriorityQueue()
        self._open: set[str] = set()
        super().__init__(**given)

    def add_routes(self) -> None:
        self.route("GET", "/config", lambda _: Response.json(self.page))
        self.route("GET", "/gradio_api/app_id", lambda _: Response.json({"app_id": 7}))
        self.route("POST", "/gradio_api/upload", lambda _: Response.json(["/srv/gradio-tmp/abc/queue.zip"]))
        self.route("POST", "/gradio_api/queue/join", self._join)
        self.route("GET", "/gradio_api/queue/data", self._data)
        self.route("POST", "/gradio_api/run/{name}", self._run)

    def missing(self, request: Request) -> Response:
        if request.path.startswith("/gradio_api/file="):
            self.fetched.append(request.path)
            return Response(200, MOVIE, {"Content-Type": "video/mp4"})
        return Response.json({"detail": "Not Found"}, 404)

    def _join(self, request: Request) -> Response:
        call = request.json()
        self.joined.append(call)
        event_id = f"event-{len(self.joined)}"
        recorded = self.events[call["fn_index"]]
        nothing = {"msg": "process_completed", "output": {"data": []}, "success": True}
        self._open.add(event_id)
        for place, message in recorded.popleft() if recorded else [(0, nothing)]:
            self._pending.put((place, event_id, {**message, "event_id": event_id}))
        return Response.json({"event_id": event_id})

    def _run(self, request: Request) -> Response:
        recorded = self.events[request.json()["fn_index"]]
        ends = [message for _, message in (recorded.popleft() if recorded else []) if "output" in message]
        return Response.json({"data": ends[-1]["output"]["data"] if ends else []})

    def _data(self, request: Request) -> Response:
        return Stream(200, headers={"Content-Type": "text/event-stream"}, pieces=self._messages())

    def _messages(self) -> Any:
        while self._open or not self._pending.empty():
            try:
                _, _, message = self._pending.get(timeout=1.0)
            except queue.Empty:
                raise StreamCut from None  # the recorded client had left before the end
            if message["msg"] == "process_completed":
                self._open.discard(message["event_id"])
            self.stopping.wait(MESSAGE_S)
            yield f"data: {json.dumps(message)}\n\n".encode()
        yield b'data: {"msg": "close_stream", "event_id": null}\n\n'
