"""All that an exception shows of itself, for the search for a key in it."""

from __future__ import annotations

from typing import Any


def shown(error: Any) -> str:
    """Return every text in an exception and in what hangs on it: its fields, arguments, causes and what they wrap."""
    texts: list[str] = []
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, (list, tuple, set, frozenset)):
            waiting += each
        else:
            texts += [repr(each), str(each)]
            waiting += [
                *getattr(each, "args", ()),
                getattr(each, "__cause__", None),
                getattr(each, "__context__", None),
            ]
            if isinstance(each, BaseException) or hasattr(each, "__dataclass_fields__"):
                waiting += list(vars(each).values())
    return "\n".join(texts)
