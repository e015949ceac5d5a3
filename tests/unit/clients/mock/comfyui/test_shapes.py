"""The mock ComfyUI compared with recordings of the real servers.

Every request of a recorded scenario is sent to the mock, in the recorded order, each after the messages that the
recorder had seen before it and the recorded pause (shortened by ``SPEED``). Then, for every answer and connection,
message types, their ORDER, keys and value types must be the recorded ones; texts that mean something (error types and
messages, node ids, states) must be equal, ids, times and names need not be.

What depends on timing is taken out by these rules, on both sides alike:

* Progress of one node (progress_state of the running node, its preview, progress) repeated any number of times counts
  as once: servers throttle it, and a client away misses some.
* ``status`` messages while a prompt runs are left out (they tell of other people's requests); elsewhere, any number in
  a row counts as one.
* On a connection opened in the middle of a node, progress before the answer to its feature_flags, and the rest of a
  round that had begun by then, is left out.
* Progress of a node right before it is interrupted is left out: it is chance how much of it there is.
* What is told to everybody about a prompt that has no owner is compared as a sequence of its own.
* GET /view with ``preview`` and the models of the server are not compared: the mock encodes PNG only, and has models.
* The answer to feature_flags may come anywhere after the greeting; that it came, and its shape, counts.
* Of a prompt that was under way before the connection was there nothing is compared, nor of prompts whose requests
  were not recorded (fast_job_race).
* What was still on its way to a client when the server's process ended is chance (server_killed).
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import struct
import threading
import time
import zlib
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
import websocket
from support.waiting import HANG_GUARD_S

from movie_director.clients.mock.comfyui import jobs, run, validation
from movie_director.clients.mock.comfyui.engine import Engine
from movie_director.clients.mock.comfyui.messages import Hub
from movie_director.clients.mock.comfyui.run import Run
from movie_director.clients.mock.comfyui.server import MockComfyUI
from movie_director.clients.mock.comfyui.versions import ServerFlags
from movie_director.clients.mock.http.responses import Response
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import encode

RECORDINGS = Path(__file__).parents[4] / "recordings" / "comfyui"
FOLDERS = {"0.33.0": "", "0.3.64": "v0.3.64", "0.3.40": "v0.3.40"}
SCENARIOS = (
    "run_simple",
    "run_cached",
    "interrupt",
    "reconnect_midjob",
    "prompt_errors",
    "previews_flag_on",
    "previews_flag_off",
    "queue_ops",
    "progress_flood",
    "save_image_websocket",
    "text_frames",
    "history_api",
    "execution_errors",
    "two_clients",
    "same_client_id_twice",
    "cached_without_client_id",
    "api_key",
    "worker_dead",
    "worker_dead_same_number",
    "connect",
    "origin_check",
    "server_info",
    "userdata",
    "view",
    "upload",
    "fast_job_race",
    "large_output",
    "server_killed",
    "multi_user",
    "cors_and_gzip",
    "blocked_and_odd",
    "expand_and_async",
    "media_outputs",
    "assets_enabled",
)
FLAGS = {
    "multi_user": ServerFlags(multi_user=True),
    "cors_and_gzip": ServerFlags(cors_origin="https://app.example.org", compress=True, max_upload_mib=1.0),
    "assets_enabled": ServerFlags(assets=True),
}
REVERSED = {"execution_errors": ("0.33.0", "0.3.64"), "blocked_and_odd": ("0.33.0",)}
"""In which order a server runs the outputs of a prompt is chance; these recordings have the last one first."""
UNRECORDED = "history asked at once when execution_success comes (may still be empty)"
"""From this note on the recorder wrote down messages, and not the requests that led to them."""
KILLED = ("A", "A3")
"""The recorder ended the server's process while it had these connections."""
LONGEST_PAUSE_S = {"server_killed": 0.5}  # its pauses are server starts
SPEED = 5.0
SLOWER = {"reconnect_midjob": 2.0}  # a connection must be there, with its flags, before the next step
ANCHORS = {
    "execution_start",
    "execution_cached",
    "executing",
    "executed",
    "execution_success",
    "execution_error",
    "execution_interrupted",
}
ENDS = {"execution_success", "execution_error", "execution_interrupted"}
LITERAL = {
    "type", "message", "details", "state", "status_str", "status", "node", "display_node", "node_id", "node_type",
    "display_node_id", "parent_node_id", "real_node_id", "parent_node", "class_type", "completed", "cancelled", "error",
    "input_name", "exception_type", "exception_message", "node_title", "mediaType", "nodeId", "cycle_nodes", "nodes",
    "dependent_outputs", "executed", "has_more", "linked_node", "received_value", "invalid_ids",
}  # fmt: skip
NOT_COMPARED = {"/models/checkpoints"}  # the mock has models
EMPTY_96 = {"class_type": "EmptyImage", "inputs": {"width": 96, "height": 64, "batch_size": 1, "color": 255}}
PREVIEW = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
BEFORE: dict[str, dict[str, Any]] = {
    # The recorded server had run this node in the scenario before, so that it was cached.
    "previews_flag_off": {"1": EMPTY_96, "2": PREVIEW},
    "same_client_id_twice": {"1": EMPTY_96, "2": PREVIEW},
}


