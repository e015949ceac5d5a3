"""Parses the picture in the preview's HTML. Pure."""

from __future__ import annotations

import base64
import binascii
import re

MAX_PREVIEW_CHARS = 8 * 1024 * 1024
_IMAGE = re.compile(r"data:(image/(?:jpeg|png|webp));base64,([A-Za-z0-9+/=\s]+)")
_SIGNATURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG", "image/webp": b"RIFF"}


def parse_preview(html: object) -> tuple[bytes, str] | None:
    """Return the first picture's bytes and media type; None if there is none."""
    if not isinstance(html, str) or len(html) > MAX_PREVIEW_CHARS:
        return None
    found = _IMAGE.search(html)
    if found is None:
        return None
    try:
        data = base64.b64decode(found[2], validate=False)
    except (binascii.Error, ValueError):
        return None
    return (data, found[1]) if data.startswith(_SIGNATURES[found[1]]) else None
