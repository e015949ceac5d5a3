"""Websocket frames without a network: RFC 6455, whatever the split."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from movie_director.clients.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameError,
    FrameReader,
    frame,
)

MOST = 1_000_000


def raw(opcode, payload=b"", *, fin=True, reserved=0, masked=False, length=None):
    """Return a server's frame, also an ill-formed one."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask | size])
    elif size < 1 << 16:
        head += bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask | 127]) + size.to_bytes(8, "big")
    return head + payload


def read(*pieces, most=MOST):
    reader = FrameReader(most)
    got = []
    for piece in pieces:
        reader.feed(piece)
        got += list(iter(reader.next, None))
    return [tuple(each) for each in got]


def close_of(code, reason=b""):
    return raw(CLOSE, code.to_bytes(2, "big") + reason)


STREAM = [
    (raw(TEXT, "grüße 🎬".encode()), (TEXT, "grüße 🎬")),
    (raw(BINARY, b""), (BINARY, b"")),
    (raw(TEXT, "€".encode()[:1], fin=False) + raw(PING, b"in between") + raw(CONTINUATION, b"", fin=False), None),
    (raw(PONG) + raw(CONTINUATION, "€".encode()[1:]), None),
    (raw(BINARY, b"x" * 126), (BINARY, b"x" * 126)),
    (raw(BINARY, b"y" * 70_000), (BINARY, b"y" * 70_000)),
    (raw(TEXT, b"a" * 125), (TEXT, "a" * 125)),
    (close_of(1001, "gehe weg: ü".encode()), (CLOSE, (1001).to_bytes(2, "big") + "gehe weg: ü".encode())),
]
BYTES = b"".join(each for each, _ in STREAM)
MESSAGES = [
    (TEXT, "grüße 🎬"),
    (BINARY, b""),
    (PING, b"in between"),
    (PONG, b""),
    (TEXT, "€"),
    *(message for _, message in STREAM[4:]),
]


def test_one_piece():
    assert read(BYTES) == MESSAGES


def test_byte_by_byte():
    assert read(*(BYTES[at : at + 1] for at in range(len(BYTES)))) == MESSAGES


@given(st.lists(st.integers(0, len(BYTES)), max_size=8))
def test_any_split(cuts):
    edges = [0, *sorted(cuts), len(BYTES)]
    assert read(*(BYTES[begin:end] for begin, end in itertools.pairwise(edges))) == MESSAGES


@given(st.lists(st.text() | st.binary() | st.binary(min_size=126, max_size=200), max_size=5))
def test_it_reads_what_another_library_writes(messages):
    server = FrameProtocol(client=False, extensions=[])
    data = b"".join(server.send_data(each) for each in messages)
    assert read(data) == [(TEXT if isinstance(each, str) else BINARY, each) for each in messages]


@given(st.text(max_size=300) | st.just("x" * 70_000))
def test_another_library_reads_what_it_writes(text):
    protocol = FrameProtocol(client=False, extensions=[])
    data = frame(TEXT, text.encode()) + frame(BINARY, text.encode()) + frame(PING, b"p") + frame(CLOSE, b"\x03\xe8")
    protocol.receive_bytes(data)
    got = {}
    for each in protocol.received_frames():
        payload = each.payload if isinstance(each.payload, (str, tuple)) else bytes(each.payload)
        got[each.opcode] = got[each.opcode] + payload if each.opcode in got else payload
    assert got[TEXT] == text
    assert got[BINARY] == text.encode()
    assert got[PING] == b"p"
    assert got[CLOSE][0] == 1000


def test_masks_differ():
    assert frame(TEXT, b"the same") != frame(TEXT, b"the same")
    assert frame(PING, b"")[:2] == b"\x89\x80"


