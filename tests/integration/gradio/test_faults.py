"""Gradio sessions against servers that break the rules, byte by byte."""

from __future__ import annotations

import threading

import pytest
from faultserver import FaultServer, answer
from support.gradio import CLOSE, EVENTS, as_json, bench, done, event, outline, stream
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.gradio import event_stream as stream_module
from movie_director.clients.gradio import queue_call as call_module
from movie_director.clients.gradio.config import parse_config
from movie_director.clients.gradio.messages import Completed, Failed, Log, Progress, Yielded

JOINED = as_json({"event_id": "e1"})


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        yield made


@pytest.fixture
def config():
    made = parse_config(outline())
    assert made is not None
    return made


class Server:
    """Joins are answered with e1, e2 and so on, cancels with ``cancelled``; the streams are as given, each on a
    connection of its own.
    """

    def __init__(self, *streams, joined=None, cancelled=None):
        self.streams = list(streams)
        self.joined = joined
        self.cancelled = cancelled
        self.joins = 0
        self.opened = 0

    def __call__(self, peer):
        while True:
            asked = peer.request()
            if asked.target.endswith("/queue/join"):
                self.joins += 1
                peer.send(self.joined or as_json({"event_id": f"e{self.joins}"}))
                continue
            if asked.target.endswith("/cancel"):
                peer.send(self.cancelled)
                continue
            self.opened += 1
            part = self.streams.pop(0)
            if callable(part):
                part(peer)
            else:
                peer.send(part)


def serving(at, config, *streams, **given):
    """Return server and session; the session of a scripted server."""
    script = Server(*streams, **given)
    server = FaultServer(script)
    at._stack.enter_context(server)
    return script, at.session_on(at.access(server.url), config)


@pytest.mark.parametrize(
    ("raw", "kind", "words"),
    [
        (as_json({"detail": "Queue is full. Max size is 4 and size is 4."}, status="503 Busy"), errors.Overloaded, "4"),
        (answer(b"Internal Server Error", status="500 X"), errors.ServerError, "Internal Server Error"),
        (
            answer(b'Traceback (most recent call last):\n  File "/x.py", line 1\nKeyError: 9', status="500 X"),
            errors.ServerError,
            "KeyError: 9",
        ),
        (as_json({"detail": "Session hash not found."}, status="400 X"), errors.ValidationError, "Session hash"),
        (as_json({"detail": [{"msg": "JSON decode error"}]}, status="422 X"), errors.ValidationError, "echo"),
        (as_json({"detail": "Not Found"}, status="404 X"), errors.MissingResource, "Not Found"),
        (as_json({"no": "id"}), errors.ProtocolError, "no id"),
        (as_json({"event_id": 3}), errors.ProtocolError, "no id"),
        (as_json([]), errors.ProtocolError, "no id"),
    ],
)
def test_refused_calls_are_typed_and_sent_once(at, config, raw, kind, words):
    script, session = serving(at, config, joined=raw)
    with pytest.raises(kind) as caught:
        session.join("echo", ["x"], scope=at.scope)
    assert words in caught.value.message
    assert "File" not in caught.value.message
    assert (script.joins, script.opened) == (1, 0)
    assert caught.value.hint


def test_a_lost_answer_is_not_asked_for_again(at, config):
    def cut(peer):
        peer.request()
        peer.reset()

    with FaultServer(cut) as server:
        session = at.session_on(at.access(server.url, max_retries=3), config)
        with pytest.raises(errors.ConnectionLost):
            session.join("echo", ["x"], scope=at.scope)
        assert len(server.asked) == 1


def test_what_is_said_twice_about_the_end_counts_once(at, config):
    _, session = serving(at, config, stream(done("e1", "first"), done("e1", "second"), CLOSE))
    call = session.join("echo", ["x"], scope=at.scope)
    assert call.result(at.scope) == call.result(at.scope) == ["first"]


