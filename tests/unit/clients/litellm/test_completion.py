"""An answer is put together from the chunks of its stream."""

from __future__ import annotations

from typing import Any

import pytest

from movie_director.clients import errors
from movie_director.clients.litellm.completion import Completion, StreamFailure


def chunk(delta: Any = None, **fields: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta, **fields}]}


def test_an_answer_takes_chunks_of_every_taste():
    answer = Completion()
    chunks = [
        chunk({"role": "assistant", "content": None}),
        {"choices": None},
        {"choices": []},
        {"choices": ["x"]},
        {"error": None, "choices": [{}]},
        chunk(None),
        chunk({"reasoning": "Hm"}),
        chunk({"reasoning_content": "m.", "content": ""}),
        chunk({"content": "Ne"}),
        chunk({"content": "on", "tool_calls": ["x"]}),
        chunk({}, finish_reason="stop"),
        {"choices": [], "usage": {"total_tokens": 3}},
        {"choices": [{"index": 0, "delta": {}}], "usage": None},
    ]
    assert "".join(map(answer.take, chunks)) == answer.text == "Neon"
    assert (answer.reasoning, answer.finish_reason, answer.usage) == ("Hmm.", "stop", {"total_tokens": 3})
    assert (answer.id, answer.model) == ("c1", "m")


def test_tool_calls_are_joined_by_index_or_place():
    answer = Completion()
    for calls in (
        [{"index": 1, "id": "b", "function": {"name": "cut", "arguments": ""}}],
        [{"index": 0, "id": "a", "function": {"name": "pan", "arguments": '{"to"'}}],
        [{"index": 0, "function": {"name": None, "arguments": ': "left"}'}}, {"function": {"arguments": "{}"}}],
        [{"index": 1, "function": None}],
    ):
        answer.take(chunk({"tool_calls": calls}))
    assert [(each["id"], each["function"]) for each in answer.tool_calls] == [
        ("a", {"name": "pan", "arguments": '{"to": "left"}'}),
        ("b", {"name": "cut", "arguments": "{}"}),
    ]


def test_errors_and_nonsense_in_the_stream():
    with pytest.raises(StreamFailure) as caught:
        Completion().take({"error": {"message": "no"}})
    assert caught.value.error == {"message": "no"}
    with pytest.raises(errors.ProtocolError):
        Completion().take(["x"])
