"""The edits by which a generator's later yields tell what has changed since the one before.

Facts: an output's new value is a list of ``[action, path, value]``, action replace, append, add or delete; an empty
list leaves it as it is; an empty path is the whole value. ``append`` lengthens a text or a list at its end, ``add``
puts a member into an object or an item into a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import ProtocolError

_ACTIONS = frozenset({"replace", "append", "add", "delete"})
_PART_BYTES = 8


def apply_diff(values: Sequence[Any], edits: Sequence[Any]) -> list[Any]:
    """Return the outputs after one yield's edits; ``values`` and what is in them stay as they are.

    Raises ``ProtocolError`` (code ``bad_edit``) for edits that don't fit.
    """
    try:
        if len(edits) != len(values):
            raise ValueError(f"{len(edits)} edits for {len(values)} values")
        return [_edited(value, each) for value, each in zip(values, edits, strict=True)]
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ProtocolError(
            f"The server sent a change that does not fit what it had sent before ({error}).",
            code="bad_edit",
            hint="Try again; if it happens again, the server's Gradio may be too new for this version.",
        ) from error


def approx_size(value: Any) -> int:
    """Return about how many bytes a value takes."""
    weight, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        weight += _PART_BYTES
        if isinstance(each, str):
            weight += len(each)
        elif isinstance(each, Mapping):
            waiting += (*each, *each.values())
        elif isinstance(each, list):
            waiting += each
    return weight


def _edited(value: Any, edits: Any) -> Any:
    if not isinstance(edits, list):
        raise TypeError("a list of edits was expected")
    for edit in edits:
        action, path, new = edit
        if action not in _ACTIONS or not isinstance(path, list):
            raise ValueError(f"unknown edit {action!r:.40}")
        value = _at(value, path, 0, action, new)
    return value


def _at(value: Any, path: list[Any], depth: int, action: str, new: Any) -> Any:
    """Return a copy of ``value`` that differs at ``path`` from ``depth`` on, sharing all the rest."""
    if not path:
        return _whole(value, action, new)
    copy = _copied(value)
    key = path[depth]
    if depth + 1 < len(path):
        copy[key] = _at(copy[key], path, depth + 1, action, new)
    elif action == "add" and isinstance(copy, list):
        copy.insert(key, new)
    elif action == "delete":
        del copy[key]
    elif action == "append":
        copy[key] = _joined(copy[key], new)
    else:
        copy[key] = new
    return copy


def _whole(value: Any, action: str, new: Any) -> Any:
    if action == "append":
        return _joined(value, new)
    if action == "delete":
        raise ValueError("a value can't be deleted as a whole")
    return new


def _joined(value: Any, new: Any) -> Any:
    """Lengthen a text by a text; a list by the items of a list."""
    if isinstance(value, str) is not isinstance(new, str):
        raise TypeError("text and something else can't be joined")
    return value + new


def _copied(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        raise TypeError("only objects and lists have parts")
    return value.copy()
