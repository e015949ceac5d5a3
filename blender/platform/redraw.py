"""Redraw what shows our state, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    from bpy.types import Area, Region

TAB = "Director"
PANEL_AREAS = frozenset({"VIEW_3D", "SEQUENCE_EDITOR", "TEXT_EDITOR"})


def tag_panels() -> None:
    """Have the sidebars that show our tab, and open preferences, drawn again."""
    for area in _areas():
        if area.type == "PREFERENCES":
            area.tag_redraw()
        elif area.type in PANEL_AREAS and area.spaces.active.show_region_ui:
            for region in area.regions:
                if _shows_tab(region):
                    region.tag_redraw()


def tag_text(text: bpy.types.Text) -> None:
    """Have the text editors that show a text drawn again; one whose cursor is at the end follows it."""
    for area in _areas():
        if area.type != "TEXT_EDITOR":
            continue
        space: Any = area.spaces.active
        if space.text == text:
            lines = len(text.lines)
            if text.current_line_index == lines - 1:
                space.top = max(0, lines - space.visible_lines)
            area.tag_redraw()


def _areas() -> Iterator[Area]:
    for manager in bpy.data.window_managers:
        for window in manager.windows:
            yield from window.screen.areas


def _shows_tab(region: Region) -> bool:
    """Return True if a region is a sidebar on our tab; one that was never drawn counts as one."""
    return region.type == "UI" and getattr(region, "active_panel_category", TAB) in (TAB, "UNSUPPORTED")
