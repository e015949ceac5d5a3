"""Parses and checks the websocket's messages. Pure.

Facts: texts are ``{"type", "data"}``; binary frames begin with their type as a big-endian number: 1 a preview, 3 a
text of a node, 4 a preview with metadata (from 0.3.45 on, for clients that sent the feature flag). Lengths can't be
trusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import ProtocolError
from ...core.json_fields import as_text, get_member
from ...http.json_decode import decode_json

FEATURE_FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
"""Must be the first text on every connection; servers before 0.3.45 ignore it."""

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_PICTURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))


@dataclass(frozen=True)
class Message:
    """A text message; ``prompt_id`` is empty if it has none."""

    kind: str
    data: Mapping[str, Any]
    prompt_id: str = ""


@dataclass(frozen=True)
class Preview:
    """A picture of the unfinished result; ``prompt_id`` and ``node_id`` are empty if the frame lacks them."""

    data: bytes
    media_type: str
    prompt_id: str = ""
    node_id: str = ""


@dataclass(frozen=True)
class NodeText:
    """A node's line about its progress."""

    text: str
    prompt_id: str = ""


Frame = Message | Preview | NodeText


def parse_frame(raw: str | bytes) -> Frame | None:
    """Parse one websocket message; None for a malformed or unknown one, which is ignored."""
    return _parse_text(raw) if isinstance(raw, str) else _parse_binary(raw)


def _parse_text(raw: str) -> Message | None:
    try:
        value = decode_json(raw)
    except ProtocolError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    data = value.get("data")
    if not isinstance(data, dict):
        return None
    return Message(value["type"], data, as_text(data.get("prompt_id")))


def _parse_binary(raw: bytes) -> Frame | None:
    kind = int.from_bytes(raw[:4], "big")
    if kind == _PREVIEW:
        return _preview(raw[8:], {})
    if kind not in (_TEXT, _PREVIEW_WITH_METADATA):
        return None
    length = int.from_bytes(raw[4:8], "big")
    head, body = raw[8 : 8 + length], raw[8 + length :]
    if len(raw) < 8 or len(head) < length:
        return None
    if kind == _TEXT:
        return NodeText(body.decode("utf-8", "replace"))
    return _preview(body, _metadata(head))


def _metadata(head: bytes) -> dict[str, str]:
    try:
        value = decode_json(head)
    except ProtocolError:
        return {}
    found = {name: get_member(value, name) for name in ("prompt_id", "node_id")}
    return {name: each for name, each in found.items() if isinstance(each, str)}


def _preview(picture: bytes, origin: Mapping[str, str]) -> Preview | None:
    """Detect the format by the picture's first bytes, not by the frame's type."""
    for signature, media_type in _PICTURES:
        if picture.startswith(signature):
            return Preview(picture, media_type, **origin)
    if picture.startswith(b"RIFF") and picture[8:12] == b"WEBP":
        return Preview(picture, "image/webp", **origin)
    return None
