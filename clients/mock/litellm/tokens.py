"""The mock's token count."""

from __future__ import annotations

from typing import Any

CHARACTERS_PER_TOKEN = 4
CHARACTERS_PER_PART = 1000
"""Characters that one part of a message in parts, such as a picture, counts for."""


def count_tokens(messages: list[Any]) -> int:
    """Count a prompt's tokens, at four characters a token."""
    contents = [each.get("content") or "" for each in messages if isinstance(each, dict)]
    characters = sum(len(each) if isinstance(each, str) else CHARACTERS_PER_PART * len(each) for each in contents)
    return 3 + 4 * len(contents) + characters // CHARACTERS_PER_TOKEN