BAD = [
    ("masked", raw(TEXT, b"xxxxabc", masked=True, length=3), 1002),
    ("masked long", raw(TEXT, masked=True, length=200), 1002),
    ("masked longer", raw(TEXT, masked=True, length=70_000), 1002),
    *((f"reserved bit {bit}", raw(TEXT, b"x", reserved=bit), 1002) for bit in (1, 2, 4)),
    *((f"opcode {opcode}", raw(opcode, b"x"), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    ("continuation of nothing", raw(CONTINUATION, b"x"), 1002),
    ("first fragment twice", raw(TEXT, b"x", fin=False) + raw(TEXT, b"y"), 1002),
    ("text within binary", raw(BINARY, b"x", fin=False) + raw(TEXT, b"y", fin=False), 1002),
    ("ping in pieces", raw(PING, b"x", fin=False), 1002),
    ("close in pieces", raw(CLOSE, b"\x03\xe8", fin=False), 1002),
    *((f"long control {opcode}", raw(opcode, b"x" * 126), 1002) for opcode in (CLOSE, PING, PONG)),
    ("ping of 1 GiB", raw(PING, length=1 << 30), 1002),
    ("close of one byte", raw(CLOSE, b"\x03"), 1002),
    *((f"close code {code}", close_of(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)),
    ("close reason", close_of(1000, b"\xff"), 1007),
    ("text", raw(TEXT, b"\xff"), 1007),
    ("text cut", raw(TEXT, "ü".encode()[:1]), 1007),
    ("surrogate", raw(TEXT, b"\xed\xa0\x80"), 1007),
    ("text in pieces", raw(TEXT, b"\xc3", fin=False) + raw(CONTINUATION, b"\xc3"), 1007),
    ("1 GiB", raw(BINARY, length=1 << 30), 1009),
    ("2^63", raw(BINARY, length=1 << 63), 1009),
    ("2^64 - 1", raw(BINARY, length=(1 << 64) - 1), 1009),
    ("fragments", raw(BINARY, b"x" * 600_000, fin=False) + raw(CONTINUATION, length=400_001), 1009),
    ("http", b"HTTP/1.1 200 OK\r\n\r\n", 1002),
]


@pytest.mark.parametrize(("data", "code"), [pytest.param(data, code, id=name) for name, data, code in BAD])
def test_what_breaks_the_protocol(data, code):
    with pytest.raises(FrameError) as caught:
        read(data)
    assert caught.value.code == code
    assert str(caught.value)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999])
def test_good_closes(code):
    assert read(close_of(code, b"why")) == [(CLOSE, code.to_bytes(2, "big") + b"why")]
    assert read(raw(CLOSE)) == [(CLOSE, b"")]


def test_the_bound_is_exact():
    assert read(raw(BINARY, b"x" * 10), most=10) == [(BINARY, b"x" * 10)]
    fragments = [raw(BINARY, b"x" * 5, fin=False), raw(CONTINUATION, b"", fin=False), raw(CONTINUATION, b"x" * 5)]
    assert read(*fragments, most=10) == [(BINARY, b"x" * 10)]
    for data in ([raw(BINARY, b"x" * 11)], [raw(BINARY, b"x" * 6, fin=False), raw(CONTINUATION, b"x" * 5)]):
        with pytest.raises(FrameError):
            read(*data, most=10)


def test_nothing_is_taken_for_what_is_only_announced():
    reader = FrameReader(1 << 40)
    tracemalloc.start()
    try:
        reader.feed(raw(BINARY, length=1 << 30))
        assert reader.next() is None
        assert reader.missing == 1 << 30
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_large_messages_and_many_fragments_take_linear_time():
    began = time.perf_counter()
    large = raw(BINARY, b"x" * 20_000_000)
    assert len(read(*(large[at : at + 1000] for at in range(0, len(large), 1000)), most=1 << 40)[0][1]) == 20_000_000
    pieces = [raw(BINARY, b"", fin=False), *[raw(CONTINUATION, b"x" * 500, fin=False)] * 40_000, raw(CONTINUATION)]
    assert len(read(*pieces, most=1 << 40)[0][1]) == 20_000_000
    assert time.perf_counter() - began < 5.0


def test_missing_tells_how_much_to_wait_for():
    reader = FrameReader(MOST)
    assert reader.missing == 2
    reader.feed(raw(BINARY, b"x" * 10)[:5])
    assert reader.next() is None
    assert reader.missing == 7
    reader.feed(b"x" * 7)
    assert reader.next() == (BINARY, b"x" * 10)
    assert reader.missing == 2
