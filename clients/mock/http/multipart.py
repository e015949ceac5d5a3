"""Reads multipart/form-data bodies."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

_BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """One field of a form; ``filename`` is None where it is no file."""

    name: str
    filename: str | None
    data: bytes


def read_form(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields of a form by name (the last of a name wins); empty where the body is no such form."""
    match = _BOUNDARY.search(content_type)
    if match is None or "multipart/form-data" not in content_type.lower():
        return {}
    return {part.name: part for part in _parts(body, b"--" + match.group(1).encode())}


def read_files(content_type: str, body: bytes, name: str) -> list[Part]:
    """Every field of a form that is called ``name``, in order; none where the body is no such form."""
    match = _BOUNDARY.search(content_type)
    if match is None or "multipart/form-data" not in content_type.lower():
        return []
    return [part for part in _parts(body, b"--" + match.group(1).encode()) if part.name == name]


def _parts(body: bytes, boundary: bytes) -> Iterator[Part]:
    start = body.find(boundary)
    while start >= 0:
        start += len(boundary)
        end = body.find(b"\r\n" + boundary, start)
        if body.startswith(b"--", start) or end < 0:
            return
        head_end = body.find(b"\r\n\r\n", start)
        head = body[start:head_end].decode("utf-8", "replace")
        name = _parameter(head, "name")
        if name is not None:
            yield Part(name, _parameter(head, "filename"), body[head_end + 4 : end])
        start = end + 2


def _parameter(head: str, key: str) -> str | None:
    encoded = re.search(rf";\s*{key}\*=(?:utf-8|UTF-8)''([^;\r\n]+)", head)
    if encoded:
        return urllib.parse.unquote(encoded.group(1))
    plain = re.search(rf';\s*{key}="((?:[^"\\]|\\.)*)"', head)
    return None if plain is None else re.sub(r"\\(.)", r"\1", plain.group(1))
