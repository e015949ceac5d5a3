"""Small pictures for the panels: previews of running jobs and thumbnails of results.

Blender reads them from files on a thread of its own when they are first drawn. A preview is written over the one
before, with a file time that always grows: Blender keeps thumbnails by path and whole second, and would show the old
one otherwise. One that is no longer shown is kept for some seconds, for that thread may still be at it.
"""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path
from typing import Any

import bpy

_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}

_collection: Any = None
_preview_names: dict[str, str] = {}
_dropped: deque[tuple[float, str]] = deque()
_clock = 0

KEEP_DROPPED_S = 10.0


def store_preview(job_id: str, data: bytes, media_type: str) -> None:
    """Take the newest preview of a job; of a kind Blender can't show it is left out."""
    global _clock
    suffix = _SUFFIXES.get(media_type)
    if suffix is None:
        return
    path = Path(bpy.app.tempdir) / f"movie_director_preview_{_slot(job_id)}{suffix}"
    path.write_bytes(data)
    _clock += 1
    os.utime(path, (_clock, _clock))
    drop_preview(job_id)
    name = f"{job_id}/{_clock}"
    _loaded(name, path)
    _preview_names[job_id] = name


def preview_icon(job_id: str) -> int:
    """Return the icon of a job's newest preview, 0 if there is none."""
    name = _preview_names.get(job_id)
    return _collection[name].icon_id if name and _collection is not None else 0


def drop_preview(job_id: str) -> None:
    """Show a job's preview no longer."""
    name = _preview_names.pop(job_id, None)
    if name:
        _dropped.append((time.monotonic(), name))
    while _dropped and time.monotonic() - _dropped[0][0] > KEEP_DROPPED_S:
        del _collection[_dropped.popleft()[1]]


def store_thumbnail(path: Path) -> None:
    """Have a result's picture ready for the panels."""
    if _collection is None or str(path) not in _collection:
        _loaded(str(path), path)


def thumbnail_icon(path: Path) -> int:
    """Return the icon of a result's picture, 0 if it has not been stored."""
    if _collection is None or str(path) not in _collection:
        return 0
    icon: int = _collection[str(path)].icon_id
    return icon


def close() -> None:
    """Let go of all pictures."""
    global _collection
    _preview_names.clear()
    _dropped.clear()
    if _collection is not None:
        bpy.utils.previews.remove(_collection)
        _collection = None


def _slot(job_id: str) -> str:
    return "".join(letter for letter in job_id if letter.isalnum())[:16]


def _loaded(name: str, path: Path) -> None:
    global _collection
    if _collection is None:
        import bpy.utils.previews

        _collection = bpy.utils.previews.new()
    _collection.load(name, str(path), "IMAGE")
