"""Recorded Gradio scenarios sent to a mock: what it answers, in a form that can be compared with the recording.

Requests are sent in the recorded order, each when every open stream has said what the recorded one had said by then
(progress, yields and estimates apart, of which it is chance how many there are).
"""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import urllib3

from support.http import Pool
from support.waiting import HANG_GUARD_S

CHANCE = {"progress": 1, "process_generating": 2, "generating": 2, "estimation": 1, "heartbeat": 1}
"""Messages of which it is chance how many there are -> how many are waited for (a whole value and edits, in yields)."""
CACHE = re.compile(r"/[\w/.-]*?/[0-9a-f]{64}/")
LITERAL = {"msg", "level", "error", "title", "log", "desc", "unit", "message", "_type", "__type__", "detail", "msg_"}
EITHER = {"rank_eta", "eta", "average_duration", "duration", "cache_duration", "avg_time", "parameter_default"}
HEADERS = ("content-type", "content-disposition", "accept-ranges", "content-range", "location")


class Stream:
    """An event stream that a thread reads into a list."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.messages: list[tuple[str | None, Any]] = []
        self.closed = False
        self.left = False
        self.changed = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        name = None
        try:
            for block in self.answer:
                for line in block.decode().split("\n"):
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        text = line[6:]
                        with self.changed:
                            self.messages.append((name, json.loads(text) if text != "ALIVE" else text))
                            self.changed.notify_all()
                        name = None
        except (urllib3.exceptions.HTTPError, OSError, AttributeError, ValueError):
            pass
        with self.changed:
            self.closed = not self.left
            self.changed.notify_all()

    def leave(self) -> None:
        """Cuts the connection, as a client does that goes."""
        self.left = True
        self.answer.shutdown()
        self._thread.join(HANG_GUARD_S)
        self.answer.close()

    def wait(self, ready: Any) -> bool:
        with self.changed:
            return self.changed.wait_for(ready, HANG_GUARD_S)


class Replay:
    """Sends what ``lines`` sent to ``url``; ``sent_body`` may replace the body of an upload."""

    def __init__(self, url: str, lines: list[dict[str, Any]]) -> None:
        self.url = url
        self.lines = lines
        self.http = Pool(HANG_GUARD_S)
        self.answers: dict[int, tuple[int, dict[str, str], bytes]] = {}
        self.streams: dict[int, Stream] = {}
        self.problems: list[str] = []
        self.told: Callable[[Any], object] = lambda message: None
        """Is told of each recorded message, when it is its turn."""
        self.settle: Callable[[], object] = lambda: None
        """Waits until the server has noticed that a client left; the recorder left it time for that."""
        self._events: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._cookies = ""

    def run(self) -> None:
        said: dict[int, Counter[str]] = defaultdict(Counter)
        for line in self.lines:
            if line["channel"] == "sse" and "data" in line:
                said[line["x"]][self.kind(line.get("event"), line["data"])] += 1
                self.told(line["data"])
            elif line.get("closed_by") == "server":
                stream = self.streams[line["x"]]
                if not stream.wait(lambda stream=stream: stream.closed):
                    self.problems.append(f"stream {line['x']} did not end")
            elif line.get("closed_by") == "client":
                self._catch_up(said)
                if self.streams[line["x"]].closed:
                    self.problems.append(f"stream {line['x']} was ended by the server")
                    return
                self.streams[line["x"]].leave()
                self.settle()
            elif line["dir"] == "send":
                self._catch_up(said)
                self._send(line)
        self._catch_up(said)

    def stop(self) -> None:
        for stream in self.streams.values():
            if not stream.closed and not stream.left:
                stream.leave()
        self.http.clear()

    def kind(self, name: str | None, message: Any) -> str:
        """What a message counts as, while it is waited for."""
        return kind_of(name, message)

    def _catch_up(self, said: dict[int, Counter[str]]) -> None:
        for number, recorded in said.items():
            stream = self.streams[number]
            wanted = {kind: min(count, CHANCE.get(kind, count)) for kind, count in recorded.items()}

            def there(stream: Stream = stream, wanted: dict[str, int] = wanted) -> bool:
                heard = Counter(self.kind(*each) for each in stream.messages)
                return stream.closed or stream.left or all(heard[kind] >= count for kind, count in wanted.items())

            if not stream.wait(there):
                self.problems.append(f"stream {number} went no further than {stream.messages[-2:]}")

    def _send(self, line: dict[str, Any]) -> None:
        headers = {"accept": line["headers"].get("accept", "*/*")}
        for name in ("content-type", "range"):
            if name in line["headers"]:
                headers[name] = line["headers"][name]
        if "cookie" in line["headers"]:
            headers["cookie"] = self._cookies
        body = self._body(line)
        url = self.url + urllib.parse.quote(self._own(line["path"]), safe="/?=&:%")
        answer = self.http.request(
            line["method"], url, body=body, headers=headers, preload_content=False, redirect=False
        )
        number = line["x"]
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            self.streams[number] = Stream(answer)
            self.answers[number] = (answer.status, dict(answer.headers), b"")
            return
        data = answer.read()
        self.answers[number] = (answer.status, dict(answer.headers), data)
        answer.release_conn()
        if "set-cookie" in answer.headers and answer.status == 200:
            self._cookies = "; ".join(each.partition(";")[0] for each in answer.headers.getlist("set-cookie"))
        self._learn(number, data)

    def _body(self, line: dict[str, Any]) -> bytes | None:
        if "json" in line:
            return json.dumps(self._replaced(line["json"])).encode()
        if "text" in line:
            return str(line["text"]).encode()
        if "body_b64" not in line:
            return None
        body = base64.b64decode(line["body_b64"])
        missing = line["length"] - len(body)
        if missing <= 0:
            return body
        boundary = line["headers"]["content-type"].rpartition("boundary=")[2]
        tail = f"\r\n--{boundary}--\r\n".encode()
        return body + b"x" * (missing - len(tail)) + tail

    def _learn(self, number: int, data: bytes) -> None:
        """Remembers which of the mock's ids and paths stand for recorded ones."""
        recorded = next((each for each in self.lines if each["dir"] == "recv" and each["x"] == number), {})
        try:
            own, theirs = json.loads(data), recorded.get("json")
        except ValueError:
            return
        if isinstance(theirs, dict) and isinstance(own, dict) and "event_id" in theirs and "event_id" in own:
            self._events[theirs["event_id"]] = own["event_id"]
        if isinstance(theirs, list) and isinstance(own, list):
            self._files.update(zip(theirs, own, strict=False))

    def _own(self, text: str) -> str:
        for recorded, own in (self._events | self._files).items():
            text = text.replace(recorded, own)
        match = CACHE.search(text)
        if match and match[0].startswith("/srv/"):
            name = text[match.end() :]
            text = text[: match.start()] + self._made(name)
        return text

    def _made(self, name: str) -> str:
        """The mock's path of a file that a function made, by its name."""
        for stream in self.streams.values():
            found = re.search(rf'"path": "([^"]*/{re.escape(name)})"', json.dumps([m for _, m in stream.messages]))
            if found:
                return found[1]
        return name

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._replaced(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._replaced(each) for each in value]
        return self._own(value) if isinstance(value, str) else value