def load(version: str, scenario: str) -> list[dict[str, Any]]:
    path = RECORDINGS / FOLDERS[version] / f"{scenario}.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    unrecorded = next((number for number, line in enumerate(lines) if line.get("text") == UNRECORDED), len(lines))
    return lines[:unrecorded] + [line for line in lines[unrecorded:] if line.get("event") != "text"]


class Missing(Exception):
    """The mock did not send what the recording goes on with."""


class Socket:
    """A websocket that a thread reads into a list."""

    def __init__(self, url: str, guard_s: float, origin: str | None) -> None:
        self._guard_s = guard_s
        self.left = False
        self.messages: list[Any] = []
        self.changed = threading.Condition()
        self._socket = websocket.WebSocket()
        self._thread = threading.Thread(target=self._read)
        chosen = {"suppress_origin": True} if origin is None else {"origin": None if origin == "default" else origin}
        with contextlib.suppress(websocket.WebSocketException, OSError):
            self._socket.connect(url, timeout=HANG_GUARD_S, **chosen)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                opcode, data = self._socket.recv_data()
            except (websocket.WebSocketException, OSError):
                return
            with self.changed:
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.messages.append({"close": struct.unpack(">H", data[:2])[0]})
                else:
                    self.messages.append(json.loads(data) if opcode == websocket.ABNF.OPCODE_TEXT else data)
                self.changed.notify_all()

    def send(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._socket.send(text)

    def close(self) -> None:
        self.left = True
        self._socket.send_close(websocket.STATUS_NORMAL)
        self._thread.join(HANG_GUARD_S)
        self._socket.shutdown()

    def drop(self) -> None:
        """Cuts the connection; closing alone would not wake the reading thread."""
        self.left = True
        if self._socket.sock is not None:
            with contextlib.suppress(OSError):
                self._socket.sock.shutdown(SHUT_RDWR)
        self._socket.shutdown()
        self._thread.join(HANG_GUARD_S)

    def wait(self, arrived: Any) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: arrived(self.messages), self._guard_s):
                raise Missing(f"what the recording goes on with did not come after {self.messages[-3:]}")


