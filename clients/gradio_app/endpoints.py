"""Parses the endpoints of a Gradio app and their fields from the app's own description. Pure.

Facts: ``/info`` lists the named endpoints with the fields that a caller fills in (State and buttons are left out), each
with a JSON schema; ``/config`` has the components with their limits and choices, which the schemas lack before 6 (a
choice is a pair of label and value from 4 on). A file is an object with ``path`` and ``meta``; a video is wrapped as
``{"video": file}`` where its schema says so (4 and 5); an image editor takes ``{"background", "layers", "composite"}``.
An endpoint that the app hides has ``show_api`` false, or from 6 on an ``api_visibility`` other than ``public``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.json_fields import as_int, as_list, as_number, as_object, as_text, get_objects, get_texts

_MAX_DEPTH = 6
_CHOOSING = frozenset({"dropdown", "radio", "checkboxgroup"})
_MEDIA = {
    "image": "image",
    "imageeditor": "image",
    "imageslider": "image",
    "annotatedimage": "image",
    "gallery": "image",
    "audio": "audio",
    "video": "video",
    "model3d": "model",
    "file": "other",
    "files": "other",
    "uploadbutton": "other",
    "downloadbutton": "other",
}
_OF_FILE_TYPES = ("image", "audio", "video")


class FieldKind(enum.StrEnum):
    """The kind of value that a field takes; JSON is any value without another kind."""

    TEXT = "text"
    NUMBER = "number"
    WHOLE_NUMBER = "whole_number"
    YES_NO = "yes_no"
    CHOICE = "choice"
    CHOICES = "choices"
    FILE = "file"
    FILES = "files"
    JSON = "json"


class Wrapping(enum.StrEnum):
    """The form in which the value of a file field contains its file."""

    BARE = "bare"
    VIDEO = "video"
    EDITOR = "editor"
    GALLERY = "gallery"


@dataclass(frozen=True)
class Choice:
    """One of a field's choices: its label for the user, and the value to send."""

    label: str
    value: Any


@dataclass(frozen=True)
class Field:
    """One input of an endpoint.

    ``name`` is the key in ``EndpointRequest.inputs`` (or ``files``), ``label`` the text on the app's page. A
    ``required`` field has no ``default``. ``minimum``, ``maximum`` and ``step`` are None if the app has none.
    ``takes_other_values`` is True if the app accepts other values than the ``choices``. ``media`` is the kind of file
    that a file field takes, as in ``Artifact.kind``; ``file_types`` are the extensions and kinds that the app lists.
    """

    name: str
    label: str
    kind: FieldKind
    component: str = ""
    required: bool = False
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Choice, ...] = ()
    takes_other_values: bool = False
    media: str = ""
    file_types: tuple[str, ...] = ()
    help: str = ""
    lines: int = 1
    wrapping: Wrapping = field(default=Wrapping.BARE, repr=False)

    @property
    def is_file(self) -> bool:
        """True if the field takes files."""
        return self.kind in (FieldKind.FILE, FieldKind.FILES)


@dataclass(frozen=True)
class Output:
    """One output of an endpoint; ``media`` is the kind of its files, ``text``, or empty for other values."""

    name: str
    component: str = ""
    media: str = ""


@dataclass(frozen=True)
class Endpoint:
    """A named function of the app, such as ``/generate``; ``number`` is its id in the app."""

    name: str
    number: int
    fields: tuple[Field, ...] = ()
    outputs: tuple[Output, ...] = ()
    is_generator: bool = False
    description: str = ""

    @property
    def label(self) -> str:
        """The endpoint's name for the user."""
        words = self.name.strip("/").replace("_", " ").strip()
        return words[:1].upper() + words[1:]

    @property
    def media(self) -> tuple[str, ...]:
        """The kinds of the endpoint's results, each once."""
        return tuple(dict.fromkeys(each.media for each in self.outputs if each.media))

    def field(self, name: str) -> Field | None:
        """Return the field of that name, or of that label if no other has it; None if there is none."""
        named = [each for each in self.fields if each.name == name]
        found = named or [each for each in self.fields if each.label == name]
        return found[0] if len(found) == 1 else None


