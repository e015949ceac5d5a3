"""Calls of apps that break the rules, byte by byte; and that nothing is sent twice, told on, or left behind."""

from __future__ import annotations

import gzip
import threading

import pytest
from certificates import Authority
from faultserver import answer, closed_port
from support.gradio import CLOSE, EVENTS, as_json, done, event, stream
from support.gradio_app import ECHO, ScriptedApp, config, cut_stream, info, refused, serving, silent_stream, starts
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.gradio_app import EndpointRequest, call, outputs, wire
from movie_director.clients.http.proxies import Proxy

CANARY = "sk-canary-faults-0123456789"
COUNT = EndpointRequest("/count", {"text": "3"})
WHOLE = stream(starts(), done("e1", "hi"), CLOSE)


def run(folder, app, request=ECHO, **more):
    """Run one job and return it, ended."""
    with serving(folder, app, **more) as client:
        job = client.submit(request)
        job.exception(HANG_GUARD_S)
    assert not [each.name for each in threading.enumerate() if each.name.startswith("movie-director-gradio")]
    return job


def fails(folder, app, request=ECHO, **more):
    """Run a job that fails and return its error, which is fit to be shown."""
    error = run(folder, app, request, **more).exception(0)
    assert error is not None, "it succeeded"
    assert error.backend == "gradio"
    assert error.code != "internal"
    assert error.hint
    return error


# --- the app


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        ({"config": answer(b"<html>", "Content-Type: text/html")}, errors.ProtocolError, "not_gradio"),
        ({"config": refused("Not Found", "404 X")}, errors.ProtocolError, "not_gradio"),
        ({"config": as_json(["no app"])}, errors.ProtocolError, "not_gradio"),
        ({"config": as_json({"version": "5.0.0"})}, errors.ProtocolError, "not_blocks"),
        ({"config": as_json(config(version="3.50.2", protocol="ws"))}, errors.ProtocolError, "gradio_version"),
        ({"config": as_json(config(version="4.1.0", protocol="sse"))}, errors.ProtocolError, "gradio_version"),
        ({"info": refused("TypeError", "500 X")}, errors.ServerError, "no_description"),
        ({"info": as_json({})}, errors.ProtocolError, "no_endpoint"),
        ({"info": as_json(["x"])}, errors.ProtocolError, "no_endpoint"),
    ],
)
def test_an_app_that_can_t_be_used_says_why(tmp_path, given, kind, code):
    app = ScriptedApp(**given)
    error = fails(tmp_path, app, options={"max_retries": 0})
    assert (type(error), error.code) == (kind, code)
    assert app.count("/queue/join") == 0


# --- sending the call


@pytest.mark.parametrize(
    ("raw", "kind", "code"),
    [
        (
            as_json({"detail": "Queue is full. Max size is 4 and size is 4."}, status="503 X"),
            errors.Overloaded,
            "queue_full",
        ),
        (as_json({"detail": "x is wrong"}, status="422 X"), errors.ValidationError, "refused"),
        (refused("no such function", "404 X"), errors.MissingResource, "missing_resource"),
        (refused("Too many" * 10_000, "429 X"), errors.APIError, "api_error"),
        (as_json({"detail": "Not authenticated"}, status="401 X"), errors.AuthenticationError, "sign_in_needed"),
        (answer(b"", "Location: http://127.0.0.1:9/", status="307 X"), errors.ProtocolError, "redirected"),
    ],
)
def test_a_call_that_is_refused_was_not_sent(tmp_path, raw, kind, code):
    app = ScriptedApp(join=raw)
    job = run(tmp_path, app)
    assert (type(job.exception(0)), job.exception(0).code) == (kind, code)
    assert job.record()["stage"] == "queued"
    assert app.count("/queue/join") == 1
    assert app.count("/queue/data") == 0


def test_a_server_that_fails_is_quoted(tmp_path):
    error = fails(tmp_path, ScriptedApp(join=refused("KeyError: 9", "500 X")))
    assert type(error) is errors.ServerError
    assert "KeyError: 9" in error.message


