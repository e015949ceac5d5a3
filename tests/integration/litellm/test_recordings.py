"""The recordings of the real LiteLLM proxy: replayed through the client, and reproduced by the mock."""

from __future__ import annotations

import ast
import itertools
import json
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from support.chat import starter
from support.litellm_scenarios import SCENARIOS
from support.replay import RECORDINGS, ReplayServer, exchanges, shape
from support.waiting import HANG_GUARD_S

from movie_director.clients import LiteLLMClient, errors
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock import Fault
from movie_director.clients.mock.litellm.server import MockLiteLLM

FOLDER = RECORDINGS / "litellm"
ROOT = RECORDINGS.parents[1]
VERSIONS = ("1.106.2", "1.109.1")
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.jsonl"))
SENT = {"messages": [{"role": "user", "content": "Write one line about rain."}], "stream": True}

# what a recorded error must become: status, part of the message -> error class
TYPED = [
    (400, "No connected db", errors.AuthenticationError),
    (400, "ContextWindowExceeded", errors.ContextWindowExceeded),
    (400, "no healthy deployments", errors.MissingResource),
    (400, "", errors.ValidationError),
    (401, "", errors.AuthenticationError),
    (404, "try pulling it first", errors.MissingResource),
    (408, "", errors.NetworkTimeout),
    (429, "", errors.RateLimited),
    (500, "Internal Server Error", errors.AuthenticationError),
    (500, "", errors.ServerError),
    (502, "", errors.ServerError),
    (503, "", errors.Overloaded),
]


def read(scenario, version):
    return exchanges(FOLDER / version / f"{scenario}.jsonl")


def chats(recorded):
    """The chat calls that a request of ours can be made of."""
    found = [each for each in recorded if each.path.endswith("/chat/completions") and each.method == "POST"]
    return [each for each in found if each.status and isinstance((each.sent or {}).get("messages"), list)]


def get_text(recorded):
    if recorded.streaming:
        choices = itertools.chain.from_iterable(
            each.get("choices", ()) for each in recorded.events if isinstance(each, dict)
        )
        text = "".join(each["delta"].get("content") or "" for each in choices)
        return text.partition("</think>")[2] if text.startswith("<think>") else text
    return recorded.body["choices"][0]["message"]["content"] or ""


def test_every_scenario_is_covered_by_a_test_that_exists():
    assert {Path(name).stem for name in FILES} == set(SCENARIOS)
    for test in set(itertools.chain.from_iterable(SCENARIOS.values())):
        name, _, function = test.partition("::")
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        assert function in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, test
    for name in FILES:
        scenario = Path(name).stem
        replayed = any("test_every_recorded_chat" in test for test in SCENARIOS[scenario])
        assert replayed == bool(chats(exchanges(FOLDER / name))), name


@pytest.mark.parametrize("name", [name for name in FILES if chats(exchanges(FOLDER / name))])
def test_every_recorded_chat_call_ends_as_it_should(name):
    recorded = chats(exchanges(FOLDER / name))
    options = replace(LiteLLMClient.default_options, max_retries=0)
    with ReplayServer(recorded) as server, LiteLLMClient(server.url, options=options) as client:
        for each in recorded:
            messages = each.sent["messages"] or [{"role": "user", "content": "-"}]
            job = client.submit(ChatRequest(messages=messages, model=each.sent.get("model") or "None"))
            error = job.exception(HANG_GUARD_S)
            if each.status >= 400:
                check_refusal(each, error)
            elif each.streaming and (failed := [e for e in each.events if isinstance(e, dict) and "error" in e]):
                check_failure(failed[0]["error"]["message"], error, get_text(each))
            elif each.streaming and each.events[-1] != "[DONE]":
                assert isinstance(error, errors.StreamInterrupted), error
                assert error.partial.text == get_text(each)
            else:
                assert error is None, error
                check_answer(each, job.result(0))


def check_refusal(recorded, error):
    message = json.dumps(recorded.body) if recorded.body is not None else recorded.text
    expected = next(cls for status, part, cls in TYPED if status == recorded.status and part in message)
    assert isinstance(error, expected), (message, error)
    assert error.hint
    assert "litellm." not in error.message
    headers = dict(recorded.headers)
    if "llm_provider-retry-after" in headers:
        assert error.context["retry_after_s"] == float(headers["llm_provider-retry-after"])
    if "4096 tokens" in message:
        assert error.context["limit"] == 4096
        assert error.context["needed"] == 9000


