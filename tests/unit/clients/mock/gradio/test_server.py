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
from support.waiting import eventually

from movie_director.clients.mock.gradio.app import App, Component, Dependency, GradioError, update
from movie_director.clients.mock.gradio.files import MAX_BYTES, FileCache, safe_name
from movie_director.clients.mock.gradio.messages import Dialect, make_diff
from movie_director.clients.mock.gradio.server import MockGradio
from movie_director.clients.mock.http.faults import Fault

GUARD_S = 20.0
TEXT, NUMBER, CHOICE, STATE, OUT, FILE = 1, 2, 3, 4, 5, 6


class MockSmall(MockGradio):
    """A few functions; ``held`` lets the slow ones go on, ``running`` says that one has begun."""

    def __init__(self, **given: Any) -> None:
        self.held = threading.Event()
        self.running = threading.Event()
        self.closed = threading.Event()
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
                Dependency(2, "steps", self.steps, (TEXT,), (OUT,), generator=True),
                Dependency(3, "keep", self.keep, (TEXT, STATE), (OUT, STATE)),
                Dependency(4, "target", lambda call: str(call.trigger_id), (), (OUT,)),
                Dependency(5, None, None, (), ()),
                Dependency(6, "nothing", lambda call: None, (), ()),
                Dependency(7, "choose", lambda call, which, n: f"{which}{n}", (CHOICE, NUMBER), (OUT,)),
                Dependency(8, "fails", self.fails, (TEXT,), (OUT,)),
                Dependency(9, "fails_late", self.fails_late, (), (OUT,), generator=True),
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
        self.held.wait(GUARD_S)
        return "slept"

    def steps(self, call: Any, text: str) -> Iterator[Any]:
        try:
            for at in range(len(text)):
                self.running.set()
                call.progress((at, len(text)), "writing")
                yield text[: at + 1]
                if at == 0:
                    self.held.wait(GUARD_S)
            yield update(value=text)
        finally:
            self.closed.set()

    def keep(self, call: Any, text: str, kept: list[str]) -> tuple[str, list[str]]:
        return ",".join([*kept, text]), [*kept, text]

    def fails(self, call: Any, text: str) -> str:
        raise GradioError(text) if text else KeyError("inside")

    def fails_late(self, call: Any) -> Iterator[str]:
        yield "so far"
        raise GradioError("out of memory", duration=0)


class User:
    """What a browser does, for one session."""

    def __init__(self, mock: MockGradio, session: str = "s1", cookie: str = "") -> None:
        self.mock, self.session = mock, session
        self.http = Pool(GUARD_S)
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


def test_only_who_names_a_trigger_is_told_of_it(mock: MockSmall) -> None:
    assert User(mock).call("target", trigger_id=791)["output"]["data"] == ["791"]
    assert User(mock).call("target")["output"]["data"] == ["None"]


def test_functions_without_outputs_and_steps_of_javascript(mock: MockSmall) -> None:
    user = User(mock)
    assert user.call("nothing")["output"]["data"] == []
    user.post("/queue/join", {"data": [], "fn_index": 5, "session_hash": "s1"})
    assert user.finish(user.stream())[-2]["output"] == {"error": None}
    config = request("GET", f"{mock.url}/config").json()
    assert [each["props"].get("value") for each in config["components"]][:4] == ["first", None, None, None]
    assert "/nothing" in request("GET", f"{mock.base}/info").json()["named_endpoints"]


def test_yields_are_whole_first_and_edits_then(mock: MockSmall) -> None:
    mock.held.set()
    user = User(mock)
    event = user.join("steps", "ab")
    said = user.finish(user.stream())
    yields = [each["output"]["data"] for each in said if each["msg"] == "process_generating"]
    assert yields == [["a"], [[["append", [], "b"]]], [[["replace", [], {"value": "ab", "__type__": "update"}]]]]
    assert said[-2]["output"]["data"] == [{"value": "ab", "__type__": "update"}]
    assert {each["event_id"] for each in said if each["event_id"]} == {event}
    progress = [each["progress_data"][0] for each in said if each["msg"] == "progress"]
    assert progress[0] == {"index": 0, "length": 2, "unit": "steps", "progress": None, "desc": "writing"}


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


def test_who_waits_is_told_the_rank(mock: MockSmall) -> None:
    first, second, third = User(mock, "s1"), User(mock, "s2"), User(mock, "s3")
    first.join("slow")
    mock.running.wait(GUARD_S)
    second.join("slow")
    third.join("slow")
    stream = third.stream()
    heard(stream, "estimation")
    assert [(m["rank"], m["queue_size"]) for _, m in stream.messages if m["msg"] == "estimation"] == [(1, 2)]
    assert request("GET", f"{mock.base}/queue/status").json()["queue_size"] == 2
    mock.held.set()
    third.finish(stream)


def test_a_full_queue_refuses(mock: MockSmall) -> None:
    mock.queue.max_size = 1
    user = User(mock)
    user.join("slow")
    mock.running.wait(GUARD_S)
    user.join("slow")
    refused = user.post("/queue/join", {"data": [], "fn_index": 1, "session_hash": "s1"})
    assert (refused.status, refused.json()) == (503, {"detail": "Queue is full. Max size is 1 and size is 1."})