@pytest.mark.parametrize(
    "raw",
    [
        lambda peer: peer.reset(),
        lambda _peer: None,
        answer(b"half of the ans", "Content-Type: application/json", length=999),
        refused("Bad Gateway", "502 X"),
        refused("no upstream", "503 X"),
        refused("Gateway Timeout", "504 X"),
    ],
)
def test_a_lost_answer_leaves_open_whether_the_app_works_on_it(tmp_path, raw):
    def lose(peer):
        raw(peer) if callable(raw) else peer.send(raw)
        raise ConnectionResetError

    app = ScriptedApp(join=lose)
    job = run(tmp_path, app)
    error = job.exception(0)
    if isinstance(raw, bytes) and b"half" in raw:
        assert isinstance(error, errors.ProtocolError)
    else:
        assert (type(error), error.code) == (errors.JobLost, "outcome_unknown")
        assert error.__cause__ is not None
    assert job.record()["stage"] == "sent"
    assert app.count("/queue/join") == 1, "it is never sent twice"


@pytest.mark.parametrize("raw", [b"no JSON", b"[1]", b"{}", b'{"event_id": 5}', b'{"event_id": ""}'])
def test_an_answer_without_an_id_is_no_answer(tmp_path, raw):
    error = fails(tmp_path, ScriptedApp(join=answer(raw, "Content-Type: application/json")))
    assert isinstance(error, errors.ProtocolError)
    assert error.code in ("no_event_id", "invalid_json")


def test_an_app_that_is_mute_when_called(tmp_path):
    error = fails(tmp_path, ScriptedApp(join=lambda peer: peer.wait_gone()), options={"first_byte_timeout_s": 0.3})
    assert (type(error), error.code) == (errors.JobLost, "outcome_unknown")
    assert isinstance(error.__cause__, errors.NetworkTimeout)
    assert error.__cause__.code == "first_byte"


def test_a_server_that_has_gone_since_it_was_asked_did_not_get_the_call(tmp_path, monkeypatch):
    app = ScriptedApp()
    gone = f"http://127.0.0.1:{closed_port()}/"
    monkeypatch.setattr(wire.Wire, "base_url", gone)
    monkeypatch.setattr(wire.Wire, "_route", lambda _self, _request: wire.JOIN)
    job = run(tmp_path, app)
    assert (type(job.exception(0)), job.exception(0).code) == (errors.ConnectionFailed, "refused")
    assert job.record()["stage"] == "queued"


def test_no_connection_in_time(tmp_path, monkeypatch):
    def late(*_args, **_kwargs):
        raise TimeoutError("timed out")

    app = ScriptedApp()
    with serving(tmp_path, app) as client:
        client.endpoints()
        monkeypatch.setattr("httpcore._backends.sync.socket.create_connection", late)
        error = client.submit(ECHO).exception(HANG_GUARD_S)
    assert (type(error), error.code) == (errors.NetworkTimeout, "connect")


# --- the event stream


@pytest.mark.parametrize(
    "data",
    [
        cut_stream(starts()),
        stream(starts()),
        stream(starts(), ended=False),
        stream(starts(), {"msg": "unexpected_error", "event_id": None, "message": "404: Not Found"}),
        stream(starts(), {"msg": "unexpected_error", "message": "Server stopped unexpectedly.", "success": False}),
        stream(starts(), {"msg": "server_stopped"}),
        stream(starts(), CLOSE),
        refused("gone", "500 X"),
        refused("gone", "404 X"),
    ],
)
def test_a_lost_stream_loses_the_job(tmp_path, data, capfd):
    def lose(peer):
        data(peer) if callable(data) else peer.send(data)
        raise ConnectionResetError

    app = ScriptedApp(data=lose)
    error = fails(tmp_path, app)
    assert (type(error), error.code) == (errors.JobLost, "job_lost")
    assert app.count("/queue/join") == 1
    assert capfd.readouterr().err == "", "the library prints no traceback"


def test_a_stream_that_is_silent_for_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "IDLE_TIMEOUT_S", 0.2)
    error = fails(tmp_path, ScriptedApp(data=silent_stream(starts())))
    assert isinstance(error, errors.JobLost)
    assert error.__cause__.code == "stream_idle"


