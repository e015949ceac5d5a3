"""Saving images of the film, where Blender's versions differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def save_copy(image: Any, path: Path) -> None:
    """Write an image as it is now to a file; its own path stays. Raises ``RuntimeError``, as Blender does."""
    parameters = image.bl_rna.functions["save"].parameters
    # before Blender 4.3 a path that is given always means a copy
    more = {"save_copy": True} if "save_copy" in parameters else {}
    image.save(filepath=str(path), **more)
