"""Ask a server who it is or for its memory, and switch demo mode."""

# No postponed annotations here: Blender reads the properties from them.

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Operator

from ..blender import session, settings, words
from ..clients.errors import BackendError, ValidationError
from ..clients.registry import BACKENDS
from .blocking import wait_for_memory, wait_for_probe
from .reporting import report_error

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..blender.board import MemoryAnswer, ProbeAnswer


class MOVIE_DIRECTOR_OT_test_connection(Operator):
    """Ask the server who it is, and show the answer beside its address"""

    bl_idname = "movie_director.test_connection"
    bl_label = "Test Connection"
    bl_options = set()

    backend: StringProperty(name="Backend", default="comfyui", description="The backend's name, such as comfyui")

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Ask in the background; the pump brings the answer."""
        if bpy.app.background:
            return self.execute(context)
        try:
            self.start()
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}

    def execute(self, _context: "Context") -> set[str]:
        """Ask and wait for the answer."""
        try:
            answer = self.start()
        except BackendError as error:
            return report_error(self, error)
        wait_for_probe(answer, self.backend)
        if answer.error is not None:
            return report_error(self, answer.error)
        if answer.info is not None:
            self.report({"INFO"}, words.server_words(BACKENDS[self.backend].label, answer.info))
        return {"FINISHED"}

    def start(self) -> "ProbeAnswer":
        """Start the test; raises ``ValidationError`` for a backend that does not exist."""
        if self.backend not in BACKENDS:
            raise ValidationError(
                f"There is no backend '{self.backend}'.", code="unknown_backend", hint=f"Known: {', '.join(BACKENDS)}."
            )
        return session.probe(self.backend)


class MOVIE_DIRECTOR_OT_free_memory(Operator):
    """Have the server unload its models and give its memory back, as soon as it does not need it"""

    bl_idname = "movie_director.free_memory"
    bl_label = "Free Memory"
    bl_options = set()

    backend: StringProperty(name="Backend", default="comfyui", description="The backend's name, such as comfyui")

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Ask in the background; the pump brings the answer."""
        if bpy.app.background:
            return self.execute(context)
        try:
            self.start()
        except BackendError as error:
            return report_error(self, error)
        return {"FINISHED"}

    def execute(self, _context: "Context") -> set[str]:
        """Ask and wait for the answer."""
        try:
            answer = self.start()
        except BackendError as error:
            return report_error(self, error)
        wait_for_memory(answer, self.backend)
        if answer.error is not None:
            return report_error(self, answer.error)
        self.report({"INFO"}, f"{BACKENDS[self.backend].label} frees its memory.")
        return {"FINISHED"}

    def start(self) -> "MemoryAnswer":
        """Ask; raises ``ValidationError`` for a backend that can't."""
        able = [name for name, info in BACKENDS.items() if info.frees_memory]
        if self.backend not in able:
            raise ValidationError(
                f"'{self.backend}' can't be asked to free memory.",
                code="unknown_backend",
                hint=f"These can: {', '.join(able)}.",
            )
        return session.free_memory(self.backend)


class MOVIE_DIRECTOR_OT_demo_mode(Operator):
    """Use stand-ins inside Blender instead of AI servers, to see how everything works"""

    bl_idname = "movie_director.demo_mode"
    bl_label = "Demo Mode"
    bl_options = {"INTERNAL"}

    enable: BoolProperty(default=True, options={"SKIP_SAVE"})

    def execute(self, _context: "Context") -> set[str]:
        """Switch it; answers of the servers before mean nothing any more."""
        settings.preferences().demo_mode = self.enable
        session.board.probes.clear()
        session.board.touch()
        self.report({"INFO"}, "Demo mode is on: test pictures only." if self.enable else "Demo mode is off.")
        return {"FINISHED"}


CLASSES: tuple[Any, ...] = (
    MOVIE_DIRECTOR_OT_test_connection,
    MOVIE_DIRECTOR_OT_free_memory,
    MOVIE_DIRECTOR_OT_demo_mode,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