class Replay:
    """Sends what a recording sent and keeps what came back."""

    def __init__(self, mock: MockComfyUI, lines: list[dict[str, Any]], scenario: str, guard_s: float) -> None:
        self.guard_s = guard_s
        self.scenario = scenario
        self.missed = prompts_without_start(lines) if scenario == "fast_job_race" else set()
        self.speed = mock.clock.speed
        self.mock = mock
        self.lines = lines
        self.sockets: dict[str, Socket] = {}
        self.answers: dict[int, Any] = {}
        self.ids: dict[str, str] = {}
        self.etag = ""
        self.http = urllib3.PoolManager(retries=False)

    def run(self) -> None:
        pause = threading.Event()
        before = 0.0
        longest = LONGEST_PAUSE_S.get(self.scenario, self.guard_s)
        for index, line in enumerate(self.lines):
            if line["dir"] != "send":
                if line.get("event") == "text" and kind_of(text_of(line)) in ANCHORS | {"progress"}:
                    before = line["t"]
                elif line.get("event") == "lost" and self.scenario == "server_killed" and line["conn"] in KILLED:
                    self._await_what_came_before(index)
                    self.mock.vanish(HANG_GUARD_S)
                continue
            self._await_what_came_before(index)
            pause.wait(min(longest, (line["t"] - before) / self.speed))
            before = line["t"]
            if line["channel"] == "http":
                self._request(line)
            else:
                self._socket(line)
        self._await_what_came_before(len(self.lines))

    def stop(self) -> None:
        for socket in self.sockets.values():
            socket.drop()
        self.http.clear()

    def recorded(self, name: str, until: int | None = None) -> list[Any]:
        """What the recording's connection ``name`` received."""
        messages = []
        for line in self.lines[:until]:
            if line["channel"] == "ws" and line["dir"] == "recv" and line["conn"] == name:
                if line["event"] == "text":
                    messages.append(text_of(line))
                elif line["event"] == "binary":
                    messages.append(base64.b64decode(line["head_b64"]))
                elif line["event"] == "close":
                    messages.append({"close": line["code"]})
        return [message for message in messages if prompt_of(message) not in self.missed]

    def own(self, name: str) -> list[Any]:
        """What the connection has received from the mock, of what is compared."""
        missed = {self.ids[each] for each in self.missed}
        messages = [each for each in self.sockets[name].messages if prompt_of(each) not in missed]
        return [each for each in messages if not (missed and is_bare(each))]

    def crashed(self, name: str) -> bool:
        """True of the connection whose server ended by itself: what it still sent is chance."""
        lost = any(line.get("event") == "lost" and line["conn"] == name for line in self.lines)
        return lost and self.scenario == "server_killed" and name not in KILLED

    def _await_what_came_before(self, until: int) -> None:
        for name, socket in self.sockets.items():
            if socket.left or self.crashed(name):
                continue
            expected = self.recorded(name, until)
            count = sum(kind_of(message) in ANCHORS for message in expected)
            socket.wait(lambda _, n=count, x=name: sum(kind_of(each) in ANCHORS for each in self.own(x)) >= n)
            for message in reversed(expected):
                if kind_of(message) in ANCHORS | {"progress"}:
                    if kind_of(message) == "progress":
                        value = message["data"]["value"]
                        socket.wait(lambda got, v=value, n=count: progressed(got, v, n))
                    break

    def _request(self, line: dict[str, Any]) -> None:
        path = self._known(line["path"])
        if path.startswith("/history") and self.recorded_answer(line["id"]).get("json"):
            self._await_history(path.partition("/history/")[2])
        gone = self.recorded_answer(line["id"]).get("status") == 404
        params = {key: self._file(self._known(value), gone) for key, value in line.get("params", {}).items()}
        url = self.mock.url + path + (f"?{urlencode(params)}" if params else "")
        port = self.mock.url.rpartition(":")[2]
        sent = line.get("headers", {})
        headers = {key: self._known(value.replace(":8188", f":{port}")) for key, value in sent.items()}
        if "If-None-Match" in headers:
            headers["If-None-Match"] = self.etag
        body: bytes | None = None
        if "json" in line:
            body = self._known(json.dumps(line["json"])).encode()
            headers.setdefault("Content-Type", "application/json")
        elif "text" in line:
            body = as_sent(line["text"]).encode()
        elif "form" in line or "files" in line:
            body, headers["Content-Type"] = self._form(line)
        try:
            answer = self.http.request(line["method"], url, body=body, headers=headers, timeout=HANG_GUARD_S)
        except urllib3.exceptions.HTTPError:
            self.answers[line["id"]] = None
            return
        self.answers[line["id"]] = answer
        self.etag = answer.headers.get("Etag", "")
        recorded = self.recorded_answer(line["id"]).get("json")
        if line["path"] == "/prompt" and line["method"] == "POST" and answer.status == 200:
            self.ids[recorded["prompt_id"]] = json.loads(answer.data)["prompt_id"]
        elif line["path"] == "/users" and isinstance(recorded, str):
            self.ids[recorded] = json.loads(answer.data)

    def _await_history(self, prompt_id: str) -> None:
        """The recorded server had come to the end of what is asked for."""
        pause = threading.Event()
        deadline = time.monotonic() + self.guard_s
        engine = self.mock.engine
        while engine.entry(prompt_id) is None if prompt_id else engine.remaining():
            if time.monotonic() > deadline:
                raise Missing(f"no history of {prompt_id or 'the queue'}")
            pause.wait(0.005)

    def _form(self, line: dict[str, Any]) -> tuple[bytes, str]:
        fields: dict[str, Any] = dict(line.get("form", {}))
        for name, file in line.get("files", {}).items():
            data = stand_in(file["len"]) if file["filename"].endswith(".png") else bytes(file["len"])
            fields[name] = (file["filename"], data, file["content_type"])
        return urllib3.encode_multipart_formdata(fields)

    def recorded_answer(self, number: int) -> dict[str, Any]:
        return next(x for x in self.lines if x["channel"] == "http" and x["dir"] == "recv" and x["id"] == number)

    def _known(self, text: str) -> str:
        for recorded, own in self.ids.items():
            text = text.replace(recorded, own)
        return text

    def _file(self, name: str, gone: bool) -> str:
        """The mock's name of a file that the recording names, found by its place among the outputs."""
        for conn in self.sockets:
            for recorded, own in zip(outputs(self.recorded(conn)), outputs(self.own(conn)), strict=False):
                if recorded == name:
                    if gone:  # the recorder had deleted it
                        self.mock.files.delete("temp", "", own)
                    return own
        return name

    def _socket(self, line: dict[str, Any]) -> None:
        name, event = line["conn"], line["event"]
        if event == "connect":
            query = line["url"].partition("?")[2]
            path = "/api/ws" if "/api/ws" in line["url"] else "/ws"
            if self.mock.down and self.recorded(name):
                self.mock.go_down(0.0)
            own = Socket(f"{self.mock.url.replace('http', 'ws')}{path}?{query}", self.guard_s, line.get("origin"))
            self.sockets[name] = own
            if self.recorded(name):
                own.wait(lambda got: len(got) > 0)
        elif event == "text":
            self.sockets[name].send(json.dumps(line["json"]) if "json" in line else as_sent(line["raw"]))
        elif event == "close":
            self.sockets[name].close()
        else:
            assert event == "drop_tcp"
            self.sockets[name].drop()


