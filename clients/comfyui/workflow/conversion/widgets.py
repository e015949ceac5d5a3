"""The widgets of a node: which ones the editor makes of the declared inputs, in which order, and what is saved in them.

``widgets_values`` holds one value for each saved widget, in widget order. Some widgets are not declared: the control
that follows a seed, the button beside a file list, the parts of a composite one. Some are saved but not sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ....core.errors import ValidationError
from .errors import place, refuse
from .graph import Node
from .specs import AUTOGROW, DYNAMIC_COMBO, DYNAMIC_GROUP, EDITOR_ONLY, Spec, declared, read_spec, section

ABSENT: Final = object()
CONTROL: Final = "CONTROL"
BUTTON: Final = "BUTTON"
CONTROL_VALUES = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
CUSTOM_COMBO = "CustomCombo"
POWER_LORA = frozenset({"Power Lora Loader (rgthree)"})
# Classes whose editor extension appends a 3D view that is saved and sent as a text.
WITH_VIEW = frozenset({"SaveGLB", "Preview3D"})


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget of a class: ``saved`` ones take part in ``widgets_values``, ``sent`` ones in the prompt."""

    name: str
    kind: str
    default: Any = ABSENT
    saved: bool = True
    sent: bool = True
    spec: Spec | None = None

    @property
    def dynamic_prompts(self) -> bool:
        """True for a text in which comments are dropped and ``{a|b}`` is a choice."""
        return self.spec is not None and self.kind == "STRING" and bool(self.spec.options.get("dynamicPrompts"))


@dataclass(slots=True)
class Field:
    """A widget of one node with the value it holds."""

    widget: Widget
    value: Any


def read_fields(node: Node, info: Mapping[str, Any]) -> dict[str, Field]:
    """Return the node's widgets by name, in the editor's order, with their saved values, or defaults where none is.

    Values by place count before values by name, as in the editor: a tool that edits a file may know only the former.
    Where they do not fit, the class has changed since, and those by name are right. ``ValidationError`` without them,
    and for values that are left over.
    """
    specs = declared(info)
    named = node.values if isinstance(node.values, dict) else node.named
    by_place = _ByPlace(_without_forced(node.values, specs) if isinstance(node.values, list) else [])
    fields, wrong = _read(node, specs, by_place.take)
    by_name = named is not None and (wrong is not None or not by_place.exact or not isinstance(node.values, list))
    if by_name and named is not None:
        fields, wrong = _read(node, specs, lambda name: named.get(name, ABSENT))
    if wrong is not None:
        raise _mismatch(node, wrong)
    if node.type in POWER_LORA:
        return {**fields, **_power_loras(node, named)}
    if not by_name or named is None:
        _check_left_over(node, info, by_place.rest())
        return fields
    left = {name: value for name, value in named.items() if name not in fields}
    _check_left_over(node, info, [value for name, value in left.items() if _is_structure(name, value)])
    if isinstance(node.values, dict) or _is_of_a_pack(info):
        fields.update(_undeclared(left))
    return fields


class _ByPlace:
    """Hands out a node's saved values one after the other."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values
        self._at = 0

    def take(self, _name: str) -> Any:
        """Return the next value, ABSENT when there are no more."""
        self._at += 1
        return self._values[self._at - 1] if self._at <= len(self._values) else ABSENT

    @property
    def exact(self) -> bool:
        """True if as many values were taken as there are."""
        return self._at == len(self._values)

    def rest(self) -> list[Any]:
        """Return the values that nothing has taken."""
        return self._values[self._at :]


def _read(node: Node, specs: list[Spec], take: Callable[[str], Any]) -> tuple[dict[str, Field], Field | None]:
    """Return the fields, and the first whose value can't be its own, if any."""
    fields: dict[str, Field] = {}
    wrong: Field | None = None
    queue = deque(_class_widgets(node, specs))
    while queue:
        widget = queue.popleft()
        given = take(widget.name) if widget.saved else ABSENT
        field = fields[widget.name] = Field(widget, widget.default if given is ABSENT else given)
        if wrong is None and given is not ABSENT and not _plausible(widget, given):
            wrong = field
        queue.extendleft(reversed(list(_revealed(node, widget, field.value))))
    return fields, wrong


def _undeclared(left: Mapping[str, Any]) -> dict[str, Field]:
    """Return what a pack saved by name beyond the declared inputs: its nodes grow widgets while they are edited."""
    return {
        name: Field(Widget(name, "UNDECLARED"), value)
        for name, value in left.items()
        if isinstance(value, (str, int, float)) and value not in CONTROL_VALUES
    }