def test_cancel_ends_the_event_while_its_function_runs_on(mock: MockSmall) -> None:
    user = User(mock)
    event = user.join("slow")
    stream = user.stream()
    assert mock.running.wait(GUARD_S)
    user.post("/cancel", {"session_hash": "s1", "fn_index": 1, "event_id": event})
    assert user.finish(stream)[-2]["output"] == {}
    # the slot is free again, though the first function has not come back
    mock.running.clear()
    user.join("slow")
    assert mock.running.wait(GUARD_S)
    mock.held.set()


def test_cancelling_what_is_not_there_does_nothing(mock: MockSmall) -> None:
    answer = User(mock).post("/cancel", {"session_hash": "unknown", "fn_index": 1, "event_id": "unknown"})
    assert answer.json() == {"success": True}


def test_leaving_the_stream_ends_a_generator_and_what_waits(mock: MockSmall) -> None:
    user = User(mock)
    user.join("steps", "abc")
    user.join("steps", "never")
    stream = user.stream()
    heard(stream, "process_generating")
    stream.leave()
    assert eventually(lambda: not mock.queue.knows("s1"))
    mock.held.set()
    assert mock.closed.wait(GUARD_S)
    # the session waits for the lost ends: a later stream is not closed by the server
    user.join("echo", "x")
    later = user.stream()
    heard(later, "process_completed")
    assert not later.closed
    later.leave()


def test_an_unknown_session_is_told_so(mock: MockSmall) -> None:
    user = User(mock, "never seen")
    assert user.finish(user.stream())[0]["message"] == "404: Session not found."


def test_errors_are_told_as_the_function_means_it(mock: MockSmall) -> None:
    user = User(mock)
    assert user.call("fails", "bad input")["output"]["error"] == "bad input"
    assert user.call("fails", "")["output"] == {"error": None}
    assert user.call("echo")["output"] == {"error": None}
    late = user.call("fails_late")
    assert (late["output"]["error"], late["output"]["duration"], late["title"]) == ("out of memory", 0, None)
    mock.queue.show_errors = True
    assert user.call("fails", "")["output"] == {"error": "'inside'"}


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


def test_run_answers_at_once(mock: MockSmall) -> None:
    user = User(mock)
    answer = user.post("/run/echo", {"data": ["hi"], "session_hash": "s9"}).json()
    assert (answer["data"], answer["is_generating"]) == (["hi"], False)
    assert user.post("/api/fails", {"data": ["bad"]}).json()["error"] == "bad"
    failed = user.post("/run/fails", {"data": [""]})
    assert (failed.status, failed.json()) == (500, {"error": None})


def test_call_tells_whole_values(mock: MockSmall) -> None:
    mock.held.set()
    user = User(mock)
    for name, data, wanted in (
        ("steps", ["ab"], ["generating", "generating", "generating", "complete"]),
        ("fails", ["bad"], ["error"]),
    ):
        event = user.post(f"/call/{name}", {"data": data}).json()["event_id"]
        url = f"{mock.base}/call/{name}/{event}"
        stream = Stream(user.http.request("GET", url, preload_content=False))
        user.finish(stream)
        assert [each for each, _ in stream.messages] == wanted
    assert stream.messages[-1][1] is None


def test_call_that_the_client_leaves(mock: MockSmall) -> None:
    user = User(mock)
    event = user.post("/call/slow", {"data": []}).json()["event_id"]
    assert mock.running.wait(GUARD_S)
    url = f"{mock.base}/call/slow/{event}"
    stream = Stream(user.http.request("GET", url, preload_content=False))
    stream.leave()
    assert not stream.messages
    assert eventually(lambda: mock.queue.size() == 0 and not mock.queue._mail)


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


# Files


def test_uploads_can_be_read_and_fetched(mock: MockSmall) -> None:
    user = User(mock)
    fields = [("files", ("a b?.txt", b"one")), ("files", ("c.txt", b"two"))]
    paths = user.http.request("POST", f"{mock.base}/upload", fields=fields).json()
    assert [each.rpartition("/")[2] for each in paths] == ["a b.txt", "c.txt"]
    assert user.call("read", {"path": paths[1]})["output"]["data"] == ["two"]
    assert not user.call("read", "plain string")["success"]
    assert not user.call("read", {"path": "/etc/hostname"})["success"]
    assert user.http.request("POST", f"{mock.base}/upload", body=b"no form").json() == []


def test_files_are_handed_out_in_ranges(mock: MockSmall) -> None:
    made = User(mock).call("make")["output"]["data"][0]
    assert (made["orig_name"], made["size"]) == ("tön .bin", None)
    get = request
    url = f"{mock.base}/file={urllib.parse.quote(made['path'])}"
    whole = get("GET", url)
    assert whole.data == b"0123456789"
    assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''t%C3%B6n%20.bin"
    assert get("GET", url, headers={"range": "bytes=2-3"}).data == b"23"
    rest = get("GET", url, headers={"range": "bytes=8-"})
    assert (rest.status, rest.data, rest.headers["content-range"]) == (206, b"89", "bytes 8-9/10")
    assert get("HEAD", url).headers["content-length"] == "10"
    assert get("GET", f"{mock.base}/file=/nope").status == 403


