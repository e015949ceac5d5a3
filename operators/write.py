"""Write: a prompt becomes a text, and a script a shot list."""

# No postponed annotations here: Blender reads the properties from them.

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy.types import Operator

from ..blender.properties.writing import CONTEXT_ITEMS, PRESET_ITEMS, TIMELINE_ITEMS
from ..blender.requests import image_request, text_request
from .base import GenerateJob

if TYPE_CHECKING:
    from bpy.types import Context

    from ..clients.core.job import Job


class _NeedsNoFolder:
    """Mix-in: a text is kept in the film, not beside it."""

    @classmethod
    def poll(cls, context: "Context") -> bool:
        """Return True if a text can be requested now, else set a message with the way out."""
        obstacle = image_request.obstacle(context, files=False)
        if obstacle:
            operator: Any = cls
            operator.poll_message_set(obstacle)
        return not obstacle


class MOVIE_DIRECTOR_OT_write(_NeedsNoFolder, GenerateJob, Operator):
    """Write a text with a language model, live into a new text of this film"""

    bl_idname = "movie_director.write"
    bl_label = "Write"
    # not REGISTER: "Repeat Last" would run execute(), which blocks; the result pushes its own undo step
    bl_options = set()

    prompt: StringProperty(name="Prompt", description="What the text should be about")
    preset: EnumProperty(name="Kind", items=PRESET_ITEMS, default="FREE")
    system: StringProperty(name="Instructions", description="Instructions besides the prompt")
    model: StringProperty(name="Model", description="Empty: the one with the largest context window")
    context: EnumProperty(name="From", items=CONTEXT_ITEMS, default="NONE")
    script: StringProperty(name="Script", description="The name of the text to work from; empty: the scene's")

    def start(self, context: "Context") -> "Job":
        """Submit the text, and show it in the text editor that the user is in."""
        job = text_request.submit_text(context, self.given(text_request.WISHES))
        _show(context, job.id)
        return job


class MOVIE_DIRECTOR_OT_shot_list(_NeedsNoFolder, GenerateJob, Operator):
    """Break a script down into shots: a list as a text, and placeholders on the timeline from the playhead on"""

    bl_idname = "movie_director.shot_list"
    bl_label = "Shot List from Script"
    bl_options = set()

    script: StringProperty(name="Script", description="The text's name; empty: the scene's script")
    model: StringProperty(name="Model", description="Empty: the one with the largest context window")
    timeline: EnumProperty(name="Timeline", items=TIMELINE_ITEMS, default="STRIPS")
    selection_only: BoolProperty(name="Selection Only", description="Break down only the selection in the script")

    def start(self, context: "Context") -> "Job":
        """Submit the script."""
        return text_request.submit_shot_list(context, self.given(text_request.SHOT_WISHES))


def _show(context: "Context", job_id: str) -> None:
    """Have the text editor show the text, if the user pressed the button there."""
    space: Any = context.space_data
    from ..blender.placing import live_text

    text = live_text.find(job_id)
    if text is not None and space is not None and space.type == "TEXT_EDITOR":
        space.text = text
        # prose, not Python
        space.show_word_wrap, space.show_syntax_highlight = True, False


CLASSES: tuple[Any, ...] = (MOVIE_DIRECTOR_OT_write, MOVIE_DIRECTOR_OT_shot_list)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
