"""Pictures as rows of RGB bytes, and the arithmetic on them that stays quick without numpy.

A row is treated as one large integer where every byte can be handled at once; other work goes through
``bytes.translate`` and slices. Nothing here holds the interpreter for more than a row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

Breathe = Callable[[], None]


def no_breath() -> None:
    """For callers with nothing else to let run."""


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

    def mapped(self, table: bytes) -> Pixels:
        """Every byte looked up in a table of 256."""
        return Pixels(self.width, self.height, self.data.translate(table))

    def scaled(self, width: int, height: int, *, crop: bool = False, breathe: Breathe = no_breath) -> Pixels:
        """The picture at another size, each pixel the mean of four samples; ``crop`` keeps the proportions."""
        if (width, height) == (self.width, self.height):
            return self
        box_width, box_height = float(self.width), float(self.height)
        if crop:
            box_width = min(box_width, box_height * width / height)
            box_height = min(box_height, box_width * height / width)
        left, top = (self.width - box_width) / 2, (self.height - box_height) / 2
        columns = [_samples(left, box_width / width, width, self.width, part) for part in (0.25, 0.75)]
        lines = [_samples(top, box_height / height, height, self.height, part) for part in (0.25, 0.75)]
        pickers = [itemgetter(*line, line[0]) for line in columns]
        rows = []
        for upper, lower in zip(*lines, strict=True):
            rows.append(_resampled(average(self.row(upper), self.row(lower)), pickers, width))
            breathe()
        return Pixels.from_rows(width, rows)


def _samples(start: float, step: float, count: int, limit: int, part: float) -> list[int]:
    return [min(limit - 1, max(0, int(start + (index + part) * step))) for index in range(count)]


def _resampled(row: bytes, pickers: list[itemgetter[Any]], width: int) -> bytes:
    out = bytearray(3 * width)
    for channel in range(3):
        plane = row[channel::3]
        first, second = (bytes(pick(plane))[:width] for pick in pickers)
        out[channel::3] = average(first, second)
    return bytes(out)


@lru_cache(maxsize=64)
def _even_bits(length: int) -> int:
    return int.from_bytes(b"\xfe" * length, "little")


def average(first: bytes, second: bytes) -> bytes:
    """The mean of two rows, byte by byte."""
    a, b = int.from_bytes(first, "little"), int.from_bytes(second, "little")
    return ((a & b) + (((a ^ b) & _even_bits(len(first))) >> 1)).to_bytes(len(first), "little")


def add(first: bytes, second: bytes) -> bytes:
    """The sum of two rows; no byte may go over 255."""
    total = int.from_bytes(first, "little") + int.from_bytes(second, "little")
    return total.to_bytes(len(first), "little")


def masked(below: bytes, above: bytes, mask: int) -> bytes:
    """``above`` where ``mask`` (an integer of the row's length, bytes 0 or 255) is set, else ``below``."""
    a, b = int.from_bytes(above, "little"), int.from_bytes(below, "little")
    return (b ^ ((a ^ b) & mask)).to_bytes(len(below), "little")


def doubled(row: bytes) -> bytes:
    """A row twice as wide, every other pixel the mean of its neighbours."""
    between = average(row, row[3:] + row[-3:])
    out = bytearray(2 * len(row))
    for channel in range(3):
        out[channel::6] = row[channel::3]
        out[channel + 3 :: 6] = between[channel::3]
    return bytes(out)


def grey_row(plane: bytes) -> bytes:
    """A row whose three channels are ``plane``."""
    out = bytearray(3 * len(plane))
    for channel in range(3):
        out[channel::3] = plane
    return bytes(out)