def test_what_had_come_of_a_lost_generator_is_kept(tmp_path):
    yielded = {"msg": "process_generating", "event_id": "e1", "output": {"data": ["half", {"n": 1}]}, "success": True}
    error = fails(tmp_path, ScriptedApp(data=cut_stream(starts(), yielded)), COUNT)
    assert isinstance(error, errors.JobLost)
    assert error.partial.data == ("half", {"n": 1})


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"msg": "progress", "event_'], "invalid_json"),
        ([{"msg": "process_completed", "event_id": "e1", "output": "x", "success": True}], "bad_message"),
        ([{"msg": "process_completed", "event_id": "e1", "output": {"data": "hi"}, "success": True}], "bad_message"),
        ([{"msg": "process_generating", "event_id": "e1", "success": True}], "bad_message"),
        (
            [
                {"msg": "process_generating", "event_id": "e1", "output": {"data": ["a"]}, "success": True},
                {
                    "msg": "process_generating",
                    "event_id": "e1",
                    "output": {"data": [[["add", [0], 1]]]},
                    "success": True,
                },
                done("e1", "a"),
            ],
            "bad_message",
        ),
    ],
)
def test_messages_that_make_no_sense_end_the_job(tmp_path, messages, code, capfd):
    error = fails(tmp_path, ScriptedApp(data=stream(starts(), *messages)))
    assert (type(error), error.code) == (errors.ProtocolError, code)
    assert capfd.readouterr().err == ""


def test_messages_that_are_not_known_are_passed_over(tmp_path):
    strange = b"".join(
        (
            b": a comment\r\n\r\n",
            b"event: ping\r\n\r\n",
            b'data: {"msg": "from_the_future", "event_id": "e1"}\r\n\r\n',
            b'data: {"msg": "progress", "event_id": "e1", "progress_data": "much"}\n\n',
            b'data: {"msg": "process_starts"}\n\n',
            b"data: [1]\n\n",
            b'data: {"msg": "heartbeat"}\n\n',
            b'data: {"msg": "process_starts",\ndata:  "event_id": "e1"}\n\n',
        )
    )
    raw = EVENTS + b"%x\r\n%s\r\n" % (len(strange), strange) + event(done("e1", "hi")) + event(CLOSE) + b"0\r\n\r\n"
    job = run(tmp_path, ScriptedApp(data=raw))
    assert job.result(0).text == "hi"
    assert [type(each) for each in job.events()][1:3] == [events.Submitted, events.Started]


def test_a_stream_that_is_compressed_is_refused(tmp_path):
    packed = answer(gzip.compress(b"data: {}"), "Content-Type: text/event-stream", "Content-Encoding: gzip")
    assert fails(tmp_path, ScriptedApp(data=packed)).code == "bad_message"


@pytest.mark.parametrize(("name", "limit"), [("MAX_EVENT_BYTES", 200), ("MAX_STREAM_BYTES", 2000)])
def test_a_stream_is_bounded(tmp_path, monkeypatch, name, limit):
    monkeypatch.setattr(wire, name, limit)
    noise = {"msg": "log", "event_id": "e1", "log": "x" * 150, "level": "info"}
    long = {**noise, "log": "x" * 300} if name == "MAX_EVENT_BYTES" else noise
    error = fails(tmp_path, ScriptedApp(data=stream(*[long] * 30, done("e1", "hi"))))
    assert (type(error), error.code) == (errors.ProtocolError, "too_large")


def test_all_that_the_app_tells_is_passed_on(tmp_path):
    told = [
        {"msg": "estimation", "event_id": "e1", "rank": 1, "queue_size": 2, "rank_eta": None},
        {"msg": "estimation", "event_id": "e1", "rank": 0, "queue_size": 1, "rank_eta": 2.0},
        starts(),
        {"msg": "log", "event_id": "e1", "log": "The text is long.", "level": "warning"},
        {"msg": "log", "event_id": "e1", "log": "", "level": "info"},
        {"msg": "progress", "event_id": "e1", "progress_data": []},
        {"msg": "progress", "event_id": "e1", "progress_data": [{"progress": 0.25, "desc": "Loading"}]},
        {"msg": "progress", "event_id": "e1", "progress_data": [{"index": 1, "length": 2, "unit": "steps"}]},
    ]
    held = threading.Event()

    def slowly(peer):
        peer.send(EVENTS + b"".join(map(event, told[:1])))
        held.wait(HANG_GUARD_S)
        peer.send(b"".join(map(event, [*told[1:], done("e1", "hi"), CLOSE])) + b"0\r\n\r\n")

    with serving(tmp_path, ScriptedApp(data=slowly)) as client:
        job = client.submit(ECHO)
        assert wait_for(lambda: job.status.queue_position == 1)
        held.set()
        assert job.result(HANG_GUARD_S).text == "hi"
    lines = [each.line for each in job.events() if isinstance(each, events.Logged)]
    assert lines == ["The text is long."]
    assert job.status.progress.total_steps == 2