def stand_in(length: int) -> bytes:
    """A small PNG of just this length: recordings note of an upload no more."""
    image = encode(Pixels.plain(4, 4, bytes((length % 256, 80, 160))))
    missing = length - len(image) - 12
    if missing < 0:
        return image[:length]
    padding = b"prVt" + bytes(missing)
    chunk = struct.pack(">I", missing) + padding + struct.pack(">I", zlib.crc32(padding))
    return image[:33] + chunk + image[33:]


def as_sent(raw: str) -> str:
    """What a recording notes of a text that is no JSON; of a long one, the length."""
    long = re.fullmatch(r"<(\d+) bytes>", raw)
    return "x" * int(long.group(1)) if long else raw


def outputs(messages: list[Any]) -> list[str]:
    found = []
    for message in messages:
        if kind_of(message) == "executed":
            items = [item for each in message["data"]["output"].values() for item in each]
            found += [item["filename"] for item in items if isinstance(item, dict)]
    return found


def is_bare(message: Any) -> bool:
    """True for what a new connection is told of the node that runs."""
    return isinstance(message, dict) and kind_of(message) == "executing" and list(message["data"]) == ["node"]


def prompts_without_start(lines: list[dict[str, Any]]) -> set[str]:
    """Ids of prompts whose start no connection was told: they ran before there was one."""
    answers = [line["json"] for line in lines if line["channel"] == "http" and line["dir"] == "recv" and "json" in line]
    posted = {answer["prompt_id"] for answer in answers if "prompt_id" in answer}
    texts = [text_of(line) for line in lines if line.get("event") == "text" and line["dir"] == "recv"]
    return posted - {prompt_of(text) for text in texts if kind_of(text) == "execution_start"}


def text_of(line: dict[str, Any]) -> Any:
    """A text message; of a long one what the recorder kept."""
    return line["json"] if "json" in line else line["json_trimmed"]


