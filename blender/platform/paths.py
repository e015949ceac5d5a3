"""What path properties need in this Blender."""

from __future__ import annotations

import bpy

PATH_OPTIONS: set[str] = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5, 0) else set()
"""What lets a path property keep a leading "//"; newer Blenders make such paths absolute, or warn, without it."""
