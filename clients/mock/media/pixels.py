"""Pictures as rows of RGB bytes, and the arithmetic on them that is quick without numpy.

A row is treated as one large integer where all bytes can be handled at once; other work uses ``bytes.translate`` and
slices. Nothing here holds the interpreter for longer than a row takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter

Pause = Callable[[], None]
"""Called between slices of work, so that other threads run."""


def no_pause() -> None:
    """Do nothing between slices."""


@dataclass(frozen=True)
class Pixels:
    """An RGB picture, 8 bits a channel, rows from the top."""

    width: int
    height: int
    data: bytes = field(repr=False)

    @classmethod
    def plain(cls, width: int, height: int, colour: bytes) -> Pixels:
        return cls(width, height, colour * (width * height))

    @classmethod
    def from_rows(cls, width: int, rows: list[bytes]) -> Pixels:
        return cls(width, len(rows), b"".join(rows))

    def row(self, y: int) -> bytes:
        stride = 3 * self.width
        return self.data[y * stride : (y + 1) * stride]

    def scaled(self, width: int, height: int, *, crop: bool = False, pause: Pause = no_pause) -> Pixels:
        """Return the picture at another size, each pixel the mean of four samples; ``crop`` keeps the proportions."""
        if (width, height) == (self.width, self.height):
            return self
        box_width, box_height = float(self.width), float(self.height)
        if crop:
            box_width = min(box_width, box_height * width / height)
            box_height = min(box_height, box_width * height / width)
        left, top = (self.width - box_width) / 2, (self.height - box_height) / 2
        left_columns, right_columns = _sample_places(left, box_width / width, width, self.width)
        pickers = [itemgetter(*columns, 0) for columns in (left_columns, right_columns)]
        rows = []
        for upper, lower in zip(*_sample_places(top, box_height / height, height, self.height), strict=True):
            row, out = average(self.row(upper), self.row(lower)), bytearray(3 * width)
            for channel in range(3):
                first, second = (bytes(pick(row[channel::3]))[:width] for pick in pickers)
                out[channel::3] = average(first, second)
            rows.append(bytes(out))
            pause()
        return Pixels.from_rows(width, rows)


def _sample_places(start: float, step: float, count: int, limit: int) -> list[list[int]]:
    """Return, for the first and the second sample of each pixel, the places to take it from."""
    places = range(count)
    return [[min(limit - 1, int(start + (place + part) * step)) for place in places] for part in (0.25, 0.75)]


@lru_cache(maxsize=64)
def _even_bits(length: int) -> int:
    return int.from_bytes(b"\xfe" * length, "little")


def average(first: bytes, second: bytes) -> bytes:
    """Return the mean of two rows, byte by byte."""
    a, b = int.from_bytes(first, "little"), int.from_bytes(second, "little")
    return ((a & b) + (((a ^ b) & _even_bits(len(first))) >> 1)).to_bytes(len(first), "little")


def add_rows(first: bytes, second: bytes) -> bytes:
    """Return the sum of two rows; no byte of it may be over 255."""
    total = int.from_bytes(first, "little") + int.from_bytes(second, "little")
    return total.to_bytes(len(first), "little")


def merge_rows(below: bytes, above: bytes, mask: bytes) -> bytes:
    """Return ``above`` where ``mask`` is 255, and ``below`` where it is 0."""
    a, b, m = (int.from_bytes(each, "little") for each in (above, below, mask))
    return (b ^ ((a ^ b) & m)).to_bytes(len(below), "little")


def double_row(row: bytes) -> bytes:
    """Return a row twice as wide, every other pixel the mean of its neighbours."""
    between = average(row, row[3:] + row[-3:])
    out = bytearray(2 * len(row))
    for channel in range(3):
        out[channel::6] = row[channel::3]
        out[channel + 3 :: 6] = between[channel::3]
    return bytes(out)


def grey_row(plane: bytes) -> bytes:
    """Return a row whose three channels are ``plane``."""
    out = bytearray(3 * len(plane))
    for channel in range(3):
        out[channel::3] = plane
    return bytes(out)