def test_a_call_that_the_server_has_cancelled(tmp_path):
    error = fails(tmp_path, ScriptedApp(data=stream(starts(), {**done("e1"), "output": {}}, CLOSE)))
    assert (type(error), error.code) == (errors.GenerationError, "cancelled_on_server")


def test_a_generator_s_yields_are_not_hoarded(tmp_path, monkeypatch):
    counts = []
    seen = call.EndpointCall.updates

    def counted(self):
        yield from seen(self)
        counts.append(len(self._sent_job.outputs()))

    monkeypatch.setattr(call.EndpointCall, "updates", counted)
    first = {"msg": "process_generating", "event_id": "e1", "output": {"data": ["", 0]}, "success": True}
    edits = [{**first, "output": {"data": [[["append", [], "x"]], [["replace", [], at]]]}} for at in range(200)]
    job = run(tmp_path, ScriptedApp(data=stream(starts(), first, *edits, done("e1", "x" * 200, 199), CLOSE)), COUNT)
    assert job.result(0).data == {"Out": "x" * 200, "Data": 199}
    assert counts[-1] <= 1 or counts[-1] < 200


# --- cancel


def cancelled(job):
    assert job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    return job.status.backend_cancel


def test_a_cancel_that_the_server_does_not_do(tmp_path):
    app = ScriptedApp(data=silent_stream(starts()), cancel=as_json({"success": False}))
    with serving(tmp_path, app, options={"drain_timeout_s": 0.3}) as client:
        job = client.submit(COUNT)
        assert wait_for(job.running)
        assert cancelled(job) is BackendCancel.FAILED
    assert app.bodies["cancel"]["event_id"] == "e1"
    assert app.bodies["cancel"]["fn_index"] == 4
    assert app.bodies["cancel"]["session_hash"] == app.bodies["join"]["session_hash"]


def test_a_cancel_that_does_not_get_through(tmp_path):
    app = ScriptedApp(data=silent_stream(starts()), cancel=refused("no", "500 X"))
    with serving(tmp_path, app, options={"drain_timeout_s": 0.3}) as client:
        job = client.submit(COUNT)
        assert wait_for(job.running)
        assert cancelled(job) is BackendCancel.FAILED


def test_a_cancel_while_the_call_is_being_sent(tmp_path):
    held, dropped = threading.Event(), threading.Event()

    def late(peer):
        held.wait(HANG_GUARD_S)
        peer.send(as_json({"event_id": "e1"}))

    def stream_of_a_waiting_call(peer):
        peer.send(EVENTS)
        peer.wait_gone()
        dropped.set()

    app = ScriptedApp(join=late, data=stream_of_a_waiting_call)
    with serving(tmp_path, app, options={"drain_timeout_s": 5.0}) as client:
        job = client.submit(COUNT)
        app.wait_for("/queue/join")
        assert job.cancel()
        held.set()
        assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
        assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert app.count("/cancel") == 0
    assert dropped.wait(HANG_GUARD_S), "so the server takes it out of its queue"


@pytest.mark.parametrize(
    ("join", "outcome"),
    [
        (lambda peer: peer.wait_gone(), BackendCancel.FAILED),
        (lambda peer: peer.reset(), BackendCancel.FAILED),
        (lambda peer: peer.send(refused("no", "404 X")), BackendCancel.CONFIRMED),
    ],
)
def test_a_cancel_of_a_call_that_is_never_answered(tmp_path, join, outcome):
    held = threading.Event()

    def late(peer):
        held.wait(HANG_GUARD_S)
        join(peer)
        raise ConnectionResetError

    app = ScriptedApp(join=late)
    with serving(tmp_path, app, options={"drain_timeout_s": 0.5}) as client:
        job = client.submit(COUNT)
        app.wait_for("/queue/join")
        assert job.cancel()
        held.set()
        assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
        assert job.status.backend_cancel is outcome
    assert app.count("/cancel") == 0


def test_a_job_that_is_cancelled_while_its_files_are_fetched(tmp_path):
    held = threading.Event()

    def slow(peer):
        held.set()
        peer.wait_gone()

    file = {"path": "/srv/a.wav", "orig_name": "a.wav", "meta": {"_type": "gradio.FileData"}}
    app = ScriptedApp(data=stream(starts(), done("e1", file), CLOSE))
    app.answers["a.wav"] = slow
    with serving(tmp_path, app) as client:
        job = client.submit(ECHO)
        assert held.wait(HANG_GUARD_S)
        assert cancelled(job) is BackendCancel.CONFIRMED
    assert list(tmp_path.iterdir()) == []


