"""Websocket frames as websocket-client reads them through our wire: RFC 6455, whatever the split, and bounded."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol

from movie_director.clients.websocket.connection import _WebSocket
from movie_director.clients.websocket.wire import BoundedFrames, Fragments, TooLarge, Wire

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MOST = 1_000_000


class Pieces:
    """A socket from which the pieces come one at a time; after the last one it is silent."""

    def __init__(self, pieces):
        self.pieces = [piece for piece in pieces if piece]
        self.sent = []

    def recv(self, size):
        if not self.pieces:
            raise TimeoutError("nothing more comes")
        piece, rest = self.pieces[0][:size], self.pieces[0][size:]
        self.pieces[:1] = [rest] if rest else []
        return piece

    def gettimeout(self):
        return 1.0

    def sendall(self, data):
        self.sent.append(data)


def library_on(sock, most=MOST):
    """Return websocket-client after the handshake on that socket."""
    wire = Wire(sock, b"", 0.0)
    library = _WebSocket(skip_utf8_validation=True)
    library.sock = wire
    library.cont_frame = Fragments()
    library.frame_buffer = BoundedFrames(wire, library.cont_frame, most)
    return library


def read(*pieces, most=MOST):
    """Return the messages, and the control frames but pings, that the pieces hold."""
    library = library_on(Pieces(pieces), most)
    got = []
    try:
        while True:
            opcode, frame = library.recv_data_frame(control_frame=True)
            got.append((opcode, bytes(frame.data)))
    except TimeoutError:
        return got


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


def close_of(code, reason=b""):
    return raw(CLOSE, code.to_bytes(2, "big") + reason)


STREAM = [
    (raw(TEXT, "grüße 🎬".encode()), (TEXT, "grüße 🎬".encode())),
    (raw(BINARY, b""), (BINARY, b"")),
    (raw(TEXT, "€".encode()[:1], fin=False) + raw(PING, b"in between") + raw(CONTINUATION, b"", fin=False), None),
    (raw(PONG) + raw(CONTINUATION, "€".encode()[1:]), None),
    (raw(BINARY, b"x" * 126), (BINARY, b"x" * 126)),
    (raw(BINARY, b"y" * 70_000), (BINARY, b"y" * 70_000)),
    (raw(TEXT, b"a" * 125), (TEXT, b"a" * 125)),
    (close_of(1001, "gehe weg: ü".encode()), (CLOSE, (1001).to_bytes(2, "big") + "gehe weg: ü".encode())),
]
BYTES = b"".join(each for each, _ in STREAM)
MESSAGES = [
    (TEXT, "grüße 🎬".encode()),
    (BINARY, b""),
    (PING, b"in between"),
    (PONG, b""),
    (TEXT, "€".encode()),
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
def test_what_another_library_writes_is_read(messages):
    server = FrameProtocol(client=False, extensions=[])
    data = b"".join(server.send_data(each) for each in messages)
    assert read(data) == [(TEXT, each.encode()) if isinstance(each, str) else (BINARY, each) for each in messages]


def test_a_time_out_within_a_frame_loses_nothing():
    whole = raw(BINARY, b"x" * 300_000) + raw(TEXT, b"next")
    for cut in (1, 2, 5, 9, 11, 70_000, 299_999, 300_010, len(whole) - 1):
        sock = Pieces([whole[:cut]])
        library = library_on(sock)
        got = [] if cut < 300_000 else [library.recv_data_frame()]
        with pytest.raises(TimeoutError):
            library.recv_data_frame()
        sock.pieces = [whole[cut:]]
        got += [library.recv_data_frame() for _ in range(2 - len(got))]
        assert [frame.data for _, frame in got] == [b"x" * 300_000, b"next"]


BAD = [
    ("masked", raw(TEXT, b"xxxxabc", masked=True, length=3)),
    ("masked long", raw(TEXT, b"mask", masked=True, length=200)),
    ("masked longer", raw(TEXT, b"mask", masked=True, length=70_000)),
    *((f"reserved bit {bit}", raw(TEXT, b"x", reserved=bit)) for bit in (1, 2, 4)),
    *((f"opcode {opcode}", raw(opcode, b"x")) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    ("continuation of nothing", raw(CONTINUATION, b"x")),
    ("first fragment twice", raw(TEXT, b"x", fin=False) + raw(TEXT, b"y")),
    ("text within binary", raw(BINARY, b"x", fin=False) + raw(TEXT, b"y", fin=False)),
    ("ping in pieces", raw(PING, b"x", fin=False)),
    ("close in pieces", raw(CLOSE, b"\x03\xe8", fin=False)),
    *((f"long control {opcode}", raw(opcode, b"x" * 126)) for opcode in (CLOSE, PING, PONG)),
    ("ping of 1 GiB", raw(PING, length=1 << 30)),
    ("close of one byte", raw(CLOSE, b"\x03")),
    *((f"close code {code}", close_of(code)) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)),
    ("http", b"HTTP/1.1 200 OK\r\n\r\n"),
]


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD])
def test_what_breaks_the_protocol(data):
    with pytest.raises(websocket.WebSocketProtocolException) as caught:
        read(data)
    assert not isinstance(caught.value, TooLarge)
    assert str(caught.value)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999])
def test_good_closes(code):
    assert read(close_of(code, b"why")) == [(CLOSE, code.to_bytes(2, "big") + b"why")]
    assert read(raw(CLOSE)) == [(CLOSE, b"")]


@pytest.mark.parametrize(
    "data",
    [
        raw(BINARY, length=1 << 30),
        raw(BINARY, length=1 << 63),
        raw(BINARY, length=(1 << 64) - 1),
        raw(BINARY, b"x" * 600_000, fin=False) + raw(CONTINUATION, length=400_001),
        raw(TEXT, b"x" * 600_000, fin=False) + raw(CONTINUATION, b"", fin=False) + raw(CONTINUATION, length=400_001),
    ],
    ids=["1 GiB", "2^63", "2^64 - 1", "fragments", "three fragments"],
)
def test_too_much_is_refused_before_it_comes(data):
    with pytest.raises(TooLarge, match="more than 1000000 bytes"):
        read(data)


def test_the_bound_is_exact():
    assert read(raw(BINARY, b"x" * 10), most=10) == [(BINARY, b"x" * 10)]
    fragments = [raw(BINARY, b"x" * 5, fin=False), raw(CONTINUATION, b"", fin=False), raw(CONTINUATION, b"x" * 5)]
    assert read(*fragments, *fragments, most=10) == [(BINARY, b"x" * 10)] * 2
    for data in ([raw(BINARY, b"x" * 11)], [raw(BINARY, b"x" * 6, fin=False), raw(CONTINUATION, b"x" * 5)]):
        with pytest.raises(TooLarge):
            read(*data, most=10)


def test_nothing_is_taken_for_what_is_only_announced():
    library = library_on(Pieces([raw(BINARY, length=1 << 30)]), most=1 << 40)
    tracemalloc.start()
    try:
        with pytest.raises(TimeoutError):
            library.recv_data_frame()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000


def test_large_messages_and_many_fragments_take_linear_time():
    began = time.perf_counter()
    large = raw(BINARY, b"x" * 20_000_000)
    assert len(read(*(large[at : at + 1000] for at in range(0, len(large), 1000)), most=1 << 40)[0][1]) == 20_000_000
    pieces = [raw(BINARY, b"", fin=False), *[raw(CONTINUATION, b"x" * 500, fin=False)] * 40_000, raw(CONTINUATION)]
    assert len(read(b"".join(pieces), most=1 << 40)[0][1]) == 20_000_000
    assert time.perf_counter() - began < 5.0


def test_a_handshake_whose_time_is_over_is_not_waited_for():
    wire = Wire(Pieces([b"HTTP/1.1 101 Switching Protocols\r\n"]), b"", time.monotonic())
    with pytest.raises(TimeoutError, match="handshake"):
        wire.recv(1)
