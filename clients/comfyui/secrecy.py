"""Taking the client's keys out of what a server says, before any of it is cut, quoted or shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Redact = Callable[[str], str]

MOST_LEVELS = 20
"""What a server says of an error nests a few levels; what lies deeper is left out."""


def redacted(data: Any, redact: Redact, levels: int = MOST_LEVELS) -> Any:
    """Return a copy of decoded JSON with every text in it redacted."""
    if isinstance(data, str):
        return redact(data)
    if not isinstance(data, (Mapping, list)):
        return data
    if not levels:
        return None
    if isinstance(data, list):
        return [redacted(each, redact, levels - 1) for each in data]
    return {redact(str(key)): redacted(value, redact, levels - 1) for key, value in data.items()}
