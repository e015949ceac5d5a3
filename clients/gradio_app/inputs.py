"""Turns a request into an endpoint's values: checks them against the app's fields and wraps files for each field.

Facts: servers before Gradio 6 accept almost any value and then fail without a reason, so the client checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ValidationError
from ..core.json_fields import is_number
from ..core.request import nearest_names
from .endpoints import Endpoint, Field, FieldKind, Wrapping
from .request import EndpointRequest

SHOWN_CHOICES = 8


@dataclass(frozen=True)
class Inputs:
    """The inputs of a call by field name: ``files`` to upload, and the ``values`` of all other fields."""

    values: Mapping[str, Any]
    files: Mapping[str, tuple[Path, ...]]


def check_inputs(endpoint: Endpoint, request: EndpointRequest) -> Inputs:
    """Return the request's values, and defaults for the fields that the request lacks.

    Raises ``ValidationError`` (code ``invalid_inputs``) with a problem for each field that is unknown, missing, or has
    a value that the app does not accept.
    """
    problems: list[str] = []
    values = _by_field(endpoint, request.inputs, problems)
    files = {name: _paths(each) for name, each in _by_field(endpoint, request.files, problems).items()}
    for field in endpoint.fields:
        if field.name in files:
            found = _file_problems(field, files[field.name])
        elif field.name in values:
            found = _value_problems(field, values[field.name])
        else:
            values[field.name] = field.default
            found = ["missing."] if field.required else []
        problems += [f"{field.name}: {each}" for each in found]
    if problems:
        raise ValidationError(
            f"{endpoint.name}: {' '.join(problems)}",
            code="invalid_inputs",
            problems=problems,
            hint="Correct the fields and try again.",
        )
    return Inputs(values, files)


def wrap_files(field: Field, uploaded: Sequence[Mapping[str, Any]]) -> Any:
    """Return the value of a file field for the uploaded files."""
    if field.wrapping is Wrapping.GALLERY:
        return [{"image": each, "caption": None} for each in uploaded]
    if field.kind is FieldKind.FILES:
        return list(uploaded)
    file = uploaded[0]
    if field.wrapping is Wrapping.VIDEO:
        return {"video": file, "subtitles": None}
    if field.wrapping is Wrapping.EDITOR:
        return {"background": file, "layers": [], "composite": file}
    return file


def _by_field(endpoint: Endpoint, given: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the values by field name; the request may name fields by their labels."""
    found = {}
    for name, value in given.items():
        field = endpoint.field(name)
        if field is None:
            near = " or ".join(nearest_names(name, [each.name for each in endpoint.fields]))
            problems.append(f"{name}: unknown field; did you mean {near}?" if near else f"{name}: unknown field.")
        elif field.name in found:
            problems.append(f"{field.name}: it is given twice, by its name and by its label.")
        else:
            found[field.name] = value
    return found


def _paths(value: Any) -> tuple[Path, ...]:
    return tuple(map(Path, value)) if isinstance(value, (list, tuple)) else (Path(value),)


def _file_problems(field: Field, paths: tuple[Path, ...]) -> list[str]:
    if not field.is_file:
        return ["it takes no file."]
    if field.kind is FieldKind.FILE and len(paths) != 1:
        return ["it takes one file."]
    return []


def _value_problems(field: Field, value: Any) -> list[str]:
    if value is None:
        return ["a value is required."] if field.required else []
    if field.is_file:
        return ["a file is required: give its path in files."]
    if field.kind is FieldKind.TEXT:
        return [] if isinstance(value, str) else ["a text is required."]
    if field.kind is FieldKind.YES_NO:
        return [] if isinstance(value, bool) else ["true or false is required."]
    if field.kind in (FieldKind.NUMBER, FieldKind.WHOLE_NUMBER):
        return _number_problems(field, value)
    if field.kind is FieldKind.CHOICE:
        return _choice_problems(field, (value,))
    if field.kind is FieldKind.CHOICES:
        return (
            _choice_problems(field, value) if isinstance(value, (list, tuple)) else ["a list of choices is required."]
        )
    return []


def _number_problems(field: Field, value: Any) -> list[str]:
    if not is_number(value):
        return ["a number is required."]
    if field.kind is FieldKind.WHOLE_NUMBER and value != int(value):
        return ["a whole number is required."]
    if field.minimum is not None and value < field.minimum:
        return [f"it must be at least {field.minimum:g}."]
    if field.maximum is not None and value > field.maximum:
        return [f"it must be at most {field.maximum:g}."]
    return []


def _choice_problems(field: Field, values: Iterable[Any]) -> list[str]:
    known = [each.value for each in field.choices]
    if field.takes_other_values or not known:
        return []
    problems = []
    for value in values:
        if value not in known:
            names = [str(each) for each in known]
            near = nearest_names(str(value), names, SHOWN_CHOICES) or tuple(names[:SHOWN_CHOICES])
            problems.append(f"{value!r} is not one of its choices: {', '.join(near)}.")
    return problems
