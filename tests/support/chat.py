"""What the tests of the LiteLLM client share."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace

from movie_director.clients import LiteLLMClient, errors
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock.litellm.server import MockLiteLLM
from support.waiting import HANG_GUARD_S

KEY = "sk-canary-litellm-0123456789"
CHAT = "POST /v1/chat/completions"
DIALECTS = ("litellm", "llamacpp", "ollama", "lmstudio", "vllm", "openai")


@contextmanager
def starter():
    """Start mock servers and clients of them; all are closed at the end."""
    with ExitStack() as stack:

        def run(*faults, key=None, options=None, server=MockLiteLLM, **given):
            mock = stack.enter_context(server(faults=faults, speed=float("inf"), **given))
            changes = {"backoff_base_s": 0.001, **(options or {})}
            client = LiteLLMClient(mock.url, api_key=key, options=replace(LiteLLMClient.default_options, **changes))
            return mock, stack.enter_context(client)

        yield run


def ask(client, prompt="A logline, please", **fields):
    return client.submit(ChatRequest(prompt=prompt, **fields)).result(HANG_GUARD_S)


def failure(client, kind=errors.BackendError, **fields):
    error = client.submit(ChatRequest(**{"prompt": "A logline, please", **fields})).exception(HANG_GUARD_S)
    assert isinstance(error, kind), error
    assert error.hint
    assert error.backend == "litellm"
    return error