def kind_of(name: str | None, message: Any) -> str:
    """The type of a message, by its name where it is one of a /call."""
    return str(message.get("msg") or name) if isinstance(message, dict) else str(name)


def form(value: Any, key: str = "") -> Any:
    """Keys in order and types; texts that mean something as they are."""
    if isinstance(value, dict):
        return [(name, form(each, name)) for name, each in value.items()]
    if key in EITHER:
        return "any"
    if isinstance(value, list):
        return [form(each) for each in value]
    if key == "desc" and isinstance(value, str):
        return value.partition(" | ")[0]  # what follows is the time
    if key in LITERAL:
        return value
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def conversation(messages: list[tuple[str | None, Any]], ended: bool) -> dict[str, list[Any]]:
    """What a stream said, for each event by the order of their first words; runs of chance messages as a set."""
    said: dict[str, list[Any]] = defaultdict(list)
    for name, message in messages:
        event = str(message.get("event_id")) if isinstance(message, dict) else "call"
        if isinstance(message, dict) and message.get("msg") == "heartbeat":
            continue
        told = form({key: each for key, each in message.items() if key != "event_id"}) if event != "call" else None
        entry = (name, told if told is not None else form(message))
        if kind_of(name, message) not in CHANCE:
            said[event].append(entry)
            continue
        if not said[event] or not isinstance(said[event][-1], set):
            said[event].append(set())
        said[event][-1].add(json.dumps(entry))
    ordered = {str(at): each for at, each in enumerate(each for event, each in said.items() if event != "None")}
    return ordered | {"stream": [*said["None"], *(["closed"] if ended else [])]}


def differences(replay: Replay) -> list[str]:
    """What the mock did otherwise than the recorded server."""
    if replay.problems:
        return replay.problems
    found = []
    recorded_streams: dict[int, list[Any]] = defaultdict(list)
    ended = {line["x"] for line in replay.lines if line.get("closed_by") == "server"}
    for line in replay.lines:
        if line["channel"] == "sse" and "data" in line:
            recorded_streams[line["x"]].append((line.get("event"), line["data"]))
    for number, stream in replay.streams.items():
        theirs = conversation(recorded_streams[number], number in ended)
        mine = conversation(stream.messages, stream.closed)
        for part in theirs.keys() | mine.keys():
            if theirs.get(part) != mine.get(part):
                found.append(f"stream {number}, {part}:\n recorded {theirs.get(part)}\n mock     {mine.get(part)}")
    for line in replay.lines:
        if line["channel"] == "http" and line["dir"] == "recv" and "status" in line:
            theirs, mine = answer_form(line), own_form(replay.answers[line["x"]], line)
            if theirs != mine:
                found.append(f"answer {line['x']}:\n recorded {theirs}\n mock     {mine}")
    return found


def answer_form(line: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in line["headers"].items() if name in HEADERS}
    told: dict[str, Any] = {"status": line["status"], "headers": sorted(headers)}
    told["content-type"] = headers.get("content-type")
    if "json" in line:
        told["json"] = form(line["json"])
    elif "text" in line and line["status"] != 500:
        told["text"] = len(line["text"]) if is_file(line) else line["text"]
    return told


def is_file(line: dict[str, Any]) -> bool:
    """Whether the answer is a file, of which only the head was recorded as it was uploaded."""
    return "content-disposition" in line["headers"]


def own_form(answer: tuple[int, dict[str, str], bytes], line: dict[str, Any]) -> dict[str, Any]:
    status, told_headers, data = answer
    headers = {name.lower(): value for name, value in told_headers.items()}
    told: dict[str, Any] = {"status": status, "headers": sorted(name for name in headers if name in HEADERS)}
    told["content-type"] = headers.get("content-type")
    if "json" in line:
        told["json"] = form(json.loads(data)) if data else None
    elif "text" in line and line["status"] != 500:
        told["text"] = len(data) if is_file(line) else data.decode()
    return told
