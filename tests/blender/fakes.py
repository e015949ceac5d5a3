"""Stand-ins for what Blender has only with a window: layouts, and the context of a modal operator."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy

_FUNCTIONS = bpy.types.UILayout.bl_rna.functions
_PROPERTIES = bpy.types.UILayout.bl_rna.properties
_ICONS = {item.identifier for item in _FUNCTIONS["label"].parameters["icon"].enum_items}
_NESTING = {"row", "column", "box", "split", "grid_flow", "column_flow"}


class Layout:
    """Records what a panel draws, and refuses what this Blender's ``UILayout`` would not take."""

    def __init__(self, log: list[tuple[str, dict[str, Any]]] | None = None) -> None:
        self.__dict__["log"] = [] if log is None else log

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in _PROPERTIES, f"UILayout has no {name}"

    def __getattr__(self, name: str) -> Any:
        assert name in _FUNCTIONS, f"UILayout has no {name}()"

        def call(*arguments: Any, **named: Any) -> Any:
            return self._draw(name, arguments, named)

        return call

    def _draw(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        known = [parameter.identifier for parameter in _FUNCTIONS[name].parameters if not parameter.is_output]
        given = dict(zip(known, arguments, strict=False)) | named
        assert set(given) <= set(known), f"{name}() has no {set(given) - set(known)}"
        icon = given.get("icon", "NONE")
        assert icon in _ICONS, f"no icon {icon}"
        self.log.append((name, given))
        if name in _NESTING:
            return Layout(self.log)
        if name in ("panel", "panel_prop"):
            return Layout(self.log), None if given.get("default_closed") else Layout(self.log)
        if name == "operator":
            return OperatorProperties(given["operator"])
        if name == "prop":
            name, owner = given["property"], given["data"]
            custom = name.startswith('["') and name[2:-2] in owner
            assert custom or name in owner.bl_rna.properties, name
        return None

    def texts(self) -> list[str]:
        """Return all words on labels, buttons and progress bars."""
        return [given["text"] for _, given in self.log if given.get("text")]

    def text(self) -> str:
        """Return them as one text."""
        return " ".join(self.texts())

    def operators(self) -> list[str]:
        """Return the operators that have a button."""
        return [given["operator"] for name, given in self.log if name == "operator"]

    def properties(self) -> list[str]:
        """Return the properties that have a field."""
        return [given["property"] for name, given in self.log if name == "prop"]


class OperatorProperties:
    """What ``layout.operator()`` returns: takes only what the operator has."""

    def __init__(self, identifier: str) -> None:
        module, name = identifier.split(".")
        known = getattr(getattr(bpy.ops, module), name).get_rna_type().properties
        self.__dict__["known"] = {prop.identifier for prop in known}

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self.known, name


def draw(panel: type, context: Any = None) -> Layout:
    """Draw a panel, header and all, and return what was drawn."""
    layout = Layout()
    for function in ("draw_header_preset", "draw"):
        if hasattr(panel, function):
            getattr(panel, function)(SimpleNamespace(layout=layout), context or Context())
    return layout


class WindowManager:
    """Counts timers and modal handlers."""

    def __init__(self) -> None:
        self.timers: list[object] = []
        self.modal: list[object] = []
        self.clipboard = ""
        self.movie_director = bpy.context.window_manager.movie_director

    def event_timer_add(self, _interval: float, *, window: object) -> object:
        assert window is not None
        timer = object()
        self.timers.append(timer)
        return timer

    def event_timer_remove(self, timer: object) -> None:
        self.timers.remove(timer)

    def modal_handler_add(self, operator: object) -> bool:
        self.modal.append(operator)
        return True


class Workspace:
    """Keeps the status text."""

    status: str | None = None

    def status_text_set(self, text: str | None) -> None:
        self.status = text


class Context:
    """A context with a window, on the real scene and preferences."""

    def __init__(self) -> None:
        self.scene = bpy.context.scene
        self.preferences = bpy.context.preferences
        self.window = object()
        self.window_manager = WindowManager()
        self.workspace = Workspace()
        self.screen = SimpleNamespace(is_animation_playing=False)
        self.region = SimpleNamespace(width=300)
        self.space_data: Any = None


class WithWindow:
    """``bpy`` as a module sees it in a Blender with a window."""

    def __init__(self) -> None:
        self.app = _App()

    def __getattr__(self, name: str) -> Any:
        return getattr(bpy, name)


class _App:
    background = False

    def __getattr__(self, name: str) -> Any:
        return getattr(bpy.app, name)


def event(kind: str, value: str = "PRESS") -> Any:
    """Return an event."""
    return SimpleNamespace(type=kind, value=value)


def operator_of(cls: type, **given: Any) -> Any:
    """Return an object with an operator's own functions, for Blender alone can make the real one."""
    mixins = tuple(base for base in cls.__bases__ if not issubclass(base, bpy.types.Operator))
    functions = {name: value for name, value in vars(cls).items() if callable(value) and not name.startswith("__")}
    fake = type(f"Fake{cls.__name__}", mixins, functions)()
    fake.reports = []
    fake.report = lambda levels, text: fake.reports.append((next(iter(levels)), text))
    fake.properties = SimpleNamespace(is_property_set=given.__contains__)
    for name, value in given.items():
        setattr(fake, name, value)
    return fake
