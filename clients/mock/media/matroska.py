"""WebM's container with JPEG pictures in it: there is no encoder of VP9 here, and players go by what is in it."""

from __future__ import annotations

import struct


def matroska_file(frames: list[bytes], width: int, height: int, fps: float) -> bytes:
    """A file of WebM's container with one track of motion JPEG: there is no encoder of VP9 here."""
    header = _element("1A45DFA3", _element("4282", b"webm"), _number("4287", 4), _number("4285", 2))
    length = struct.pack(">d", 1000 * len(frames) / fps)
    facts = _element("1549A966", _number("2AD7B1", 1_000_000), _element("4489", length), _element("4D80", b"demo"))
    size = _element("E0", _number("B0", width), _number("BA", height))
    track = (_number("D7", 1), _number("73C5", 1), _number("83", 1), _element("86", b"V_MJPEG"), size)
    clusters = []
    for number, frame in enumerate(frames):
        block = _element("A3", b"\x81\0\0\x80", frame)
        clusters.append(_element("1F43B675", _number("E7", round(1000 * number / fps)), block))
    return header + _element("18538067", facts, _element("1654AE6B", _element("AE", *track)), *clusters)


def _element(kind: str, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return bytes.fromhex(kind) + (len(data) | 1 << 56).to_bytes(8, "big") + data


def _number(kind: str, value: int) -> bytes:
    return _element(kind, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
