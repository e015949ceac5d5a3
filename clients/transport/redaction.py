"""Keeping keys out of everything that people or files get to see."""

from __future__ import annotations

from collections.abc import Iterable

REDACTED = "[redacted]"
_SHORTEST = 6
"""Shorter values are words such as ``true``: replacing those would garble the text and hide nothing."""


class Redactor:
    """Replaces the secrets it was given, wherever they stand in a text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        parts = {part for secret in secrets for part in (secret, *secret.split())}
        self._secrets = sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text
