"""A small baseline JPEG encoder: pure Python, quick, no detail finer than 2 pixels.

A picture is coded at twice its width and height: each 4 x 4 pixels become the low frequencies of one 8 x 8 block, which
is a smooth enlargement and a sixteenth of the work. Each macroblock (8 x 8 pixels given, 16 x 16 shown) is coded by
itself between restart markers, so that frames of a movie can be assembled from macroblocks that are coded once.

Facts: ITU-T T.81. One quantisation table and one pair of Huffman tables serve brightness and colours; the code lengths
are those of its annex K.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from .pixels import Pixels, add_rows, average

MACROBLOCK = 8
"""Pixels of the picture given, along each side of a macroblock; twice as many are shown."""

_STEPS = tuple(6 + 3 * (row + column) for row in range(4) for column in range(4))
"""The quantisation of the sixteen low frequencies, row by row."""
_ZIGZAG = sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8))
_PLACES = [at // 8 * 4 + at % 8 if at < 32 and at % 8 < 4 else -1 for at in _ZIGZAG]
"""The zigzag's places among the sixteen low frequencies; -1: a frequency that is always 0."""
_LAST = 24
"""The last place in the zigzag of a frequency that may not be 0."""

_LIKELY = sorted((run << 4 | size for run in range(16) for size in range(1, 11)), key=lambda at: at // 16 + at % 16 * 2)
_DC = (0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0), bytes(range(12))
_AC = (
    (0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125),
    bytes([0, *_LIKELY, 0xF0]),
)
"""How many codes there are of each length from 1 to 16 bits, and their symbols, the likely ones first."""


def _make_codes(counts: Sequence[int], symbols: bytes) -> dict[int, tuple[int, int]]:
    """Return each symbol's code and its length."""
    codes = {}
    code, rest = 0, iter(symbols)
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            codes[next(rest)] = (code, length)
            code += 1
        code <<= 1
    return codes


_DC_CODES, _AC_CODES = _make_codes(*_DC), _make_codes(*_AC)


def encode(picture: Pixels) -> bytes:
    """Encode ``picture`` as a JPEG of twice its width and height."""
    return assemble(2 * picture.width, 2 * picture.height, encode_macroblocks(picture))


def assemble(width: int, height: int, rows: Sequence[Sequence[bytes]]) -> bytes:
    """Make a JPEG of macroblocks, row by row from the top, as many as ``width`` x ``height`` pixels need."""
    parts = [_head(width, height)]
    for number, block in enumerate(block for row in rows for block in row):
        parts += (block, bytes((0xFF, 0xD0 + number % 8)))
    parts[-1] = b"\xff\xd9"
    return b"".join(parts)


def _head(width: int, height: int) -> bytes:
    steps = bytes(_STEPS[at] if at >= 0 else 99 for at in _PLACES)
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes((1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0))
    segments = [(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"), (0xDB, b"\0" + steps), (0xC0, frame)]
    segments += [(0xC4, bytes((kind, *counts)) + symbols) for kind, (counts, symbols) in ((0, _DC), (0x10, _AC))]
    segments += [(0xDD, b"\0\1"), (0xDA, bytes((3, 1, 0, 2, 0, 3, 0, 0, 63, 0)))]
    return b"\xff\xd8" + b"".join(struct.pack(">BBH", 0xFF, mark, len(body) + 2) + body for mark, body in segments)


def encode_macroblocks(picture: Pixels) -> list[list[bytes]]:
    """Encode ``picture`` as rows of macroblocks; its last pixels are repeated to fill them."""
    padded_width = -(-picture.width // MACROBLOCK) * MACROBLOCK
    rows = []
    for top in range(0, picture.height, MACROBLOCK):
        lines = [_planes(picture.row(min(top + line, picture.height - 1)), padded_width) for line in range(MACROBLOCK)]
        light, *colours = zip(*lines, strict=True)
        halves = [[average(one, two) for one, two in zip(plane[::2], plane[1::2], strict=True)] for plane in colours]
        small = [[average(line[::2], line[1::2]) for line in plane] for plane in halves]
        rows.append([_macroblock(light, small, left) for left in range(0, padded_width, MACROBLOCK)])
    return rows


_TABLES = [
    [bytes(int(start + value * share) for value in range(256)) for start, share in channels]
    for channels in (
        ((0, 0.299), (0, 0.587), (0, 0.114)),
        ((43, -0.1687), (85, -0.3313), (0, 0.5)),
        ((0, 0.5), (107, -0.4187), (21, -0.0813)),
    )
]


def _planes(row: bytes, padded_width: int) -> list[bytes]:
    """Return brightness and the two colour differences of a row of pixels."""
    row += row[-3:] * (padded_width - len(row) // 3)
    channels = [row[channel::3] for channel in range(3)]
    planes = []
    for tables in _TABLES:
        red, green, blue = (plane.translate(table) for plane, table in zip(channels, tables, strict=True))
        planes.append(add_rows(add_rows(red, green), blue))
    return planes


def _macroblock(light: Sequence[bytes], colours: Sequence[Sequence[bytes]], left: int) -> bytes:
    """Encode four blocks of brightness and one of each colour difference, independent of all before."""
    blocks = [[line[x : x + 4] for line in light[y : y + 4]] for y in (0, 4) for x in (left, left + 4)]
    blocks += [[line[left // 2 : left // 2 + 4] for line in rows] for rows in colours]
    bits = length = before = 0
    for number, block in enumerate(blocks):
        values = _quantise(block)
        value, count = _huffman(values, before if number < 4 else 0)
        bits, length, before = bits << count | value, length + count, values[0]
    spare = -length % 8
    data = (bits << spare | (1 << spare) - 1).to_bytes((length + spare) // 8, "big")
    return data.replace(b"\xff", b"\xff\0")


_C1, _C3 = math.cos(math.pi / 8), math.cos(3 * math.pi / 8)
_NORMS = (0.5, math.sqrt(0.5), 0.5, math.sqrt(0.5))
_SCALES = [2 * _NORMS[at // 4] * _NORMS[at % 4] / _STEPS[at] for at in range(16)]
"""What makes a sum of products a coefficient of the orthonormal transform, doubled, in quantisation steps."""
_MIDDLE = round(16 * 128 * _SCALES[0])


def _transform(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    outer, inner, tilt, bend = a + d, b + c, a - d, b - c
    return outer + inner, tilt * _C1 + bend * _C3, outer - inner, tilt * _C3 - bend * _C1


def _quantise(samples: Sequence[Sequence[int]]) -> list[int]:
    """Return the sixteen low frequencies of a block, row by row, in quantisation steps."""
    columns = zip(*(_transform(*line) for line in samples), strict=True)
    rows = zip(*(_transform(*column) for column in columns), strict=True)
    found = [round(value * scale) for value, scale in zip((each for row in rows for each in row), _SCALES, strict=True)]
    found[0] -= _MIDDLE
    return found


def _huffman(values: list[int], before: int) -> tuple[int, int]:
    """Return the Huffman code of one block, as bits and their number."""
    size, extra = _magnitude(values[0] - before)
    code, length = _DC_CODES[size]
    bits, count = code << size | extra, length + size
    before_place = 0
    for place, at in enumerate(_PLACES[1 : _LAST + 1], 1):
        if at < 0 or not values[at]:
            continue
        zeros = place - before_place - 1
        for _ in range(zeros >> 4):
            code, length = _AC_CODES[0xF0]
            bits, count = bits << length | code, count + length
        size, extra = _magnitude(values[at])
        code, length = _AC_CODES[(zeros & 15) << 4 | size]
        bits, count, before_place = (bits << length | code) << size | extra, count + length + size, place
    code, length = _AC_CODES[0]
    return bits << length | code, count + length


def _magnitude(value: int) -> tuple[int, int]:
    """Return the number of bits of a value, and the bits."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1
