"""Any Gradio app: choose what it is to do, call it, keep its settings as presets."""

# No postponed annotations here: Blender reads the properties from them.

import json
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import StringProperty
from bpy.types import Operator

from ..blender.requests import endpoint_fields, endpoint_request
from ..blender.state.presets import presets
from ..clients.core.errors import BackendError, ValidationError
from .base import GenerateJob, NeedsFolder
from .reporting import report_error

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..clients.core.job import Job


class MOVIE_DIRECTOR_OT_run_endpoint(NeedsFolder, GenerateJob, Operator):
    """Have the app do it, and put the result into the film by what it is: picture, clip, sound or text"""

    bl_idname = "movie_director.run_endpoint"
    bl_label = "Run"
    # not REGISTER: "Repeat Last" would run execute(), which blocks; the result pushes its own undo step
    bl_options = set()

    endpoint: StringProperty(name="Endpoint", description="Such as /generate; empty: the scene's, with its fields")
    inputs: StringProperty(name="Inputs", description="With an endpoint: its values, as a JSON object")
    files: StringProperty(name="Files", description="With an endpoint: the paths of its files, as a JSON object")

    def start(self, context: "Context") -> "Job":
        """Submit the call."""
        return endpoint_request.submit_endpoint(
            context, self.endpoint, _parsed(self.inputs, "inputs"), _parsed(self.files, "files")
        )


class MOVIE_DIRECTOR_OT_choose_endpoint(Operator):
    """Have the app do this; its fields get the values that they had last"""

    bl_idname = "movie_director.choose_endpoint"
    bl_label = "Choose Endpoint"
    bl_options = {"UNDO"}

    endpoint: StringProperty(name="Endpoint")

    def execute(self, context: "Context") -> set[str]:
        """Make the endpoint's fields."""
        try:
            endpoint_request.choose(context, self.endpoint)
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}


class _PresetOperator:
    """Mix-in of operators on the presets of the chosen endpoint."""

    @classmethod
    def poll(cls, context: "Context") -> bool:
        """Return True if an endpoint is chosen."""
        return context.scene is not None and bool(_own(context).endpoint)


class MOVIE_DIRECTOR_OT_save_preset(_PresetOperator, Operator):
    """Keep what is in the fields under a name, for this endpoint of this app"""

    bl_idname = "movie_director.save_preset"
    bl_label = "Save Preset"
    bl_options = set()

    name: StringProperty(name="Name")

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Ask for the name."""
        answer: Any = context.window_manager.invoke_props_dialog(self)
        shown: set[str] = answer
        return shown

    def execute(self, context: "Context") -> set[str]:
        """Write the preset."""
        own = _own(context)
        if not self.name.strip():
            self.report({"ERROR"}, "A preset needs a name.")
            return {"CANCELLED"}
        try:
            presets().save(own.app, own.endpoint, self.name.strip(), endpoint_fields.snapshot(own))
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_apply_preset(_PresetOperator, Operator):
    """Fill the fields from a preset"""

    bl_idname = "movie_director.apply_preset"
    bl_label = "Apply Preset"
    bl_options = {"UNDO"}

    name: StringProperty(name="Name")

    def execute(self, context: "Context") -> set[str]:
        """Fill in what still fits."""
        own = _own(context)
        values = presets().get(own.app, own.endpoint, self.name)
        if not values:
            self.report({"ERROR"}, f"There is no preset '{self.name}'.")
            return {"CANCELLED"}
        endpoint_fields.apply(own, values)
        return {"FINISHED"}


class MOVIE_DIRECTOR_OT_remove_preset(_PresetOperator, Operator):
    """Forget a preset"""

    bl_idname = "movie_director.remove_preset"
    bl_label = "Remove Preset"
    bl_options = set()

    name: StringProperty(name="Name")

    def execute(self, context: "Context") -> set[str]:
        """Drop it from the file."""
        own = _own(context)
        try:
            presets().remove(own.app, own.endpoint, self.name)
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}


def _own(context: "Context") -> Any:
    scene: Any = context.scene
    return scene.movie_director.gradio


def _parsed(text: str, name: str) -> dict[str, Any]:
    """Read a JSON object; an empty text is an empty one."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    raise ValidationError(
        f"'{name}' is no JSON object.", code="invalid_inputs", hint='Write it like {"text": "Action!"}.'
    )


CLASSES: tuple[Any, ...] = (
    MOVIE_DIRECTOR_OT_run_endpoint,
    MOVIE_DIRECTOR_OT_choose_endpoint,
    MOVIE_DIRECTOR_OT_save_preset,
    MOVIE_DIRECTOR_OT_apply_preset,
    MOVIE_DIRECTOR_OT_remove_preset,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
