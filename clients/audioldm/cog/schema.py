"""The inputs of a Cog server, from its ``/openapi.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import ProtocolError
from ..input_mapping import DURATION, PROMPT, ROLES, Field, by_role, number_of

UNDECLARED = tuple(
    Field(name, ROLES[name], kind)
    for name, kind in (
        ("text", "string"),
        ("duration", "string"),
        ("guidance_scale", "number"),
        ("random_seed", "integer"),
        ("n_candidates", "integer"),
    )
)
"""The inputs of AudioLDM's own image, for a server that was not built by ``cog build`` and has no schema."""


def fields_of(document: Any) -> tuple[Field, ...]:
    """Return the inputs in the document's order; ``ProtocolError`` (code ``not_sound``) if it is no maker of sounds."""
    schemas = _mapping(_mapping(document, "components"), "schemas")
    inputs = _mapping(schemas, "Input")
    required = inputs.get("required")
    required = required if isinstance(required, list) else []
    fields = []
    for name, described in sorted(_mapping(inputs, "properties").items(), key=_order):
        if isinstance(described, Mapping):
            fields.append(_field(name, _resolved(described, schemas), name in required))
    known = by_role(fields)
    if PROMPT not in known or DURATION not in known:
        raise ProtocolError(
            f"This Cog server makes no sounds of a text; its inputs are {', '.join(field.name for field in fields)}.",
            code="not_sound",
            hint="Start an image of AudioLDM, AudioGen, MMAudio or Stable Audio.",
        )
    return tuple(fields)


def _field(name: str, described: Mapping[str, Any], required: bool) -> Field:
    choices = described.get("enum")
    kind = described.get("type")
    return Field(
        name,
        ROLES.get(name, ""),
        kind if isinstance(kind, str) else "string",
        tuple(choices) if isinstance(choices, list) else (),
        described.get("default"),
        number_of(described.get("minimum")),
        number_of(described.get("maximum")),
        required=required,
    )


def _resolved(described: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a description with what it refers to: enums stand in ``allOf``, optional values in ``anyOf``."""
    merged: dict[str, Any] = {}
    for part in [described, *_parts(described)]:
        name = part.get("$ref")
        target = schemas.get(name.rpartition("/")[2]) if isinstance(name, str) else part
        if isinstance(target, Mapping) and target.get("type") != "null":
            merged = {**target, **merged}
    return merged


def _parts(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for key in ("allOf", "anyOf", "oneOf"):
        listed = described.get(key)
        found += [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    return found


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _order(item: tuple[str, Any]) -> float:
    place = number_of(item[1].get("x-order")) if isinstance(item[1], Mapping) else None
    return 1e9 if place is None else place