def test_closing_ends_the_wait_for_a_function_that_can_t_be_stopped(tmp_path):
    with serving(tmp_path, ScriptedApp(data=silent_stream(starts()))) as client:
        job = client.submit(ECHO)
        assert wait_for(job.running)
        job.cancel()
        client.close()
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED


def test_disconnecting_closes_a_call_that_was_left(tmp_path):
    class Call:
        def __init__(self):
            self.closed = []

        def close(self, timeout_s):
            self.closed.append(timeout_s)

    left = Call()
    with serving(tmp_path, ScriptedApp()) as client:
        client._left["job"] = left
    assert len(left.closed) == 1


def test_a_wire_that_is_cut_connects_no_more(tmp_path):
    with serving(tmp_path, ScriptedApp()) as client:
        app = client._read_app()
        made = call.EndpointCall(client._http_access(), app, app.endpoints[0], client._wire_headers())
        made._wire.cut()
        ended = threading.Event()
        made.send(["hi", None], ended.set)
        assert ended.wait(HANG_GUARD_S)
        with pytest.raises(errors.ConnectionLost):
            made.values()
        assert not made.may_have_arrived
        assert made.close(2.0)


# --- files


def file_data(path, **more):
    return {"path": path, "orig_name": path.rpartition("/")[2], "meta": {"_type": "gradio.FileData"}, **more}


def wav():
    return answer(b"RIFF\x04\0\0\0WAVE", "Content-Type: audio/wav")


def outputs_app(*values, **files):
    """Return an app whose /count answers these values, and serves these files."""
    app = ScriptedApp(data=stream(starts(), done("e1", *values), CLOSE))
    app.answers.update(files)
    return app


def test_files_are_found_wherever_they_stand_and_fetched_once(tmp_path):
    sound = file_data("/srv/a b.wav")
    nested = {"items": [{"sound": sound}, {"again": sound}, {"none": file_data("")}], "note": "x"}
    app = outputs_app(sound, nested, **{"a%20b.wav": wav()})
    job = run(tmp_path, app, COUNT)
    assert job.result(0).data["Data"] == {
        "items": [{"sound": "a b.wav"}, {"again": "a b.wav"}, {"none": None}],
        "note": "x",
    }
    assert [each.path.name for each in job.result(0).artifacts] == ["a b.wav"]
    assert app.count("/srv/a%20b.wav") == 1


def test_a_file_on_another_server_is_not_fetched(tmp_path):
    foreign = file_data("http://127.0.0.1:9/steal.wav", url="http://127.0.0.1:9/steal.wav")
    error = fails(tmp_path, outputs_app(foreign, 1), COUNT, api_key=CANARY)
    assert (type(error), error.code) == (errors.ProtocolError, "foreign_file")


def test_the_address_that_a_server_names_for_its_file_is_not_used(tmp_path):
    lured = file_data("/srv/a.wav", url="http://127.0.0.1:9/elsewhere.wav")
    job = run(tmp_path, outputs_app(lured, 1, **{"a.wav": wav()}), COUNT, api_key=CANARY)
    assert job.result(0).artifacts[0].source == "/srv/a.wav"


def test_a_file_that_can_t_be_had_is_a_problem_of_its_own(tmp_path):
    files = {"a.wav": wav(), "b.wav": as_json({"detail": "File not allowed"}, status="403 X")}
    job = run(tmp_path, outputs_app(file_data("/srv/a.wav"), [file_data("/srv/b.wav")], **files), COUNT)
    result = job.result(0)
    assert [each.path.name for each in result.artifacts] == ["a.wav"]
    assert [each.code for each in result.problems] == ["file_not_allowed"]
    assert result.data == {"Out": "a.wav", "Data": [None]}


def test_names_can_t_leave_the_output_folder(tmp_path):
    file = file_data("/srv/x.wav")
    file["orig_name"] = "../../evil\\..\\con.wav"
    job = run(tmp_path, outputs_app(file, 1, **{"x.wav": wav()}), COUNT)
    assert job.result(0).artifacts[0].path == tmp_path / "_con.wav"


def test_too_many_files_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "MAX_FILES", 2)
    files = [file_data(f"/srv/{number}.wav") for number in range(3)]
    error = fails(tmp_path, outputs_app(files, 1, **{f"{number}.wav": wav() for number in range(3)}), COUNT)
    assert error.code == "too_many_files"


