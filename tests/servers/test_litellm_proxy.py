"""The LiteLLM client against the real proxy, with our mock as the provider behind it: part of
``make test``, alone ``make test-litellm``.

The proxy is started by the interpreter in ``MOVIE_DIRECTOR_LITELLM_PYTHON``; none of its models leaves this machine.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from dataclasses import replace

import pytest
from support.chat import CHAT, KEY, ask, failure
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import LiteLLMClient, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.litellm import ChatRequest, Conversation
from movie_director.clients.mock import Fault
from movie_director.clients.mock.litellm.server import MockLiteLLM

START_S = 180.0
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def provider():
    with MockLiteLLM(dialect="openai", speed=50.0, windows={"demo-writer": None}) as mock:
        yield mock


@pytest.fixture(scope="module")
def proxy(provider, tmp_path_factory):
    folder = tmp_path_factory.mktemp("litellm")
    upstream = {"api_base": f"{provider.url}/v1", "api_key": "sk-provider"}
    dead = {"api_base": f"http://127.0.0.1:{free_port()}/v1", "api_key": "sk-provider"}
    config = {
        "model_list": [
            {"model_name": "writer", "litellm_params": {"model": "openai/demo-writer", **upstream}},
            {"model_name": "dead", "litellm_params": {"model": "openai/x", **dead}},
        ],
        "router_settings": {"disable_cooldowns": True},
        "general_settings": {"master_key": KEY},
    }
    (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    port = free_port()
    start = "import sys; from litellm import run_server; sys.exit(run_server())"
    command = [os.environ["MOVIE_DIRECTOR_LITELLM_PYTHON"], "-c", start, "--config", "config.yaml"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_until_up(process, port, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # told to terminate, it waits for its connections
            process.wait(HANG_GUARD_S)


def wait_until_up(process, port, log):
    for _ in range(int(START_S / 0.5)):
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise AssertionError(log.read_text(errors="replace")[-3000:])


@pytest.fixture
def client(proxy):
    options = replace(LiteLLMClient.default_options, backoff_base_s=0.05)
    with LiteLLMClient(proxy, api_key=KEY, options=options) as made:
        yield made


def calls(provider):
    return len(provider.requests.matching(CHAT))


def test_probe_and_keys(proxy, client):
    info = client.probe()
    assert (info.dialect, info.models) == ("litellm", ("writer", "dead"))
    for key in (None, "sk-wrong"):
        with LiteLLMClient(f"{proxy}/v1", api_key=key) as other, pytest.raises(errors.AuthenticationError) as caught:
            other.probe()
        assert caught.value.hint


def test_text_usage_and_version(client):
    job = client.submit(ChatRequest(prompt="A synopsis", model="writer"))
    result = job.result(HANG_GUARD_S)
    assert result.text.startswith("When the lamp")
    assert "".join(each.text for each in job.events() if isinstance(each, events.TextDelta)) == result.text
    assert result.usage["completion_tokens"] > 50
    assert client.probe().version == result.metadata["server"]["version"] != "unknown"
    assert job.backend_id


def test_structured_answers_conversations_and_counting(client):
    assert ask(client, model="writer", schema=SCHEMA).data["title"]
    chat = Conversation(client, "You write films.", model="writer")
    chat.ask("A logline").result(HANG_GUARD_S)
    chat.ask("A dialogue").result(HANG_GUARD_S)
    assert len(chat.messages) == 5
    assert chat.count_tokens().source == "server"


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("stream_error", errors.OutOfMemory),
        ("stream_cut", errors.StreamInterrupted),
        ("context_overflow", errors.ContextWindowExceeded),
        ("upstream_key", errors.AuthenticationError),
        ("upstream_404", errors.MissingResource),
    ],
)
def test_failures_of_the_provider(client, provider, kind, cls, monkeypatch):
    # the proxy asks the provider again by itself if the cut comes before it has handed on anything
    monkeypatch.setattr(provider.clock, "speed", 1.0)
    provider.inject(Fault(kind))
    before = calls(provider)
    error = failure(client, cls, model="writer")
    assert calls(provider) == before + 1
    assert (error.partial is not None) == kind.startswith("stream")


def test_the_proxy_s_retries_are_not_multiplied(client, provider):
    provider.inject(Fault("upstream_500", times=2))
    before = calls(provider)
    assert ask(client, model="writer").text
    assert calls(provider) == before + 3, "one call of the provider for each of ours"


def test_names_and_dead_providers(client):
    assert failure(client, errors.MissingResource, model="writr").nearest == ("writer",)
    assert failure(client, errors.ServerError, model="dead").code == "upstream_unreachable"


def test_cancel_in_mid_stream_stops_the_provider(client, provider):
    left = provider.left
    job = client.submit(ChatRequest(prompt="A feature-length treatment", model="writer"))
    next(each for each in job.events() if isinstance(each, events.TextDelta))
    job.cancel()
    provider.wait_left(left + 1)
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


def test_cancel_before_the_first_token(client, provider):
    version = (
        client.submit(ChatRequest(prompt="A logline", model="writer"))
        .result(HANG_GUARD_S)
        .metadata["server"]["version"]
    )
    provider.inject(Fault("stall", on=CHAT))
    before = calls(provider)
    job = client.submit(ChatRequest(prompt="A logline", model="writer"))
    wait_for(lambda: calls(provider) == before + 1)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    expected = BackendCancel.CONFIRMED if version.startswith("1.106") else BackendCancel.UNSUPPORTED
    assert job.status.backend_cancel is expected
