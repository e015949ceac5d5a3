"""The LiteLLM client against its mock server: streams, faults, keys, the choice of a model, cancel."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from support.chat import CHAT, KEY, ask, failure, starter
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import LiteLLMClient, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock import Fault
from movie_director.clients.mock.litellm.server import MockLiteLLM


@pytest.fixture
def start():
    with starter() as run:
        yield run


def deltas(job):
    return "".join(each.text for each in job.events() if isinstance(each, events.TextDelta))


# --- streams


@pytest.mark.parametrize("version", ["1.106.2", "1.109.1"])
@pytest.mark.parametrize("shape", [None, "noisy_stream", "sliced_stream"])
def test_a_streamed_answer_is_whole_and_its_deltas_are_its_text(start, version, shape):
    mock, client = start(*([Fault(shape)] if shape else []), version=version)
    job = client.submit(ChatRequest(prompt="A synopsis", temperature=0.5, model="demo-writer"))
    result = job.result(HANG_GUARD_S)
    assert deltas(job) == result.text
    assert result.text.startswith("When the lamp")
    assert result.usage["total_tokens"] > result.usage["completion_tokens"] > 50
    assert result.metadata["finish_reason"] == "stop"
    assert result.metadata["model_choice"]["automatic"] is False
    assert result.metadata["server"] == {"dialect": "litellm", "version": version}
    assert job.backend_id
    sent = mock.requests.matching(CHAT)[0].json
    assert (sent["stream"], sent["num_retries"], sent["temperature"]) == (True, 0, 0.5)
    json.dumps(result.to_dict())


def test_stream_false_leaves_out_the_deltas_only(start):
    mock, client = start()
    job = client.submit(ChatRequest(prompt="A synopsis", stream=False))
    assert job.result(HANG_GUARD_S).text
    assert deltas(job) == ""
    assert mock.requests.matching(CHAT)[0].json["stream"] is True


@pytest.mark.parametrize("kind", ["thinks", "think_tags"])
def test_thoughts_stay_out_of_the_text(start, kind):
    result = ask(start(Fault(kind))[1])
    assert result.text.startswith("A woman returns")
    assert result.metadata["reasoning"].startswith("The user wants a film text.")


def test_a_tool_call_comes_back_and_its_answer_is_taken(start):
    _, client = start()
    parameters = {"type": "object", "properties": {"shot": {"type": "string"}, "seconds": {"type": "number"}}}
    tools = [{"type": "function", "function": {"name": "set_shot", "parameters": parameters}}]
    result = ask(client, tools=tools)
    (call,) = result.metadata["tool_calls"]
    assert call["function"]["name"] == "set_shot"
    assert json.loads(call["function"]["arguments"])["seconds"] == 6.0
    assert result.metadata["finish_reason"] == "tool_calls"
    said = [
        {"role": "user", "content": "Set it"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "done"},
    ]
    assert client.submit(ChatRequest(messages=said, tools=tools)).result(HANG_GUARD_S).text
    assert ask(client, tools=tools, tool_choice="none").text


@pytest.mark.parametrize(("kind", "code"), [("cut_at_length", "cut_at_max_tokens"), ("filtered", "content_policy")])
def test_a_cut_answer_is_a_result_with_a_problem(start, kind, code):
    result = ask(start(Fault(kind))[1])
    assert result.text
    assert [each.code for each in result.problems] == [code]


def test_max_tokens_cuts(start):
    result = ask(start()[1], max_tokens=3)
    assert result.text == "A woman returns "
    assert result.problems[0].code == "cut_at_max_tokens"


IN_STREAM = [
    ("stream_error", errors.OutOfMemory, "out_of_memory"),
    ("stream_drop", errors.StreamInterrupted, "stream_interrupted"),
    ("stream_timeout", errors.NetworkTimeout, "stream_idle"),
    ("stream_cut", errors.StreamInterrupted, "stream_interrupted"),
    ("stream_stall", errors.NetworkTimeout, "stream_idle"),
    ("stream_ends", errors.StreamInterrupted, "stream_interrupted"),
    ("stream_bad_json", errors.ProtocolError, "invalid_json"),
    ("no_done", errors.StreamInterrupted, "stream_interrupted"),
    ("no_finish", errors.StreamInterrupted, "stream_interrupted"),
]


@pytest.mark.parametrize(("kind", "cls", "code"), IN_STREAM, ids=[row[0] for row in IN_STREAM])
@pytest.mark.parametrize("version", ["1.106.2", "1.109.1"])
def test_what_goes_wrong_in_mid_stream_keeps_what_had_come(start, kind, cls, code, version):
    idle_s = 0.3 if kind == "stream_stall" else HANG_GUARD_S
    mock, client = start(Fault(kind), version=version, options={"stream_idle_timeout_s": idle_s})
    job = client.submit(ChatRequest(prompt="A logline, please"))
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, cls), error
    assert (error.code, error.backend) == (code, "litellm")
    assert error.partial.text.startswith("A woman returns ")
    assert deltas(job) == error.partial.text
    assert error.partial.metadata["answered_by"] == "demo-writer"
    assert len(mock.requests.matching(CHAT)) == 1, "nothing is asked again after the first token"


def test_an_answer_without_text_is_an_error(start):
    error = failure(start(Fault("empty_answer"))[1], errors.GenerationError)
    assert error.code == "empty_answer"
    assert error.partial is None


def test_an_answer_that_was_withheld_is_an_error(start):
    error = failure(start(Fault("filtered"), server=Silent)[1], errors.GenerationError)
    assert error.code == "content_policy"


def test_a_job_s_time_ends_a_stalled_stream(start):
    _, client = start(Fault("stream_stall"), options={"job_timeout_s": 0.3})
    error = failure(client, errors.NetworkTimeout)
    assert error.code == "job_timeout"
    assert error.partial.text
    wait_for(lambda: not client.runner.busy())


class Silent(MockLiteLLM):
    """Has no words."""

    def _plan(self, model, body, fault):
        return replace(super()._plan(model, body, fault), pieces=iter(()))


# --- refusals

REFUSED = [
    ("wrong_key", errors.AuthenticationError, "authentication"),
    ("upstream_key", errors.AuthenticationError, "upstream_authentication"),
    ("unknown_model", errors.MissingResource, "missing_resource"),
    ("upstream_404", errors.MissingResource, "missing_resource"),
    ("context_overflow", errors.ContextWindowExceeded, "context_window_exceeded"),
    ("content_policy", errors.GenerationError, "content_policy"),
    ("upstream_timeout", errors.NetworkTimeout, "upstream_timeout"),
    ("upstream_down", errors.ServerError, "upstream_unreachable"),
]


@pytest.mark.parametrize(("kind", "cls", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refusals_are_typed_and_not_repeated(start, kind, cls, code):
    mock, client = start(Fault(kind, times=None))
    error = failure(client, cls, model="demo-writer")
    assert error.code == code
    assert "litellm." not in error.message
    assert "No fallback" not in error.message
    assert error.partial is None
    assert len(mock.requests.matching(CHAT)) == 1
    assert error.context["call_id"]


@pytest.mark.parametrize("kind", ["rate_limit:0", "loading", "upstream_500", "upstream_html", "status:504"])
@pytest.mark.parametrize("times", [2, 3])
def test_what_passes_is_asked_again_within_bounds(start, kind, times):
    mock, client = start(Fault(kind, times=times, on=CHAT if "status" in kind else None))
    job = client.submit(ChatRequest(prompt="A logline", model="demo-writer"))
    error = job.exception(HANG_GUARD_S)
    assert (error is None) == (times == 2), error
    assert len(mock.requests.matching(CHAT)) == 3
    if error is not None:
        assert isinstance(error, errors.APIError)
        assert error.retryable
        assert "<" not in error.message


def test_a_lost_answer_is_reported_not_asked_for_again(start):
    mock, client = start(Fault("reset", on=CHAT))
    assert failure(client, errors.ConnectionLost).retryable
    assert len(mock.requests.matching(CHAT)) == 1


def test_an_unknown_model_is_named_with_its_neighbours_and_the_list_is_read_again(start):
    mock, client = start()
    error = failure(client, errors.MissingResource, model="demo-writr")
    assert (error.kind, error.name) == ("model", "demo-writr")
    assert error.nearest[0] == "demo-writer"
    assert "demo-writer" in error.hint
    ask(client)
    assert len(mock.requests.matching("GET /v1/models")) == 2


@pytest.mark.parametrize("version", ["1.106.2", "1.109.1"])
def test_keys(start, version):
    mock, client = start(version=version, master_key=KEY)
    assert "requires a key" in failure(client, errors.AuthenticationError).message
    with pytest.raises(errors.AuthenticationError):
        client.probe()
    for headers in ({"x-litellm-api-key": KEY}, {"api-key": KEY}):
        with LiteLLMClient(mock.url, headers=headers) as keyed:
            assert keyed.probe().models
    with LiteLLMClient(f"{mock.url}/v1/", api_key=KEY) as keyed:
        assert ask(keyed).text
    with LiteLLMClient(mock.url, api_key="sk-wrong") as wrong:
        assert "did not accept" in failure(wrong, errors.AuthenticationError).message


def test_the_key_is_sent_and_in_no_error(start):
    mock, client = start(Fault("status:400", times=None, on=CHAT), key=KEY)
    assert KEY not in str(failure(client, errors.ValidationError, model="demo-writer"))
    assert mock.requests.matching(CHAT)[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(("kind", "code"), [("html_login_page", "web_page"), ("redirect", "redirected")])
def test_a_page_in_the_way_of_an_answer(start, kind, code):
    _, client = start(Fault(kind, on=CHAT))
    assert failure(client, errors.ProtocolError).code == code


@pytest.mark.parametrize(("kind", "code"), [("html_login_page", "web_page"), ("bad_json", "not_a_text_server")])
def test_another_program_at_the_address(start, kind, code):
    _, client = start(Fault(kind, on="GET /*", times=None))
    with pytest.raises(errors.ProtocolError) as caught:
        client.probe()
    assert caught.value.code == code
    assert caught.value.hint


# --- choosing a model


def test_the_model_is_chosen_remembered_and_said(start):
    mock, client = start()
    job = client.submit(ChatRequest(prompt="A logline"))
    choice = job.result(HANG_GUARD_S).metadata["model_choice"]
    assert (choice["model"], choice["automatic"]) == ("demo-writer", True)
    assert [each for each in job.events() if isinstance(each, events.Logged) and "demo-writer" in each.line]
    ask(client)
    assert len(mock.requests.matching("GET /v1/models")) == 1


def test_pictures_go_to_a_model_that_sees(start):
    mock, client = start()
    assert ask(client, images=["data:image/png;base64,AA=="]).metadata["model"] == "demo-writer-vision"
    assert mock.requests.matching(CHAT)[0].json["messages"][0]["content"][1]["type"] == "image_url"
    said = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}]}]
    result = client.submit(ChatRequest(messages=said)).result(HANG_GUARD_S)
    assert result.metadata["model"] == "demo-writer-vision"


def test_a_server_without_a_writer(start):
    error = failure(start(windows={"text-embedding": 100})[1], errors.MissingResource)
    assert error.kind == "model"


# --- cancel and loss


def test_cancel_in_mid_stream_stops_the_server_at_once(start):
    mock, client = start()
    mock.clock.speed = 20.0
    job = client.submit(ChatRequest(prompt="A feature-length treatment"))
    next(each for each in job.events() if isinstance(each, events.TextDelta))
    assert job.cancel()
    mock.wait_left(1)
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"version": "1.106.2"}, BackendCancel.CONFIRMED),
        ({"version": "1.109.1"}, BackendCancel.UNSUPPORTED),
        ({"dialect": "vllm"}, BackendCancel.CONFIRMED),
    ],
    ids=["1.106.2", "1.109.1", "vllm"],
)
def test_cancel_before_the_first_token_says_what_is_known_of_the_server(start, given, outcome):
    mock, client = start(**given)
    ask(client)  # the version is in its headers
    mock.inject(Fault("stall", on=CHAT))
    job = client.submit(ChatRequest(prompt="A logline"))
    wait_for(lambda: len(mock.requests.matching(CHAT)) == 2)
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is outcome


@pytest.mark.parametrize(
    ("version", "outcome"), [("1.106.2", BackendCancel.CONFIRMED), ("1.109.1", BackendCancel.UNSUPPORTED)]
)
def test_cancel_of_a_second_request_before_its_first_token_is_told_apart(start, version, outcome):
    mock, client = start(Fault("wrong_json"), version=version)
    mock.inject(Fault("stall", on=CHAT, after=1))
    job = client.submit(ChatRequest(prompt="A logline", schema={"type": "object", "required": ["title"]}))
    wait_for(lambda: len(mock.requests.matching(CHAT)) == 2)
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is outcome
    assert not client.profile_cache.unanswered


def test_cancel_between_two_tries_is_confirmed(start):
    _, client = start(Fault("upstream_500"), version="1.109.1", options={"backoff_base_s": 600.0})
    job = client.submit(ChatRequest(prompt="A logline"))
    wait_for(lambda: "Trying again" in job.status.message)
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


def test_nothing_can_be_rejoined(start):
    _, client = start()
    assert not client.can_rejoin()
    job = client.submit(ChatRequest(prompt="A logline"))
    job.result(HANG_GUARD_S)
    error = client.resume(job.record()).exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost)
    assert error.code == "outcome_unknown"


class NotStreaming(MockLiteLLM):
    """Answers in one piece whatever it is asked."""

    def _chat(self, request):
        return super()._chat(replace(request, body=request.body.replace(b'"stream": true', b'"stream": false')))


@pytest.mark.parametrize("tools", [None, [{"type": "function", "function": {"name": "cut"}}]], ids=["text", "tools"])
def test_a_server_that_does_not_stream_is_understood(start, tools):
    _, client = start(server=NotStreaming)
    result = ask(client, tools=tools)
    assert bool(result.text) == (tools is None)
    assert len(result.metadata["tool_calls"]) == bool(tools)


def test_many_answers_at_once_are_kept_apart(start):
    _, client = start()
    before = threading.active_count()
    jobs = [client.submit(ChatRequest(prompt="A logline")) for _ in range(40)]
    assert {job.result(HANG_GUARD_S).text for job in jobs} == {jobs[0].result(0).text}
    assert threading.active_count() - before <= 2 * client.options.max_workers + 4
    assert len({job.backend_id for job in jobs}) == 40
