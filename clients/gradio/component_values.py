"""The values of Gradio functions: files in their many shapes, and component updates.

Facts: a file is ``{"path", "url", "orig_name", ...}`` from 4 on, ``{"name", "data", "is_file"}`` in 3. A video is
wrapped as ``{"video": file, "subtitles"}`` in 4 and 5, a list of both in 3, and the file itself in 6. Galleries are
lists of ``{"image": file, "caption"}`` or ``{"video": file, "caption"}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ..core.json_fields import as_int, as_list, as_text, get_member

_MAX_DEPTH = 8
_SEPARATORS = re.compile(r"[/\\]")
_WRAPPINGS = ("video", "image")


@dataclass(frozen=True)
class GradioFile:
    """A file on the server: its ``path`` there, and a ``name`` for people. ``size`` is in bytes, None if unknown."""

    path: str
    name: str
    url: str = ""
    size: int | None = None
    media_type: str = ""
    caption: str = ""

    def as_input(self) -> dict[str, Any]:
        """Return the file as an argument for Gradio 4 and newer; 3.x takes the bare ``path``."""
        return {
            "path": self.path,
            "orig_name": self.name,
            "size": self.size,
            "mime_type": self.media_type or None,
            "meta": {"_type": "gradio.FileData"},
        }


def is_update(value: Any) -> bool:
    """Return True if a value is an update of a component's properties."""
    return isinstance(value, Mapping) and value.get("__type__") == "update"


def unwrap(value: Any) -> Any:
    """Return the value in a component update, None if the update has none; any other value as it is."""
    return value.get("value") if is_update(value) else value


def get_choices(value: Any) -> list[Any]:
    """Return the choices of a component, its properties or an update of them; empty if there are none.

    From 4 on each choice is a pair of label and value.
    """
    return [_get_choice(each) for each in as_list(get_member(value, "choices"))]


def extract_files(value: Any) -> list[GradioFile]:
    """Return the files of an output in order, whatever their wrapping."""
    return list(_find_files(value, "", _MAX_DEPTH))


def _find_files(value: Any, caption: str, depth: int) -> Iterator[GradioFile]:
    value = unwrap(value)
    if not depth:
        return
    if isinstance(value, Mapping):
        file = _parse_file(value, caption)
        if file is not None:
            yield file
            return
        caption = as_text(value.get("caption")) or caption
        for key in _WRAPPINGS:
            yield from _find_files(value.get(key), caption, depth - 1)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for each in value:
            yield from _find_files(each, caption, depth - 1)


def _parse_file(value: Mapping[str, Any], caption: str) -> GradioFile | None:
    path = as_text(value.get("path"))
    if not path and value.get("is_file") is True:
        path = as_text(value.get("name"))
    url = as_text(value.get("url"))
    if not path and not url:
        return None
    name = as_text(value.get("orig_name")) or _get_last_part(path or url.partition("?")[0])
    return GradioFile(path, name, url, as_int(value.get("size"), least=0), as_text(value.get("mime_type")), caption)


def _get_last_part(path: str) -> str:
    return PurePosixPath(_SEPARATORS.split(path)[-1]).name or "file"


def _get_choice(each: Any) -> Any:
    return each[1] if isinstance(each, list) and len(each) == 2 else each
