"""Header lines that people type, checked before they are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.errors import ValidationError

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers, values without spaces around them; ``ValidationError`` (code ``invalid_header``) for one that
    would break out of its line. The error leaves the value out: it may be a key.
    """
    checked = {}
    for name, given in headers.items():
        value = given.strip(" \t")
        if not _NAME.fullmatch(name):
            raise _invalid(f"{name[:80]!r} is not a valid header name.")
        if not _VALUE.fullmatch(value):
            raise _invalid(f"The value of the header {name} contains a character that can't be sent.")
        checked[name] = value
    return checked


def merged_headers(*layers: Mapping[str, str]) -> dict[str, str]:
    """Join headers; the later ones replace the earlier, whatever the case of their letters."""
    return dict({name.lower(): (name, layer[name]) for layer in layers for name in layer}.values())


def _invalid(problem: str) -> ValidationError:
    return ValidationError(
        problem,
        code="invalid_header",
        problems=(problem,),
        hint="Check the key and the headers in the preferences: use Latin characters only, on one line.",
    )
