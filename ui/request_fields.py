"""Fields that several sections share: start picture, seed, selected shots, obstacles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..blender.placing import shots
from ..blender.platform import sequencer
from ..blender.requests import image_request
from ..blender.state import settings
from .labels import paragraph

if TYPE_CHECKING:
    from bpy.types import Context, UILayout

SHOTS_SHOWN = 4
_FIELDS = {"IMAGE": "description", "VIDEO": "description", "SOUND": "sound", "LINE": "dialogue"}
_ICONS: dict[str, Any] = {
    "IMAGE": "RENDER_STILL",
    "VIDEO": "RENDER_ANIMATION",
    "SOUND": "SOUND",
    "LINE": "PLAY_SOUND",
}


def draw_shots(layout: UILayout, context: Context, kind: str) -> None:
    """Draw the selected shots and the button that generates them; nothing if none is selected."""
    field = _FIELDS[kind]
    selected = shots.selected(sequencer.scene_of(context))
    chosen = list({shot.id: (strip, shot) for strip, shot in selected if getattr(shot, field).strip()}.values())
    if not chosen:
        return
    box = layout.box()
    for strip, shot in chosen[:SHOTS_SHOWN]:
        box.label(text=strip.name, icon="SEQUENCE")
        if len(chosen) == 1:
            paragraph(box, context, getattr(shot, field), "BLANK1")
    if len(chosen) > SHOTS_SHOWN:
        box.label(text=f"and {len(chosen) - SHOTS_SHOWN} more", icon="BLANK1")
    row = box.row()
    row.scale_y = 1.3
    row.operator_context = "INVOKE_DEFAULT"
    text = f"Generate for {len(chosen)} Shots" if len(chosen) > 1 else "Generate for This Shot"
    row.operator("movie_director.generate_shots", text=text, icon=_ICONS[kind]).kind = kind


def draw_start(layout: UILayout, context: Context, props: Any) -> None:
    """Draw the source of the first picture."""
    column = layout.column(align=True)
    column.label(text="Start from")
    column.row(align=True).prop(props, "input_source", expand=True)
    if props.input_source == "FILE":
        column.prop(props, "input_image", text="")
    if props.input_source == "CAMERA" and context.scene.camera is None:
        column.separator(factor=0.5)
        paragraph(column, context, "This scene has no camera. Add one, or start from the prompt.", "ERROR", alert=True)
    elif props.input_source in ("CAMERA", "STRIPS"):
        column.separator(factor=0.5)
        paragraph(column, context, "The view is rendered first; Blender pauses for a moment.", "INFO")
    if props.input_source != "NONE" and hasattr(props, "strength"):
        column.prop(props, "strength", slider=True)


def draw_seed(layout: UILayout, props: Any, of: str) -> None:
    """Draw the seed with its die and its lock."""
    row = layout.row(align=True)
    row.prop(props, "seed")
    row.operator("movie_director.new_seed", text="", icon="FILE_REFRESH").of = of
    row.prop(props, "lock_seed", text="", icon="LOCKED" if props.lock_seed else "UNLOCKED")


def draw_obstacle(column: UILayout, context: Context, prompt: str, hint: str) -> None:
    """Draw why nothing can be generated now, and the way out."""
    obstacle = image_request.obstacle(context)
    if obstacle:
        paragraph(column, context, obstacle, "INFO")
    if settings.output_folder_or_none() is None:
        row = column.row(align=True)
        row.operator_context = "INVOKE_DEFAULT"
        row.operator("wm.save_as_mainfile", text="Save Film", icon="FILE_TICK")
        row.operator("movie_director.choose_unsaved_folder", text="Folder...", icon="FILE_FOLDER")
    elif not prompt.strip():
        column.label(text=hint, icon="INFO")
