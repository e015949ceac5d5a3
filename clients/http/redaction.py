"""Keeping keys out of everything that people or files get to see."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote

REDACTED = "[redacted]"
_SHORTEST = 6
"""Shorter values are words such as ``true``: replacing those would garble the text and hide nothing."""
_SCHEMES = frozenset({"bearer", "basic", "digest"})


class Redactor:
    """Replaces the secrets it was given, wherever they stand in a text: as they are, or quoted as servers do."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


def _forms(secret: str) -> Iterator[str]:
    for part in (secret, *secret.split()):
        if len(part) >= _SHORTEST and part.lower() not in _SCHEMES:
            yield from (
                part,
                quote(part),
                quote(part, safe=""),
                html.escape(part),
                json.dumps(part)[1:-1],
                repr(part)[1:-1],
            )
