"""Undoing gzip and deflate piece by piece."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from movie_director.clients.errors import ProtocolError
from movie_director.clients.http.encoding import Decoder

TEXT = b"a text that repeats, that repeats, " * 50


def bare(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def decoded(encoding, packed, sizes=(1,), most=100):
    decoder = Decoder(encoding)
    parts = []
    at = turn = 0
    while at < len(packed):
        size = sizes[turn % len(sizes)]
        decoder.waiting += packed[at : at + size]
        at, turn = at + size, turn + 1
        while part := decoder.decode(most):
            assert len(part) <= most
            parts.append(part)
    return b"".join(parts), decoder.finished


@example(b"\0\0\0\0\1\0\0\2\0\0\0\x90", ("deflate", bare), [2], 1)
@given(
    st.binary(max_size=500) | st.just(TEXT),
    st.sampled_from(
        [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", bare)]
    ),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.integers(1, 200),
)
def test_any_split_gives_the_same(data, how, sizes, most):
    encoding, pack = how
    assert decoded(encoding, pack(data), sizes, most) == (data, True)


def test_members_that_follow_one_another_and_padding():
    packed = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two")
    for sizes in [(1,), (7,), (1000,)]:
        assert decoded("gzip", packed + b"\0" * 9, sizes) == (b"one two", True)
    assert decoded("deflate", zlib.compress(b"one") + b"rest", (1000,)) == (b"one", True)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_cut_is_seen(pack):
    packed = pack(TEXT)
    encoding = "gzip" if pack is gzip.compress else "deflate"
    for end in range(1, len(packed)):
        assert decoded(encoding, packed[:end], (1000,))[1] is False
    assert Decoder(encoding).finished


def test_a_bomb_comes_out_slice_by_slice():
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(100)) + packer.flush()
    assert len(bomb) < 200_000
    decoder = Decoder("gzip")
    decoder.waiting = bomb
    assert len(decoder.decode(1000)) == 1000
    assert len(decoder.waiting) <= len(bomb)
    assert not decoder.finished


@pytest.mark.parametrize(("encoding", "packed"), [("gzip", b"no gzip at all"), ("deflate", b"\x78\x9c\xff\xff\xff")])
def test_what_is_not_packed_so(encoding, packed):
    with pytest.raises(ProtocolError) as caught:
        decoded(encoding, packed, (100,))
    assert caught.value.code == "bad_encoding"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "x" * 1000])
def test_what_was_not_asked_for(encoding):
    with pytest.raises(ProtocolError) as caught:
        Decoder(encoding)
    assert caught.value.code == "bad_encoding"
    assert len(str(caught.value)) < 300
