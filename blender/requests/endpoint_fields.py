"""The fields of an endpoint in a scene: made from what the app says of itself, read for a request, kept as presets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...clients.core.errors import ValidationError

if TYPE_CHECKING:
    from ...clients.gradio_app.endpoints import Endpoint, Field

VALUE = "value"
MOST, LEAST = 2**31 - 1, -(2**31)
"""What Blender's custom properties hold as whole numbers: larger ones are kept as texts."""

# The values of FieldKind: its module brings more along than Blender's start may cost.
TEXT, NUMBER, WHOLE_NUMBER, YES_NO, CHOICE, CHOICES = "text", "number", "whole_number", "yes_no", "choice", "choices"
FILES = ("file", "files")
SOURCES = ("NONE", "FILE", "STRIP")
PICTURE_SOURCES = (*SOURCES, "IMAGE", "CAMERA")


def fill(own: Any, app: str, endpoint: Endpoint) -> None:
    """Make the fields of an endpoint in a scene's settings; with the values that it had there last, if it had some."""
    remember(own)
    own.app, own.endpoint, own.label = app, endpoint.name, endpoint.label
    own.fields.clear()
    for field in endpoint.fields:
        _add(own, field)
    apply(own, json.loads(own.remembered).get(app, {}).get(endpoint.name, {}))


def remember(own: Any) -> None:
    """Keep the present values for the next time that their endpoint is chosen."""
    if not own.endpoint:
        return
    kept = json.loads(own.remembered)
    kept.setdefault(own.app, {})[own.endpoint] = snapshot(own)
    own.remembered = json.dumps(kept)


def snapshot(own: Any) -> dict[str, Any]:
    """Return what is in the fields, as plain data for ``apply``; images of the film are no part of it."""
    return {field.name: _state(field) for field in own.fields}


def apply(own: Any, values: Mapping[str, Any]) -> None:
    """Put what ``snapshot`` has returned into the fields; what no longer fits a field leaves it as it is."""
    for field in own.fields:
        state = values.get(field.name)
        if isinstance(state, Mapping):
            _restore(field, state)


def missing(own: Any) -> list[str]:
    """Return the labels of the required fields that nothing is in."""
    return [field.label for field in own.fields if field.required and not _is_filled(field)]


def values(own: Any) -> dict[str, Any]:
    """Return the values of the fields that take no file; those that are left to the app are not among them.

    Raises ``ValidationError`` (code ``invalid_inputs``) for a text that is no number, no JSON or none of the choices.
    """
    return {field.name: _value(field) for field in own.fields if not is_file(field) and _is_sent(field)}


def is_file(field: Any) -> bool:
    """Return True for a field that takes files."""
    return field.kind in FILES


def _add(own: Any, field: Field) -> None:
    made = own.fields.add()
    made.name, made.label, made.kind, made.media = field.name, field.label, str(field.kind), field.media
    made.lines, made.required = field.lines, field.required
    made.optional = not field.required and field.default is None
    if field.is_file:
        made.source = "FILE" if field.required else "NONE"
        return
    made.choices = json.dumps([[each.label, each.value] for each in field.choices])
    _set_value(made, field)


def _set_value(made: Any, field: Field) -> None:
    """Set the custom property to the default, with the limits, choices and help that Blender is to draw."""
    if field.kind == CHOICE and field.choices and not field.takes_other_values:
        known = [each.value for each in field.choices]
        made[VALUE] = known.index(field.default) if field.default in known else 0
        items = [(str(number), each.label, "") for number, each in enumerate(field.choices)]
        made.id_properties_ui(VALUE).update(items=items, description=field.help)
    elif field.kind in (NUMBER, WHOLE_NUMBER) and _fits(field):
        _set_number(made, field)
    elif field.kind == YES_NO:
        made[VALUE] = bool(field.default)
        made.id_properties_ui(VALUE).update(description=field.help)
    else:
        made[VALUE] = _as_text(field.default, field)
        made.id_properties_ui(VALUE).update(description=_text_help(field))


