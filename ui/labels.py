"""What panels are made of: the tab, text over several lines, fields with a grey hint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..blender.platform import formatting, redraw
from ..blender.state import settings

if TYPE_CHECKING:
    from bpy.types import Context, UILayout

LETTER_WIDTH = 6.6
"""Pixels a letter takes on average, at interface scale 1."""
MARGIN = 60
FALLBACK_WIDTH = 260


def letters_across(context: Context) -> int:
    """Return how many letters fit on a line of the region that is drawn."""
    width = context.region.width if context.region else FALLBACK_WIDTH
    scale = context.preferences.system.ui_scale or 1.0  # 0 before there is a window
    return max(16, int((width - MARGIN * scale) / (LETTER_WIDTH * scale)))


def paragraph(
    layout: UILayout, context: Context, text: str, icon: Any = "NONE", *, alert: bool = False, indent: bool = True
) -> None:
    """Draw a text over as many lines as it needs; the icon stands before the first."""
    column = layout.column(align=True)
    column.alert = alert
    column.scale_y = 0.8
    for number, line in enumerate(formatting.wrap(text, letters_across(context))):
        column.label(text=line, icon=icon if number == 0 else ("BLANK1" if indent and icon != "NONE" else "NONE"))


def supports_placeholder() -> bool:
    """Return True if text fields can show a grey hint (Blender 4.5 and newer)."""
    return bpy.app.version >= (4, 5, 0)


class Sidebar:
    """Mix-in: what all our panels share."""

    bl_region_type = "UI"
    bl_category = redraw.TAB


class MainSidebar(Sidebar):
    """Mix-in: what the first panel of a section has beside that, the way to the preferences in its header."""

    def draw_header_preset(self, _context: Context) -> None:
        """Draw the way to the preferences."""
        layout: UILayout = self.layout  # type: ignore[attr-defined]
        layout.operator("preferences.addon_show", text="", icon="PREFERENCES", emboss=False).module = settings.PACKAGE


def action_button(layout: UILayout, operator: str, icon: Any, *, enabled: bool, text: str | None = None) -> None:
    """Draw the large button that starts a job; it has the operator's label unless ``text`` is given."""
    row = layout.row()
    row.scale_y = 1.6
    row.operator_context = "INVOKE_DEFAULT"
    row.enabled = enabled
    if text is None:
        row.operator(operator, icon=icon)
    else:
        row.operator(operator, text=text, icon=icon)


def prompt_field(layout: UILayout, owner: Any, name: str, icon: Any, hint: str) -> None:
    """Draw a text field without a name, with a grey hint where Blender can."""
    if supports_placeholder():
        layout.prop(owner, name, text="", icon=icon, placeholder=hint)
    else:
        layout.prop(owner, name, text="", icon=icon)
