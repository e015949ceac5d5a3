"""Parses the inputs of a Cog server from its ``/openapi.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import ProtocolError
from ...core.json_fields import as_list, as_number, as_object, as_text, get_member, get_objects, parse_number
from ..input_mapping import DURATION, PROMPT, ROLES, Field, index_by_role

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


def parse_fields(document: Any) -> tuple[Field, ...]:
    """Return the inputs in the document's order; ``ProtocolError`` (code ``not_sound``) if the model makes no sound."""
    schemas = as_object(get_member(document, "components", "schemas"))
    inputs = as_object(schemas.get("Input"))
    required = as_list(inputs.get("required"))
    fields = []
    for name, described in sorted(as_object(inputs.get("properties")).items(), key=_get_order):
        if isinstance(described, Mapping):
            fields.append(_make_field(name, _resolve(described, schemas), name in required))
    known = index_by_role(fields)
    if PROMPT not in known or DURATION not in known:
        raise ProtocolError(
            f"This Cog server does not make sound from text; its inputs are "
            f"{', '.join(field.name for field in fields)}.",
            code="not_sound",
            hint="Start an image of AudioLDM, AudioGen, MMAudio or Stable Audio.",
        )
    return tuple(fields)


def _make_field(name: str, described: Mapping[str, Any], required: bool) -> Field:
    return Field(
        name,
        ROLES.get(name, ""),
        as_text(described.get("type"), "string"),
        tuple(as_list(described.get("enum"))),
        described.get("default"),
        parse_number(described.get("minimum")),
        parse_number(described.get("maximum")),
        required=required,
    )


def _resolve(described: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a description with its references resolved: enums are in ``allOf``, optional values in ``anyOf``."""
    merged: dict[str, Any] = {}
    for part in [described, *_get_parts(described)]:
        name = part.get("$ref")
        target = schemas.get(name.rpartition("/")[2]) if isinstance(name, str) else part
        if isinstance(target, Mapping) and target.get("type") != "null":
            merged = {**target, **merged}
    return merged


def _get_parts(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for key in ("allOf", "anyOf", "oneOf"):
        found += get_objects(described.get(key))
    return found


def _get_order(item: tuple[str, Any]) -> float:
    place = as_number(get_member(item[1], "x-order"))
    return 1e9 if place is None else place