def test_messages_that_make_no_sense_are_passed_over(at, config):
    odd = [
        3,
        None,
        "text",
        [],
        {},
        {"msg": "estimation"},
        {"msg": "news", "event_id": "e1"},
        {"msg": "progress", "event_id": "e1", "progress_data": None},
        {"msg": "process_generating", "event_id": "e1", "output": {"data": None}},
        {"msg": "heartbeat"},
        {"msg": "process_completed", "event_id": "other", "output": {}, "success": True},
    ]
    _, session = serving(at, config, stream(*map(_json, odd), done("e1", "x"), CLOSE))
    call = session.join("echo", ["x"], scope=at.scope)
    assert [type(each) for each in call.messages(at.scope)] == [Completed]


def _json(value):
    return value if isinstance(value, dict) else f"{value!r}".replace("None", "null").replace("'", '"')


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"msg": "process_completed", "event_id": "e1", "success": True, "output": "x"}, "bad_message"),
        ({"msg": "process_completed", "event_id": "e1", "success": True, "output": {"data": "x"}}, "bad_message"),
        ({"msg": "process_generating", "event_id": "e1", "output": None}, "bad_message"),
    ],
)
def test_a_malformed_message_ends_its_own_call_only(at, config, message, code):
    two = stream(message, done("e2", "fine"), CLOSE)
    gate = threading.Event()

    def late(peer):
        assert gate.wait(HANG_GUARD_S)
        peer.send(two)

    _, session = serving(at, config, late)
    first = session.join("echo", ["x"], scope=at.scope)
    second = session.join("echo", ["y"], scope=at.scope)
    gate.set()
    with pytest.raises(errors.ProtocolError) as caught:
        first.result(at.scope)
    assert caught.value.code == code
    assert caught.value.backend == "wan2gp"
    assert second.result(at.scope) == ["fine"]


def test_edits_that_do_not_fit_end_the_call(at, config):
    yields = [
        {"msg": "process_generating", "event_id": "e1", "output": {"data": ["a", "b"]}},
        {"msg": "process_generating", "event_id": "e1", "output": {"data": [[["invent", [], 1]], []]}},
    ]
    _, session = serving(at, config, stream(*yields, done("e1", "x"), CLOSE))
    messages = list(session.join("steps", ["x"], scope=at.scope).messages(at.scope))
    assert [type(each) for each in messages] == [Yielded, Failed]


def cut(peer):
    peer.send(stream({"msg": "estimation", "event_id": "e1"}, ended=False))
    raise ConnectionResetError


ENDS = {
    "it ended before": stream({"msg": "estimation", "event_id": "e1"}),
    "was lost": cut,
    "Server stopped unexpectedly": stream({"msg": "unexpected_error", "message": "Server stopped unexpectedly."}),
    "the server has stopped": stream({"msg": "server_stopped"}),
    "404: Not Found": stream({"msg": "unexpected_error", "message": "404: Not Found", "session_not_found": True}),
    "404: Session not found.": stream({"msg": "unexpected_error", "message": "404: Session not found."}),
}


@pytest.mark.parametrize("words", list(ENDS))
def test_every_early_end_of_the_stream_says_so(at, config, words):
    script, session = serving(at, config, ENDS[words])
    with pytest.raises(errors.StreamInterrupted) as caught:
        session.call("echo", ["x"], scope=at.scope)
    assert words in caught.value.message
    assert caught.value.context["session"] == ("gone" if "ot found" in words or "404" in words else "unknown")
    assert (caught.value.code == "session_gone") is ("404" in words)
    assert caught.value.backend == "wan2gp"
    assert script.joins == 1


def test_a_refused_stream_says_why(at, config):
    _, session = serving(at, config, answer(b"words", status="500 X"), answer(b"words", status="500 X"))
    with pytest.raises(errors.StreamInterrupted, match="words") as caught:
        session.call("echo", ["x"], scope=at.scope)
    assert isinstance(caught.value.__cause__, errors.ServerError)


