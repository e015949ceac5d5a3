"""Reads texts, numbers, lists and objects from untyped JSON.

A server may send any value: NaN, 1e999, an integer of thousands of digits, a list in place of a text. A value of
another kind than the requested one counts as missing; nothing here raises.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, TypeGuard

MAX_INT = 2**64 - 1
"""The largest whole number that any of the protocols uses (a seed)."""

_MAX_DIGITS = 20
_MAX_NUMBER_CHARS = 64
_MAX_VERSION_CHARS = 64
_VERSION_PART = re.compile(r"[0-9]{1,9}")


def is_number(value: Any) -> TypeGuard[float]:
    """Return True if the value is a finite number within a float's range, and not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_int(value: Any) -> TypeGuard[int]:
    """Return True if the value is an int, and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def as_number(value: Any, *, least: float = -sys.float_info.max, most: float = sys.float_info.max) -> float | None:
    """Return a number between ``least`` and ``most`` as it is, None for anything else."""
    return value if is_number(value) and least <= value <= most else None


def as_int(value: Any, *, least: int = -MAX_INT, most: int = MAX_INT) -> int | None:
    """Return a whole number between ``least`` and ``most``, also if it is written as 3.0; None for anything else."""
    return int(value) if is_number(value) and least <= value <= most and value == value // 1 else None


def parse_int(text: str) -> int | None:
    """Return the number that ASCII digits stand for, None for other texts and for numbers of more than 20 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def parse_number(value: Any) -> float | None:
    """Return a number, also one that is written as a text, None for anything else."""
    if isinstance(value, str) and len(value) <= _MAX_NUMBER_CHARS:
        try:
            value = float(value)
        except ValueError:
            return None
    return as_number(value)


def parse_version(text: Any) -> tuple[int, ...]:
    """Return the first three numbers in a version such as ``v0.3.45-dev``; empty for what has none."""
    return tuple(int(each) for each in _VERSION_PART.findall(as_text(text)[:_MAX_VERSION_CHARS])[:3])


def as_text(value: Any, default: str = "") -> str:
    """Return a text, ``default`` for anything else."""
    return value if isinstance(value, str) else default


def as_list(value: Any) -> list[Any]:
    """Return a list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_object(value: Any) -> Mapping[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def get_member(value: Any, *names: str) -> Any:
    """Return the member under the names through nested objects, None if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def get_objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list, without its other items."""
    return [each for each in as_list(value) if isinstance(each, Mapping)]


def get_texts(value: Any) -> list[str]:
    """Return the texts in a list, without its other items."""
    return [each for each in as_list(value) if isinstance(each, str)]