def test_version_4_ignores_a_range_without_end() -> None:
    with MockSmall(version="4.44.1", speed=50.0) as server:
        made = User(server).call("make")["output"]["data"][0]
        url = f"{server.base}/file={urllib.parse.quote(made['path'])}"
        assert request("GET", url, headers={"range": "bytes=8-"}).data == b"0123456789"


def test_the_cache_drops_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("movie_director.clients.mock.gradio.files.MAX_BYTES", 10)
    assert MAX_BYTES > 10
    cache = FileCache(5)
    first, second = cache.add("a", b"12345678"), cache.add("b", b"12345")
    assert (cache.get(first), cache.get(second)) == (None, b"12345")
    cache.clear()
    assert cache.get(second) is None


def test_names_are_made_safe() -> None:
    assert safe_name("../../etc/pass wd;ü.txt") == "pass wdü.txt"


# Sign-in


def test_sign_in(mock: MockSmall) -> None:
    with MockSmall(login=("user", "secret"), speed=50.0) as server:
        post = request
        assert request("GET", f"{server.url}/config").status == 401
        assert post("POST", f"{server.url}/login", body=b"username=user&password=wrong").status == 400
        answer = post("POST", f"{server.url}/login", body=b"username=user&password=secret")
        cookies = [each.partition(";")[0] for each in answer.headers.getlist("set-cookie")]
        assert len(cookies) == 2
        user = User(server, cookie=cookies[1])
        assert user.call("who")["output"]["data"] == ["user True True"]
        out = post("GET", f"{server.url}/logout", redirect=False, headers={"cookie": cookies[1]})
        assert out.status == 302
        assert post("GET", f"{server.url}/config", headers={"cookie": cookies[1]}).status == 401


def test_a_restart_forgets_sessions_and_cookies() -> None:
    server = MockSmall(login=("user", "secret"), speed=50.0)
    with server:
        first = server.app_id
        User(server, cookie="x")
        answer = request("POST", f"{server.url}/login", body=b"username=user&password=secret")
        cookie = answer.headers["set-cookie"].partition(";")[0]
        User(server, cookie=cookie).call("keep", "a", None)
    with server:
        assert server.app_id != first
        assert request("GET", f"{server.url}/config", headers={"cookie": cookie}).status == 401
        assert server.app.state("s1", STATE) == []


# Faults


def test_injected_failures(mock: MockSmall) -> None:
    user = User(mock)
    mock.inject(Fault("function_error", on="echo"))
    mock.inject(Fault("function_error", on="echo", value="CUDA out of memory"))
    assert user.call("echo", "x")["output"] == {"error": None}
    assert user.call("echo", "x")["output"]["error"] == "CUDA out of memory"
    mock.inject(Fault("queue_full:7"))
    refused = user.post("/queue/join", {"data": ["x"], "fn_index": 0, "session_hash": "s1"})
    assert refused.json() == {"detail": "Queue is full. Max size is 7 and size is 7."}
    assert user.call("echo", "x")["success"]


def test_a_stream_that_is_cut(mock: MockSmall) -> None:
    mock.inject(Fault("sse_cut", on="process_starts"))
    user = User(mock)
    user.join("echo", "x")
    assert [each["msg"] for each in user.finish(user.stream())] == ["estimation"]
    assert eventually(lambda: not mock.queue.knows("s1"))


def test_a_stream_that_falls_silent(mock: MockSmall) -> None:
    mock.inject(Fault("sse_silent", on="process_completed"))
    user = User(mock)
    user.join("echo", "x")
    stream = user.stream()
    heard(stream, "process_starts")
    assert not stream.closed
    stream.leave()


def test_noise_and_broken_json(mock: MockSmall) -> None:
    user = User(mock)
    mock.inject(Fault("sse_noise", on="process_completed"))
    user.join("echo", "x")
    assert [each["msg"] for each in user.finish(user.stream())][2:] == [
        "from_the_future",
        "process_completed",
        "close_stream",
    ]
    mock.inject(Fault("sse_bad_json", on="process_starts"))
    user.join("echo", "x")
    answer = user.http.request("GET", f"{mock.base}/queue/data?session_hash=s1")
    assert b'data: {"msg": "progress", "event_\n\n' in answer.data


def test_a_session_that_the_server_has_lost(mock: MockSmall) -> None:
    mock.inject(Fault("session_lost"))
    user = User(mock)
    user.join("slow")
    assert user.finish(user.stream())[0]["msg"] == "unexpected_error"


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


def test_an_app_of_its_own_is_empty() -> None:
    with MockGradio() as server:
        assert request("GET", f"{server.url}/").status == 200
        assert request("GET", f"{server.base}/config").json()["dependencies"] == []
        assert request("GET", f"{server.base}/startup-events").json() is False