def test_a_call_made_while_the_stream_closes_gets_another(at, config):
    """The server decides to close before it knows of the second call."""
    gate = threading.Event()

    def closing(peer):
        peer.send(EVENTS, event(done("e1", "one")))
        assert gate.wait(HANG_GUARD_S)
        peer.send(event(CLOSE), b"0\r\n\r\n")

    script, session = serving(at, config, closing, stream(done("e2", "two"), CLOSE))
    assert session.call("echo", ["x"], scope=at.scope) == ["one"]
    second = session.join("echo", ["y"], scope=at.scope)
    gate.set()
    assert second.result(at.scope) == ["two"]
    assert script.opened == 2


def test_messages_that_are_faster_than_the_answer_are_not_lost(at, config):
    first_open, second_told = threading.Event(), threading.Event()

    def script(peer):
        while True:
            asked = peer.request()
            if asked.target.endswith("/queue/join") and not first_open.is_set():
                peer.send(as_json({"event_id": "e1"}))
            elif asked.target.endswith("/queue/join"):
                second_told.set()
                assert all_sent.wait(HANG_GUARD_S)
                peer.send(as_json({"event_id": "e2"}))
            else:
                peer.send(EVENTS)
                first_open.set()
                assert second_told.wait(HANG_GUARD_S)
                peer.send(event(done("e2", "two")), event({"msg": "log", "event_id": "e1", "log": "mark"}))
                peer.request()

    all_sent = threading.Event()
    with FaultServer(script) as server:
        session = at.session_on(at.access(server.url), config)
        first = session.join("echo", ["x"], scope=at.scope)
        assert first_open.wait(HANG_GUARD_S)
        found = []
        thread = threading.Thread(target=lambda: found.append(session.join("echo", ["y"], scope=at.scope)))
        thread.start()
        assert first.receive(at.scope, HANG_GUARD_S) is not None  # the mark: what came before has been taken
        all_sent.set()
        thread.join(HANG_GUARD_S)
        assert found[0].result(at.scope) == ["two"]
        session.close()


def test_a_server_that_does_not_end_a_closed_stream_is_not_waited_for(at, config, monkeypatch):
    monkeypatch.setattr(stream_module, "TEAR_DOWN_S", 0.1)

    def open_ended(peer):
        peer.send(EVENTS, event(done("e1", "one")), event(CLOSE))
        peer.wait_gone()

    _, session = serving(at, config, open_ended, stream(done("e2", "two"), CLOSE))
    assert session.call("echo", ["x"], scope=at.scope) == ["one"]
    assert session.call("echo", ["y"], scope=at.scope) == ["two"]


def test_a_call_that_comes_back_after_close_ends_as_failed(at, config):
    gate, joining = threading.Event(), threading.Event()

    def script(peer):
        peer.request()
        joining.set()
        assert gate.wait(HANG_GUARD_S)
        peer.send(JOINED)

    with FaultServer(script) as server:
        session = at.session_on(at.access(server.url), config)
        found = []
        thread = threading.Thread(target=lambda: found.append(session.join("echo", ["x"], scope=at.scope)))
        thread.start()
        assert joining.wait(HANG_GUARD_S)
        session.close()
        gate.set()
        thread.join(HANG_GUARD_S)
        with pytest.raises(errors.StreamInterrupted, match="it is closed"):
            found[0].result(at.scope)


