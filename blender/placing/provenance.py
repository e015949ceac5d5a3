"""Provenance of results in the film: the file's path and the request's main fields."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..platform import formatting

if TYPE_CHECKING:
    from ..state.ui_state import Placement

METADATA_KEY = "movie_director"
MISSING = "missing"
"""The key under it that says which parts of the result are missing."""


def film_path(path: Path, *, folder: bool = False) -> str:
    """Return a path as the film should keep it: relative to the .blend if the user likes that and it is possible."""
    text = f"{path}/" if folder else str(path)
    if bpy.data.filepath and bpy.context.preferences.filepaths.use_relative_paths:
        with contextlib.suppress(ValueError):  # another drive
            return bpy.path.relpath(text)
    return text


def metadata(placement: Placement) -> dict[str, str]:
    """Return the properties that a strip or datablock keeps about its result: enough to find its sidecar; no secret."""
    seed = placement.result.metadata.get("seed")
    kept = {
        "prompt": placement.target.prompt,
        "seed": "" if seed is None else str(seed),
        "backend": placement.backend,
        "job": placement.job_id,
    }
    missing = " ".join(formatting.error_text(problem) for problem in placement.result.problems)
    return {**kept, MISSING: missing} if missing else kept


def missing_parts(owner: Any) -> str:
    """Return what is missing of the result that a strip was made of, in words; "" if it is whole."""
    kept = owner.get(METADATA_KEY)
    return str(kept.get(MISSING, "")) if hasattr(kept, "get") else ""
