"""The body of a chat call."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from movie_director.clients import errors
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.litellm.payload import (
    add_system_text,
    encode_body,
    make_body,
    make_image_url,
    make_messages,
)


def test_messages_get_the_system_text_and_the_pictures(tmp_path):
    picture = tmp_path / "still.png"
    picture.write_bytes(b"\x89PNG")
    request = ChatRequest(prompt="What is this?", system="Be brief.", images=[picture, "https://x/y.jpg"])
    system, user = make_messages(request)
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"][0] == {"type": "text", "text": "What is this?"}
    urls = [part["image_url"]["url"] for part in user["content"][1:]]
    assert urls == ["data:image/png;base64," + base64.b64encode(b"\x89PNG").decode(), "https://x/y.jpg"]
    said = [{"role": "system", "content": "A."}, {"role": "user", "content": [{"type": "text", "text": "b"}]}]
    merged = make_messages(ChatRequest(messages=said, system="C.", images=["data:x"]))
    assert merged[0]["content"] == "A.\n\nC."
    assert len(merged[1]["content"]) == 2
    assert said[0]["content"] == "A."
    assert len(said[1]["content"]) == 1
    only_system = make_messages(ChatRequest(messages=said[:1], images=["data:x"]))
    assert only_system[1] == {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}
    assert add_system_text([], "x") == [{"role": "system", "content": "x"}]


def test_a_picture_goes_out_in_slices_and_arrives_whole(tmp_path):
    picture = tmp_path / "still.png"
    picture.write_bytes(b"\x89PNG" + bytes(range(256)) * 4000)
    said = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": str(picture), "detail": "low"}}]},
        {"role": "assistant", "content": "A pier."},
        {"role": "user", "content": 'And "this"?'},
    ]
    messages = make_messages(ChatRequest(messages=said, images=[picture, "data:image/png;base64,AA=="]))
    body = make_body(ChatRequest(messages=said), messages, "m", "openai")
    pieces = encode_body(body)
    assert json.loads(b"".join(pieces)) == json.loads(json.dumps(body))
    assert max(map(len, pieces)) <= 256 * 1024
    assert len(pieces) > 8


def test_unusable_pictures_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.litellm.payload.MAX_IMAGE_BYTES", 3)
    (tmp_path / "large.png").write_bytes(b"1234")
    for name in ("text.txt", "missing.png", "large.png"):
        with pytest.raises(errors.ValidationError) as caught:
            make_image_url(tmp_path / name)
        assert caught.value.code == "invalid_image"
        assert name in caught.value.problems[0]


def test_the_body_has_what_was_asked_for_and_num_retries_for_litellm_only():
    request = ChatRequest(prompt="a", temperature=0.0, stop=["x"], extra={"user": "me"})
    body = make_body(request, [], "m", "litellm")
    assert body == {
        "user": "me",
        "model": "m",
        "messages": [],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.0,
        "stop": ["x"],
        "num_retries": 0,
    }
    assert "num_retries" not in make_body(request, [], "m", "vllm")
    assert make_body(ChatRequest(prompt="a", extra={"num_retries": 2}), [], "m", "litellm")["num_retries"] == 2


def said(role: str, size: int) -> dict[str, Any]:
    return {"role": role, "content": "x" * size}
