"""Gradio sessions against the mock of the recorded app, generations 4, 5 and 6."""

from __future__ import annotations

import threading

import pytest
from support.gradio import JobScope, bench
from support.gradio_proto import VERSIONS, MockProto
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.gradio.config import read_config
from movie_director.clients.gradio.messages import Completed, Failed, Log, Progress, Queued, Started, Yielded
from movie_director.clients.mock.gradio.app import App, Component, Dependency
from movie_director.clients.mock.gradio.server import MockGradio
from movie_director.clients.mock.http.faults import Fault

SPEED = 20.0
SLOW = 2.0


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        yield made


def kinds(messages):
    """The types of messages in their order, repeated ones once."""
    found = []
    for each in messages:
        if not found or found[-1] is not type(each):
            found.append(type(each))
    return found


def test_a_plain_call(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        assert session.call("echo", ["hi", 3, True], scope=at.scope) == ["hi|3|True"]
        assert session.call(20, ["by id", 1, False], scope=at.scope) == ["by id|1|False"]
        assert session.run("noqueue", ["direct", 3, True], scope=at.scope) == ["direct|3|True"]
        joined = [each.json for each in mock.requests if each.path.endswith("/queue/join")]
        assert joined[0] == {
            "data": ["hi", 3, True],
            "fn_index": 0,
            "session_hash": session.session_hash,
            "event_data": None,
        }
    assert not session.streaming


def test_a_generator_with_progress(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        call = at.session(mock.url).join("gen_progress", [4, 0.25], scope=at.scope)
        messages = list(call.messages(at.scope))
    assert kinds(messages)[:2] == [Queued, Started]
    yields = [each.data for each in messages if isinstance(each, Yielded)]
    assert yields == [[f"step {n}/4", {"step": n, "hist": list(range(n))}] for n in range(1, 5)]
    fractions = [each.fraction for each in messages if isinstance(each, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 0.75
    assert isinstance(messages[-1], Completed)
    assert messages[-1].data == call.result(at.scope) == yields[-1]
    assert call.ended


def test_iterating_raises_what_fails(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        assert kinds(session.iterate("gen_progress", [2, 0.1], scope=at.scope))[-1] is Completed
        with pytest.raises(errors.GenerationError, match="The server reports: bad thing"):
            list(session.iterate("err_gr", ["bad thing"], scope=at.scope))


def test_messages_go_to_a_listener(at, version):
    told = []
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        assert session.call("warn_info", [], scope=at.scope, on_message=told.append) == ["ok"]
    logs = [(each.level, each.text) for each in told if isinstance(each, Log)]
    assert logs == [("info", "fyi"), ("warning", "careful")]


def test_state_stays_with_the_session(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        first, second = at.session(mock.url), at.session(mock.url)
        assert first.call("state_fn", ["a", None], scope=at.scope)[0] == "a"
        assert second.call("state_fn", ["b", None], scope=at.scope)[0] == "b"
        again = at.session(mock.url, first.session_hash)
        assert again.call("state_fn", ["c", None], scope=at.scope)[0] == "a,c"


class MockTarget(MockGradio):
    """One function, which tells what is said to have triggered it."""

    def make_app(self):
        button, out = Component(7, "uploadbutton", "load"), Component(8, "textbox")
        told = Dependency(0, "load_2", lambda call: str(call.trigger_id), (), (8,), ((7, "upload"),))
        return App([button, out], [told])


def test_what_triggers_a_function_is_sent(at, version):
    with MockTarget(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        (load,) = session.config.find_by_stem("load")
        assert session.call(load, [], scope=at.scope, trigger_id=load.target("upload")) == ["7"]
        assert session.call(load, [], scope=at.scope) == ["None"]


def test_two_calls_share_one_stream(at, version):
    with MockProto(version=version, speed=5.0) as mock:
        session = at.session(mock.url)
        slow = session.join("slow1", ["slow"], scope=at.scope)
        steps = session.join("gen_progress", [3, 0.2], scope=at.scope)
        followed = list(session.follow(slow, steps, scope=at.scope))
        streams = [each for each in mock.requests if "/queue/data" in each.path]
    assert len(streams) == 1
    assert [type(message) for call, message in followed if call is steps][-1] is Completed
    assert followed[-1][0] is slow
    assert slow.result(at.scope) == ["slow"]


def test_a_component_update_is_unwrapped(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        call = session.join("upd", ["new"], scope=at.scope)
        assert call.result(at.scope) == ["new"]


def test_errors_in_the_server_s_words_or_without(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        with pytest.raises(errors.GenerationError) as told:
            session.call("err_gr", ["bad thing"], scope=at.scope)
        with pytest.raises(errors.GenerationError) as mute:
            session.call("err_exc", ["boom"], scope=at.scope)
        with pytest.raises(errors.OutOfMemory, match="CUDA out of memory"):
            session.call("err_gr", ["CUDA out of memory. Tried to allocate 2 GiB"], scope=at.scope)
        with pytest.raises(errors.GenerationError) as direct:
            session.run("err_gr", ["bad thing"], scope=at.scope)
    assert told.value.message == "The server reports: bad thing"
    assert told.value.context["reported"] == "bad thing"
    assert (mute.value.code, direct.value.message) == ("no_reason", told.value.message)
    assert "show_error" in mute.value.hint


def test_too_few_values_are_told_before_anything_is_sent(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        for call in (session.call, session.run):
            with pytest.raises(errors.ValidationError) as caught:
                call("echo", ["only one"], scope=at.scope)
            assert caught.value.code == "wrong_arguments"
        with pytest.raises(errors.MissingResource):
            session.call("nope", [], scope=at.scope)
        assert not [each for each in mock.requests if each.path.endswith("/queue/join")]


def test_a_full_queue_is_told(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)
        mock.inject(Fault("queue_full", value=3))
        with pytest.raises(errors.Overloaded) as caught:
            session.call("slow1", ["x"], scope=at.scope)
    assert caught.value.code == "queue_full"
    assert "maximum 3" in caught.value.message
    assert caught.value.retryable


# Cancelling


@pytest.mark.parametrize(("function", "data"), [("long_job", [60]), ("long_plain", [60])])
def test_the_server_cancels_once_it_is_told(at, version, function, data):
    with MockProto(version=version, speed=SLOW) as mock:
        session = at.session(mock.url)
        call = session.join(function, data, scope=at.scope)
        while not isinstance(call.receive(at.scope, HANG_GUARD_S), Started):
            pass
        assert session.cancel(call, scope=at.scope)
        assert not session.cancel(call, scope=at.scope)
        last = list(call.messages(at.scope))[-1]
        told = [each.json for each in mock.requests if each.path.endswith("/cancel")]
    assert isinstance(last, Completed)
    assert last.cancelled
    assert told == [{"session_hash": session.session_hash, "fn_index": call.dependency.id, "event_id": call.event_id}]
    with pytest.raises(errors.GenerationError) as caught:
        call.result(at.scope)
    assert caught.value.code == "cancelled_on_server"


def test_ending_the_job_leaves_the_stream_alone(at, version):
    """The wait ends at once; the call goes on, and another scope can see it through."""
    with MockProto(version=version, speed=5.0) as mock:
        session = at.session(mock.url)
        call = session.join("gen_progress", [5, 0.5], scope=at.scope)
        while not isinstance(call.receive(at.scope), Yielded):
            pass
        timer = threading.Timer(0.05, at.scope.cancel)
        timer.start()
        with pytest.raises(errors.JobCancelled):
            call.result(at.scope)
        assert not call.ended
        assert call.result(JobScope())[0] == "step 5/5"
        timer.join()


def test_waiting_has_a_limit_if_wanted(at, version):
    with MockProto(version=version, speed=SLOW) as mock:
        session = at.session(mock.url)
        call = session.join("long_plain", [60], scope=at.scope)
        while call.receive(at.scope, 0.1) is not None:
            pass
        assert not call.ended
        session.cancel(call, scope=at.scope)


def test_closing_ends_the_calls_and_the_thread(at, version):
    with MockProto(version=version, speed=SLOW) as mock:
        with at.session(mock.url) as session:
            call = session.join("long_plain", [60], scope=at.scope)
            assert session.streaming
        assert not session.streaming
        assert isinstance(list(call.messages(at.scope))[-1], Failed)
        with pytest.raises(errors.StreamInterrupted):
            call.result(at.scope)
        with pytest.raises(errors.BackendError) as caught:
            session.call("echo", ["x", 1, True], scope=at.scope)
    assert caught.value.code == "client_closed"


# Losing the stream


def test_a_lost_stream_ends_its_calls_and_says_what_can_be_asked(at, version):
    with MockProto(version=version, speed=5.0) as mock:
        session = at.session(mock.url)
        assert session.call("state_fn", ["a", None], scope=at.scope)[0] == "a"
        mock.inject(Fault("sse_cut", on="progress"))
        call = session.join("gen_progress", [5, 0.5], scope=at.scope)
        with pytest.raises(errors.StreamInterrupted) as caught:
            call.result(at.scope)
        assert caught.value.context["session"] == "unknown"
        assert caught.value.context["session_hash"] == session.session_hash
        assert session.call("state_fn", ["b", None], scope=at.scope)[0] == "a,b"
        assert at.scope.slept, "the server needs a moment to take the old stream down"
        session.close()
        again = at.session(mock.url, session.session_hash)
        assert again.call("state_fn", ["c", None], scope=at.scope)[0] == "a,b,c"


def test_silence_ends_a_call(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        access = at.access(mock.url)
        session = at.session_on(access, read_config(access, scope=at.scope), idle_timeout_s=0.3)
        mock.inject(Fault("sse_silent", on="process_completed"))
        with pytest.raises(errors.StreamInterrupted, match="sent no data") as caught:
            session.call("echo", ["x", 1, True], scope=at.scope)
    assert isinstance(caught.value.__cause__, errors.NetworkTimeout)


def test_noise_on_the_stream_is_passed_over(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        mock.inject(Fault("sse_noise", on="process_completed"))
        assert at.session(mock.url).call("echo", ["x", 1, True], scope=at.scope) == ["x|1|True"]


def test_cut_json_ends_the_calls(at, version):
    with MockProto(version=version, speed=SPEED) as mock:
        mock.inject(Fault("sse_bad_json", on="process_completed"))
        with pytest.raises(errors.StreamInterrupted, match="not valid JSON"):
            at.session(mock.url).call("echo", ["x", 1, True], scope=at.scope)


def test_many_threads_share_a_session(at, version):
    answers: dict[int, list[str]] = {}
    with MockProto(version=version, speed=SPEED) as mock:
        session = at.session(mock.url)

        def ask(number):
            answers[number] = [
                session.call("echo", [f"{number}.{turn}", 1, True], scope=JobScope())[0] for turn in range(4)
            ]

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(HANG_GUARD_S)
    assert answers == {number: [f"{number}.{turn}|1|True" for turn in range(4)] for number in range(5)}
