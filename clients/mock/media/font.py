"""A small font of our own, in ``samples/painter.json``: 5 columns, 7 rows and 2 for descenders, printable ASCII.

Each glyph is its width and a string of base-32 digits, one a row, from the top; the bits are the columns, left first.
"""

from __future__ import annotations

import textwrap
import unicodedata
from functools import lru_cache

from .samples import PAINTER

ROWS = 9
WIDEST = 6
"""Columns of the widest character and the gap behind it."""
_GLYPHS: dict[str, tuple[int, str]] = PAINTER["glyphs"]
_REPLACEMENTS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "ß": "ss"})


@lru_cache(maxsize=256)
def glyph(character: str) -> tuple[tuple[int, ...], int]:
    """Return the rows of a character as integers, the leftmost column as the highest bit, and its width."""
    width, digits = _GLYPHS.get(character, _GLYPHS["\0"])
    return tuple(int(digit, 32) for digit in digits.ljust(ROWS, "0")), width


def text_width(text: str) -> int:
    """Return the columns that ``text`` takes at scale 1."""
    return sum(glyph(character)[1] + 1 for character in text) - 1


def wrap(text: str, width: int) -> list[str]:
    """Break ``text`` into at most three lines of ``width`` columns; dots stand for omitted text.

    Accents are dropped; characters that the font lacks become a box.
    """
    plain = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_REPLACEMENTS))
    known = "".join(each if each in _GLYPHS else "\0" for each in plain if not unicodedata.combining(each))
    return textwrap.wrap(known, width // WIDEST, max_lines=3, placeholder="...")
