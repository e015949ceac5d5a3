"""Getting at the prompt: from dicts in the forms they are handed around in, from files, from pictures."""

import json
import zlib
from pathlib import Path

import pytest

from movie_director.clients.comfyui.workflow.loading import is_ui_format, load_workflow, title_of
from movie_director.clients.errors import StorageError, ValidationError

PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "Input"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "ü"}},
}
EDITOR = {"nodes": [{"id": 1, "type": "Note"}], "links": [], "version": 0.4, "last_node_id": 1}
FILES = Path(__file__).parents[4] / "recordings" / "comfyui" / "files"
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def picture(tmp_path: Path, *chunks: bytes) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(SIGNATURE + chunk(b"IHDR", bytes(13)) + b"".join(chunks) + chunk(b"IEND", b""))
    return path


def refused(source) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        load_workflow(source)
    return caught.value


@pytest.mark.parametrize(
    "source",
    [
        PROMPT,
        {"prompt": PROMPT, "client_id": "x"},
        {"output": PROMPT, "workflow": EDITOR},
    ],
)
def test_a_prompt_is_unwrapped(source):
    assert load_workflow(source) == PROMPT


def test_what_is_loaded_is_a_copy():
    loaded = load_workflow(PROMPT)
    loaded["1"]["inputs"]["image"] = "changed"
    assert PROMPT["1"]["inputs"]["image"] == "a.png"


@pytest.mark.parametrize("source", [EDITOR, {"workflow": EDITOR}, {"prompt": EDITOR}])
def test_the_editors_format_is_told_apart(source):
    loaded = load_workflow(source)
    assert loaded == EDITOR
    assert is_ui_format(loaded)
    assert not is_ui_format(load_workflow(PROMPT))


def test_a_node_called_prompt_is_no_wrapper():
    prompt = {"prompt": {"class_type": "SaveImage", "inputs": {}}}
    assert load_workflow(prompt) == prompt


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ({}, "empty"),
        ({"1": 5}, "'1' has no class_type"),
        ({"1": {"inputs": {}}}, "'1' has no class_type"),
        ({"1": {"class_type": None, "inputs": {}}}, "'1' has no class_type"),
        ({"1": {"class_type": "A"}}, "'A' has no inputs"),
        ({"1": {"class_type": "A", "inputs": []}}, "'A' has no inputs"),
        ({"1": {"class_type": "A", "inputs": {"b": ["9", 0]}}}, "node '9', which does not exist"),
        ({"1": {"class_type": "A", "inputs": {"b": {"__value__": ["text", 1]}}}}, "a list of a text and a number"),
    ],
)
def test_a_prompt_of_the_wrong_form_says_where(prompt, word):
    error = refused(prompt)
    assert error.code == "invalid_workflow"
    assert word in error.message


def test_every_problem_is_named():
    error = refused({"1": 5, "2": {"class_type": "A", "inputs": {"b": ["9", 0], "c": ["8", 0]}}})
    assert len(error.problems) == 3


@pytest.mark.parametrize("value", [["1"], ["1", 0, 0], ["1", "0"], [1, 2], ["a", True], {"__value__": [1, 2]}, "1"])
def test_values_that_are_no_wires(value):
    prompt = {"1": {"class_type": "A", "inputs": {"b": value}}}
    assert load_workflow(prompt) == prompt


def test_what_a_server_notes_in_a_prompt_as_it_runs_is_left_behind(tmp_path):
    """It writes what a node's IS_CHANGED said beside the inputs, into the picture too, and believes what it is sent."""
    noted = {each: node | {"is_changed": [float("nan")]} for each, node in PROMPT.items()}
    assert load_workflow(noted) == PROMPT
    path = picture(tmp_path, chunk(b"tEXt", b"prompt\0" + json.dumps(noted).encode()))
    assert load_workflow(path) == PROMPT


def test_a_json_file(tmp_path):
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(PROMPT), encoding="utf-8")
    assert load_workflow(path) == PROMPT
    assert load_workflow(str(path)) == PROMPT


