"""The text of an error body, for people.

Tags are cut out with expressions that take linear time: ``html.parser`` of Python 3.11.7 (Blender 4.2) took 82 seconds
for 64 KiB of ``<a <a <a``.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

from ..core.json_fields import as_text

MAX_WORDS = 500
_TAG = re.compile(r"<[^<>]*>")
_MUTE = re.compile(r"<(script|style|head)(?=[\s/>])", re.IGNORECASE)
_END_OF = {name: re.compile(f"</{name}[^<>]*>", re.IGNORECASE) for name in ("script", "style", "head")}


def error_text(body: bytes, content_type: str, redact: Callable[[str], str]) -> str:
    """Return the text of an error body in one line of bounded length, without secrets.

    Redacts before it shortens: a part of a key is still a part of a key.
    """
    text = body.decode("utf-8", "replace")
    if content_type.endswith("json") or text.lstrip()[:1] == "{":
        text = _message_of(text)
    if "<" in text:
        text = html.unescape(_TAG.sub(" ", _visible(text)))
    text = "".join(each if each.isprintable() else " " for each in redact(text))
    return " ".join(text.split())[:MAX_WORDS]


def _visible(text: str) -> str:
    """Cut out the elements that are not shown; in one pass, whatever a server sends."""
    kept = []
    at = 0
    while (opening := _MUTE.search(text, at)) is not None:
        kept.append(text[at : opening.start()])
        closing = _END_OF[opening[1].lower()].search(text, opening.end())
        at = closing.end() if closing else len(text)
    return "".join((*kept, text[at:]))


def _message_of(text: str) -> str:
    try:
        return _message_in(json.loads(text)) or text
    except (ValueError, RecursionError):
        return text


def _message_in(value: Any) -> str:
    """Find the message in the forms that servers use: error.message, error, detail, message."""
    for key in ("error", "detail", "message"):
        if isinstance(value, dict) and value.get(key):
            return _message_in(value[key])
    return as_text(value)
