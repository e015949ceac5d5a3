"""A server that plays a recorded ComfyUI scenario to a client: real HTTP and websocket on loopback.

It goes through the recorded lines in their order. What the recorder sent is waited for: a POST /prompt until the
client has posted that prompt, a connection until the client has made one, an interrupt (if it is the client's to
send) until it has told the server to stop that job. What the recorder received is sent: websocket messages and frames
as recorded, the answer of a POST at its recorded place among them. Only ids are changed: the recorded prompt id into
the client's own where that release takes it. Where the recorder closed its websocket, the server does.

Requests that the recorder did not make at that point (queue, history, jobs) are answered by what the lines played so
far say of each prompt, its history in the recorded words where they were recorded.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from movie_director.clients.mock.http.responses import Request, Response, Upgrade
from movie_director.clients.mock.http.server import MockServer
from movie_director.clients.mock.http.websocket import WebSocketConnection
from support.recordings import comfyui
from support.waiting import HANG_GUARD_S

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ENDS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass
class Prompt:
    """One recorded prompt on its way: ``recorded_id`` in the recording, ``sent_id`` on the wire now."""

    recorded_id: str
    prompt: dict[str, Any]
    extra_data: dict[str, Any]
    sent_id: str = ""
    running: bool = False
    ended: str = ""
    messages: list[list[Any]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def item(self, number: int) -> list[Any]:
        return [number, self.sent_id, self.prompt, self.extra_data, ["3"]]

    def entry(self, number: int) -> dict[str, Any]:
        success = self.ended == "execution_success"
        status = {"status_str": "success" if success else "error", "completed": success, "messages": self.messages}
        return {"prompt": self.item(number), "outputs": self.outputs, "status": status, "meta": {}}


class ReplayServer(MockServer):
    """Plays ``scenario`` of ``version``; with ``own_interrupts`` the recorded interrupts are the client's to send."""

    name = "replay"

    def __init__(self, version: str, scenario: str, *, own_interrupts: bool = False) -> None:
        self.version = version
        self.lines = comfyui(version, scenario)
        self.own_interrupts = own_interrupts
        self.told: list[str] = []
        self.failure: BaseException | None = None
        self._changed = threading.Condition()
        self._wanted: tuple[str, Any] | None = None
        self._prompts: list[Prompt] = []
        self._posted: dict[str, Any] | None = None
        self._answers: dict[int, dict[str, Any]] = {}
        self._answer: dict[str, Any] | None = None
        self._answered = 0
        self._interrupted = ""
        self._socket: WebSocketConnection | None = None
        self._connections = 0
        self._taken = 0
        self._views: dict[str, int] = {}
        self._ended = False
        self._announced: set[int] = set()
        self._player: threading.Thread | None = None
        super().__init__()

    # What a test asks

    def next_wanted(self) -> tuple[str, Any] | None:
        """Wait for what the recording needs of the client: ("post", prompt) or ("cancel", number); None: it ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._wanted or self._ended or self.failure, HANG_GUARD_S), "stuck"
            if self.failure is not None:
                raise self.failure
            wanted, self._wanted = self._wanted, None
            return wanted

    # Life

    def on_start(self) -> None:
        self._player = threading.Thread(target=self._play_guarded, name="replay-player", daemon=True)
        self._player.start()

    def on_stop(self) -> None:
        with self._changed:
            self._changed.notify_all()
        assert self._player is not None
        self._player.join(5.0)

    # Playing

    def _play_guarded(self) -> None:
        try:
            self._play()
        except BaseException as error:
            with self._changed:
                self.failure = error
                self._changed.notify_all()

    def _play(self) -> None:
        for line in self.lines:
            if self.stopping.is_set():
                return
            if line["channel"] == "http":
                self._play_http(line)
            elif line["channel"] == "ws" and line["conn"].startswith("A"):
                self._play_socket(line)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _play_http(self, line: dict[str, Any]) -> None:
        if line["dir"] == "send":
            kind = (line["method"], line["path"])
            self._answers[line["id"]] = {"request": line}
            if kind == ("POST", "/prompt"):
                self._await_post(line)
            elif kind == ("POST", "/interrupt"):
                self._await_interrupt(line)
            return
        request = self._answers[line["id"]]["request"]
        if (request["method"], request["path"]) == ("POST", "/prompt"):
            with self._changed:
                self._answer = line["json"]
                self._changed.notify_all()
                self._wait(lambda: self._answered >= len(self._prompts))
        elif request["method"] == "GET" and request["path"].startswith("/history/"):
            self._take_history(line.get("json"))

    def _await_post(self, line: dict[str, Any]) -> None:
        recorded_id = self._minted_id(line["id"])
        with self._changed:
            self._answer = None
            self._announce(line)
            self._wait(lambda: self._posted is not None)
            self._views.clear()
            self._look_ahead(line)
            posted, self._posted = self._posted, None
            assert posted is not None
            assert posted["prompt"] == line["json"]["prompt"], "the client has changed the prompt"
            prompt = Prompt(recorded_id, posted["prompt"], {**posted["extra_data"], "client_id": posted["client_id"]})
            prompt.sent_id = recorded_id if self.version == "0.3.40" else posted["prompt_id"]
            self._prompts.append(prompt)

    def _announce(self, line: dict[str, Any]) -> None:
        if line["id"] not in self._announced:
            self._announced.add(line["id"])
            self._wanted = ("post", line["json"]["prompt"])
            self._changed.notify_all()

    def _look_ahead(self, line: dict[str, Any]) -> None:
        """Note what /view answers until the next prompt: a file may be gone by then."""
        requests: dict[int, dict[str, Any]] = {}
        for each in self.lines[self.lines.index(line) + 1 :]:
            if each["channel"] != "http":
                continue
            if each["dir"] == "send":
                requests[each["id"]] = each
                if (each["method"], each["path"]) == ("POST", "/prompt"):
                    return
            elif each["id"] in requests and requests[each["id"]]["path"] == "/view":
                self._views[json.dumps(requests[each["id"]]["params"], sort_keys=True)] = each["status"]

    def _minted_id(self, exchange: int) -> str:
        answers = [line for line in self.lines if line["channel"] == "http" and line["dir"] == "recv"]
        return str(next(line["json"]["prompt_id"] for line in answers if line["id"] == exchange))

    def _await_interrupt(self, line: dict[str, Any]) -> None:
        """An interrupt that stops something is the client's to send, or somebody else's."""
        running = next((each for each in self._prompts if each.running and not each.ended), None)
        named = (line.get("json") or {}).get("prompt_id")
        by_id = self.version != "0.3.40"
        if running is None or (by_id and named not in (None, running.recorded_id)) or not self.own_interrupts:
            return
        with self._changed:
            self._wanted = ("cancel", self._prompts.index(running))
            self._changed.notify_all()
            self._wait(lambda: self._interrupted == running.sent_id)

    def _take_history(self, answer: Any) -> None:
        """A recorded history says that the prompt has ended; its end may have been told to nobody."""
        with self._changed:
            for prompt in self._prompts:
                if prompt.recorded_id in (answer or {}):
                    self._end(prompt)

    def _end(self, prompt: Prompt) -> None:
        """Take the end, messages and outputs of a prompt from its recorded history, if there is one."""
        for line in self.lines:
            answer = line.get("json")
            entry = answer.get(prompt.recorded_id) if isinstance(answer, dict) else None
            if line["channel"] == "http" and isinstance(entry, dict):
                status = entry.get("status", entry)
                prompt.messages = json.loads(self._own_ids(json.dumps(status["messages"])))
                prompt.outputs = entry.get("outputs", prompt.outputs)
                prompt.ended = next(kind for kind in ENDS if kind in [message[0] for message in prompt.messages])
        prompt.ended = prompt.ended or "execution_success"

    def _play_socket(self, line: dict[str, Any]) -> None:
        if line["event"] == "connect":
            with self._changed:
                if not self._prompts:  # the client connects when it has something to do
                    self._announce(next(each for each in self.lines if each.get("path") == "/prompt"))
                self._wait(lambda: self._connections > self._taken)
                self._taken = self._connections
        elif line["dir"] == "send" and line["event"] in ("close", "drop_tcp"):
            self._end_socket(line["event"])
        elif line["dir"] == "recv" and line["event"] == "text":
            self._note(line["json"])
            self._send(self._own_ids(json.dumps(line["json"])))
        elif line["dir"] == "recv" and line["event"] == "binary":
            head = base64.b64decode(line["head_b64"])
            for prompt in self._prompts:
                head = head.replace(prompt.recorded_id.encode(), prompt.sent_id.encode())
            self._send(head + bytes(line["len"] - len(head)))

    def _end_socket(self, how: str) -> None:
        with self._changed:
            socket, self._socket = self._socket, None
            self._taken = self._connections
        if socket is None or self._at_end():
            return
        if how == "close":
            socket.close(1001)
        else:
            socket.cut()

    def _at_end(self) -> bool:
        return len(self._prompts) == sum(
            line["channel"] == "http"
            and line["dir"] == "send"
            and line["path"] == "/prompt"
            and line["method"] == "POST"
            for line in self.lines
        ) and all(prompt.ended for prompt in self._prompts)

    def _note(self, message: dict[str, Any]) -> None:
        """Remember what a message says of a prompt, for the questions of the client."""
        data = message["data"]
        if message["type"] == "status" and data["status"]["exec_info"]["queue_remaining"] == 0:
            with self._changed:
                for each in self._prompts[: self._answered]:
                    self._end(each)
        prompt = next((each for each in self._prompts if each.recorded_id == data.get("prompt_id")), None)
        if prompt is None:
            return
        with self._changed:
            prompt.running = True
            if message["type"] in ("execution_start", "execution_cached", *ENDS):
                prompt.messages.append([message["type"], {**data, "prompt_id": prompt.sent_id}])
            if message["type"] in ENDS:
                prompt.ended = message["type"]
                self._end(prompt)
            if message["type"] == "executed" and data.get("output"):
                prompt.outputs[data["node"]] = data["output"]

    def _own_ids(self, text: str) -> str:
        for prompt in self._prompts:
            text = text.replace(prompt.recorded_id, prompt.sent_id)
        return text

    def _send(self, data: str | bytes) -> None:
        with self._changed:
            socket = self._socket
        if socket is not None:
            socket.send(data)

    def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait for the client; the lock is held."""
        if not self._changed.wait_for(lambda: condition() or self.stopping.is_set(), HANG_GUARD_S):
            raise AssertionError("the client did not do what the recording has")
        if self.stopping.is_set():
            raise InterruptedError("the test is over")

    # Serving

    def add_routes(self) -> None:
        self.route("GET", "/system_stats", lambda _: Response.json({"system": {"comfyui_version": self.version}}))
        self.route("POST", "/prompt", self._post_prompt)
        self.route("GET", "/queue", self._queue)
        self.route("GET", "/history/{id}", self._history)
        self.route("GET", "/view", self._view)
        self.route("POST", "/interrupt", self._interrupt)
        self.route("GET", "/ws", self._open_socket)
        if self.version != "0.3.40":
            self.route("GET", "/features", lambda _: Response.json({"supports_preview_metadata": True}))
        if self.version == "0.33.0":
            self.route("GET", "/api/jobs", self._jobs)
            self.route("GET", "/api/jobs/{id}", self._job)
            self.route("POST", "/api/jobs/{id}/cancel", self._cancel_job)

    def route_path(self, path: str) -> str:
        return path.removeprefix("/api") if not path.startswith("/api/jobs") else path

    def missing(self, request: Request) -> Response:
        if request.method == "GET":
            return Response(404, b"", {"Content-Type": "application/octet-stream"}, chunked=True)
        return Response.text("405: Method Not Allowed", 405)

    def _post_prompt(self, request: Request) -> Response:
        body = request.json()
        with self._changed:
            number = len(self._prompts)
            self._posted = body
            self._changed.notify_all()
            self._wait(lambda: len(self._prompts) > number and self._answer is not None)
            self._answered += 1
            self._changed.notify_all()
            return Response.json({**(self._answer or {}), "prompt_id": self._prompts[number].sent_id})

    def _of(self, sent_id: str) -> tuple[int, Prompt | None]:
        found = (each for each in enumerate(self._prompts) if each[1].sent_id == sent_id)
        return next(found, (0, None))

    def _queue(self, _request: Request) -> Response:
        with self._changed:
            open_ones = [each for each in enumerate(self._prompts) if not each[1].ended]
            running = [prompt.item(number) for number, prompt in open_ones if prompt.running]
            pending = [prompt.item(number) for number, prompt in open_ones if not prompt.running]
            return Response.json({"queue_running": running, "queue_pending": pending})

    def _history(self, request: Request) -> Response:
        with self._changed:
            number, prompt = self._of(request.parts["id"])
            known = prompt is not None and prompt.ended
            return Response.json({prompt.sent_id: prompt.entry(number)} if prompt and known else {})

    def _job(self, request: Request) -> Response:
        with self._changed:
            number, prompt = self._of(request.parts["id"])
            if prompt is None:
                return Response.json({"error": "Job not found"}, 404)
            if not prompt.ended:
                return Response.json({"id": prompt.sent_id, "status": "in_progress" if prompt.running else "pending"})
            entry = prompt.entry(number)
            statuses = dict(zip(ENDS, ("completed", "failed", "cancelled"), strict=True))
            return Response.json(
                {
                    "id": prompt.sent_id,
                    "status": statuses[prompt.ended],
                    "outputs": entry["outputs"],
                    "execution_status": entry["status"],
                    "workflow": {"prompt": prompt.prompt, "extra_data": prompt.extra_data},
                }
            )

    def _jobs(self, _request: Request) -> Response:
        with self._changed:
            jobs = [
                {"id": prompt.sent_id, "status": "in_progress" if prompt.running else "pending", "priority": number}
                for number, prompt in enumerate(self._prompts)
                if not prompt.ended
            ]
            return Response.json({"jobs": jobs, "pagination": {}})

    def _view(self, request: Request) -> Response:
        with self._changed:
            status = self._views.get(json.dumps(dict(request.query), sort_keys=True), 200)
        return Response(200, PICTURE, {"Content-Type": "image/png"}) if status == 200 else Response(status)

    def _interrupt(self, request: Request) -> Response:
        return self._stop(request.json()["prompt_id"], Response())

    def _cancel_job(self, request: Request) -> Response:
        return self._stop(request.parts["id"], Response.json({"cancelled": True}))

    def _stop(self, sent_id: str, response: Response) -> Response:
        with self._changed:
            self.told.append(sent_id)
            self._interrupted = sent_id
            self._changed.notify_all()
        return response

    def _open_socket(self, _request: Request) -> Response:
        return Upgrade(open=self._greet)

    def _greet(self, socket: WebSocketConnection) -> Callable[[], None]:
        with self._changed:
            self._socket = socket
            self._connections += 1
            self._changed.notify_all()

        def talk() -> None:
            for _ in socket.messages():
                pass

        return talk
