"""Websocket messages: recorded frames of every type, and what is not to be trusted."""

import base64
import json

import pytest
from support.recordings import COMFYUI_VERSIONS, comfyui

from movie_director.clients.comfyui.server.messages import FEATURE_FLAGS, Message, NodeText, Preview, parse_frame

JPEG = b"\xff\xd8\xff\xe0 picture"
PNG = b"\x89PNG\r\n\x1a\n picture"


def binary(kind, *parts):
    return kind.to_bytes(4, "big") + b"".join(parts)


def sized(data):
    return len(data).to_bytes(4, "big") + data


def test_the_feature_flags_are_those_the_editor_sends():
    sent = [line for line in comfyui("0.33.0", "connect") if line.get("event") == "text" and line["dir"] == "send"]
    assert json.loads(FEATURE_FLAGS) in [line.get("json") for line in sent]


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
@pytest.mark.parametrize("scenario", ["previews_flag_on", "previews_flag_off", "text_frames", "save_image_websocket"])
def test_recorded_binary_frames(version, scenario):
    frames = [line for line in comfyui(version, scenario) if line.get("event") == "binary"]
    assert frames
    for line in frames:
        frame = parse_frame(base64.b64decode(line["head_b64"]))
        if line["event_type"] == 3:
            assert isinstance(frame, NodeText)
            assert frame.text.startswith(line["decoded"]["text"][:20])
        else:
            assert isinstance(frame, Preview)
            assert frame.media_type in ("image/jpeg", "image/png")
            metadata = line["decoded"].get("metadata") or {}
            assert frame.prompt_id == metadata.get("prompt_id", "")


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_recorded_texts(version):
    texts = [line for line in comfyui(version, "run_simple") if line.get("event") == "text" and line["dir"] == "recv"]
    for line in texts:
        frame = parse_frame(json.dumps(line["json"]))
        assert isinstance(frame, Message)
        assert (frame.kind, frame.data) == (line["json"]["type"], line["json"]["data"])
        assert frame.prompt_id == line["json"]["data"].get("prompt_id", "")


@pytest.mark.parametrize(
    ("picture", "media_type"),
    [
        (JPEG, "image/jpeg"),
        (PNG, "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_the_picture_says_what_it_is_not_the_frame(picture, media_type):
    assert parse_frame(binary(1, b"\0\0\0\1", picture)) == Preview(picture, media_type)
    metadata = sized(json.dumps({"prompt_id": "p", "image_type": "image/x"}).encode())
    assert parse_frame(binary(4, metadata, picture)) == Preview(picture, media_type, "p")


@pytest.mark.parametrize("metadata", [b"{}", b"[]", b"not json", b'{"prompt_id": 5}', b"\xff"])
def test_metadata_that_says_no_prompt(metadata):
    assert parse_frame(binary(4, sized(metadata), PNG)) == Preview(PNG, "image/png", "")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0",
        binary(1),
        binary(1, b"\0\0\0\1"),
        binary(1, b"\0\0\0\1", b"no picture"),
        binary(1, b"\0\0\0\1", b"RIFF\0\0\0\0WAVE"),
        binary(2, b"\0\0\0\1", PNG),
        binary(99, PNG),
        binary(3),
        binary(3, b"\0\0"),
        binary(3, (1000).to_bytes(4, "big"), b"short"),
        binary(4, (2**32 - 1).to_bytes(4, "big"), PNG),
        "",
        "not json",
        "[]",
        "5",
        "{}",
        '{"type": 5, "data": {}}',
        '{"type": "progress"}',
        '{"type": "progress", "data": null}',
        '{"type": "progress", "data": [1]}',
        "[" * 100_000,
    ],
)
def test_what_is_malformed_or_unknown_is_passed_over(raw):
    assert parse_frame(raw) is None


def test_a_nodes_text_in_bad_utf8():
    assert parse_frame(binary(3, sized(b"12"), b"50 \xff%")) == NodeText("50 \ufffd%")


def test_a_prompt_id_that_is_no_text_is_none():
    assert parse_frame('{"type": "x", "data": {"prompt_id": 5}}') == Message("x", {"prompt_id": 5}, "")