def _is_structure(name: str, value: Any) -> bool:
    """Return True for a value with parts, but for the state of a player, which VideoHelperSuite saves."""
    return isinstance(value, (dict, list)) and "preview" not in name


def _is_of_a_pack(info: Mapping[str, Any]) -> bool:
    module = info.get("python_module")
    return isinstance(module, str) and module.startswith("custom_nodes")


def _check_left_over(node: Node, info: Mapping[str, Any], values: list[Any]) -> None:
    """Raise ``ValidationError`` for saved values that no declared input takes, if they may matter.

    A pack's own scripts can give a node widgets that the server knows nothing of. Not judged are nodes of ComfyUI
    itself, whose editor is known, and nodes that end a workflow: they show there what they were given.
    """
    packs = _is_of_a_pack(info)
    if info.get("output_node") or (isinstance(info.get("python_module"), str) and not packs):
        return
    matter = [value for value in values if value and (packs or isinstance(value, (dict, list)))]
    matter = [value for value in matter if value not in _EMPTY_WORDS]
    if not matter:
        return
    raise refuse(
        "needs_editor",
        f"{place(node.title, node.type, node.id)} holds values that only ComfyUI's editor can tell the meaning of:"
        f" {', '.join(f'{value!r:.40}' for value in matter[:_MOST_SHOWN])}.",
        node_id=node.id,
        title=node.title,
    )


_EMPTY_WORDS = (*CONTROL_VALUES, "image", "upload")
"""What buttons and controls save."""

_MOST_SHOWN = 3


def _power_loras(node: Node, named: Mapping[str, Any] | None) -> dict[str, Field]:
    """Return what rgthree's Power Lora Loader sends: an input ``lora_1`` and so on for each row that it was saved with,
    the strength for the text model only where it shows it.
    """
    saved = node.values if isinstance(node.values, list) else list((named or {}).values())
    rows = [dict(value) for value in saved if isinstance(value, dict) and "lora" in value]
    separate = node.properties.get("Show Strengths") == "Separate Model & Clip"
    for row in rows:
        second = row.pop("strengthTwo", None)
        if separate:
            row["strengthTwo"] = 1 if second is None else second
    widgets = [Widget(f"lora_{number}", "UNDECLARED") for number in range(1, len(rows) + 1)]
    return {widget.name: Field(widget, row) for widget, row in zip(widgets, rows, strict=True)}


def _mismatch(node: Node, wrong: Field) -> ValidationError:
    widget, value = wrong.widget, wrong.value
    where = place(node.title, node.type, node.id)
    shown = f"{value!r:.60}" if isinstance(value, (str, bool, float)) else f"a {type(value).__name__}"
    return refuse(
        "widget_values_mismatch",
        f"The values saved in {where} do not fit its inputs: {widget.name} ({widget.kind}) would get {shown}.",
        hint="The node has changed since the workflow was saved. Open it in ComfyUI's editor, check the node, and"
        " save it again or use Workflow > Export (API).",
        node_id=node.id,
        title=node.title,
        field=widget.name,
    )


def _without_forced(values: list[Any], specs: list[Spec]) -> list[Any]:
    """Drop the dummies that editors before 1.16 saved for sockets that could have been widgets (``forceInput``)."""
    forced: list[bool] = []
    for spec in specs:
        if spec.is_widget or spec.options.get("forceInput"):
            forced.append(not spec.is_widget)
            if spec.options.get("control_after_generate"):
                forced.append(False)
    if len(forced) != len(values) or not any(forced):
        return values
    return [value for value, dummy in zip(values, forced, strict=True) if not dummy]


def _class_widgets(node: Node, specs: Iterable[Spec]) -> Iterator[Widget]:
    upload = False
    for spec in specs:
        if spec.type == AUTOGROW:
            yield from _grown(node, spec)
        elif spec.is_widget:
            yield from _made_of(node, spec)
        upload = upload or spec.uploads or bool(spec.options.get("audio_upload"))
    if node.type in WITH_VIEW:
        yield Widget("image", "VIEW", "")
    if node.type == CUSTOM_COMBO:
        yield Widget("index", "VIEW", -1)
        yield Widget("option1", "STRING", "")
    if upload:
        yield Widget("upload", BUTTON, sent=False)


