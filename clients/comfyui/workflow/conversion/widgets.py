"""Reads the widgets of a node: the editor derives them, in order, from the declared inputs, and saves their values.

``widgets_values`` holds one value for each saved widget, in widget order. Some widgets are not declared: the control
after a seed, the button beside a file list, the parts of a composite widget. Some are saved but not sent.
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
# Classes to which an editor extension adds a 3D view, saved and sent as a text.
WITH_VIEW = frozenset({"SaveGLB", "Preview3D"})


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget of a class; ``saved``: it has a value in ``widgets_values``, ``sent``: it has one in the prompt."""

    name: str
    kind: str
    default: Any = ABSENT
    saved: bool = True
    sent: bool = True
    spec: Spec | None = None

    @property
    def dynamic_prompts(self) -> bool:
        """True if the widget's text may have comments and ``{a|b}`` choices."""
        return self.spec is not None and self.kind == "STRING" and bool(self.spec.options.get("dynamicPrompts"))


@dataclass(slots=True)
class Field:
    """A widget of one node, and its value."""

    widget: Widget
    value: Any


def read_fields(node: Node, info: Mapping[str, Any]) -> dict[str, Field]:
    """Return the node's widgets by name, in the editor's order, with their saved values, else their defaults.

    Values by position precede values by name, as in the editor: a tool that edits files may change only the former.
    Values by position that do not fit show that the class has changed since; then the values by name are used.
    Raises ``ValidationError`` if there are no values by name either, and for unused values.
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
        """Return the next value, ABSENT after the last one."""
        self._at += 1
        return self._values[self._at - 1] if self._at <= len(self._values) else ABSENT

    @property
    def exact(self) -> bool:
        """True if the number of values taken equals the number of saved values."""
        return self._at == len(self._values)

    def rest(self) -> list[Any]:
        """Return the values not taken yet."""
        return self._values[self._at :]


def _read(node: Node, specs: list[Spec], take: Callable[[str], Any]) -> tuple[dict[str, Field], Field | None]:
    """Return the fields, and the first field with an implausible value, None if there is none."""
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
    """Return the undeclared widgets that a pack saved by name: its scripts add widgets in the editor."""
    return {
        name: Field(Widget(name, "UNDECLARED"), value)
        for name, value in left.items()
        if isinstance(value, (str, int, float)) and value not in CONTROL_VALUES
    }


def _is_structure(name: str, value: Any) -> bool:
    """Return True for an object or a list, except the player state that VideoHelperSuite saves."""
    return isinstance(value, (dict, list)) and "preview" not in name


def _is_of_a_pack(info: Mapping[str, Any]) -> bool:
    module = info.get("python_module")
    return isinstance(module, str) and module.startswith("custom_nodes")


def _check_left_over(node: Node, info: Mapping[str, Any], values: list[Any]) -> None:
    """Raise ``ValidationError`` for saved values that no declared input takes, if they may be inputs.

    The scripts of a pack can add widgets that the server does not declare. Two kinds of nodes are not checked: those of
    ComfyUI itself, whose widgets are known, and output nodes, which save the results that they show.
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
"""The values that buttons and controls save."""

_MOST_SHOWN = 3


def _power_loras(node: Node, named: Mapping[str, Any] | None) -> dict[str, Field]:
    """Return the inputs of rgthree's Power Lora Loader: ``lora_1`` and so on, one for each saved row.

    A row has a strength for the text model only if the node shows two strengths.
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
    """Drop the dummy values that editors before 1.16 saved for sockets with ``forceInput``."""
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
    """Yield the widgets that exist only with this value; they follow the widget directly."""
    if node.type == CUSTOM_COMBO and widget.spec is None and widget.name.startswith("option") and value:
        yield Widget(f"option{int(widget.name[6:]) + 1}", "STRING", "")
    if widget.kind == DYNAMIC_COMBO and widget.spec is not None:
        for spec in chosen_inputs(widget.spec, value):
            if spec.is_widget:
                yield from _made_of(node, spec)


def chosen_inputs(spec: Spec, value: Any) -> list[Spec]:
    """Return the inputs that belong to a dynamic combo's choice, with full names ``parent.child``."""
    chosen = next((inputs for key, inputs in _get_options(spec) if key == value), None)
    prefix = f"{spec.name}."
    return [*section(chosen, "required", prefix).values(), *section(chosen, "optional", prefix).values()]


def _grown(node: Node, group: Spec) -> Iterator[Widget]:
    """Yield the widgets of a growing group, one for each saved slot."""
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
    """Return True if a saved value can belong to this widget; False shows that the values are shifted."""
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