def progressed(got: list[Any], value: float, anchors: int) -> bool:
    seen = 0
    for message in got:
        seen += kind_of(message) in ANCHORS
        if seen >= anchors and kind_of(message) == "progress" and message["data"]["value"] >= value:
            return True
    return seen > anchors


# Normal forms


def kind_of(message: Any) -> str:
    if isinstance(message, bytes):
        return {1: "preview", 3: "progress_text", 4: "preview"}[struct.unpack_from(">I", message)[0]]
    return message.get("type") or "close"


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def shape(value: Any, key: str = "") -> Any:
    """Keys and types of a JSON value; of what has a meaning, the value."""
    if isinstance(value, dict):
        return {_UUID.sub("<id>", name): shape(each, name) for name, each in value.items()}
    if key == "executed":
        return sorted(value)  # a set
    if key == "traceback":
        return "text"
    if key == "input_config" and isinstance(value[0], list):
        return ["choices", shape(value[1])]
    if isinstance(value, list) and not (key in LITERAL and all(isinstance(each, str) for each in value)):
        return [shape(each) for each in value]
    if isinstance(value, str) and key in ("message", "details", "error") and "[" in value:
        return "text"
    return value if key in LITERAL or value is None else type(value).__name__


def alike(recorded: Any, own: Any) -> bool:
    """True if ``own`` has the shape ``recorded``; lists of unequal length must be of the same elements."""
    if recorded == "<prompt>":
        return True
    if isinstance(recorded, dict) and isinstance(own, dict):
        return recorded.keys() == own.keys() and all(alike(recorded[key], own[key]) for key in recorded)
    if isinstance(recorded, list) and isinstance(own, list):
        if len(recorded) == len(own) and all(alike(a, b) for a, b in zip(recorded, own, strict=True)):
            return True
        return bool(recorded) == bool(own) and all(any(alike(a, b) for a in recorded) for b in own)
    return bool(recorded == own)


def binary_form(message: bytes) -> Any:
    (kind,) = struct.unpack_from(">I", message)
    if kind == 1:
        assert struct.unpack_from(">I", message, 4)[0] in (1, 2)
        return ("binary", 1)
    (length,) = struct.unpack_from(">I", message, 4)
    if kind == 3:
        return ("binary", 3, message[8 : 8 + length], message[8 + length :])
    metadata = json.loads(message[8 : 8 + length])
    assert metadata.pop("image_type") in ("image/jpeg", "image/png")
    return ("binary", 4, shape(metadata))


def text_form(message: dict[str, Any]) -> Any:
    kind, data = message["type"], message["data"]
    if kind == "progress_state":
        nodes = {key: shape(node) for key, node in data["nodes"].items()}
        step = any(node["state"] == "running" and node["max"] != 1.0 for node in data["nodes"].values())
        return (kind, sorted(data), nodes, step)
    return (kind, shape(data))


def normal(messages: list[Any]) -> list[Any]:
    """A connection's messages by the rules above: first what concerns it, then what concerns nobody's prompts."""
    ownerless = prompts_without_owner(messages)
    forms = sequence([each for each in messages if prompt_of(each) not in ownerless])
    for prompt_id in ownerless:
        forms += [("ownerless",), *sequence([each for each in messages if prompt_of(each) == prompt_id])]
    return forms


def prompt_of(message: Any) -> str | None:
    if isinstance(message, bytes):
        return None
    data = message.get("data")
    return data.get("prompt_id") if isinstance(data, dict) else None


def prompts_without_owner(messages: list[Any]) -> list[str]:
    """Ids of prompts that only progress is told about here."""
    owned = {prompt_of(message) for message in messages if kind_of(message) in ANCHORS - {"execution_interrupted"}}
    found = dict.fromkeys(prompt_of(message) for message in messages)
    return [prompt_id for prompt_id in found if prompt_id is not None and prompt_id not in owned]


