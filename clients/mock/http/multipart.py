"""Reads multipart/form-data bodies, with the standard library's parser of messages."""

from __future__ import annotations

import email
import email.utils
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Part:
    """One field of a form; ``filename`` is None if it is no file."""

    name: str
    filename: str | None
    data: bytes


def read_form(content_type: str, body: bytes) -> dict[str, Part]:
    """Return the fields of a form by name (the last of a name wins); none if the body is no such form."""
    return {part.name: part for part in _parts(content_type, body)}


def read_files(content_type: str, body: bytes, name: str) -> list[Part]:
    """Return the fields of a form that are called ``name``, in order; none if the body is no such form."""
    return [part for part in _parts(content_type, body) if part.name == name]


def _parts(content_type: str, body: bytes) -> list[Part]:
    # Latin-1 keeps every byte as it is; the parser's own way for bytes loses the names that are UTF-8.
    message = email.message_from_string(f"Content-Type: {content_type}\r\n\r\n{body.decode('latin-1')}")
    parts: Any = message.get_payload() if message.is_multipart() else ()
    found = []
    for part in parts if message.get_content_type() == "multipart/form-data" else ():
        name, filename = (_text(part.get_param(key, header="Content-Disposition")) for key in ("name", "filename"))
        if name is not None:
            found.append(Part(name, filename, part.get_payload().encode("latin-1")))
    return found


def _text(parameter: str | tuple[str | None, str | None, str] | None) -> str | None:
    if isinstance(parameter, str):
        return parameter.encode("latin-1").decode("utf-8", "replace")
    return None if parameter is None else email.utils.collapse_rfc2231_value(parameter)
