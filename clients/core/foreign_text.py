"""Text from servers, cut to a length before a pattern sees it: while a pattern works, nothing else in Blender does."""

from __future__ import annotations

MAX_CHARS = 16 * 1024


def cut_middle(text: str, most: int = MAX_CHARS) -> str:
    """Return the text with at most ``most`` characters: a long one without its middle.

    Both ends count: a traceback begins with its first cause and ends with the last.
    """
    return text if len(text) <= most else f"{text[: most // 2]}\n{text[-(most // 2) :]}"