def sequence(messages: list[Any]) -> list[Any]:
    forms: list[Any] = []
    running = joining = False
    greeted = not any(kind_of(each) == "feature_flags" for each in messages)
    first_of_round = "progress_state" if any(kind_of(each) == "progress_state" for each in messages) else "progress"
    for message in messages:
        kind = kind_of(message)
        greeted = greeted or kind == "feature_flags"
        if kind == "feature_flags" or (kind == "status" and running):
            continue
        if kind == "execution_start":
            running = True
        elif kind in ENDS:
            running = False
        is_round = kind in ("progress_state", "progress", "preview")
        if joining and is_round and (kind != first_of_round or not greeted):
            continue
        joining = kind == "executing" and list(message["data"]) == ["node"]
        if isinstance(message, bytes):
            form = binary_form(message)
        elif kind == "close":
            form = message
        else:
            form = text_form(message)
        while kind == "execution_interrupted" and forms and (forms[-1][0] == "progress" or is_step(forms[-1])):
            forms.pop()
        if not (kind == "status" and forms and forms[-1] == form):
            forms.append(form)
    return without_repeats(forms)


def is_step(form: Any) -> bool:
    return form[0] == "progress_state" and form[3]


def without_repeats(forms: list[Any]) -> list[Any]:
    """One round of progress where several of the same stand in a row."""
    changed = True
    while changed:
        changed = False
        for length in (1, 2, 3):
            for start in range(len(forms) - 2 * length + 1):
                first, second = forms[start : start + length], forms[start + length : start + 2 * length]
                if first == second and all(form[0] in ("progress", "progress_state", "binary") for form in first):
                    del forms[start : start + length]
                    changed = True
                    break
    return forms


def differences(replay: Replay) -> list[str]:
    """What the mock did otherwise than the recorded server."""
    found = []
    for name in replay.sockets:
        recorded, own = replay.recorded(name), replay.own(name)
        if own and kind_of(own[-1]) == "close" and kind_of(recorded[-1]) != "close":
            own = own[:-1]  # the recorder had stopped listening before the goodbye
        forms = normal(recorded), normal(own)
        pairs = (
            zip(*forms, strict=False) if replay.crashed(name) else itertools.zip_longest(*forms, fillvalue="nothing")
        )
        for index, (theirs, mine) in enumerate(pairs):
            if not same_form(theirs, mine):
                found.append(f"{name}, message {index}:\n  recorded {theirs}\n  mock     {mine}")
                break
        flags = [[shape(each) for each in side if kind_of(each) == "feature_flags"] for side in (recorded, own)]
        if flags[0] != flags[1]:
            found.append(f"{name}: feature flags {flags}")
    for number, answer in replay.answers.items():
        line = replay.recorded_answer(number)
        if answer is None or "error" in line:
            if answer is not None or "error" not in line:
                found.append(f"answer {number}: {answer}, recorded {line}")
            continue
        theirs, mine = answer_form(line), own_form(answer, line)
        sent = sent_line(replay, number)
        if not (sent["path"] in NOT_COMPARED or "preview" in sent.get("params", {})) and not alike(theirs, mine):
            found.append(f"answer {number}:\n  recorded {theirs}\n  mock     {mine}")
    return found


def sent_line(replay: Replay, number: int) -> dict[str, Any]:
    return next(x for x in replay.lines if x["channel"] == "http" and x["dir"] == "send" and x["id"] == number)


def same_form(recorded: Any, own: Any) -> bool:
    if isinstance(recorded, tuple) and isinstance(own, tuple) and recorded[0] == own[0] != "binary":
        return alike(list(recorded), list(own))
    return bool(recorded == own)


def answer_form(line: dict[str, Any]) -> dict[str, Any]:
    headers = {
        key for key in line["headers"] if key not in ("Server", "Content-Length", "Transfer-Encoding", "Connection")
    }
    form: dict[str, Any] = {"status": line["status"], "headers": sorted(headers)}
    form["content_type"] = line["headers"].get("Content-Type")
    if "json" in line and not line.get("trimmed"):
        form["json"] = shape(line["json"])
    elif "text" in line:
        form["text"] = line["text"]
    elif line.get("empty"):
        form["text"] = ""
    elif line["status"] == 206:
        form["length"] = line["body"]["len"]
    return form


