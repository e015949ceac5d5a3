"""Folders and seeds: small helpers beside the panel's fields."""

# No postponed annotations here: Blender reads the properties from them.

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import EnumProperty, StringProperty
from bpy.types import Operator

from ..blender.requests import image_request, sound_request, video_request
from ..blender.state import settings
from ..clients.core.errors import BackendError
from ..clients.files.storage_errors import prepare_folder
from .reporting import report_error

if TYPE_CHECKING:
    from bpy.types import Context, Event


class MOVIE_DIRECTOR_OT_open_output_folder(Operator):
    """Show the folder with the results in the file manager"""

    bl_idname = "movie_director.open_output_folder"
    bl_label = "Open Output Folder"
    bl_options = set()

    def execute(self, _context: "Context") -> set[str]:
        """Make the folder if need be and open it."""
        try:
            folder = settings.output_folder()
            prepare_folder(folder)
        except BackendError as error:
            return report_error(self, error)
        bpy.ops.wm.path_open(filepath=str(folder))
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_choose_unsaved_folder(Operator):
    """Choose a folder for the results of films that have not been saved yet"""

    bl_idname = "movie_director.choose_unsaved_folder"
    bl_label = "Use This Folder"
    bl_options = {"INTERNAL"}

    directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Ask for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, _context: "Context") -> set[str]:
        """Keep it in the preferences."""
        if not self.directory:
            self.report({"ERROR"}, "No folder was chosen.")
            return {"CANCELLED"}
        settings.preferences().unsaved_folder = str(Path(self.directory))
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_new_seed(Operator):
    """Roll a new seed"""

    bl_idname = "movie_director.new_seed"
    bl_label = "New Seed"
    bl_options = {"INTERNAL", "UNDO"}

    of: EnumProperty(
        name="Of",
        items=(("image", "Image", ""), ("video", "Video", ""), ("sound", "Sound", "")),
        options={"HIDDEN", "SKIP_SAVE"},
    )

    def execute(self, context: "Context") -> set[str]:
        """Write a new seed into the scene."""
        props = context.scene.movie_director
        owner = props if self.of == "image" else getattr(props, self.of)
        most = {"image": image_request.MAX_SEED, "video": video_request.MAX_SEED, "sound": sound_request.MAX_SEED}[
            self.of
        ]
        owner.seed = str(image_request.random_seed() % (most + 1))
        return {"FINISHED"}


CLASSES: tuple[Any, ...] = (
    MOVIE_DIRECTOR_OT_open_output_folder,
    MOVIE_DIRECTOR_OT_choose_unsaved_folder,
    MOVIE_DIRECTOR_OT_new_seed,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
