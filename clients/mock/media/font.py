"""A small font of our own: 5 columns, 7 rows and 2 for descenders, printable ASCII.

Each glyph is a string of base-32 digits, one a row, from the top; the five bits are the columns, left first.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

ROWS = 9
_GLYPHS = {
    " ": "0", "!": "4444404", '"': "aaa", "#": "aavavaa", "$": "4fke5u4", "%": "op248j3", "&": "cik8lid", "'": "c48",
    "(": "2488842", ")": "8422248", "*": "04lel4", "+": "044v44", ",": "00000c48", "-": "000e", ".": "00000cc",
    "/": "01248g", "0": "ehjlphe", "1": "4c4444e", "2": "eh1248v", "3": "v2421he", "4": "26aiv22", "5": "vgu11he",
    "6": "68guhhe", "7": "v124888", "8": "ehhehhe", "9": "ehhf12c", ":": "0cc0cc", ";": "0cc0c48", "<": "248g842",
    "=": "00v0v", ">": "8421248", "?": "eh12404", "@": "eh1dlle", "A": "ehhvhhh", "B": "uhhuhhu", "C": "ehggghe",
    "D": "uhhhhhu", "E": "vgguggv", "F": "vgguggg", "G": "ehgnhhf", "H": "hhhvhhh", "I": "e44444e", "J": "72222ic",
    "K": "hikokih", "L": "ggggggv", "M": "hrllhhh", "N": "hpljhhh", "O": "ehhhhhe", "P": "uhhuggg", "Q": "ehhhlid",
    "R": "uhhukih", "S": "fgge11u", "T": "v444444", "U": "hhhhhhe", "V": "hhhhha4", "W": "hhhllla", "X": "hha4ahh",
    "Y": "hha4444", "Z": "v1248gv", "[": "e88888e", "\\": "0g8421", "]": "e22222e", "^": "4ah", "_": "000000v",
    "`": "842", "a": "00e1fhf", "b": "ggmphhu", "c": "00eggge", "d": "11djhhf", "e": "00ehvge", "f": "698s888",
    "g": "00fhhhf1e", "h": "ggmphhh", "i": "40c444e", "j": "2062222ic", "k": "ggikoki", "l": "c44444e", "m": "00qllhh",
    "n": "00mphhh", "o": "00ehhhe", "p": "00uhhhugg", "q": "00fhhhf11", "r": "00mpggg", "s": "00fge1u", "t": "88s8896",
    "u": "00hhhjd", "v": "00hhha4", "w": "00hhlla", "x": "00ha4ah", "y": "00hhhhf1e", "z": "00v248v", "{": "2448442",
    "|": "4444444", "}": "8442448", "~": "008l2", "\0": "vhhhhhv",
}  # fmt: skip
_REPLACEMENTS = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "ß": "ss", "\u00a0": " "}


@lru_cache(maxsize=256)
def glyph(character: str) -> tuple[tuple[int, ...], int]:
    """The rows of a character as integers (the leftmost column is the highest of ``width`` bits), and its width."""
    digits = _GLYPHS.get(character, _GLYPHS["\0"])
    rows = [int(digit, 32) for digit in digits] + [0] * (ROWS - len(digits))
    used = 0
    for row in rows:
        used |= row
    if not used:
        return tuple(rows), 3
    right = (used & -used).bit_length() - 1
    return tuple(row >> right for row in rows), used.bit_length() - right


def plain(text: str) -> str:
    """``text`` in the characters the font has: accents dropped, the rest becomes a box."""
    replaced = "".join(_REPLACEMENTS.get(each, each) for each in text)
    bare = (each for each in unicodedata.normalize("NFKD", replaced) if not unicodedata.combining(each))
    return "".join(each if each in _GLYPHS else "\0" for each in " ".join("".join(bare).split()))


def text_width(text: str) -> int:
    """Columns that ``text`` takes at scale 1."""
    return sum(glyph(character)[1] + 1 for character in text) - 1 if text else 0


def wrapped(text: str, width: int, most: int) -> list[str]:
    """``text`` in at most ``most`` lines of ``width`` columns, the last ending in dots where something is left out."""
    lines: list[str] = []
    line = ""
    for word in _broken(text.split(" "), width):
        longer = f"{line} {word}" if line else word
        if text_width(longer) <= width:
            line = longer
            continue
        lines.append(line)
        line = word
    lines = [each for each in [*lines, line] if each]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and text_width(last + "...") > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + "..."]


def _broken(words: list[str], width: int) -> list[str]:
    """Words, those wider than a line cut into pieces."""
    pieces = []
    for word in words:
        rest = word
        while text_width(rest) > width and len(rest) > 1:
            fitting = len(rest)
            while fitting > 1 and text_width(rest[:fitting]) > width:
                fitting -= 1
            pieces.append(rest[:fitting])
            rest = rest[fitting:]
        pieces.append(rest)
    return pieces
