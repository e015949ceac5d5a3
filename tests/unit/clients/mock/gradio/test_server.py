"""The base of mock Gradio apps: calls, streams, cancelling, files, sign-in and faults."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from support.gradio_replay import Stream
from support.http import Pool, request
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients.mock.gradio.app import App, Component, Dependency
from movie_director.clients.mock.gradio.files import MAX_BYTES, FileCache
from movie_director.clients.mock.gradio.messages import Dialect, make_diff
from movie_director.clients.mock.gradio.server import MockGradio
from movie_director.clients.mock.http.faults import Fault

TEXT, NUMBER, CHOICE, STATE, OUT, FILE = 1, 2, 3, 4, 5, 6


class MockSmall(MockGradio):
    """A few functions; ``held`` lets the slow ones go on, ``running`` says that one has begun."""

    def __init__(self, **given: Any) -> None:
        self.held = threading.Event()
        self.running = threading.Event()
        super().__init__(**given)

    def make_app(self) -> App:
        parts = [
            Component(TEXT, "textbox", "text", {"value": "first"}),
            Component(NUMBER, "slider", "n", {"minimum": 1, "maximum": 10, "value": lambda: 3}),
            Component(CHOICE, "dropdown", "which", {"choices": ["a", ["B", "b"]]}),
            Component(STATE, "state", "", {"value": list}),
            Component(OUT, "textbox", "out"),
            Component(FILE, "file", "file"),
        ]
        return App(
            parts,
            [
                Dependency(0, "echo", lambda call, text: text, (TEXT,), (OUT,)),
                Dependency(1, "slow", self.slow, (), (OUT,)),
                Dependency(3, "keep", self.keep, (TEXT, STATE), (OUT, STATE)),
                Dependency(7, "choose", lambda call, which, n: f"{which}{n}", (CHOICE, NUMBER), (OUT,)),
                Dependency(10, "free", self.slow, (), (OUT,), limit=None),
                Dependency(11, "shared_a", self.slow, (), (OUT,), group="gpu"),
                Dependency(12, "shared_b", self.slow, (), (OUT,), group="gpu"),
                Dependency(13, "read", lambda call, file: call.read(file).decode(), (FILE,), (OUT,)),
                Dependency(14, "make", lambda call: call.file("tön .bin", b"0123456789"), (), (FILE,)),
                Dependency(15, "who", lambda call: f"{call.username} {bool(call.event_id)} {call.alive}", (), (OUT,)),
            ],
        )

    def slow(self, call: Any) -> str:
        self.running.set()
        self.held.wait(HANG_GUARD_S)
        return "slept"

    def keep(self, call: Any, text: str, kept: list[str]) -> tuple[str, list[str]]:
        return ",".join([*kept, text]), [*kept, text]


class User:
    """What a browser does, for one session."""

    def __init__(self, mock: MockGradio, session: str = "s1", cookie: str = "") -> None:
        self.mock, self.session = mock, session
        self.http = Pool(HANG_GUARD_S)
        self.headers = {"cookie": cookie} if cookie else {}

    def post(self, route: str, body: Any) -> Any:
        data = json.dumps(body).encode()
        return self.http.request("POST", f"{self.mock.base}{route}", body=data, headers=self.headers)

    def join(self, name: str, *data: Any, **more: Any) -> str:
        number = self.mock.app.by_name[name].id
        body = {"data": list(data), "fn_index": number, "session_hash": self.session, **more}
        answer = self.post("/queue/join", body)
        assert answer.status == 200, answer.data
        return str(answer.json()["event_id"])

    def stream(self) -> Stream:
        url = f"{self.mock.base}/queue/data?session_hash={self.session}"
        return Stream(self.http.request("GET", url, preload_content=False, headers=self.headers))

    def finish(self, stream: Stream) -> list[Any]:
        assert stream.wait(lambda: stream.closed), stream.messages
        return [message for _, message in stream.messages]

    def call(self, name: str, *data: Any, **more: Any) -> Any:
        event = self.join(name, *data, **more)
        done = [each for each in self.finish(self.stream()) if each["msg"] == "process_completed"]
        assert [each["event_id"] for each in done] == [event]
        return done[0]


def heard(stream: Stream, kind: str, count: int = 1) -> None:
    assert stream.wait(lambda: sum(m.get("msg") == kind for _, m in stream.messages) >= count), stream.messages


@pytest.fixture
def mock() -> Iterator[MockSmall]:
    with MockSmall(speed=50.0) as server:
        yield server
        server.held.set()


def test_a_state_is_kept_for_its_session_alone(mock: MockSmall) -> None:
    first, second = User(mock, "s1"), User(mock, "s2")
    assert first.call("keep", "a", None)["output"]["data"] == ["a", None]
    assert second.call("keep", "b", ["injected"])["output"]["data"] == ["b", None]
    assert first.call("keep", "c", None)["output"]["data"] == ["a,c", None]


def test_a_group_runs_one_at_a_time_and_others_beside_it(mock: MockSmall) -> None:
    user = User(mock)
    first, second = user.join("shared_a"), user.join("shared_b")
    free = [user.join("free"), user.join("free")]
    stream = user.stream()
    heard(stream, "process_starts", 3)
    started = {m["event_id"] for _, m in stream.messages if m["msg"] == "process_starts"}
    assert started == {first, *free}
    mock.held.set()
    user.finish(stream)
    ended = [m["event_id"] for _, m in stream.messages if m["msg"] == "process_completed"]
    assert ended.index(first) < ended.index(second)


def test_run_fails_with_its_function_and_an_app_may_be_empty(mock: MockSmall) -> None:
    failed = User(mock).post("/run/echo", {"data": []})
    assert (failed.status, failed.json()) == (500, {"error": None})
    with MockGradio() as empty:
        assert request("GET", f"{empty.base}/config").json()["dependencies"] == []


def test_inputs_are_checked_as_each_generation_does() -> None:
    for version, choice, limit, text in (
        ("4.44.1", False, False, False),
        ("5.29.0", True, False, False),
        ("6.31.0", True, True, True),
    ):
        with MockSmall(version=version, speed=50.0) as server:
            user = User(server)
            assert user.call("choose", "b", 5)["success"]
            assert user.call("choose", "zzz", 5)["success"] is not choice
            assert user.call("choose", "b", 0)["success"] is not limit
            assert user.call("choose", "b", 11)["success"] is not limit
            assert user.call("choose", "b", "five")["success"] is not text


def test_bodies_and_names_that_are_wrong(mock: MockSmall) -> None:
    post = request
    assert post("POST", f"{mock.base}/queue/join", body=b"{x").status == 422
    assert User(mock).post("/queue/join", {"data": [], "fn_index": 0}).status == 400
    assert User(mock).post("/queue/join", {"data": [], "fn_index": 99, "session_hash": "s"}).status == 500
    assert User(mock).post("/call/nope", {"data": []}).status == 500
    assert User(mock).post("/run/nope", {"data": []}).status == 500
    assert post("GET", f"{mock.base}/nowhere").status == 404
    assert post("GET", f"{mock.base}/upload").status == 405


def test_a_call_that_the_client_leaves(mock: MockSmall) -> None:
    user = User(mock)
    event = user.post("/call/slow", {"data": []}).json()["event_id"]
    assert mock.running.wait(HANG_GUARD_S)
    url = f"{mock.base}/call/slow/{event}"
    stream = Stream(user.http.request("GET", url, preload_content=False))
    stream.leave()
    assert not stream.messages
    assert wait_for(lambda: mock.queue.size() == 0 and not mock.queue._mail)


def test_silence_is_broken_by_heartbeats(mock: MockSmall) -> None:
    mock.heartbeat_s = 0.05
    user = User(mock)
    user.join("slow")
    stream = user.stream()
    heard(stream, "heartbeat", 2)
    mock.held.set()
    assert user.finish(stream)[-1]["msg"] == "close_stream"
    alive = Stream(user.http.request("GET", f"{mock.base}/heartbeat/s1", preload_content=False))
    assert alive.wait(lambda: len(alive.messages) >= 2)
    alive.leave()


# Files and sign-in


def test_files_are_uploaded_read_and_handed_out_in_ranges(mock: MockSmall) -> None:
    user = User(mock)
    fields = [("files", ("../a b?.txt", b"one")), ("files", ("c.txt", b"two"))]
    paths = user.http.request("POST", f"{mock.base}/upload", fields=fields).json()
    assert [each.rpartition("/")[2] for each in paths] == ["a b.txt", "c.txt"]
    assert user.call("read", {"path": paths[1]})["output"]["data"] == ["two"]
    assert not user.call("read", {"path": "/etc/hostname"})["success"]
    assert user.http.request("POST", f"{mock.base}/upload", body=b"no form").json() == []
    made = user.call("make")["output"]["data"][0]
    assert (made["orig_name"], made["size"]) == ("tön .bin", None)
    url = f"{mock.base}/file={urllib.parse.quote(made['path'])}"
    whole = request("GET", url)
    assert whole.data == b"0123456789"
    assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''t%C3%B6n%20.bin"
    assert request("GET", url, headers={"range": "bytes=2-3"}).data == b"23"
    assert request("GET", url, headers={"range": "bytes=8-"}).data == b"89"
    assert request("GET", f"{mock.base}/file=/nope").status == 403
    with MockSmall(version="4.44.1", speed=50.0) as old:
        made = User(old).call("make")["output"]["data"][0]
        url = f"{old.base}/file={urllib.parse.quote(made['path'])}"
        assert request("GET", url, headers={"range": "bytes=8-"}).data == b"0123456789"


def test_the_cache_drops_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movie_director.clients.mock.gradio.files.MAX_BYTES", 10)
    assert MAX_BYTES > 10
    cache = FileCache(5)
    first, second = cache.add("a", b"12345678"), cache.add("b", b"12345")
    assert (cache.get(first), cache.get(second)) == (None, b"12345")
    cache.clear()
    assert cache.get(second) is None


def test_sign_in_which_a_restart_forgets() -> None:
    server = MockSmall(login=("user", "secret"), speed=50.0)
    with server:
        assert request("GET", f"{server.url}/config").status == 401
        assert request("POST", f"{server.url}/login", body=b"username=user&password=wrong").status == 400
        answer = request("POST", f"{server.url}/login", body=b"username=user&password=secret")
        cookies = [each.partition(";")[0] for each in answer.headers.getlist("set-cookie")]
        user = User(server, cookie=cookies[1])
        assert user.call("who")["output"]["data"] == ["user True True"]
        user.call("keep", "a", None)
    with server:
        assert request("GET", f"{server.url}/config", headers={"cookie": cookies[1]}).status == 401
        assert server.app.state("s1", STATE) == []


# Faults


def test_functions_and_the_queue_fail_on_request(mock: MockSmall) -> None:
    user = User(mock)
    mock.inject(Fault("function_error", on="echo"))
    mock.inject(Fault("function_error", on="echo", value="CUDA out of memory"))
    assert user.call("echo", "x")["output"] == {"error": None}
    assert user.call("echo", "x")["output"]["error"] == "CUDA out of memory"
    mock.inject(Fault("queue_full:7"))
    refused = user.post("/queue/join", {"data": ["x"], "fn_index": 0, "session_hash": "s1"})
    assert refused.json() == {"detail": "Queue is full. Max size is 7 and size is 7."}
    mock.inject(Fault("session_lost"))
    assert user.post("/queue/join", {"data": ["x"], "fn_index": 0, "session_hash": "s1"}).status == 200
    assert user.finish(user.stream())[0]["msg"] == "unexpected_error"


@pytest.mark.parametrize(
    ("fault", "kinds"),
    [
        (Fault("sse_cut", on="process_starts"), ["estimation"]),
        (Fault("sse_noise", on="process_completed"), ["from_the_future", "process_completed", "close_stream"]),
    ],
)
def test_streams_that_are_cut_or_noisy(mock: MockSmall, fault: Fault, kinds: list[str]) -> None:
    mock.inject(fault)
    user = User(mock)
    user.join("echo", "x")
    assert [each["msg"] for each in user.finish(user.stream())][-len(kinds) :] == kinds


def test_streams_that_fall_silent_or_send_broken_json(mock: MockSmall) -> None:
    mock.inject(Fault("sse_bad_json", on="process_starts"))
    user = User(mock)
    user.join("echo", "x")
    answer = user.http.request("GET", f"{mock.base}/queue/data?session_hash=s1")
    assert b'data: {"msg": "progress", "event_\n\n' in answer.data
    mock.inject(Fault("sse_silent", on="process_completed"))
    user.join("echo", "x")
    stream = user.stream()
    heard(stream, "process_starts")
    assert not stream.closed
    stream.leave()


# The rest


def test_versions() -> None:
    assert [Dialect(each).prefix for each in ("4.44.1", "5.29.0", "6.20.0")] == ["", "/gradio_api", "/gradio_api"]
    with pytest.raises(ValueError, match=r"no mock of Gradio 3\.34"):
        MockGradio(version="3.34.0")


def test_edits_say_what_changed() -> None:
    assert make_diff([1, 2, 3], [1, 5]) == [["replace", [1], 5], ["delete", [2], None]]
    assert make_diff([1], [1, 2]) == [["add", [1], 2]]
    assert make_diff({"a": 1, "b": "x"}, {"b": "xy", "c": 3}) == [
        ["delete", ["a"], None],
        ["append", ["b"], "y"],
        ["add", ["c"], 3],
    ]