def check_failure(message, error, text):
    kinds = {"out of memory": errors.OutOfMemory, "Timeout": errors.NetworkTimeout}
    expected = next((cls for part, cls in kinds.items() if part in message), errors.StreamInterrupted)
    assert isinstance(error, expected), (message, error)
    assert error.partial.text == text


def check_answer(recorded, result):
    assert result.text == get_text(recorded)
    flat = json.dumps(recorded.events or recorded.body)
    assert bool(result.metadata["tool_calls"]) == ("tool_calls" in flat)
    for call in result.metadata["tool_calls"]:
        assert call == {
            "id": "call_abc",
            "type": "function",
            "function": {"name": "set_shot", "arguments": '{"lens": 35, "angle": "low"}'},
        }
    assert bool(result.metadata["reasoning"]) == ("reasoning_content" in flat or "<think>" in flat)
    assert (result.usage is not None) == ('"usage"' in flat)
    assert [each.code for each in result.problems] == (
        ["cut_at_max_tokens"] if '"length"' in flat else ["content_policy"] if '"content_filter"' in flat else []
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scenario", ["models_info", "auth_none"])
def test_probe_reads_the_recorded_lists(version, scenario):
    recorded = read(scenario, version)
    with ReplayServer(recorded) as server, LiteLLMClient(server.url) as client:
        info = client.probe()
    assert info.dialect == "litellm"
    assert {"mock-writer", "local-llama", "unmapped"} <= set(info.models)
    assert info.details["default_model"] == "mock-writer"
    assert info.details["windows"]["local-llama"] == 8192
    assert info.details["windows"]["unmapped"] is None
    assert ("vision" in info.capabilities) == (scenario == "models_info")


def test_what_the_client_does_not_use_is_left_alone():
    with starter() as start:
        mock, client = start()
        client.probe()
        client.submit(ChatRequest(prompt="A logline")).result(HANG_GUARD_S)
        client.count_tokens([{"role": "user", "content": "rain"}])
        asked = {each.route for each in mock.requests}
    for version in VERSIONS:
        assert not asked & {each.path for each in read("completions_embeddings", version)}


# --- the mock

STREAMS = [
    ("stream_basic", None, {}),
    ("stream_usage", None, {"stream_options": {"include_usage": True}}),
    ("stream_upstream_no_usage", None, {"stream_options": {"include_usage": True}}),
    ("stream_reasoning", "thinks", {"stream_options": {"include_usage": True}}),
    ("stream_thinktag", "think_tags", {}),
    ("stream_length", "cut_at_length", {}),
    ("stream_mid_error", "stream_error", {}),
    ("stream_mid_drop", "stream_drop", {}),
    ("stream_stall", "stream_timeout", {}),
    ("stream_tools", None, {"tools": [{"type": "function", "function": {"name": "set_shot", "parameters": {
        "type": "object", "properties": {"lens": {"type": "integer"}, "angle": {"type": "string"}}}}}]}),
]  # fmt: skip
REFUSALS = {
    "nope": "unknown_model",
    "fake/e429": "rate_limit",
    "fake/e500": "upstream_500",
    "fake/e503": "loading",
    "fake/e502html": "upstream_html",
    "fake/e401": "upstream_key",
    "fake/e404": "upstream_404",
    "fake/ectx": "context_overflow",
    "fake/drop": "upstream_down",
    "hang-2s": "upstream_timeout",
}


def call(mock, method, path, body=None, headers=None):
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{mock.url}{path}", data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=HANG_GUARD_S) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def collapsed(shapes):
    return [each for each, _ in itertools.groupby(shapes)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("scenario", "fault", "fields"), STREAMS, ids=[row[0] for row in STREAMS])
def test_the_mock_s_streams_have_the_recorded_shapes(scenario, fault, fields, version):
    (recorded,) = chats(read(scenario, version))
    faults = [Fault(fault)] if fault else []
    with MockLiteLLM(faults=faults, speed=float("inf"), version=version) as mock:
        status, headers, body = call(mock, "POST", "/v1/chat/completions", {**SENT, **fields, "model": "demo-writer"})
    assert status == recorded.status == 200
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert {name for name in headers if name.startswith("x-litellm")} <= {name for name, _ in recorded.headers}
    data = [each.removeprefix("data: ") for each in body.decode().split("\n\n") if each]
    events = [each if each == "[DONE]" else json.loads(each) for each in data]
    if (scenario, version) == ("stream_stall", "1.106.2"):
        # it reports a stall as a lost connection: an error of type null, code 500
        assert next(each for each in recorded.events if "error" in each)["error"]["code"] == "500"
        assert [sorted(each) for each in recorded.events][-1] == [sorted(each) for each in events][-1]
        return
    assert collapsed(map(shape, events)) == collapsed(map(shape, recorded.events))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_mock_s_refusals_have_the_recorded_shapes(version):
    recorded = {each.sent["model"]: each for each in chats(read("errors", version))}
    with starter() as start:
        for model, kind in REFUSALS.items():
            mock, _ = start(Fault(kind), version=version, windows={model: 4096})
            status, headers, body = call(mock, "POST", "/chat/completions", {**SENT, "model": model})
            whole = json.loads(body)
            assert (status, shape(whole)) == (recorded[model].status, shape(recorded[model].body)), model
            for name in ("type", "param", "code"):
                assert whole["error"][name] == recorded[model].body["error"][name], (model, name)
            assert headers["Content-Type"] == "application/json"
            assert {"x-litellm-call-id", "llm_provider-retry-after"} & set(headers) <= set(
                dict(recorded[model].headers)
            )
    for scenario, model in (
        ("stream_429", "fake/e429"),
        ("stream_ctx", "fake/ectx"),
        ("stream_error_before_first", "fake/e500"),
    ):
        (streamed,) = chats(read(scenario, version))
        assert shape(streamed.body) == shape(recorded[model].body)


def same_small_answer(mock, recorded, path=None, body=None):
    status, _, answer = call(mock, recorded.method, path or recorded.path, body if body is not None else recorded.sent)
    assert status == recorded.status, (path or recorded.path, answer)
    return json.loads(answer), recorded.body


@pytest.mark.parametrize("version", VERSIONS)
def test_the_mock_s_small_answers_have_the_recorded_shapes(version):
    windows = {"local-llama": 8192, "unmapped": None}
    with MockLiteLLM(speed=float("inf"), version=version, windows=windows) as mock:
        for recorded in read("health", version)[:3]:
            ours, theirs = same_small_answer(mock, recorded)
            assert ours == theirs
        for recorded in read("token_counter", version)[:4]:
            ours, theirs = same_small_answer(mock, recorded)
            assert shape(ours) == shape(theirs)
        models = {each.path: each for each in read("models_info", version)}
        for path in ("/v1/models", "/models"):
            ours, theirs = same_small_answer(mock, models[path])
            rows = [row for row in theirs["data"] if isinstance(row, dict) and row["id"] in windows]
            assert [(key, shape(value)) for key, value in ours.items()] == [
                (key, shape(rows) if key == "data" else shape(value)) for key, value in theirs.items()
            ]
        ours, theirs = same_small_answer(mock, models["/model_group/info"])
        known = dict(shape(next(row for row in theirs["data"] if row["model_group"] == "local-llama")))
        assert all(known[key] == kind for key, kind in shape(ours["data"][0]))
        wrong = {(each.method, each.path, json.dumps(each.sent)): each for each in read("errors_bad_request", version)}
        for (method, path, sent), recorded in wrong.items():
            if recorded.body is None or recorded.status == 200 or '"messages": "hi"' in sent:
                continue
            body = recorded.sent if recorded.sent is not None or method == "GET" else None
            if body is None and method == "POST":
                request = urllib.request.Request(f"{mock.url}{path}", b"{not json", method="POST")
                with pytest.raises(urllib.error.HTTPError) as caught:
                    urllib.request.urlopen(request, timeout=HANG_GUARD_S)
                with caught.value as error:
                    status, answer = error.code, error.read()
            else:
                status, _, answer = call(mock, method, path, body)
            assert (status, shape(json.loads(answer))) == (recorded.status, shape(recorded.body)), (method, path, sent)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_mock_guards_its_routes_as_recorded(version):
    with MockLiteLLM(speed=float("inf"), version=version, master_key="sk-right") as mock:
        for recorded in read("auth", version):
            if recorded.path in ("/", "/health", "/model/info", "/openapi.json"):
                continue
            headers = {"Authorization": recorded.key.replace("sk-test", "sk-right")} if recorded.key else {}
            if recorded.key and recorded.status == 400:
                headers = {"Authorization": "Bearer sk-wrong"}
            if recorded.key is None and recorded.status == 200:
                headers = {"x-litellm-api-key": "sk-right"}
            body = {**recorded.sent, "model": "demo-writer"} if recorded.sent else None
            status, answered, answer = call(mock, recorded.method, recorded.path, body, headers)
            assert status == recorded.status, recorded
            if recorded.body is None and status == 500:
                assert answer.decode() == recorded.text
                assert answered["Content-Type"] == dict(recorded.headers)["content-type"]
            elif status >= 400:
                assert json.loads(answer) == recorded.body
