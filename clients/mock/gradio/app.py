"""What a mock Gradio app is made of: components, wired functions, and what a function has at hand while it runs."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .queue import Event

Function = Callable[..., Any]
"""``function(call, *inputs)``: returns one value for each output (a tuple of them where there are several), or yields
such, as a generator."""

FILES = ("file", "video", "audio", "image", "uploadbutton")


@dataclass(frozen=True)
class Component:
    """One component of the page. ``props`` are further keys of its ``props`` in /config, such as ``choices``,
    ``minimum`` and ``maximum`` (what the server checks of an input) and ``value``."""

    id: int
    type: str
    label: str = ""
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dependency:
    """One wired function. ``function`` None is a step of JavaScript alone; ``api_name`` None has no name.

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
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def concurrency_group(self) -> str:
        return self.group or f"fn-{self.id}"


class GradioError(Exception):
    """``gr.Error``: a failure whose words the client is told. ``duration`` is how long the page shows it, seconds."""

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
        """The value a session has in a State; its own copy of the first value where it has none yet."""
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
        """What a restart of the server does."""
        with self._lock:
            self._state.clear()


class Call:
    """What a function has at hand: whose call it is, and ways to tell the client of progress."""

    def __init__(self, event: "Event", tell: "Callable[[Event, str, str], None]", files: Any) -> None:
        self._event = event
        self._tell = tell
        self._files = files

    @property
    def session(self) -> str:
        return self._event.session

    @property
    def username(self) -> str | None:
        return self._event.username

    @property
    def trigger_id(self) -> int | None:
        """The component that was said to have fired; None where the client named none, so that ``evt.target`` of the
        real function would be None."""
        return self._event.trigger_id

    @property
    def event_id(self) -> str:
        return self._event.id

    @property
    def alive(self) -> bool:
        """Whether somebody still waits for this call: not after a cancel, or after its stream was left."""
        return self._event.alive

    def progress(self, value: float | tuple[int, int | None], desc: str | None = None, *, unit: str = "steps") -> None:
        """``gr.Progress``: a fraction, or (index, length). The newest is told, every 50 ms at most."""
        if isinstance(value, tuple):
            told: dict[str, Any] = {"index": value[0], "length": value[1], "unit": unit, "progress": None, "desc": desc}
        else:
            told = {"index": None, "length": None, "unit": unit, "progress": value, "desc": desc}
        self._event.progress = [told]

    def info(self, text: str) -> None:
        """``gr.Info``."""
        self._tell(self._event, text, "info")

    def warning(self, text: str) -> None:
        """``gr.Warning``."""
        self._tell(self._event, text, "warning")

    def file(self, name: str, data: bytes, media_type: str | None = None, *, sized: bool = False) -> dict[str, Any]:
        """Puts a file into the server's cache and returns the FileData that stands for it. ``media_type`` is told
        only where Gradio tells it (galleries), and so is the size (``sized``: gr.File)."""
        told: dict[str, Any] = self._files.file_data(name, data, media_type, sized=sized)
        return told

    def read(self, file_data: Any) -> bytes:
        """The content of a file that the client has uploaded; ``ValueError`` where it is none."""
        content: bytes = self._files.uploaded(file_data)
        return content


def update(**props: Any) -> dict[str, Any]:
    """A component update, as functions return it and as it goes over the wire."""
    return {**props, "__type__": "update"}


def outputs_of(value: Any, dependency: Dependency) -> list[Any]:
    """What a function returned or yielded, one value for each output."""
    if not dependency.outputs:
        return []
    return [value] if len(dependency.outputs) == 1 else list(value)


def checked(value: Any, component: Component, generation: int) -> Any:
    """An input as Gradio takes it: :class:`GradioError` in its words where it refuses to."""
    choices = component.props.get("choices")
    if choices is not None and generation > 4 and component.type in ("dropdown", "radio"):
        known = [each[1] if isinstance(each, (list, tuple)) else each for each in choices]
        if value is not None and value not in known and not component.props.get("allow_custom_value"):
            raise GradioError(f"Value: {value} is not in the list of choices: {known}", 10)
    if component.type in ("slider", "number") and generation == 6 and value is not None:
        if not isinstance(value, (int, float)):
            raise TypeError("not a number")
        for limit, past, word in (("minimum", -1, "less than minimum"), ("maximum", 1, "greater than maximum")):
            bound = component.props.get(limit)
            if bound is not None and (value - bound) * past > 0:
                raise GradioError(f"Value {value} is {word} value {bound}.", 10)
    return value


def steps_of(result: Any) -> Iterator[Any] | None:
    """The generator that a call returned, or None where it returned its value."""
    return result if isinstance(result, Iterator) else None
