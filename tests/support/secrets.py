"""All that an exception shows of itself, for the search for a key in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def shown(error: Any) -> str:
    """Return every text in an exception and in what hangs on it: its fields, arguments, causes and what they wrap.

    The request and the response that an exception of requests or httpx keeps hang on it too.
    """
    texts: list[str] = []
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Mapping):
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
            if isinstance(each, BaseException) or hasattr(each, "__dataclass_fields__") or _is_of_http(each):
                waiting += list(vars(each).values())
    return "\n".join(texts)


def _is_of_http(each: Any) -> bool:
    return type(each).__module__.partition(".")[0] in ("requests", "httpx") and hasattr(each, "__dict__")