def test_a_defect_of_ours_does_not_leave_anyone_waiting(at, config, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("a defect")

    monkeypatch.setattr(stream_module, "decode_json", broken)
    _, session = serving(at, config, stream(done("e1", "x"), CLOSE))
    with pytest.raises(errors.StreamInterrupted, match="RuntimeError: a defect"):
        session.call("echo", ["x"], scope=at.scope)
    assert "failed unexpectedly" in caplog.text


def test_a_cancel_that_the_server_does_not_confirm_is_no_success(at, config):
    def held(peer):
        peer.send(EVENTS)
        peer.wait_gone()

    _, session = serving(at, config, held, cancelled=as_json({"success": False}))
    call = session.join("echo", ["x"], scope=at.scope)
    assert session.cancel(call, scope=at.scope) is False
    session.close()


def test_many_answers_at_once(at, config):
    ranks = [{"msg": "estimation", "event_id": "e1", "rank": rank} for rank in range(500)]
    _, session = serving(at, config, stream(*ranks, done("e1", "x"), CLOSE))
    assert len(list(session.join("echo", ["x"], scope=at.scope).messages(at.scope))) == 501


# Numbers, sizes and amounts that make no sense


def beside(at, config, *messages):
    """Return two calls of one stream, which tells these messages of the first and then ends the second."""
    gate = threading.Event()

    def late(peer):
        assert gate.wait(HANG_GUARD_S)
        peer.send(stream(*messages, done("e2", "fine"), CLOSE))

    _, session = serving(at, config, late)
    calls = session.join("echo", ["x"], scope=at.scope), session.join("echo", ["y"], scope=at.scope)
    gate.set()
    return calls


HUGE = 10**400


@pytest.mark.parametrize(
    "message",
    [
        {"msg": "process_starts", "eta": HUGE},
        {"msg": "estimation", "rank": 1, "rank_eta": -HUGE},
        {"msg": "progress", "progress_data": [{"index": HUGE, "length": 1, "progress": HUGE}]},
        {"msg": "progress", "progress_data": [{"index": 10**300, "length": 1e-300}]},
        {"msg": "process_generating", "output": {"data": ["a"], "duration": HUGE}},
    ],
)
def test_numbers_without_a_float_are_passed_over(at, config, message):
    first, second = beside(at, config, {**message, "event_id": "e1"}, done("e1", "x"))
    assert isinstance(list(first.messages(at.scope))[-1], Completed)
    assert second.result(at.scope) == ["fine"]


@pytest.mark.parametrize("edit", [["add", [0, 10**30], 1], ["delete", [0, 10**300], 1], ["replace", [0] * 5000, 1]])
def test_an_edit_out_of_bounds_ends_its_own_call_only(at, config, edit):
    yields = [
        {"msg": "process_generating", "event_id": "e1", "output": {"data": [[[]]]}},
        {"msg": "process_generating", "event_id": "e1", "output": {"data": [[edit]]}},
    ]
    first, second = beside(at, config, *yields)
    with pytest.raises(errors.ProtocolError) as caught:
        first.result(at.scope)
    assert caught.value.code == "bad_edit"
    assert second.result(at.scope) == ["fine"]


def test_a_defect_in_reading_a_message_ends_its_own_call_only(at, config, monkeypatch, caplog):
    def broken(_message):
        raise RuntimeError("a defect")

    monkeypatch.setattr(call_module, "parse_progress", broken)
    first, second = beside(at, config, {"msg": "progress", "event_id": "e1"})
    with pytest.raises(errors.ProtocolError, match="RuntimeError") as caught:
        first.result(at.scope)
    assert caught.value.code == "bad_message"
    assert second.result(at.scope) == ["fine"]
    assert "a defect" in caplog.text


def test_an_event_id_that_is_no_text_is_nobodys(at, config):
    first, second = beside(
        at, config, {"msg": "log", "event_id": ["e1"]}, {"msg": "log", "event_id": {}}, done("e1", 1)
    )
    assert first.result(at.scope) == [1]
    assert second.result(at.scope) == ["fine"]


def test_what_nobody_reads_does_not_fill_the_memory(at, config, monkeypatch):
    monkeypatch.setattr(call_module, "MAX_WAITING", 5)
    steps = [
        {"msg": "progress", "event_id": "e1", "progress_data": [{"index": each, "length": 20}]} for each in range(20)
    ]
    first, second = beside(at, config, *steps, done("e1", "x"))
    assert second.result(at.scope) == ["fine"]
    messages = list(first.messages(at.scope))
    assert [each.innermost.index for each in messages if isinstance(each, Progress)] == [16, 17, 18, 19]
    assert isinstance(messages[-1], Completed)


def test_large_messages_that_nobody_reads_give_way_to_newer_ones(at, config, monkeypatch):
    monkeypatch.setattr(call_module, "MAX_WAITING_BYTES", 5000)
    lines = [{"msg": "log", "event_id": "e1", "log": f"{each} {'x' * 2000}"} for each in range(9)]
    first, second = beside(at, config, *lines, done("e1", "x"))
    assert second.result(at.scope) == ["fine"]
    told = [each.text.split()[0] for each in first.messages(at.scope) if isinstance(each, Log)]
    assert told == ["7", "8"]


def test_values_that_grow_for_ever_end_the_call(at, config, monkeypatch):
    monkeypatch.setattr(call_module, "MAX_VALUES_BYTES", 5000)
    grow = {"msg": "process_generating", "event_id": "e1", "output": {"data": [[["append", [], "x" * 1000]]]}}
    begin = {"msg": "process_generating", "event_id": "e1", "output": {"data": ["x"]}}
    first, second = beside(at, config, begin, *[grow] * 9)
    assert second.result(at.scope) == ["fine"]
    messages = list(first.messages(at.scope))
    assert len(messages) == 6
    assert isinstance(messages[-1], Failed)
    assert messages[-1].error.code == "too_large"


def test_early_messages_do_not_fill_the_memory(at, config, monkeypatch):
    monkeypatch.setattr(stream_module, "MAX_EARLY_BYTES", 5000)
    first_open, asked_twice, told = threading.Event(), threading.Event(), threading.Event()
    junk = [{"msg": "log", "event_id": f"x{each}", "log": "x" * 1000} for each in range(20)]

    def script(peer):
        while True:
            asked = peer.request()
            if asked.target.endswith("/queue/join") and not first_open.is_set():
                peer.send(as_json({"event_id": "e1"}))
            elif asked.target.endswith("/queue/join"):
                asked_twice.set()
                assert told.wait(HANG_GUARD_S)
                peer.send(as_json({"event_id": "e2"}))
            else:
                peer.send(EVENTS)
                first_open.set()
                assert asked_twice.wait(HANG_GUARD_S)
                peer.send(*map(event, junk), event({"msg": "log", "event_id": "e1", "log": "mark"}))
                peer.request()

    with FaultServer(script) as server:
        session = at.session_on(at.access(server.url), config)
        first = session.join("echo", ["x"], scope=at.scope)
        assert first_open.wait(HANG_GUARD_S)
        thread = threading.Thread(target=lambda: session.join("echo", ["y"], scope=at.scope))
        thread.start()
        assert first.receive(at.scope, HANG_GUARD_S) is not None
        assert 0 < len(session._stream._early) < 7
        told.set()
        thread.join(HANG_GUARD_S)
        session.close()


def test_a_stream_that_is_closed_again_and_again_is_given_up(at, config):
    script, session = serving(at, config, *[stream({"msg": "estimation", "event_id": "e1"}, CLOSE)] * 9)
    with pytest.raises(errors.StreamInterrupted, match="closed it before"):
        session.call("echo", ["x"], scope=at.scope)
    assert script.opened == 3


def test_a_cancel_that_did_not_leave_can_be_sent_again(at, config, monkeypatch):
    _, session = serving(at, config, lambda peer: (peer.send(EVENTS), peer.wait_gone()))
    call = session.join("echo", ["x"], scope=at.scope)
    sent = []

    def post(path, *_given, **_more):
        sent.append(path)
        raise errors.ConnectionFailed("Nobody there.") if len(sent) == 1 else errors.ConnectionLost("Cut.")

    monkeypatch.setattr(session.access, "post_json", post)
    with pytest.raises(errors.ConnectionFailed):
        session.cancel(call, scope=at.scope)
    with pytest.raises(errors.ConnectionLost):
        session.cancel(call, scope=at.scope)
    assert session.cancel(call, scope=at.scope) is False
    assert len(sent) == 2
    session.close()
