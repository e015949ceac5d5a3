"""Parses a node class in ``/object_info``: its inputs in the editor's order, and which of them are widgets.

Rules of the editor, frontend 1.49.6 to 1.58.1: protocol notes, section 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core.json_fields import as_number

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
DYNAMIC_GROUP = "COMFY_DYNAMICGROUP_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"

# Widgets whose value only the editor can create: a rendered 3D view, a camera picture.
EDITOR_ONLY = frozenset({"LOAD_3D", "WEBCAM"})

WIDGET_TYPES = EDITOR_ONLY | {
    "AUDIO_RECORD",
    "BOOLEAN",
    "BOUNDING_BOX",
    "BOUNDING_BOXES",
    "CHART",
    "COLOR",
    "COLORS",
    "COMBO",
    "COMPOSITOR",
    "CURVE",
    "FLOAT",
    "GALLERIA",
    "IMAGECOMPARE",
    "INT",
    "MARKDOWN",
    "PAINTER",
    "RANGE",
    "STRING",
    "TEXTAREA",
    "VIDEO_EDIT",
    DYNAMIC_COMBO,
    DYNAMIC_GROUP,
}


@dataclass(frozen=True, slots=True)
class Spec:
    """One declared input and its options; ``type`` is COMBO for an input declared as a list of choices."""

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Any, ...] = ()

    @property
    def widget_type(self) -> str:
        """The type of the input's widget: the option ``widgetType``, else the input's type."""
        wanted = self.options.get("widgetType")
        return wanted if isinstance(wanted, str) and wanted else self.type

    @property
    def is_widget(self) -> bool:
        """True if the editor shows a widget for this input; False for a socket alone."""
        return self.widget_type in WIDGET_TYPES and not self.options.get("forceInput")

    @property
    def has_socket(self) -> bool:
        """True if the input can be linked."""
        return not (self.is_widget and self.options.get("socketless"))

    @property
    def controlled(self) -> bool:
        """True if a control-after-generate value follows the widget's value."""
        declared = self.options.get("control_after_generate")
        if declared is None:
            return self.type == "INT" and self.name in ("seed", "noise_seed")
        return bool(declared) and self.type in ("INT", "FLOAT", "COMBO")

    @property
    def uploads(self) -> bool:
        """True if the input is a combo of media files: the editor adds an upload button."""
        flags = ("image_upload", "video_upload", "animated_image_upload")
        return self.type == "COMBO" and any(self.options.get(flag) for flag in flags)

    def limit(self, name: str) -> float | None:
        """Return a numeric option, such as ``min``; None if it is missing."""
        return as_number(self.options.get(name))


def read_spec(name: str, raw: object) -> Spec:
    """Read one entry of object_info's ``input``, such as ``["INT", {"default": 1}]``; a malformed one is a socket."""
    items = list(raw) if isinstance(raw, (list, tuple)) else [raw]
    kind = items[0] if items else None
    options = items[1] if len(items) > 1 and isinstance(items[1], Mapping) else {}
    if isinstance(kind, (list, tuple)):
        return Spec(name, "COMBO", options, tuple(kind))
    listed = options.get("options") if kind == "COMBO" else None
    choices = tuple(listed) if isinstance(listed, (list, tuple)) else ()
    return Spec(name, kind if isinstance(kind, str) else "UNKNOWN", options, choices)


def section(inputs: object, name: str, prefix: str = "") -> dict[str, Spec]:
    """Return the inputs of one section (``required``, ``optional``) by full name, in the order of the response."""
    raw = inputs.get(name) if isinstance(inputs, Mapping) else None
    if not isinstance(raw, Mapping):
        return {}
    return {f"{prefix}{key}": read_spec(f"{prefix}{key}", value) for key, value in raw.items()}


def spec_of(info: Mapping[str, Any], name: str) -> Spec | None:
    """Return one input of a class by its name; None if the class does not have it."""
    inputs = info.get("input")
    return {**section(inputs, "optional"), **section(inputs, "required")}.get(name)


def declared(info: Mapping[str, Any]) -> list[Spec]:
    """Return the class's inputs, without hidden ones, in the editor's order: ``input_order``, then the others."""
    required, optional = section(info.get("input"), "required"), section(info.get("input"), "optional")
    ordered: dict[str, Spec] = {}
    order = info.get("input_order")
    if isinstance(order, Mapping):
        for name, specs in (("required", required), ("optional", optional)):
            listed = order.get(name)
            for key in listed if isinstance(listed, (list, tuple)) else ():
                if isinstance(key, str) and key in specs:
                    ordered[key] = specs[key]
    return list({**ordered, **{k: v for k, v in {**required, **optional}.items() if k not in ordered}}.values())


def output_types(info: Mapping[str, Any]) -> list[str]:
    """Return the types of the class's outputs; a type that depends on the inputs is ``*`` (any)."""
    listed = info.get("output")
    types = []
    for kind in listed if isinstance(listed, (list, tuple)) else ():
        name = "COMBO" if isinstance(kind, (list, tuple)) else kind
        types.append(name if isinstance(name, str) and name != MATCH_TYPE else "*")
    return types


def fits(one: str, other: str) -> bool:
    """Return True if the editor connects the two slot types: equal ones, lists with a common type, or ``*``."""
    ones, others = ({part.strip() or "*" for part in kind.lower().split(",")} for kind in (one, other))
    return "*" in ones | others or bool(ones & others)