def parse_endpoints(config: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """Return the named endpoints that the app does not hide, in the app's order."""
    components = {each["id"]: each for each in get_objects(config.get("components")) if isinstance(each.get("id"), int)}
    found = []
    for name, entry in as_object(info.get("named_endpoints")).items():
        dependency = find_dependency(config, name)
        if dependency is not None and isinstance(entry, Mapping) and is_shown(entry):
            found.append(_endpoint(name, entry, dependency, components))
    return tuple(found)


def is_shown(entry: Mapping[str, Any]) -> bool:
    """Return True unless the app hides this endpoint (an entry of ``/info``) from its documentation."""
    return entry.get("show_api", True) is not False and entry.get("api_visibility", "public") == "public"


def find_dependency(config: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the app's function for an endpoint: the first one of the name, as in ``gradio_client``.

    None if the app has no such function, or the server does not run the first one.
    """
    for place, each in enumerate(get_objects(config.get("dependencies"))):
        if f"/{each.get('api_name')}" == name:
            return {"id": place, **each} if each.get("backend_fn") is not False else None
    return None


def _endpoint(
    name: str, entry: Mapping[str, Any], dependency: Mapping[str, Any], components: Mapping[int, Mapping[str, Any]]
) -> Endpoint:
    parameters = list(get_objects(entry.get("parameters")))
    returns = list(get_objects(entry.get("returns")))
    inputs = _filled_in(dependency.get("inputs"), components, len(parameters))
    outputs = _filled_in(dependency.get("outputs"), components, len(returns))
    names: dict[str, None] = {}
    for place, each in enumerate(returns):
        names[_free(as_text(each.get("label")) or f"output {place + 1}", names)] = None
    return Endpoint(
        name,
        dependency["id"],
        tuple(_field(place, each, part) for place, (each, part) in enumerate(zip(parameters, inputs, strict=True))),
        tuple(
            Output(label, _component(each, part), _output_media(each, part))
            for label, each, part in zip(names, returns, outputs, strict=True)
        ),
        as_object(dependency.get("types")).get("generator") is True,
        as_text(entry.get("description")).strip(),
    )


def _filled_in(numbers: Any, components: Mapping[int, Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """Return the components of the ``count`` entries of ``/info``; empty ones if their numbers differ."""
    parts = [components.get(each, {}) for each in numbers] if isinstance(numbers, list) else []
    shown = [each for each in parts if each.get("skip_api") is not True]
    return shown if len(shown) == count else [{}] * count


def _field(place: int, entry: Mapping[str, Any], part: Mapping[str, Any]) -> Field:
    props, schema = as_object(part.get("props")), as_object(entry.get("type"))
    component = _component(entry, part)
    name = as_text(entry.get("parameter_name")) or f"param_{place}"
    choices = _choices(component, props, schema)
    step = as_number(props.get("step"))
    whole = schema.get("type") == "integer" or _is_whole(component, props, entry.get("parameter_default"))
    kind, wrapping = _kind(component, schema, bool(choices), whole)
    has_default = entry.get("parameter_has_default") is True
    return Field(
        name=name,
        label=as_text(entry.get("label")) or name,
        kind=kind,
        component=component,
        required=not has_default,
        default=entry.get("parameter_default") if has_default else None,
        minimum=_first(as_number(props.get("minimum")), as_number(schema.get("minimum"))),
        maximum=_first(as_number(props.get("maximum")), as_number(schema.get("maximum"))),
        step=step,
        choices=choices,
        takes_other_values=props.get("allow_custom_value") is True,
        media=_file_media(component, props) if kind in (FieldKind.FILE, FieldKind.FILES) else "",
        file_types=tuple(get_texts(props.get("file_types"))),
        help=as_text(props.get("info")) or as_text(props.get("placeholder")),
        lines=as_int(props.get("lines"), least=1) or 1,
        wrapping=wrapping,
    )


def _kind(component: str, schema: Mapping[str, Any], has_choices: bool, whole: bool) -> tuple[FieldKind, Wrapping]:
    many = schema.get("type") == "array"
    properties = as_object(schema.get("properties"))
    if component == "imageeditor" or {"background", "layers"} <= properties.keys():
        return FieldKind.FILE, Wrapping.EDITOR
    if component == "gallery":
        return FieldKind.FILES, Wrapping.GALLERY
    if "video" in properties:
        return FieldKind.FILE, Wrapping.VIDEO
    if _is_file(schema) or (not properties and component in _MEDIA):
        return FieldKind.FILES if many else FieldKind.FILE, Wrapping.BARE
    if has_choices or component in _CHOOSING:
        return FieldKind.CHOICES if many else FieldKind.CHOICE, Wrapping.BARE
    kinds = {"string": FieldKind.TEXT, "boolean": FieldKind.YES_NO, "integer": FieldKind.WHOLE_NUMBER}
    if schema.get("type") == "number":
        return FieldKind.WHOLE_NUMBER if whole else FieldKind.NUMBER, Wrapping.BARE
    return kinds.get(str(schema.get("type")), FieldKind.JSON), Wrapping.BARE


def _is_file(schema: Mapping[str, Any]) -> bool:
    """Return True if the schema describes a file or a list of files."""
    if schema.get("type") == "array":
        schema = _resolved(schema)
    return {"path", "meta"} <= as_object(schema.get("properties")).keys() or schema.get("type") == "filepath"


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a list's items, which may be a reference into ``$defs``."""
    items = as_object(schema.get("items"))
    reference = as_text(items.get("$ref")).rpartition("/")[2]
    return as_object(as_object(schema.get("$defs")).get(reference)) if reference else items


def _is_whole(component: str, props: Mapping[str, Any], default: Any) -> bool:
    """Return True for a slider with a whole minimum and step, and for a number without decimal places."""
    if component == "number":
        return props.get("precision") == 0
    if component != "slider":
        return False
    numbers = [as_number(props.get(name)) for name in ("minimum", "step")]
    default = as_number(default)
    return all(each is not None and each == int(each) for each in numbers) and (default is None or default % 1 == 0)


def _choices(component: str, props: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Choice, ...]:
    listed = as_list(props.get("choices")) if component in _CHOOSING else []
    if not listed:
        listed = as_list(schema.get("enum")) or as_list(_resolved(schema).get("enum"))
    pairs = (each if isinstance(each, list) and len(each) == 2 else (each, each) for each in listed)
    return tuple(Choice(str(label), value) for label, value in pairs)


def _file_media(component: str, props: Mapping[str, Any]) -> str:
    media = _MEDIA.get(component, "other")
    named = as_list(props.get("file_types"))
    return str(named[0]) if media == "other" and len(named) == 1 and named[0] in _OF_FILE_TYPES else media


def _output_media(entry: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    component = _component(entry, part)
    if component in _MEDIA:
        return _file_media(component, as_object(part.get("props")))
    schema = as_object(entry.get("type"))
    if _holds_file(schema, _MAX_DEPTH):
        return "other"
    return "text" if schema.get("type") == "string" else ""


def _holds_file(schema: Any, depth: int) -> bool:
    if not depth or not isinstance(schema, (Mapping, list)):
        return False
    if isinstance(schema, Mapping) and _is_file(schema):
        return True
    return any(_holds_file(each, depth - 1) for each in (schema.values() if isinstance(schema, Mapping) else schema))


def _component(entry: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    return (as_text(part.get("type")) or as_text(entry.get("component"))).lower()


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


def _first(*values: float | None) -> float | None:
    return next((each for each in values if each is not None), None)
