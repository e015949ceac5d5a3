"""The files in WanGP's galleries, from what its gallery functions return. Pure.

Facts: pictures and videos are a list of ``{"video": FileData, "caption"}`` or ``{"image": ...}``, in one of the
outputs; ``path`` is a copy in Gradio's cache, ``orig_name`` the file's own name. Sounds are a JSON text of paths in
another one. Old files leave the list after a while, so names are compared, never places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

_MAX_PATHS_CHARS = 1024 * 1024


@dataclass(frozen=True)
class GalleryFile:
    """A file on the server: its own name, and the path under which the server hands it out."""

    name: str
    path: str


def gallery_files(outputs: Any) -> tuple[GalleryFile, ...]:
    """Return all files that the outputs of a gallery function name, each once."""
    files: dict[GalleryFile, None] = {}
    for output in outputs if isinstance(outputs, (list, tuple)) else ():
        for file in _files_in(_value(output)):
            files[file] = None
    return tuple(files)


def new_files(files: tuple[GalleryFile, ...], stem: str, before: frozenset[str] | None) -> tuple[GalleryFile, ...]:
    """Return the files of one task: those that its stem names; where the server does not name files by the task,
    those that were not there ``before``. None: nothing is known of before, so only the stem counts.
    """
    named = tuple(file for file in files if _is_of(file.name, stem))
    if named or before is None:
        return named
    return tuple(file for file in files if file.name not in before)


def _is_of(name: str, stem: str) -> bool:
    """Whether it is the stem's file, or one of several: a repeat has a counter behind it."""
    own = PurePosixPath(name).stem
    return own == stem or (own.startswith(stem) and not own[len(stem)].isalnum())


def _value(output: Any) -> Any:
    if isinstance(output, Mapping) and output.get("__type__") == "update":
        return output.get("value")
    return output


def _files_in(value: Any) -> Iterator[GalleryFile]:
    if isinstance(value, str):
        yield from _sounds(value)
    for item in value if isinstance(value, list) else ():
        data = item.get("video") or item.get("image") if isinstance(item, Mapping) else None
        if isinstance(data, Mapping):
            data = data.get("video") if isinstance(data.get("video"), Mapping) else data
            path = data.get("path")
            if isinstance(path, str) and path:
                yield GalleryFile(base_name(str(data.get("orig_name") or path)), path)


def _sounds(text: str) -> Iterator[GalleryFile]:
    if not text.startswith("[") or len(text) > _MAX_PATHS_CHARS:
        return
    try:
        paths = json.loads(text)
    except (ValueError, RecursionError):
        return
    for path in paths if isinstance(paths, list) else ():
        if isinstance(path, str) and path:
            yield GalleryFile(base_name(path), path)


def base_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name
