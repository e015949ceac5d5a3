"""The values that go into Gradio functions and come out of them: files in their many shapes, component updates.

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
    """A file on the server: its ``path`` there, and its ``name`` for people. ``size`` is in bytes, None if unknown."""

    path: str
    name: str
    url: str = ""
    size: int | None = None
    media_type: str = ""
    caption: str = ""

    def as_input(self) -> dict[str, Any]:
        """Return it as functions of Gradio 4 and newer take it; 3.x takes the bare ``path``."""
        return {
            "path": self.path,
            "orig_name": self.name,
            "size": self.size,
            "mime_type": self.media_type or None,
            "meta": {"_type": "gradio.FileData"},
        }


def is_update(value: Any) -> bool:
    """Whether a value is a change of a component's properties, the value among them or not."""
    return isinstance(value, Mapping) and value.get("__type__") == "update"


def unwrapped(value: Any) -> Any:
    """Return the value within a component update, None if the update leaves it as it was; else the value itself."""
    return value.get("value") if is_update(value) else value


def choices_of(value: Any) -> list[Any]:
    """Return the values that a component, its properties or an update of them offers; empty if it offers none.

    From 4 on each choice is a pair of label and value.
    """
    return [_choice(each) for each in as_list(get_member(value, "choices"))]


def files_in(value: Any) -> list[GradioFile]:
    """Return the files of an output, in their order, whatever their wrapping."""
    return list(_files(value, "", _MAX_DEPTH))


def _files(value: Any, caption: str, depth: int) -> Iterator[GradioFile]:
    value = unwrapped(value)
    if not depth:
        return
    if isinstance(value, Mapping):
        file = _file(value, caption)
        if file is not None:
            yield file
            return
        caption = as_text(value.get("caption")) or caption
        for key in _WRAPPINGS:
            yield from _files(value.get(key), caption, depth - 1)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for each in value:
            yield from _files(each, caption, depth - 1)


def _file(value: Mapping[str, Any], caption: str) -> GradioFile | None:
    path = as_text(value.get("path"))
    if not path and value.get("is_file") is True:
        path = as_text(value.get("name"))
    url = as_text(value.get("url"))
    if not path and not url:
        return None
    name = as_text(value.get("orig_name")) or _last_part(path or url.partition("?")[0])
    return GradioFile(path, name, url, as_int(value.get("size"), least=0), as_text(value.get("mime_type")), caption)


def _last_part(path: str) -> str:
    return PurePosixPath(_SEPARATORS.split(path)[-1]).name or "file"


def _choice(each: Any) -> Any:
    return each[1] if isinstance(each, list) and len(each) == 2 else each
