"""The event-stream parser: the format at every byte boundary."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_director.clients.errors import ProtocolError
from movie_director.clients.http.sse import EventStreamParser, ServerSentEvent, batches

CASES = {
    "one line": (b"data: a\n\n", [("a", "message", "")]),
    "no space, two spaces": (b"data:a\n\ndata:  b\n\n", [("a", "message", ""), (" b", "message", "")]),
    "CR": (b"data: a\rdata: b\r\r", [("a\nb", "message", "")]),
    "CRLF": (b"data: a\r\ndata: b\r\n\r\n", [("a\nb", "message", "")]),
    "mixed": (b"data: a\ndata: b\r\n\rdata: c\n\r", [("a\nb", "message", ""), ("c", "message", "")]),
    "LF CR are two ends": (b"data: a\n\rdata: b\n\n", [("a", "message", ""), ("b", "message", "")]),
    "BOM": (b"\xef\xbb\xbfdata: a\n\n", [("a", "message", "")]),
    "only the first BOM": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", [("b", "message", "")]),
    "comments": (b": hello\n:\n\ndata: a\n: in between\n\n", [("a", "message", "")]),
    "type, once": (b"event: add\ndata: 1\n\ndata: 2\n\n", [("1", "add", ""), ("2", "message", "")]),
    "type without data": (b"event: add\n\ndata: 2\n\n", [("2", "message", "")]),
    "id stays": (b"id: 7\ndata: 1\n\ndata: 2\n\n", [("1", "message", "7"), ("2", "message", "7")]),
    "id is emptied": (b"id: 7\ndata: 1\n\nid\ndata: 3\n\n", [("1", "message", "7"), ("3", "message", "")]),
    "id with NUL": (b"id: 7\0\ndata: 1\n\n", [("1", "message", "")]),
    "empty data": (b"data\n\ndata\ndata\n\n", [("", "message", ""), ("\n", "message", "")]),
    "empty value": (b"data:\n\n", [("", "message", "")]),
    "unknown field": (b"foo: bar\ndatax: 1\ndata: a\n\n", [("a", "message", "")]),
    "characters": ("data: 雨が降る 🎬 é\n\n".encode(), [("雨が降る 🎬 é", "message", "")]),
    "not UTF-8": (b"data: a\xff\xe3\x81\n\n", [("a\ufffd\ufffd", "message", "")]),
    "Unicode's line ends are none": (
        "data: a\u2028b\x0b\x0c\x85\n\n".encode(),
        [("a\u2028b\x0b\x0c\x85", "message", "")],
    ),
    "unfinished": (b"data: a\n\ndata: b\n", [("a", "message", "")]),
}


def parse(pieces):
    parser = EventStreamParser()
    return [(each.data, each.event, each.id) for piece in pieces for each in parser.feed(piece)]


@pytest.mark.parametrize("name", CASES)
def test_the_format_whole_byte_by_byte_and_split_anywhere(name):
    stream, expected = CASES[name]
    assert parse([stream]) == expected
    assert parse([stream[at : at + 1] for at in range(len(stream))]) == expected
    for at in range(len(stream) + 1):
        assert parse([stream[:at], stream[at:]]) == expected, at


@given(st.lists(st.text(alphabet="ab\né雨", max_size=6), max_size=6), st.data())
def test_any_text_comes_back_however_it_is_cut(texts, data):
    end = data.draw(st.sampled_from(["\n", "\r", "\r\n"]))
    stream = "".join("".join(f"data: {line}{end}" for line in text.split("\n")) + end for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    bounds = [0, *cuts, len(stream)]
    pieces = [stream[low:high] for low, high in itertools.pairwise(bounds)]
    assert [each[0] for each in parse(pieces)] == texts


def test_retry_is_remembered_if_it_is_a_number():
    parser = EventStreamParser()
    assert parser.feed(b"retry: soon\nretry: 10x\n") == []
    assert parser.retry_ms is None
    parser.feed(b"retry:2500\n")
    assert parser.retry_ms == 2500


def test_unfinished_says_whether_an_event_was_cut():
    parser = EventStreamParser()
    assert not parser.unfinished
    for piece, unfinished in ((b"da", True), (b"ta: a", True), (b"\n", True), (b"\n", False)):
        parser.feed(piece)
        assert parser.unfinished == unfinished


@pytest.mark.parametrize(
    "pieces",
    [[b"data: " + b"x" * 200], [b"data: x", *[b"y" * 30] * 8], [b"data: " + b"x" * 30 + b"\n"] * 8],
    ids=["one long line", "a line that never ends", "an event that never ends"],
)
def test_an_event_is_bounded(pieces):
    parser = EventStreamParser(max_event_bytes=100)
    with pytest.raises(ProtocolError) as caught:
        list(batches(pieces, parser))
    assert caught.value.code == "too_large"


def test_many_events_within_the_bound_are_no_matter():
    parser = EventStreamParser(max_event_bytes=100)
    assert sum(len(parser.feed(b"data: " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 50


def test_batches_are_what_came_together():
    chunks = [b"data: 1\n\ndata: 2\n", b"", b"\n", b": nothing\n\n", b"data: 3\n\n"]
    seen = list(batches(chunks, EventStreamParser()))
    assert seen == [[ServerSentEvent("1")], [ServerSentEvent("2")], [ServerSentEvent("3")]]
