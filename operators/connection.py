"""Ask a server who it is or for its memory, and switch demo mode."""

# No postponed annotations here: Blender reads the properties from them.

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Operator

from ..blender import commands
from ..blender.platform import formatting
from ..blender.state import settings
from ..blender.state.ui_state import ui
from ..clients.core.errors import BackendError, ValidationError
from ..clients.registry import BACKENDS
from .blocking import wait_for_answer
from .reporting import report_error

if TYPE_CHECKING:
    from bpy.types import Context, Event

    from ..blender.state.ui_state import ConnectionTest, MemoryRelease


class _AskServer:
    """Mix-in of operators that send a backend's server one inquiry and report its outcome."""

    def start(self) -> Any:
        """Ask; return the answer to be. Raises ``ValidationError`` for a backend that can't be asked."""
        raise AssertionError(f"{type(self).__name__} does not say what to ask")

    def describe(self, answer: Any) -> str:
        """Return what there is to say of a good answer."""
        raise AssertionError(f"{type(self).__name__} does not say what it heard")

    def invoke(self, context: "Context", _event: "Event") -> set[str]:
        """Ask in the background; the pump brings the answer."""
        if bpy.app.background:
            return self.execute(context)
        try:
            self.start()
        except BackendError as error:
            return self.refuse(error)
        return {"FINISHED"}

    def execute(self, _context: "Context") -> set[str]:
        """Ask and wait for the answer."""
        operator: Any = self
        try:
            answer = self.start()
        except BackendError as error:
            return self.refuse(error)
        wait_for_answer(answer, operator.backend)
        if answer.error is not None:
            return self.refuse(answer.error)
        operator.report({"INFO"}, self.describe(answer))
        return {"FINISHED"}

    def refuse(self, error: BackendError) -> set[str]:
        """Tell of an error."""
        operator: Any = self
        return report_error(operator, error)


class MOVIE_DIRECTOR_OT_test_connection(_AskServer, Operator):
    """Ask the server who it is, and show the answer beside its address"""

    bl_idname = "movie_director.test_connection"
    bl_label = "Test Connection"
    bl_options = set()

    backend: StringProperty(name="Backend", default="comfyui", description="The backend's name, such as comfyui")

    def start(self) -> "ConnectionTest":
        """Start the test."""
        if self.backend not in BACKENDS:
            raise ValidationError(
                f"There is no backend '{self.backend}'.", code="unknown_backend", hint=f"Known: {', '.join(BACKENDS)}."
            )
        return commands.probe(self.backend)

    def describe(self, answer: "ConnectionTest") -> str:
        """Return who the server is."""
        assert answer.info is not None
        return formatting.server_text(BACKENDS[self.backend].label, answer.info)


class MOVIE_DIRECTOR_OT_free_memory(_AskServer, Operator):
    """Have the server unload its models and give its memory back, as soon as it does not need it"""

    bl_idname = "movie_director.free_memory"
    bl_label = "Free Memory"
    bl_options = set()

    backend: StringProperty(name="Backend", default="comfyui", description="The backend's name, such as comfyui")

    def start(self) -> "MemoryRelease":
        """Ask for the memory."""
        if self.backend not in BACKENDS or not BACKENDS[self.backend].frees_memory:
            able = [name for name, info in BACKENDS.items() if info.frees_memory]
            raise ValidationError(
                f"'{self.backend}' can't free its memory.",
                code="unknown_backend",
                hint=f"These can: {', '.join(able)}.",
            )
        return commands.free_memory(self.backend)

    def describe(self, _answer: "MemoryRelease") -> str:
        """Return what the server does."""
        return f"{BACKENDS[self.backend].label} frees its memory."


class MOVIE_DIRECTOR_OT_demo_mode(Operator):
    """Use stand-ins inside Blender instead of AI servers, to see how everything works"""

    bl_idname = "movie_director.demo_mode"
    bl_label = "Demo Mode"
    bl_options = {"INTERNAL"}

    enable: BoolProperty(default=True, options={"SKIP_SAVE"})

    def execute(self, _context: "Context") -> set[str]:
        """Switch it; answers of the servers before mean nothing any more."""
        settings.preferences().demo_mode = self.enable
        ui.probes.clear()
        ui.touch()
        self.report({"INFO"}, "Demo mode is on: test pictures only." if self.enable else "Demo mode is off.")
        return {"FINISHED"}


CLASSES: tuple[Any, ...] = (
    MOVIE_DIRECTOR_OT_test_connection,
    MOVIE_DIRECTOR_OT_free_memory,
    MOVIE_DIRECTOR_OT_demo_mode,
)
register, unregister = bpy.utils.register_classes_factory(CLASSES)