def own_form(answer: Any, line: dict[str, Any]) -> dict[str, Any]:
    ignored = ("server", "date", "content-length", "transfer-encoding", "connection")
    form: dict[str, Any] = {"status": answer.status, "content_type": answer.headers.get("Content-Type")}
    form["headers"] = sorted(key for key in answer.headers if key.lower() not in ignored)
    if "json" in line and not line.get("trimmed"):
        try:
            form["json"] = shape(json.loads(answer.data))
        except ValueError:
            form["text"] = answer.data
    elif "text" in line or line.get("empty"):
        form["text"] = answer.data.decode()
    elif answer.status == 206:
        form["length"] = len(answer.data)
    return form


def replayed(version: str, scenario: str, *, mock_version: str | None = None, guard_s: float = 20.0) -> list[str]:
    """Replays a scenario; the differences. What does not come within ``guard_s`` is one too."""
    lines = load(version, scenario)
    with MockComfyUI(
        version=mock_version or version,
        speed=SLOWER.get(scenario, SPEED),
        outputs_reversed=version in REVERSED.get(scenario, ()),
        flags=FLAGS.get(scenario, ServerFlags()),
        local_only=False,
    ) as mock:
        replay = Replay(mock, lines, scenario, guard_s)
        try:
            if scenario in BEFORE:
                body = json.dumps({"prompt": BEFORE[scenario]}).encode()
                replay.http.request("POST", f"{mock.url}/prompt", body=body)
                done = threading.Event()
                while mock.engine.remaining():
                    done.wait(0.01)
            replay.run()
        except Missing as missing:
            return [str(missing)]
        finally:
            replay.stop()
        return differences(replay)


@pytest.mark.parametrize("version", FOLDERS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_mock_answers_as_the_recorded_server_did(version: str, scenario: str) -> None:
    if not (RECORDINGS / FOLDERS[version] / f"{scenario}.jsonl").exists():
        pytest.skip("not recorded for this version")
    assert replayed(version, scenario) == []


def _without(method: Any, key: str) -> Any:
    def cut(self: Any, *args: Any) -> Any:
        result = method(self, *args)
        del result[key]
        return result

    return cut


def _renamed(event: str, other: str) -> Any:
    send = Run._send

    def renamed(self: Run, name: str, data: dict[str, Any]) -> None:
        send(self, other if name == event else name, data)

    return renamed


def _late(event: str, until: str) -> Any:
    """Messages of one type held back until after one of another."""
    send = Run._send
    held: list[Any] = []

    def late(self: Run, name: str, data: dict[str, Any]) -> None:
        if name == event:
            held.append(data)
            return
        send(self, name, data)
        if name == until:
            while held:
                send(self, event, held.pop(0))

    return late


BREAKS: dict[str, tuple[str, Any, str, Any]] = {
    "no executed": ("run_simple", Run, "_report_output", lambda self, node_id, ui: None),
    "a message of another type": ("run_simple", Run, "_send", _renamed("executed", "executed_too")),
    "another order": ("run_simple", Run, "_send", _late("executed", "progress_state")),
    "history without meta": ("run_simple", Run, "_outcome", _without(Run._outcome, "meta")),
    "another start value": ("run_simple", run, "STARTED", (0, 1)),
    "nothing cached": ("run_cached", Run, "_prepare_cache", lambda self: []),
    "old preview frames": ("previews_flag_on", Hub, "wants_metadata", lambda self, sid: False),
    "other words": ("prompt_errors", validation, "FAILED", "prompt_failed"),
    "another status": ("queue_ops", jobs, "_refused", lambda error: Response.json({"error": error}, 422)),
    "a key too many": (
        "queue_ops",
        jobs,
        "_queued_job",
        lambda item, state: {"id": item[1], "status": state, "x": 1},
    ),
    "an interrupt that hits all": ("interrupt", Engine, "interrupt", lambda self, prompt_id: _interrupt(self, None)),
}
_interrupt = Engine.interrupt


@pytest.mark.parametrize("what", BREAKS)
def test_the_comparison_notices_a_mock_that_does_otherwise(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, owner, name, broken = BREAKS[what]
    monkeypatch.setattr(owner, name, broken)
    assert replayed("0.33.0", scenario, guard_s=1.0)


@pytest.mark.parametrize("version", ["0.3.64", "0.3.40"])
def test_the_comparison_tells_one_version_from_another(version: str) -> None:
    assert replayed("0.33.0", "run_simple", mock_version=version, guard_s=1.0)
