"""JSON from servers: checked, bounded in depth, and decoded so that other threads get their turns."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable
from typing import Any

from ..core.errors import ProtocolError

WHOLE_BELOW_CHARS = 128 * 1024
"""Texts up to this length are decoded in one go, which holds the interpreter's lock for about a millisecond."""

_MOST_DIGITS = 400
"""An integer of more digits is no float any more; from 4,300 on Python refuses to read it."""


def _long_int(text: str) -> float:
    return int(text) if len(text) <= _MOST_DIGITS else math.copysign(math.inf, -1 if text.startswith("-") else 1)


_decoder = json.JSONDecoder()
_decoder_of_long_ints = json.JSONDecoder(parse_int=_long_int)
_space = re.compile(r"[ \t\n\r]*")


def decode_json(data: bytes | str | Iterable[bytes]) -> Any:
    """Return the decoded value; ``ProtocolError`` (code ``invalid_json``) for what is none or is nested too deeply.

    A long text is decoded member by member, two levels deep: the C decoder holds the lock for one member only. From the
    pieces of a long answer the text is made piece by piece as well.
    """
    try:
        return _decoded(data)
    except (ValueError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error}"[:200]
    del data  # neither as a local nor in the cause may the text live as long as the error, which jobs keep
    raise ProtocolError(
        f"The server's answer is not valid JSON ({problem}).",
        code="invalid_json",
        hint="Is this the address of the right server?",
    )


def _decoded(data: bytes | str | Iterable[bytes]) -> Any:
    text = data if isinstance(data, str) else _text_of((data,) if isinstance(data, bytes) else data)
    if len(text) <= WHOLE_BELOW_CHARS:
        value, end = _decode_at(text, _skip(text, 0))
    else:
        value, end = _value(text, _skip(text, 0), levels=2)
    if _skip(text, end) != len(text):
        raise ValueError(f"text after the value, at {end}")
    return value


def _decode_at(text: str, at: int) -> tuple[Any, int]:
    """Decode the value that begins there; an integer that Python refuses to read for its length is an infinity."""
    try:
        return _decoder.raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _decoder_of_long_ints.raw_decode(text, at)


def _text_of(pieces: Iterable[bytes]) -> str:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    texts = [decoder.decode(piece) for piece in pieces]
    texts.append(decoder.decode(b"", final=True))
    return "".join(texts)


def _skip(text: str, at: int) -> int:
    space = _space.match(text, at)
    assert space is not None
    return space.end()


def _value(text: str, at: int, levels: int) -> tuple[Any, int]:
    opening = text[at : at + 1]
    if levels and opening == "{":
        return _members(text, at, levels)
    if levels and opening == "[":
        return _items(text, at, levels)
    return _decode_at(text, at)


def _members(text: str, at: int, levels: int) -> tuple[dict[str, Any], int]:
    members: dict[str, Any] = {}
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return members, at + 1
    while True:
        name, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            raise ValueError(f"a member's name was expected at {at}")
        members[name], at = _value(text, _skip(text, at + 1), levels - 1)
        at, ended = _separator(text, at, "}")
        if ended:
            return members, at


def _items(text: str, at: int, levels: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return items, at + 1
    while True:
        item, at = _value(text, at, levels - 1)
        items.append(item)
        at, ended = _separator(text, at, "]")
        if ended:
            return items, at


def _separator(text: str, at: int, closing: str) -> tuple[int, bool]:
    at = _skip(text, at)
    mark = text[at : at + 1]
    if mark == ",":
        return _skip(text, at + 1), False
    if mark != closing:
        raise ValueError(f"',' or '{closing}' was expected at {at}")
    return at + 1, True