def _fits(field: Field) -> bool:
    """Return True if Blender's whole numbers hold all that the field may be."""
    numbers = (field.minimum, field.maximum, field.default)
    if field.kind == NUMBER:
        return True
    return all(each is None or LEAST <= each <= MOST for each in numbers)


def _set_number(made: Any, field: Field) -> None:
    kind: type[int | float] = int if field.kind == WHOLE_NUMBER else float
    limits = {name: kind(each) for name, each in (("min", field.minimum), ("max", field.maximum)) if each is not None}
    limits |= {f"soft_{name}": each for name, each in limits.items()}
    start = field.default if field.default is not None else field.minimum or 0
    made[VALUE] = kind(start)
    made.slider = field.minimum is not None and field.maximum is not None
    settings: dict[str, Any] = {**limits, "default": kind(start), "description": field.help}
    if kind is float:
        settings["step"] = max(0.1, (field.step or 0.01) * 100)
        settings["precision"] = 3
    made.id_properties_ui(VALUE).update(**settings)


def _as_text(value: Any, field: Field) -> str:
    if value is None:
        return ""
    if field.kind == CHOICES and isinstance(value, list):
        labels = {json.dumps(each.value): each.label for each in field.choices}
        return ", ".join(labels.get(json.dumps(each), str(each)) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def _text_help(field: Field) -> str:
    labels = ", ".join(each.label for each in field.choices)
    if field.kind == CHOICES:
        return f"Any of these, parted by commas: {labels}"
    return f"{field.help} Such as: {labels}".strip() if labels else field.help


def _state(field: Any) -> dict[str, Any]:
    if is_file(field):
        return {"source": field.source, "path": field.path}
    return {VALUE: field[VALUE], "given": field.given}


def _restore(field: Any, state: Mapping[str, Any]) -> None:
    if is_file(field):
        if state.get("source") in (PICTURE_SOURCES if field.media == "image" else SOURCES):
            field.source = state["source"]
        field.path = str(state.get("path", ""))
        return
    value = state.get(VALUE)
    if type(value) is not type(field[VALUE]) or not _is_allowed(field, value):
        return
    field[VALUE] = value
    field.given = state.get("given") is True


def _is_allowed(field: Any, value: Any) -> bool:
    if field.kind == CHOICE and isinstance(value, int):
        return 0 <= value < len(json.loads(field.choices))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        limits = field.id_properties_ui(VALUE).as_dict()
        return bool(limits["min"] <= value <= limits["max"])
    return True


def _is_filled(field: Any) -> bool:
    if is_file(field):
        return field.source in ("STRIP", "CAMERA") or bool(
            field.path.strip() if field.source == "FILE" else field.source == "IMAGE" and field.image
        )
    return not isinstance(field[VALUE], str) or bool(field[VALUE].strip())


def _is_sent(field: Any) -> bool:
    if field.optional:
        return bool(field[VALUE].strip() if isinstance(field[VALUE], str) else field.given)
    return True


def _value(field: Any) -> Any:
    value = field[VALUE]
    if not isinstance(value, str):
        return json.loads(field.choices)[value][1] if field.kind == CHOICE else value
    if field.kind == CHOICE:
        return _chosen(field, value)
    if field.kind == CHOICES:
        return [_chosen(field, each.strip()) for each in value.split(",") if each.strip()]
    if field.kind == TEXT:
        return value
    try:
        return json.loads(value)
    except ValueError:
        wanted = "a number" if field.kind in (NUMBER, WHOLE_NUMBER) else "JSON"
        problem = f"{field.label}: {wanted} is needed."
        raise ValidationError(
            problem, code="invalid_inputs", problems=(problem,), hint="Correct the field and try again."
        ) from None


def _chosen(field: Any, text: str) -> Any:
    """Return the choice of that label or value, else the text itself: the app may take others."""
    pairs = json.loads(field.choices)
    return next((value for label, value in pairs if text in (label, value, str(value))), text)
