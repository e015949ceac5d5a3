"""JSON from servers."""

from __future__ import annotations

import json
import math
import random
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movie_director.clients.errors import ConnectionLost, ProtocolError
from movie_director.clients.http import json_decode
from movie_director.clients.http.json_decode import decode_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=25,
)
LAYOUTS = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": "\t"}])


@pytest.fixture
def by_members(monkeypatch):
    """Decode even short texts member by member."""
    monkeypatch.setattr(json_decode, "WHOLE_BELOW_CHARS", 0)


@given(VALUES, LAYOUTS, st.sampled_from([0, 10**9]))
def test_it_equals_the_standard_librarys(value, layout, whole_below):
    text = json.dumps(value, **layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_decode, "WHOLE_BELOW_CHARS", whole_below)
        assert decode_json(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")) == json.loads(text)


@given(st.text('[]{}":,0123456789.eE+-truefalsn \\u\n', max_size=20))
@settings(max_examples=400)
def test_it_refuses_what_the_standard_library_refuses(text):
    try:
        expected = json.loads(text)
    except ValueError:
        expected = ProtocolError
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_decode, "WHOLE_BELOW_CHARS", 0)
        try:
            got = decode_json(text)
        except ProtocolError:
            got = ProtocolError
    assert got is expected or got == expected


DOCUMENT = '\ufeff { "a" : [ 1 , {"b": "ü\\n"} , [ ] , {} ] , "c" : { "d" : null , "e" : [2.5e3, true] } , "f": "" } \n'


@pytest.mark.usefixtures("by_members")
def test_layouts_and_a_byte_order_mark():
    value = {"a": [1, {"b": "ü\n"}, [], {}], "c": {"d": None, "e": [2500.0, True]}, "f": ""}
    assert decode_json(DOCUMENT.encode()) == value
    assert decode_json(b"[]") == []
    assert decode_json(b" { } ") == {}
    assert decode_json(b"5") == 5
    assert decode_json(b'{"a": 1, "a": {"b": 2}}') == {"a": {"b": 2}}
    assert math.isnan(decode_json(b'{"a": NaN}')["a"])
    assert decode_json(b"[-Infinity]") == [-math.inf]


@pytest.mark.usefixtures("by_members")
def test_pieces_of_any_size():
    data = DOCUMENT.encode()
    for size in (1, 2, 3, 7, 1000):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert decode_json(iter(pieces)) == decode_json(data)
        with pytest.raises(ProtocolError):
            decode_json([*pieces[:-1], b"\xc3"])
    with pytest.raises(ProtocolError):
        decode_json([])


def test_what_fails_while_the_pieces_come_is_passed_on():
    def pieces():
        yield b"{"
        raise ConnectionLost("cut")

    with pytest.raises(ConnectionLost):
        decode_json(pieces())


def test_large_documents_on_many_threads():
    data = json.dumps([{"a": [n]} for n in range(20_000)]).encode()
    results = []
    threads = [threading.Thread(target=lambda: results.append(len(decode_json(data)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [20_000] * 6


@pytest.mark.parametrize("whole_below", [0, 10**9])
def test_a_cut_at_any_place_is_an_error(monkeypatch, whole_below):
    monkeypatch.setattr(json_decode, "WHOLE_BELOW_CHARS", whole_below)
    data = DOCUMENT.strip().encode()
    for end in range(len(data)):
        with pytest.raises(ProtocolError) as caught:
            decode_json(data[:end])
        assert caught.value.code == "invalid_json"
        assert caught.value.hint


@pytest.mark.usefixtures("by_members")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{} x",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b'{"a":1,}',
        b"{,}",
        b'{"a" 1}',
        b"{1: 2}",
        b'{"a": 1 "b": 2}',
        b'{"a": 1]',
        b"[1}",
        b"{'a': 1}",
        b'{"a": tru}',
        b"<html>",
        b'"\xff"',
        b'{"a": "\x01"}',
        b"\x00",
    ],
)
def test_what_is_no_json(text):
    with pytest.raises(ProtocolError) as caught:
        decode_json(text)
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize("whole_below", [0, 10**9])
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
def test_deep_nesting(monkeypatch, whole_below, opening):
    monkeypatch.setattr(json_decode, "WHOLE_BELOW_CHARS", whole_below)
    with pytest.raises(ProtocolError) as caught:
        decode_json(opening * 100_000)
    assert caught.value.code == "invalid_json"


def test_the_error_does_not_keep_the_text(canary, assert_no_secret):
    class Text(bytes):
        """Bytes that tell when they go."""

    with pytest.raises(ProtocolError) as caught:
        decode_json(Text(f'{{"key": "{canary}", '.encode() + b" " * 1_000_000))
    error = caught.value
    assert_no_secret(error)
    assert error.__cause__ is None
    frame = error.__traceback__
    while frame is not None:
        large = [name for name, value in frame.tb_frame.f_locals.items() if sys.getsizeof(value) > 500_000]
        assert large == []
        frame = frame.tb_next


def test_a_large_document_is_right_and_lets_other_threads_run(monkeypatch):
    chance = random.Random(5)
    node = {f"field{n}": [chance.random(), "some text", {"default": n, "min": 0}] for n in range(150)}
    document = {f"node{n}": {"input": node, "output": ["IMAGE"], "name": f"n{n}"} for n in range(600)}
    data = json.dumps(document).encode()
    assert len(data) > 4_000_000

    longest = 0
    real = json_decode._decoder.raw_decode

    class Measuring:
        def raw_decode(self, text, at):
            nonlocal longest
            value, end = real(text, at)
            longest = max(longest, end - at)
            return value, end

    monkeypatch.setattr(json_decode, "_decoder", Measuring())
    turns = []
    stop = threading.Event()

    def tick():
        last = time.perf_counter()
        while not stop.is_set():
            now = time.perf_counter()
            if now - last > 0.001:
                turns.append(now - last)
            last = now

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        assert decode_json(data) == document
    finally:
        stop.set()
        ticker.join()
    # one call into C, which nothing can interrupt, takes one member and not the document
    assert longest < len(data) / 100
    assert len(turns) > 5


@pytest.mark.parametrize("whole_below", [0, 10**9])
def test_an_integer_too_long_to_be_read_is_an_infinity_and_spoils_nothing_else(monkeypatch, whole_below):
    monkeypatch.setattr(json_decode, "WHOLE_BELOW_CHARS", whole_below)
    text = f'{{"a": {"9" * 5000}, "b": [1, -{"9" * 5000}, {{"c": 12}}], "d": {"9" * 400}, "e": "ok"}}'
    assert decode_json(text) == {"a": math.inf, "b": [1, -math.inf, {"c": 12}], "d": int("9" * 400), "e": "ok"}
    assert decode_json("9" * 5000) == math.inf
    with pytest.raises(ProtocolError):
        decode_json(f'{{"a": {"9" * 5000}, "b"}}')
