"""Structured answers and the other servers: llama.cpp, Ollama, LM Studio, vLLM, plain OpenAI."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from support.chat import CHAT, DIALECTS, KEY, ask, failure, starter
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors, events
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock import Fault
from movie_director.clients.mock.http.responses import Response
from movie_director.clients.mock.litellm.errors import error as refusal
from movie_director.clients.mock.litellm.server import MockLiteLLM


@pytest.fixture
def start():
    with starter() as run:
        yield run


@dataclass
class Shot:
    scene: str
    description: str
    duration: float
    dialogue: str | None = None


@dataclass
class ShotList:
    title: str
    shots: list[Shot]


# --- structured answers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_shot_list_in_the_form_that_was_asked_for(start, dialect):
    mock, client = start(dialect=dialect)
    job = client.submit(ChatRequest(prompt="A shot list", schema=ShotList))
    result = job.result(HANG_GUARD_S)
    assert [shot["duration"] for shot in result.data["shots"]] == [6.0, 3.5, 5.0]
    assert result.metadata["attempts"] == 1
    assert "".join(each.text for each in job.events() if isinstance(each, events.TextDelta)) == result.text
    sent = mock.requests.matching(CHAT)[0].json
    assert sent["response_format"]["type"] == "json_schema"
    assert "JSON Schema" in sent["messages"][0]["content"]
    quiet = client.submit(ChatRequest(prompt="A shot list", schema=ShotList, stream=False))
    assert quiet.result(HANG_GUARD_S).data == result.data
    assert not [each for each in quiet.events() if isinstance(each, events.TextDelta)]


@pytest.mark.parametrize("kind", ["wrong_json", "prose_for_json"])
def test_an_answer_that_does_not_fit_is_asked_for_again(start, kind):
    mock, client = start(Fault(kind, times=2))
    result = ask(client, schema=ShotList)
    assert result.metadata["attempts"] == 3
    last = mock.requests.matching(CHAT)[-1].json["messages"]
    assert [each["role"] for each in last] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "does not fit" in last[-1]["content"]
    single = ask(client, schema=ShotList).usage["completion_tokens"]
    assert result.usage["completion_tokens"] > single


def test_an_answer_in_a_fence_is_found(start):
    assert ask(start(Fault("fenced_json"))[1], schema=ShotList).metadata["attempts"] == 1


def test_an_answer_that_never_fits_is_kept_with_its_problems(start):
    mock, client = start(Fault("wrong_json", times=None))
    error = failure(client, errors.InvalidOutput, schema=ShotList, max_repairs=1)
    assert json.loads(error.text) == {"unexpected": True}
    assert error.problems
    assert error.partial.text == error.text
    assert len(mock.requests.matching(CHAT)) == 2


class Picky(MockLiteLLM):
    """Does not take some ways of asking for JSON."""

    refused = ("json_schema", "json_object")

    def _chat(self, request):
        if request.json().get("response_format", {}).get("type") in self.refused:
            return refusal(400, "response_format is not supported by this model", "invalid_request_error")
        return super()._chat(request)


def ways(mock):
    return [each.json.get("response_format", {}).get("type") for each in mock.requests.matching(CHAT)]


def test_the_way_to_ask_is_found_once_a_model(start):
    mock, client = start(server=Picky)
    for _ in range(2):
        assert ask(client, schema=ShotList).data["shots"]
    assert ways(mock) == ["json_schema", "json_object", None, None]
    mock.refused = ("json_schema",)
    assert ask(client, schema=ShotList, model="demo-writer-fast").data["shots"]
    assert ways(mock)[4:] == ["json_schema", "json_object"]


def test_other_errors_do_not_loosen_the_way(start):
    mock, client = start(Fault("content_policy"))
    failure(client, errors.GenerationError, schema=ShotList)
    assert ways(mock) == ["json_schema"]


def test_a_senseless_schema_ends_the_job_before_anything_is_generated(start):
    mock, client = start()
    assert failure(client, errors.ValidationError, schema={"type": "objet"}).code == "invalid_schema"
    assert ways(mock) == []


# --- other servers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_probe_tells_the_servers_apart(start, dialect):
    mock, client = start(dialect=dialect)
    info = client.probe()
    assert info.dialect == dialect
    assert info.models == mock.models
    assert (info.version == "unknown") == (dialect in ("litellm", "lmstudio", "openai"))
    knows_windows = dialect not in ("ollama", "openai")
    assert (info.details["windows"]["demo-writer-fast"] == 4096) == knows_windows
    assert ("token_counter" in info.capabilities) == (dialect in ("litellm", "llamacpp", "vllm"))
    assert ("vision" in info.capabilities) == (dialect in ("litellm", "lmstudio"))
    assert info.details["default_model"] == "demo-writer"
    result = ask(client)
    assert result.text
    assert result.usage["prompt_tokens"] > 0
    assert ("num_retries" in mock.requests.matching(CHAT)[0].json) == (dialect == "litellm")


def test_the_version_of_litellm_is_known_after_an_answer_and_kept(start):
    _, client = start(version="1.109.1")
    ask(client)
    assert client.probe().version == "1.109.1"


class Configured(MockLiteLLM):
    """Knows windows that its list of models does not tell."""

    def add_routes(self):
        rows = [{"id": name, "object": "model"} for name in self.windows]
        groups = [{"model_group": "grouped", "max_input_tokens": 8192.0}]
        deployed = [{"model_name": "deployed", "model_info": {"max_input_tokens": 2048}}]
        for path, data in (("/v1/models", rows), ("/model_group/info", groups), ("/model/info", deployed)):
            self.route("GET", path, lambda _, data=data: Response.json({"data": data}))
        super().add_routes()


def test_a_window_that_the_list_of_models_lacks_is_found(start):
    mock, client = start(server=Configured, windows={"grouped": None, "deployed": None, "other": None})
    windows = client.probe().details["windows"]
    assert windows == {"grouped": 8192, "deployed": 2048, "other": None}
    assert ask(client).metadata["model"] == "grouped"
    mock, client = start(server=Configured, windows={"grouped": None})
    client.probe()
    assert not mock.requests.matching("GET /model/info")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_prompt_that_is_too_long_for_each_server(start, dialect):
    _, client = start(dialect=dialect, windows={"small": 100})
    job = client.submit(ChatRequest(prompt="rain " * 400, model="small"))
    if dialect == "ollama":
        assert [each.code for each in job.result(HANG_GUARD_S).problems] == ["prompt_cut"]
        return
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, errors.ContextWindowExceeded), error
    assert error.context["limit"] == 100
    assert "100 tokens allowed" in error.message


@pytest.mark.parametrize("dialect", DIALECTS)
def test_tokens_are_counted_by_the_server_or_estimated(start, dialect):
    _, client = start(dialect=dialect)
    counted = client.count_tokens([{"role": "user", "content": "Write one line about rain."}])
    assert counted.source == ("server" if dialect in ("litellm", "llamacpp", "vllm") else "estimate")
    assert 5 <= counted.tokens <= 20
    assert client.count_tokens([{"role": "user", "content": "rain"}], "demo-writer-fast").tokens > 0


@pytest.mark.parametrize("dialect", ["litellm", "llamacpp", "vllm"])
def test_a_counter_that_fails_is_no_failure(start, dialect):
    _, client = start(Fault("bad_json", on="/utils", times=None), Fault("bad_json", on="/tokenize"), dialect=dialect)
    assert client.count_tokens([{"role": "user", "content": "rain"}]).source == "estimate"


@pytest.mark.parametrize("dialect", ["llamacpp", "vllm", "ollama", "openai", "lmstudio"])
def test_an_unknown_model_at_each_server(start, dialect):
    _, client = start(dialect=dialect)
    job = client.submit(ChatRequest(prompt="A logline", model="nope"))
    if dialect == "llamacpp":
        assert job.result(HANG_GUARD_S).text
    else:
        assert isinstance(job.exception(HANG_GUARD_S), errors.MissingResource)


def test_lm_studio_takes_no_json_object(start):
    mock, client = start(dialect="lmstudio")
    job = client.submit(ChatRequest(prompt="A logline", extra={"stop": "x"}))
    assert job.result(HANG_GUARD_S).text
    client.profile_cache.format_modes["demo-writer"] = "json_object"
    assert ask(client, schema=ShotList).data["shots"]
    assert ways(mock) == [None, "json_schema"]


@pytest.mark.parametrize("kind", ["loading", "rate_limit:0", "upstream_500"])
def test_plain_servers_fail_plainly(start, kind):
    mock, client = start(Fault(kind), dialect="vllm")
    assert ask(client).text
    assert len(mock.requests.matching(CHAT)) == 2


def test_a_locked_plain_server(start):
    _, client = start(dialect="vllm", master_key=KEY)
    assert failure(client, errors.AuthenticationError).status == 401
