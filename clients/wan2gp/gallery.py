"""Finds files in the results of WanGP's gallery functions. Pure.

Facts: pictures and videos are a list of ``{"video": FileData, "caption"}`` or ``{"image": ...}``, in one of the
outputs; ``path`` is a copy in Gradio's cache, ``orig_name`` the file's own name. Sounds are a JSON text of paths in
another output. Old files leave the list after a while, so names are compared, never positions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ..core.json_fields import get_texts
from ..gradio.component_values import GradioFile, extract_files, unwrap

_MAX_PATHS_CHARS = 1024 * 1024
_RUNNING = "ID=PINFO"


def list_gallery_files(outputs: Any) -> tuple[GradioFile, ...]:
    """Return all files in the outputs of a gallery function, each once."""
    files: dict[GradioFile, None] = {}
    for output in outputs if isinstance(outputs, (list, tuple)) else ():
        for file in (*extract_files(output), *_parse_sounds(unwrap(output))):
            files[replace(file, name=get_base_name(file.name), caption="", url="")] = None
    return tuple(file for file in files if file.path)


def is_working(outputs: Any) -> bool:
    """Return True if the session still has work: the gallery then shows the running task's settings."""
    for output in outputs if isinstance(outputs, (list, tuple)) else ():
        value = unwrap(output)
        if isinstance(value, str) and _RUNNING in value:
            return True
    return False


def find_task_files(files: tuple[GradioFile, ...], stem: str, *, own_session: bool) -> tuple[GradioFile, ...]:
    """Return the files of one task: those with its stem or, in a session without other tasks, all.

    Servers before December 2025 do not name files after the task.
    """
    named = tuple(file for file in files if _has_stem(file.name, stem))
    return files if own_session and not named else named


def _has_stem(name: str, stem: str) -> bool:
    """Return True if the file has the stem, or the stem with a counter for repeats."""
    own = PurePosixPath(name).stem
    return own == stem or (own.startswith(stem) and not own[len(stem)].isalnum())


def _parse_sounds(text: Any) -> Iterator[GradioFile]:
    if not isinstance(text, str) or not text.startswith("[") or len(text) > _MAX_PATHS_CHARS:
        return
    try:
        paths = json.loads(text)
    except (ValueError, RecursionError):
        return
    for path in get_texts(paths):
        if path:
            yield GradioFile(path, get_base_name(path))


def get_base_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name
