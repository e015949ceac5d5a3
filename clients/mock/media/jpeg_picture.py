"""A small baseline JPEG encoder for the mocks' previews and movies: pure Python, quick, no detail finer than 2 pixels.

A picture is coded at twice its width and height: each 4 x 4 pixels become the low frequencies of one 8 x 8 block, which
is a smooth enlargement and a sixteenth of the work. Each macroblock (8 x 8 pixels given, 16 x 16 shown) is coded by
itself between restart markers, so that frames of a movie are put together from macroblocks that are coded once.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache

from .pixels import Breathe, Pixels, add, no_breath

MACROBLOCK = 8
"""Pixels of the picture given, along each side of a macroblock; twice as many are shown."""

_LUMA = (16, 11, 10, 16, 12, 12, 14, 19, 14, 13, 16, 24, 14, 17, 22, 29)
_CHROMA = (17, 18, 24, 47, 18, 21, 26, 66, 24, 26, 56, 99, 47, 66, 99, 99)
"""The low frequencies, row by row, of the tables in the standard's annex K; the rest is not used."""
_HIGH = 99
_QUALITY = 0.5

_DC_LUMA = (0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0), bytes(range(12))
_DC_CHROMA = (0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0), bytes(range(12))
_AC_LUMA = (
    (0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125),
    bytes.fromhex(
        "0102030004110512213141061351610722711432"
        "8191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a5354555657"
        "58595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7"
        "b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    ),
)
_AC_CHROMA = (
    (0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119),
    bytes.fromhex(
        "0001020311040521310612415107617113223281"
        "08144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a5354555657"
        "58595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6"
        "b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
    ),
)

Codes = dict[int, tuple[int, int]]
"""Symbol -> (bits, how many)."""


def encode(picture: Pixels, *, breathe: Breathe = no_breath) -> bytes:
    """``picture`` as a JPEG of twice its width and height."""
    return assembled(2 * picture.width, 2 * picture.height, macroblocks(picture, breathe=breathe))


def assembled(width: int, height: int, rows: list[list[bytes]]) -> bytes:
    """A JPEG of macroblocks, row by row from the top, as many as ``width`` x ``height`` pixels need."""
    parts = [head(width, height)]
    number = 0
    for row in rows:
        for block in row:
            parts += (block, _RESTARTS[number & 7])
            number += 1
    parts[-1] = b"\xff\xd9"
    return b"".join(parts)


def macroblocks(picture: Pixels, *, breathe: Breathe = no_breath) -> list[list[bytes]]:
    """The coded macroblocks of ``picture``, row by row; its last pixels are repeated where one is not full."""
    padded_width = -(-picture.width // MACROBLOCK) * MACROBLOCK
    rows = []
    for top in range(0, picture.height, MACROBLOCK):
        lines = [_planes(picture.row(min(top + line, picture.height - 1)), padded_width) for line in range(MACROBLOCK)]
        rows.append([_macroblock(lines, left) for left in range(0, padded_width, MACROBLOCK)])
        breathe()
    return rows


def _planes(row: bytes, padded_width: int) -> tuple[bytes, bytes, bytes]:
    """Brightness and the two colour differences of a row of pixels."""
    row += row[-3:] * (padded_width - len(row) // 3)
    red, green, blue = row[0::3], row[1::3], row[2::3]
    planes = [
        add(add(red.translate(parts[0]), green.translate(parts[1])), blue.translate(parts[2])) for parts in _tables()
    ]
    return planes[0], planes[1], planes[2]


@lru_cache(maxsize=1)
def _tables() -> tuple[tuple[bytes, ...], ...]:
    shares = (
        ((0, 0.299), (0, 0.587), (0, 0.114)),
        ((43, -0.1687), (85, -0.3313), (0, 0.5)),
        ((0, 0.5), (107, -0.4187), (21, -0.0813)),
    )
    return tuple(
        tuple(bytes(int(start + value * share) for value in range(256)) for start, share in channels)
        for channels in shares
    )


# Blocks


def _macroblock(lines: list[tuple[bytes, bytes, bytes]], left: int) -> bytes:
    """Four blocks of brightness and one of each colour difference, coded from a fresh start."""
    bits = length = before = 0
    for top in (0, 4):
        for start in (left, left + 4):
            samples = [lines[top + line][0][start : start + 4] for line in range(4)]
            values = _quantised(samples, _scales()[0])
            value, count = _coded(values, before, *_codes()[0])
            bits, length, before = bits << count | value, length + count, values[0]
    for plane in (1, 2):
        means = []
        for line in range(0, 8, 2):
            first, second = lines[line][plane][left : left + 8], lines[line + 1][plane][left : left + 8]
            sums = [one + other for one, other in zip(first, second, strict=True)]
            means.append([(sums[at] + sums[at + 1]) / 4 for at in (0, 2, 4, 6)])
        value, count = _coded(_quantised(means, _scales()[1]), 0, *_codes()[1])
        bits, length = bits << count | value, length + count
    spare = -length % 8
    data = (bits << spare | (1 << spare) - 1).to_bytes((length + spare) // 8, "big")
    return data.replace(b"\xff", b"\xff\0")


_C1, _C3 = math.cos(math.pi / 8), math.cos(3 * math.pi / 8)


def _quantised(samples: list[bytes] | list[list[float]], scales: tuple[float, ...]) -> list[int]:
    """The sixteen low frequencies of a block, row by row, in the steps of the quantisation table."""
    columns: list[tuple[float, float, float, float]] = []
    for a, b, c, d in samples:
        outer, inner, tilt, bend = a + d, b + c, a - d, b - c
        columns.append((outer + inner, tilt * _C1 + bend * _C3, outer - inner, tilt * _C3 - bend * _C1))
    found = [0] * 16
    for at in range(4):
        a, b, c, d = (column[at] for column in columns)
        outer, inner, tilt, bend = a + d, b + c, a - d, b - c
        values = (outer + inner, tilt * _C1 + bend * _C3, outer - inner, tilt * _C3 - bend * _C1)
        for line, value in enumerate(values):
            found[4 * line + at] = round(value * scales[4 * line + at])
    found[0] -= round(_MIDDLE * scales[0])
    return found


_MIDDLE = 16 * 128


@lru_cache(maxsize=1)
def _scales() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What makes a sum of products a quantised coefficient: that of the orthonormal transform, doubled, in steps."""
    norms = (0.5, math.sqrt(0.5), 0.5, math.sqrt(0.5))
    scales = []
    for table in (_LUMA, _CHROMA):
        steps = [_step(value) for value in table]
        scales.append(tuple(2 * norms[at // 4] * norms[at % 4] / steps[at] for at in range(16)))
    return scales[0], scales[1]


def _step(value: int) -> int:
    return max(1, round(value * _QUALITY))


def _coded(values: list[int], before: int, dc: Codes, ac: Codes) -> tuple[int, int]:
    """The Huffman code of one block: its bits and how many."""
    size, extra = _sized(values[0] - before)
    code, length = dc[size]
    bits, count = code << size | extra, length + size
    zeros = 0
    for frequency, at in _ORDER:
        value = values[at] if at >= 0 else 0
        if not value:
            zeros += 1
            continue
        if zeros > 15:
            code, length = ac[0xF0]
            bits, count, zeros = bits << length | code, count + length, zeros - 16
        size, extra = _sized(value)
        code, length = ac[zeros << 4 | size]
        bits = (bits << length | code) << size | extra
        count += length + size
        zeros = 0
        if frequency == _LAST:
            break
    code, length = ac[0]
    return bits << length | code, count + length


_ORDER = (
    (1, 1), (2, 4), (3, 8), (4, 5), (5, 2), (6, 3), (7, 6), (8, 9), (9, 12), (10, -1), (11, 13), (12, 10), (13, 7),
    (14, -1), (15, -1), (16, -1), (17, 11), (18, 14), (19, -1), (20, -1), (21, -1), (22, -1), (23, -1), (24, 15),
)  # fmt: skip
"""(place in the zigzag, place among the sixteen; -1: a frequency that is always 0)."""
_LAST = 24


def _sized(value: int) -> tuple[int, int]:
    """How many bits a value takes, and those bits."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1


# Tables and headers


@lru_cache(maxsize=1)
def _codes() -> tuple[tuple[Codes, Codes], tuple[Codes, Codes]]:
    return (_huffman(*_DC_LUMA), _huffman(*_AC_LUMA)), (_huffman(*_DC_CHROMA), _huffman(*_AC_CHROMA))


def _huffman(counts: tuple[int, ...], symbols: bytes) -> Codes:
    codes: Codes = {}
    code, rest = 0, iter(symbols)
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            codes[next(rest)] = (code, length)
            code += 1
        code <<= 1
    return codes


_RESTARTS = [bytes((0xFF, 0xD0 + number)) for number in range(8)]


@lru_cache(maxsize=8)
def head(width: int, height: int) -> bytes:
    """Everything before the macroblocks."""
    parts = [b"\xff\xd8", _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")]
    parts += [_segment(0xDB, bytes((number,)) + _zigzag(table)) for number, table in enumerate((_LUMA, _CHROMA))]
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes((1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))
    parts.append(_segment(0xC0, frame))
    for kind, (counts, symbols) in ((0, _DC_LUMA), (0x10, _AC_LUMA), (1, _DC_CHROMA), (0x11, _AC_CHROMA)):
        parts.append(_segment(0xC4, bytes((kind, *counts)) + symbols))
    parts += [_segment(0xDD, struct.pack(">H", 1)), _segment(0xDA, bytes((3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0)))]
    return b"".join(parts)


def _zigzag(table: tuple[int, ...]) -> bytes:
    steps = [_HIGH] * 64
    steps[0] = _step(table[0])
    for frequency, at in _ORDER:
        steps[frequency] = _step(table[at]) if at >= 0 else _HIGH
    return bytes(steps)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
