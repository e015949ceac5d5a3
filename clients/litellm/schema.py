"""JSON Schemas for structured answers: made from dataclasses, and checked before a request is sent."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import ValidationError

_SIMPLE: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_LISTS = (list, tuple, set, frozenset, Sequence)
_MAPPINGS = (dict, Mapping)


def schema_of(cls: type) -> dict[str, Any]:
    """Return the JSON Schema of a dataclass; fields without a default are required, others are optional.

    Accepts ``str``, ``int``, ``float``, ``bool``, ``None``, lists, tuples of one type, mappings from ``str``, unions,
    ``Literal``, enums, ``Any`` and other dataclasses, also recursively. A field's ``metadata["description"]`` describes
    it to the model. Any other type raises ``ValidationError`` (code ``invalid_schema``).
    """
    return _Maker(cls).schema()


def schema_problems(schema: Any) -> list[str]:
    """Return the problems of a schema that show without compiling it."""
    if not isinstance(schema, Mapping):
        return ["schema: a JSON Schema as a dict, or a dataclass, is required."]
    try:
        json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return [f"schema: it is not valid JSON ({error})."]
    foreign = [ref for ref in _find_refs(schema) if not ref.startswith("#")]
    return [f"schema: $ref {ref} points outside the schema." for ref in foreign]


def is_strict(schema: Any) -> bool:
    """Return True if every object requires all its members and allows no others, as OpenAI's strict mode needs."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object" or "properties" in schema:
            members = schema.get("properties", {})
            if schema.get("additionalProperties") is not False or set(members) != set(schema.get("required", ())):
                return False
        return all(is_strict(each) for each in schema.values())
    return all(is_strict(each) for each in schema) if isinstance(schema, list) else True


def _find_refs(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name == "$ref" and isinstance(each, str):
                yield each
            yield from _find_refs(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _find_refs(each)


class _Maker:
    """Makes one schema; other dataclasses in it become its ``$defs``."""

    def __init__(self, root: type) -> None:
        self._root = root
        self._definitions: dict[type, dict[str, Any]] = {}

    def schema(self) -> dict[str, Any]:
        schema = {"title": self._root.__name__, **self._object(self._root)}
        if self._definitions:
            schema["$defs"] = {cls.__name__: each for cls, each in self._definitions.items()}
        return schema

    def _object(self, cls: type) -> dict[str, Any]:
        try:
            hints = typing.get_type_hints(cls)
        except (NameError, TypeError) as error:
            raise _schema_error(cls, f"its annotations can't be read: {error}") from error
        members: dict[str, Any] = {}
        required = []
        for each in dataclasses.fields(cls):
            members[each.name] = self._add_description(each, self._convert_hint(hints[each.name], cls))
            if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
                required.append(each.name)
        return {"type": "object", "properties": members, "required": required, "additionalProperties": False}

    def _add_description(self, member: dataclasses.Field[Any], schema: dict[str, Any]) -> dict[str, Any]:
        detail = member.metadata.get("description")
        return {**schema, "description": detail} if detail else schema

    def _convert_hint(self, hint: Any, where: type) -> dict[str, Any]:
        if hint is Any:
            return {}
        if hint in _SIMPLE:
            return {"type": _SIMPLE[hint]}
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self._convert_hint(each, where) for each in arguments]}
        if (origin or hint) in _LISTS:
            return self._convert_list(arguments, where)
        if (origin or hint) in _MAPPINGS:
            return {
                "type": "object",
                "additionalProperties": self._convert_hint(arguments[1], where) if arguments else True,
            }
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return {"enum": [each.value for each in hint]}
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self._refer_to(hint)
        raise _schema_error(where, f"{hint!r} has no JSON equivalent")

    def _convert_list(self, arguments: tuple[Any, ...], where: type) -> dict[str, Any]:
        kinds = [each for each in arguments if each is not Ellipsis]
        if len(kinds) > 1:
            raise _schema_error(where, "tuples of several types are not supported")
        return {"type": "array", "items": self._convert_hint(kinds[0], where)} if kinds else {"type": "array"}

    def _refer_to(self, cls: type) -> dict[str, Any]:
        if cls is self._root:
            return {"$ref": "#"}
        if cls not in self._definitions:
            self._definitions[cls] = {}
            self._definitions[cls].update(self._object(cls))
        return {"$ref": f"#/$defs/{cls.__name__}"}


def _schema_error(cls: type, detail: str) -> ValidationError:
    problem = f"schema: {cls.__name__} can't be converted to a JSON Schema: {detail}."
    return ValidationError(
        problem, problems=[problem], code="invalid_schema", hint="Use plain types, or write the JSON Schema yourself."
    )