def _made_of(node: Node, spec: Spec) -> Iterator[Widget]:
    kind = spec.widget_type
    if kind in EDITOR_ONLY or kind == DYNAMIC_GROUP:
        raise refuse(
            "needs_editor",
            f"{place(node.title, node.type, node.id)} has an input ({spec.name}) that only ComfyUI's editor can fill.",
            node_id=node.id,
            title=node.title,
            field=spec.name,
        )
    yield Widget(spec.name, kind, _default(spec, kind), saved=kind != "IMAGECOMPARE", spec=spec)
    if kind == "COMBO" and isinstance(spec.options.get("remote"), Mapping):
        yield Widget("Auto-refresh after generation", "BOOLEAN", False, sent=False)
        if spec.options["remote"].get("refresh_button"):
            yield Widget("refresh", BUTTON, "refresh")
    if kind == "BOUNDING_BOX":
        yield from (Widget(part, BUTTON, sent=False) for part in ("x", "y", "width", "height"))
    if kind == "AUDIO_RECORD":
        yield Widget(f"{spec.name}#1", BUTTON, sent=False)
    if spec.controlled:
        name = spec.options.get("control_after_generate")
        yield Widget(name if isinstance(name, str) else "control_after_generate", CONTROL, "randomize", sent=False)
        if kind == "COMBO":
            yield Widget("control_filter_list", BUTTON, sent=False)


def _default(spec: Spec, kind: str) -> Any:
    given = spec.options.get("default")
    if kind == "COMBO":
        first = spec.choices[0] if spec.choices else "Loading..." if spec.options.get("remote") else ABSENT
        return given or first
    if kind == DYNAMIC_COMBO:
        return next((key for key, _ in _get_options(spec)), ABSENT)
    if given is not None:
        return given
    return _BLANK.get(kind, ABSENT)


_BLANK: dict[str, Any] = {
    "AUDIO_RECORD": "",
    "BOOLEAN": False,
    "BOUNDING_BOX": {"x": 0, "y": 0, "width": 512, "height": 512},
    "COLOR": "#000000",
    "FLOAT": 0,
    "IMAGECOMPARE": ["", ""],
    "INT": 0,
    "STRING": "",
}


def _get_options(spec: Spec) -> list[tuple[str, Any]]:
    listed = spec.options.get("options")
    options = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, (list, tuple)) else []
    return [(entry["key"], entry.get("inputs")) for entry in options if isinstance(entry.get("key"), str)]


def _revealed(node: Node, widget: Widget, value: Any) -> Iterator[Widget]:
    """Yield the widgets that a value brings into being, which follow it at once."""
    if node.type == CUSTOM_COMBO and widget.spec is None and widget.name.startswith("option") and value:
        yield Widget(f"option{int(widget.name[6:]) + 1}", "STRING", "")
    if widget.kind == DYNAMIC_COMBO and widget.spec is not None:
        for spec in chosen_inputs(widget.spec, value):
            if spec.is_widget:
                yield from _made_of(node, spec)


def chosen_inputs(spec: Spec, value: Any) -> list[Spec]:
    """Return the inputs that a dynamic combo's choice brings, by their full names ``parent.child``."""
    chosen = next((inputs for key, inputs in _get_options(spec) if key == value), None)
    prefix = f"{spec.name}."
    return [*section(chosen, "required", prefix).values(), *section(chosen, "optional", prefix).values()]


def _grown(node: Node, group: Spec) -> Iterator[Widget]:
    """Yield the widgets of a growing group: as many as the node was saved with."""
    template = group.options.get("template")
    inputs = template.get("input") if isinstance(template, Mapping) else None
    specs = [*section(inputs, "required").values(), *section(inputs, "optional").values()]
    if not specs or not specs[0].is_widget:
        return
    raw = [specs[0].type, dict(specs[0].options)]
    for slot in node.inputs:
        if slot.name.startswith(f"{group.name}."):
            yield from _made_of(node, read_spec(slot.name, raw))


def _plausible(widget: Widget, value: Any) -> bool:
    """Tell whether a saved value can be this widget's. What can't shows that the values are shifted."""
    if value is None:
        return True
    if widget.kind == CONTROL:
        return isinstance(value, bool) or value in CONTROL_VALUES
    if widget.kind in ("INT", "FLOAT"):
        return _numeric(value)
    if widget.kind == "BOOLEAN":
        return isinstance(value, bool) or value in (0, 1)
    if widget.kind == "STRING":
        return isinstance(value, (str, int, float)) and not isinstance(value, bool)
    if widget.kind == DYNAMIC_COMBO:
        return isinstance(value, str)
    return widget.kind != "COMBO" or not isinstance(value, dict)


def _numeric(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        float(value)
    except (ValueError, OverflowError):
        return isinstance(value, int)
    return True
