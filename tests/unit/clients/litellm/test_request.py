"""What a chat request may hold."""

from __future__ import annotations

import json

import pytest
from support.shot_schema import Shot

from movie_director.clients import errors
from movie_director.clients.litellm import ChatRequest

WRONG = [
    ({}, "messages, prompt"),
    ({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "messages, prompt"),
    ({"prompt": " "}, "prompt"),
    ({"messages": []}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [{"role": "king", "content": "a"}]}, "messages[0]"),
    ({"messages": [{"role": "user"}]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": [{"no": "type"}]}]}, "messages[0]"),
    ({"prompt": "a", "temperature": 2.1}, "temperature"),
    ({"prompt": "a", "temperature": True}, "temperature"),
    ({"prompt": "a", "top_p": float("nan")}, "top_p"),
    ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
    ({"prompt": "a", "seed": 2**63}, "seed"),
    ({"prompt": "a", "window": 0}, "window"),
    ({"prompt": "a", "max_repairs": None}, "max_repairs"),
    ({"prompt": "a", "max_repairs": 11}, "max_repairs"),
    ({"prompt": "a", "tools": []}, "tools"),
    ({"prompt": "a", "tools": ["x"]}, "tools"),
    ({"prompt": "a", "tool_choice": 5}, "tool_choice"),
    ({"prompt": "a", "model": ""}, "model"),
    ({"prompt": "a", "system": 5}, "system"),
    ({"prompt": "a", "stream": None}, "stream"),
    ({"prompt": "a", "stop": [""]}, "stop"),
    ({"prompt": "a", "stop": ["a"] * 5}, "stop"),
    ({"prompt": "a", "overflow": "burst"}, "overflow"),
    ({"prompt": "a", "images": "a.png"}, "images"),
    ({"prompt": "a", "images": [""]}, "images"),
    ({"prompt": "a", "extra": []}, "extra"),
    ({"prompt": "a", "extra": {"model": "x"}}, "extra"),
    ({"prompt": "a", "schema": "json"}, "schema"),
    ({"prompt": "a", "schema": {"enum": [object()]}}, "schema"),
    ({"prompt": "a", "schema": {"items": [{"$ref": "http://10.0.0.1/x"}]}}, "schema"),
]


@pytest.mark.parametrize(("fields", "name"), WRONG, ids=[f"{name} {number}" for number, (_, name) in enumerate(WRONG)])
def test_what_is_wrong_with_a_request_is_named(fields, name):
    with pytest.raises(errors.ValidationError) as caught:
        ChatRequest(**fields).validate()
    assert [each for each in caught.value.problems if each.startswith(f"{name}:")]


def test_a_full_request_is_fine_and_survives_json():
    request = ChatRequest(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "b", "tool_call_id": "1"},
        ],
        model="m",
        schema=Shot,
        system="You write films.",
        temperature=0,
        top_p=1.0,
        max_tokens=5,
        stop=["END"],
        seed=-1,
        images=["https://x/y.png"],
        tools=[{"type": "function"}],
        tool_choice="auto",
        overflow="trim",
        window=100,
        extra={"reasoning_effort": "low"},
    )
    request.validate()
    again = ChatRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again == request
    ChatRequest(prompt="a", stop="END", tool_choice={"type": "function"}).validate()
