"""A small font of our own, in ``samples/painter.json``: 5 columns, 7 rows and 2 for descenders, printable ASCII.

Each glyph is a string of base-32 digits, one a row, from the top; the five bits are the columns, left first.
"""

from __future__ import annotations

import textwrap
import unicodedata
from functools import lru_cache

from .samples import PAINTER

ROWS = 9
WIDEST = 6
"""Columns of the widest character and the gap behind it."""
_GLYPHS: dict[str, str] = PAINTER["glyphs"]
_REPLACEMENTS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "ß": "ss"})


@lru_cache(maxsize=256)
def glyph(character: str) -> tuple[tuple[int, ...], int]:
    """Return the rows of a character as integers, the leftmost column as the highest bit, and its width."""
    digits = _GLYPHS.get(character, _GLYPHS["\0"])
    rows = [int(digit, 32) for digit in digits] + [0] * (ROWS - len(digits))
    used = 0
    for row in rows:
        used |= row
    if not used:
        return tuple(rows), 3
    right = (used & -used).bit_length() - 1
    return tuple(row >> right for row in rows), used.bit_length() - right


def text_width(text: str) -> int:
    """Return the columns that ``text`` takes at scale 1."""
    return sum(glyph(character)[1] + 1 for character in text) - 1


def wrap(text: str, width: int) -> list[str]:
    """Break ``text`` into at most three lines of ``width`` columns; dots stand for what is left out.

    Accents are dropped; characters that the font lacks become a box.
    """
    plain = unicodedata.normalize("NFKD", " ".join(text.split()).translate(_REPLACEMENTS))
    known = "".join(each if each in _GLYPHS else "\0" for each in plain if not unicodedata.combining(each))
    return textwrap.wrap(known, width // WIDEST, max_lines=3, placeholder="...")
