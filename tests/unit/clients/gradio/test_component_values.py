"""Gradio's values, edits, messages and keys: what needs no server."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_director.clients import errors
from movie_director.clients.gradio.component_values import GradioFile, extract_files, get_choices, unwrap
from movie_director.clients.gradio.errors import get_error_text
from movie_director.clients.gradio.login import SignIn, parse_sign_in
from movie_director.clients.gradio.messages import (
    Bar,
    Completed,
    Progress,
    Queued,
    Yielded,
    parse_log,
    parse_progress,
    parse_queued,
)
from movie_director.clients.gradio.output_diffs import apply_diff, approx_size

NEW = {"path": "/tmp/a/clip.mp4", "url": "http://h/file=/tmp/a/clip.mp4", "orig_name": "my clip.mp4", "size": 7}
OLD = {"name": "/tmp/b/line.wav", "data": None, "is_file": True}
CLIP = GradioFile("/tmp/a/clip.mp4", "my clip.mp4", "http://h/file=/tmp/a/clip.mp4", 7)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (NEW, ["my clip.mp4"]),
        ({"video": NEW, "subtitles": None}, ["my clip.mp4"]),
        ({"__type__": "update", "value": NEW, "visible": True}, ["my clip.mp4"]),
        ([{"image": NEW, "caption": "one"}, {"video": NEW, "caption": None}], ["my clip.mp4", "my clip.mp4"]),
        ([[OLD, None]], ["line.wav"]),
        (["Success.", OLD], ["line.wav"]),
        ({"path": "C:\\tmp\\x.png"}, ["x.png"]),
        ({"path": None, "url": "http://h/a/b.png?x=1"}, ["b.png"]),
        ({"path": "/"}, ["file"]),
        ({"path": None, "url": None}, []),
        ({"name": "x.wav", "data": "data:audio/wav;base64,AA=="}, []),
        (None, []),
        ("text", []),
        ([[[[[[[[[NEW]]]]]]]]], []),
        ({"video": "nonsense"}, []),
    ],
)
def test_files_are_found_in_every_wrapping(value, names):
    assert [each.name for each in extract_files(value)] == names


def test_a_file_is_read_whole():
    assert extract_files([{"video": {**NEW, "mime_type": "video/mp4"}, "caption": "cap"}]) == [
        GradioFile(CLIP.path, CLIP.name, CLIP.url, 7, "video/mp4", "cap")
    ]
    assert extract_files({**NEW, "size": True, "mime_type": 3})[0].size is None
    assert extract_files({**NEW, "size": -1})[0].size is None


def test_a_file_as_an_input():
    assert CLIP.as_input() == {
        "path": "/tmp/a/clip.mp4",
        "orig_name": "my clip.mp4",
        "size": 7,
        "mime_type": None,
        "meta": {"_type": "gradio.FileData"},
    }


def test_updates_are_unwrapped_and_choices_read():
    update = {"__type__": "update", "choices": [["A label", "a"], "b"]}
    assert unwrap({**update, "value": 3}) == 3
    assert unwrap(update) is None
    assert unwrap({"value": 3}) == {"value": 3}
    assert get_choices(update) == ["a", "b"]
    assert get_choices({"choices": None}) == get_choices("text") == []
    assert Completed([{**update, "value": 1}, 2]).data == Yielded([{**update, "value": 1}, 2]).data == [1, 2]
    assert Completed(None).data == []


# Edits


@pytest.mark.parametrize(
    ("value", "edits", "after"),
    [
        ("a", [], "a"),
        ("a", [["replace", [], "b"]], "b"),
        ("a", [["append", [], "b"]], "ab"),
        ([1], [["append", [], [2]]], [1, 2]),
        ([1, 2], [["replace", [0], 9]], [9, 2]),
        ([1, 2], [["add", [1], 9]], [1, 9, 2]),
        ([1, 2], [["delete", [0], None]], [2]),
        ({"a": {"b": [1]}}, [["add", ["a", "c"], 2], ["replace", ["a", "b", 0], 7]], {"a": {"b": [7], "c": 2}}),
        ({"a": "x"}, [["append", ["a"], "y"]], {"a": "xy"}),
        ({"a": 1}, [["delete", ["a"], None]], {}),
    ],
)
def test_edits_change_a_copy(value, edits, after):
    before = repr(value)
    assert apply_diff([value, "rest"], [edits, []]) == [after, "rest"]
    assert repr(value) == before


@pytest.mark.parametrize(
    "edits",
    [
        "text",
        [["replace", []]],
        [["invent", [], 1]],
        [["replace", "a", 1]],
        [["delete", [], None]],
        [["replace", ["missing", "x"], 1]],
        [["delete", [9], None]],
        [["append", [], 1]],
        [["append", ["n"], "x"]],
        [["replace", ["text", 0], 1]],
        [3],
    ],
)
def test_edits_that_do_not_fit_are_told(edits):
    with pytest.raises(errors.ProtocolError) as caught:
        apply_diff([{"text": "a", "n": 1}], [edits])
    assert caught.value.code == "bad_edit"


def test_edits_for_other_outputs_than_there_are_are_told():
    with pytest.raises(errors.ProtocolError, match="2 edits for 1 values"):
        apply_diff([1], [[], []])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


@given(json_values, json_values)
def test_edits_of_any_shape_end_as_values_or_as_a_protocol_error(value, edits):
    with suppress(errors.ProtocolError):
        assert len(apply_diff([value], [edits])) == 1


# Messages


def test_progress_in_all_its_forms():
    assert parse_progress({"progress_data": None}) is None
    assert parse_progress({"progress_data": [3]}) is None
    count = parse_progress(
        {"progress_data": [{"index": 3, "length": 4, "unit": "steps", "progress": None, "desc": "Go"}]}
    )
    assert count == Progress((Bar(3, 4, "steps", "Go", 0.75),))
    assert count.fraction == 0.75
    assert count.innermost.desc == "Go"
    share = parse_progress({"progress_data": [{"index": None, "length": None, "progress": 0.25, "desc": None}]})
    assert share is not None
    assert share.fraction == 0.25
    phase = parse_progress({"progress_data": [{"index": 0, "length": None, "progress": None, "desc": "Loading"}]})
    assert phase is not None
    assert phase.fraction is None
    odd = parse_progress({"progress_data": [{"index": "x", "length": float("nan"), "progress": 7.0}]})
    assert odd is not None
    assert odd.fraction == 1.0


def test_nested_bars_are_one_fraction():
    outer = {"index": 1, "length": 4}
    nested = parse_progress({"progress_data": [outer, {"index": 5, "length": 10}]})
    assert nested is not None
    assert nested.fraction == pytest.approx((1 + 0.5) / 4)
    unknown = parse_progress({"progress_data": [outer, {"desc": "?"}]})
    assert unknown is not None
    assert unknown.fraction == 0.25
    outside = parse_progress({"progress_data": [{"desc": "?"}, {"progress": 0.5}]})
    assert outside is not None
    assert outside.fraction == 0.5


def test_other_messages_are_read_with_what_they_leave_out():
    assert parse_queued({"rank": 2, "queue_size": 3, "rank_eta": 1.5}) == Queued(2, 3, 1.5)
    assert parse_queued({"rank": True, "queue_size": "x", "rank_eta": float("inf")}) == Queued()
    assert parse_log({"log": "careful", "level": "warning", "title": "Warning"}).text == "careful"
    assert parse_log({}).level == "info"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("'bad'", "bad"),
        ('"bad"', "bad"),
        ("it's 'bad'", "it's 'bad'"),
        (" bad ", "bad"),
        (None, ""),
        (3, ""),
        ("''", ""),
    ],
)
def test_the_quotes_of_gradio_4_are_taken_off(said, text):
    assert get_error_text(said) == text


# Keys


def test_a_key_with_a_colon_is_a_sign_in():
    assert parse_sign_in("user:pass:word") == SignIn("user", "pass:word")
    assert parse_sign_in("user:pass:word").form() == b"username=user&password=pass%3Aword"
    assert "pass:word" not in repr(parse_sign_in("user:pass:word"))
    for key in (None, "", "token", ":x", "x:"):
        assert parse_sign_in(key) is None


def test_a_path_of_edits_costs_no_more_than_its_depth():
    """A copy of the rest of it at each step would take gigabytes."""
    path = [0] * 2_000_000
    value = []
    for _ in range(5000):
        value = [value]
    tracemalloc.start()
    with pytest.raises(errors.ProtocolError):
        apply_diff([value], [[["replace", path, 1]]])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_the_weight_of_values_counts_texts_and_parts():
    assert approx_size("x" * 100) == 108
    assert approx_size([1, {"ab": [None]}]) == 8 * 6 + 2
    assert approx_size({7: 1}) == 24