def test_values_that_are_nested_too_deeply_are_cut_off(tmp_path):
    deep = "end"
    for _ in range(20):
        deep = [deep]
    job = run(tmp_path, outputs_app("x", deep), COUNT)
    assert "end" not in repr(job.result(0).data)


@pytest.mark.parametrize(
    ("name", "component", "saved"), [("voice.mp3", "audio", "voice.mp3"), ("", "audio", "stream.mp3")]
)
def test_a_sound_that_was_streamed_is_fetched_whole(tmp_path, name, component, saved):
    streamed = file_data("hash/run/2/playlist.m3u8", is_stream=True)
    streamed["orig_name"] = name
    wired, told = config(), info()
    wired["components"][1]["type"] = component
    app = outputs_app(streamed, 1, **{"playlist-file": answer(b"ID3\x04 sound", "Content-Type: audio/mpeg")})
    app.answers |= {"config": as_json(wired), "info": as_json(told)}
    job = run(tmp_path, app, COUNT)
    assert [each.path.name for each in job.result(0).artifacts] == [saved]
    assert app.asked[-1] == "/gradio_api/stream/hash/run/2/playlist-file"


# --- keys, addresses, certificates


def test_keys_are_in_no_error(tmp_path):
    words = {"msg": "process_completed", "event_id": "e1", "output": {"error": f"bad key {CANARY}"}, "success": False}
    for app in (
        ScriptedApp(data=stream(starts(), words, CLOSE)),
        ScriptedApp(join=refused(f"{CANARY} is unknown", "404 X")),
        ScriptedApp(data=stream({"msg": "unexpected_error", "message": f"{CANARY} gone"})),
    ):
        job = run(tmp_path, app, api_key=CANARY)
        error = job.exception(0)
        texts = [str(error), repr(error.to_dict()), repr(error.__cause__), str(error.__cause__)]
        assert not any(CANARY in text for text in texts), texts
        assert app.headers["join"]["authorization"] == f"Bearer {CANARY}"


def test_requests_that_a_call_does_not_make_are_not_made(tmp_path):
    with serving(tmp_path, ScriptedApp()) as client:
        app = client._read_app()
        made = wire.Wire(client._http_access(), app.config, "/echo")
        for url in ("http://127.0.0.1:9/gradio_api/queue/join", f"{client.url}/gradio_api/upload"):
            flow = made.sync_auth_flow(wire.httpx.Request("POST", url))
            with pytest.raises(wire.httpx.RemoteProtocolError):
                next(flow)


def test_an_https_server_is_trusted_by_our_own_rules(tmp_path):
    authority = Authority(tmp_path / "ca")
    tls = {"tls": authority.server("IP:127.0.0.1")}
    job = run(tmp_path, ScriptedApp(data=WHOLE), server=tls, options={"verify_tls": authority.file})
    assert job.result(0).text == "hi"
    assert isinstance(fails(tmp_path, ScriptedApp(), server=tls), errors.TLSError)


def test_calls_go_through_the_proxy_that_other_requests_use(tmp_path, monkeypatch):
    app = ScriptedApp(data=WHOLE)
    with serving(tmp_path, app) as client:
        client.endpoints()
        proxy = Proxy("http", client.url.host, client.url.port, {"Proxy-Authorization": "Basic eA=="})
        monkeypatch.setattr(wire, "proxy_for", lambda _url: proxy)
        assert client.submit(ECHO).result(HANG_GUARD_S).text == "hi"
    assert app.headers["join"]["proxy-authorization"] == "Basic eA=="
    assert app.asked[-1].startswith("http://127.0.0.1")


def test_heartbeats_keep_nothing_and_end_with_the_call(tmp_path):
    def beat(peer):
        peer.send(EVENTS + b"".join(b"%x\r\n%s\r\n" % (50_000, b"x" * 50_000) for _ in range(20)))
        peer.wait_gone()

    app = ScriptedApp(config=as_json(config(connect_heartbeat=True)), data=WHOLE, heartbeat=beat)
    job = run(tmp_path, app)
    assert job.result(0).text == "hi"
    assert app.count("/heartbeat") == 0 or app.asked


def test_no_telemetry_thread_and_no_word_to_anybody_else(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("gradio_client.client.send_telemetry", lambda **given: told.append(given))
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED", raising=False)
    assert run(tmp_path, ScriptedApp(data=WHOLE)).result(0).text == "hi"
    assert told == []
