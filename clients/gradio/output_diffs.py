"""The diffs by which a generator's later yields describe their changes.

Facts: an output's new value is a list of ``[action, path, value]``, action replace, append, add or delete; an empty
list means no change. Append lengthens a text by a text or a list by a list; add inserts into a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.errors import ProtocolError

_ACTIONS = frozenset({"replace", "append", "add", "delete"})
_PART_BYTES = 8


def apply_diff(values: Sequence[Any], edits: Sequence[Any]) -> list[Any]:
    """Return the outputs after one yield's diff; ``values`` and their contents are not changed.

    Raises ``ProtocolError`` (code ``bad_edit``) for a diff that does not match.
    """
    try:
        if len(edits) != len(values):
            raise ValueError(f"{len(edits)} edits for {len(values)} values")
        return [_apply_edits(value, each) for value, each in zip(values, edits, strict=True)]
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ProtocolError(
            f"The server sent a change that does not match its previous messages ({error}).",
            code="bad_edit",
            hint="Try again; if that fails too, the server's Gradio may be too new for Movie Director.",
        ) from error


def approx_size(value: Any) -> int:
    """Return the approximate size of a value in bytes."""
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


def _apply_edits(value: Any, edits: Any) -> Any:
    if not isinstance(edits, list):
        raise TypeError("a list of edits was expected")
    for edit in edits:
        action, path, new = edit
        if action not in _ACTIONS or not isinstance(path, list):
            raise ValueError(f"unknown edit {action!r:.40}")
        value = _replace_at(value, path, 0, action, new)
    return value


def _replace_at(value: Any, path: list[Any], depth: int, action: str, new: Any) -> Any:
    """Return a copy of ``value`` with a change at ``path`` from ``depth`` on; the rest is shared."""
    if not path:
        return _edit_whole(value, action, new)
    copy = _copy(value)
    key = path[depth]
    if depth + 1 < len(path):
        copy[key] = _replace_at(copy[key], path, depth + 1, action, new)
    elif action == "add" and isinstance(copy, list):
        copy.insert(key, new)
    elif action == "delete":
        del copy[key]
    elif action == "append":
        copy[key] = _append(copy[key], new)
    else:
        copy[key] = new
    return copy


def _edit_whole(value: Any, action: str, new: Any) -> Any:
    if action == "append":
        return _append(value, new)
    if action == "delete":
        raise ValueError("a value can't be deleted as a whole")
    return new


def _append(value: Any, new: Any) -> Any:
    """Append a text to a text, or the items of a list to a list."""
    if isinstance(value, str) is not isinstance(new, str):
        raise TypeError("text and something else can't be joined")
    return value + new


def _copy(value: Any) -> Any:
    if not isinstance(value, (dict, list)):
        raise TypeError("only objects and lists have parts")
    return value.copy()
