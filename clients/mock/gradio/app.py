"""A mock Gradio app: its components, its wired functions, and the values that go in and out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Function = Callable[..., Any]
"""``function(call, *inputs)``: returns one value for each output (a tuple if there are several), or yields such values,
as a generator."""

FILES = ("file", "video", "audio", "image", "uploadbutton")


@dataclass(frozen=True)
class Component:
    """One component of the page. ``props`` are further keys of its ``props`` in /config: ``value``, and ``choices``,
    ``minimum`` and ``maximum``, which the server checks."""

    id: int
    type: str
    label: str = ""
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dependency:
    """One wired function. ``function`` None is a step of JavaScript alone; ``api_name`` None has no name.

    ``parameters`` are the names of the function's, ``optional`` those with None as their default.
    ``limit`` calls of one ``group`` (default: of this function) run at once, None: any number. ``extra`` overrides
    keys of the entry in /config.
    """

    id: int
    api_name: str | None
    function: Function | None
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    targets: tuple[tuple[int | None, str], ...] = ()
    trigger_after: int | None = None
    generator: bool = False
    queue: bool = True
    limit: int | None = 1
    group: str | None = None
    parameters: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def concurrency_group(self) -> str:
        return self.group or f"fn-{self.id}"


class GradioError(Exception):
    """``gr.Error``: a failure whose text is sent to the client. ``duration``: seconds that the page shows it."""

    def __init__(self, text: str, duration: float = 5) -> None:
        super().__init__(text)
        self.duration = duration


class App:
    """The components and functions of an app, and the State of each session."""

    def __init__(self, components: list[Component], dependencies: list[Dependency], title: str = "Gradio") -> None:
        self.title = title
        self.components = {each.id: each for each in components}
        self.dependencies = {each.id: each for each in dependencies}
        self.by_name = {each.api_name: each for each in dependencies if each.api_name is not None}
        self._lock = threading.Lock()
        self._state: dict[tuple[str, int], Any] = {}

    def is_state(self, component_id: int) -> bool:
        component = self.components.get(component_id)
        return component is not None and component.type == "state"

    def state(self, session: str, component_id: int) -> Any:
        """Return a session's value of a State; at first its own copy of the initial value."""
        with self._lock:
            key = (session, component_id)
            if key not in self._state:
                first = self.components[component_id].props.get("value")
                self._state[key] = first() if callable(first) else first
            return self._state[key]

    def set_state(self, session: str, component_id: int, value: Any) -> None:
        with self._lock:
            self._state[session, component_id] = value

    def forget_sessions(self) -> None:
        """Forget every State, as after a restart of the server."""
        with self._lock:
            self._state.clear()


def update(**props: Any) -> dict[str, Any]:
    """Make a component update, as functions return it and as it is sent."""
    return {**props, "__type__": "update"}


def output_values(value: Any, dependency: Dependency) -> list[Any]:
    """Return the values that a function returned or yielded, one for each output."""
    if not dependency.outputs:
        return []
    return [value] if len(dependency.outputs) == 1 else list(value)


def check_input(value: Any, component: Component, generation: int) -> Any:
    """Check an input as Gradio does; raise ``GradioError`` with Gradio's message."""
    choices = component.props.get("choices")
    if choices is not None and generation > 4 and component.type in ("dropdown", "radio"):
        known = [each[1] if isinstance(each, (list, tuple)) else each for each in choices]
        if value is not None and value not in known and not component.props.get("allow_custom_value"):
            raise GradioError(f"Value: {value} is not in the list of choices: {known}", 10)
    if component.type in ("slider", "number") and generation == 6 and value is not None:
        if not isinstance(value, (int, float)):
            raise TypeError("not a number")
        for limit, sign, relation in (("minimum", -1, "less than minimum"), ("maximum", 1, "greater than maximum")):
            bound = component.props.get(limit)
            if bound is not None and (value - bound) * sign > 0:
                raise GradioError(f"Value {value} is {relation} value {bound}.", 10)
    return value


def generator_or_none(result: Any) -> Iterator[Any] | None:
    """Return the generator that a call returned, or None if it returned its value."""
    return result if isinstance(result, Iterator) else None