@pytest.mark.parametrize("text", [b"", b"not json", b"[1]", b"\xff\xfe\xfd", b'"text"', b"[" * 100_000])
def test_a_file_that_holds_no_workflow(tmp_path, text):
    path = tmp_path / "workflow.json"
    path.write_bytes(text)
    error = refused(path)
    assert error.code == "invalid_workflow"
    assert "workflow.json contains no workflow" in error.message


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(StorageError) as caught:
        load_workflow(tmp_path / "none.json")
    assert caught.value.code == "missing_file"
    with pytest.raises(StorageError):
        load_workflow(tmp_path)


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.comfyui.workflow.loading.MAX_WORKFLOW_BYTES", 20)
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(PROMPT), encoding="utf-8")
    assert "too large" in refused(path).message


TEXT = json.dumps(PROMPT, ensure_ascii=False)


@pytest.mark.parametrize(
    "text_chunk",
    [
        chunk(b"tEXt", b"prompt\0" + TEXT.encode("latin-1")),
        chunk(b"zTXt", b"prompt\0\0" + zlib.compress(TEXT.encode("latin-1"))),
        chunk(b"iTXt", b"prompt\0\0\0\0\0" + TEXT.encode()),
        chunk(b"iTXt", b"prompt\0\1\0de\0Titel\0" + zlib.compress(TEXT.encode())),
    ],
    ids=["tEXt", "zTXt", "iTXt", "iTXt compressed"],
)
def test_the_prompt_in_a_picture(tmp_path, text_chunk):
    other = chunk(b"tEXt", b"workflow\0" + json.dumps(EDITOR).encode())
    assert load_workflow(picture(tmp_path, other, text_chunk)) == PROMPT


def test_a_picture_with_the_editors_format_only(tmp_path):
    path = picture(tmp_path, chunk(b"tEXt", b"workflow\0" + json.dumps(EDITOR).encode()))
    assert load_workflow(path) == EDITOR


@pytest.mark.parametrize(
    "text", [b"a cat, masterpiece", b"{}", b"[1]", b'{"1": {"class_type": "A"}}', b'{"1": {"inputs": {"a": ["9", 0]}}}']
)
def test_a_prompt_that_is_none_does_not_hide_a_workflow(tmp_path, text):
    bad = chunk(b"tEXt", b"prompt\0" + text)
    good = chunk(b"tEXt", b"workflow\0" + json.dumps(EDITOR).encode())
    assert load_workflow(picture(tmp_path, bad, good)) == EDITOR
    assert refused(picture(tmp_path, bad)).code == "invalid_workflow"


@pytest.mark.parametrize(
    "name",
    [
        "animated.png",
        "saved.webp",
        "saved.flac",
        "saved.mp4",
        "saved.webm",
        "saved.mkv",
        "saved.mp3",
        "saved.opus",
    ],
)
def test_the_prompt_in_files_that_a_server_saved(name):
    prompt = load_workflow(FILES / name)
    assert prompt["1"]["_meta"]["title"] == "Fünf"
    assert prompt["1"]["class_type"].startswith("Empty")


def test_a_picture_without_a_workflow(tmp_path):
    error = refused(picture(tmp_path))
    assert error.code == "no_workflow"
    assert "picture.png" in error.message


@pytest.mark.parametrize(
    ("text_chunk", "code"),
    [
        (chunk(b"zTXt", b"prompt\0\0garbage"), "no_workflow"),
        (chunk(b"iTXt", b"prompt"), "invalid_workflow"),
        (chunk(b"tEXt", b"prompt\0{}")[:-3], "invalid_workflow"),
        ((2**31 - 1).to_bytes(4, "big") + b"tEXtprompt\0{}", "no_workflow"),
    ],
)
def test_a_damaged_picture_is_refused_and_not_believed(tmp_path, text_chunk, code):
    assert refused(picture(tmp_path, text_chunk)).code == code


@pytest.mark.parametrize(
    ("node_id", "title"),
    [("1", "Input"), ("2", "SaveImage"), ("1.0.0.2", "Input"), ("7", "7"), ("7.1", "7.1")],
)
def test_the_title_of_a_node(node_id, title):
    assert title_of(PROMPT, node_id) == title


def test_a_title_that_is_none():
    assert title_of({"1": {"class_type": "A", "_meta": {"title": ""}}, "2": {"_meta": 5}}, "1") == "A"
    assert title_of({"2": {"_meta": 5}}, "2") == "2"
