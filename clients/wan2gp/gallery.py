"""The files in WanGP's galleries, from what its gallery functions return. Pure.

Facts: pictures and videos are a list of ``{"video": FileData, "caption"}`` or ``{"image": ...}``, in one of the
outputs; ``path`` is a copy in Gradio's cache, ``orig_name`` the file's own name. Sounds are a JSON text of paths in
another one. Old files leave the list after a while, so names are compared, never places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ..core.json_fields import get_texts
from ..gradio.component_values import GradioFile, files_in, unwrapped

_MAX_PATHS_CHARS = 1024 * 1024
_RUNNING = "ID=PINFO"


def gallery_files(outputs: Any) -> tuple[GradioFile, ...]:
    """Return all files that the outputs of a gallery function name, each once."""
    files: dict[GradioFile, None] = {}
    for output in outputs if isinstance(outputs, (list, tuple)) else ():
        for file in (*files_in(output), *_sounds(unwrapped(output))):
            files[replace(file, name=base_name(file.name), caption="", url="")] = None
    return tuple(file for file in files if file.path)


def is_working(outputs: Any) -> bool:
    """Whether a gallery function says that the session still has work: it shows the running task's settings then."""
    for output in outputs if isinstance(outputs, (list, tuple)) else ():
        value = unwrapped(output)
        if isinstance(value, str) and _RUNNING in value:
            return True
    return False


def task_files(files: tuple[GradioFile, ...], stem: str, *, own_session: bool) -> tuple[GradioFile, ...]:
    """Return the files of one task: those that its stem names, else, in a session that has had no other task, all.

    Servers before December 2025 do not name files as the task says.
    """
    named = tuple(file for file in files if _is_of(file.name, stem))
    return files if own_session and not named else named


def _is_of(name: str, stem: str) -> bool:
    """Whether it is the stem's file, or one of several: a repeat has a counter behind it."""
    own = PurePosixPath(name).stem
    return own == stem or (own.startswith(stem) and not own[len(stem)].isalnum())


def _sounds(text: Any) -> Iterator[GradioFile]:
    if not isinstance(text, str) or not text.startswith("[") or len(text) > _MAX_PATHS_CHARS:
        return
    try:
        paths = json.loads(text)
    except (ValueError, RecursionError):
        return
    for path in get_texts(paths):
        if path:
            yield GradioFile(path, base_name(path))


def base_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return PurePosixPath(PureWindowsPath(path).as_posix()).name
