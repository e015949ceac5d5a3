"""The schema of a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from support.shot_schema import Shot

from movie_director.clients import errors
from movie_director.clients.litellm import ChatRequest, schema_of
from movie_director.clients.litellm.schema import is_strict
from movie_director.clients.litellm.structured_output import (
    Validator,
)


def test_a_dataclass_becomes_a_schema_that_its_own_values_fit():
    schema = schema_of(Shot)
    assert schema["required"] == ["scene", "number", "seconds", "angle", "kind", "lines"]
    assert schema["properties"]["scene"] == {"type": "string", "description": "where and when"}
    assert schema["properties"]["angle"] == {"enum": ["low", "high"]}
    assert schema["properties"]["inserts"]["items"] == {"$ref": "#"}
    assert schema["properties"]["things"] == {"type": "array"}
    assert schema["properties"]["other"] == {}
    assert schema["$defs"]["Line"]["properties"]["reply"] == {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}]}
    line = {"who": "Mara", "text": "Hm.", "reply": {"who": "Jonas", "text": "Yes."}}
    shot = {"scene": "s", "number": 1, "seconds": 2.5, "angle": "low", "kind": "wide", "lines": [line]}
    validator = Validator(schema)
    assert validator.problems({**shot, "inserts": [shot], "notes": {"a": "b"}, "day": False}) == []
    assert len(validator.problems({**shot, "number": "one", "seconds": "two"})) == 2
    assert validator.problems({**shot, "lines": [{"who": 5}]})


def test_a_flat_dataclass_needs_no_definitions():
    @dataclass
    class Flat:
        title: str | None

    assert schema_of(Flat) == {
        "title": "Flat",
        "type": "object",
        "properties": {"title": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        "required": ["title"],
        "additionalProperties": False,
    }


def test_what_has_no_json_form_is_refused_at_once():
    @dataclass
    class Strange:
        value: complex

    @dataclass
    class Pair:
        value: tuple[int, str]

    @dataclass
    class Unreadable:
        value: NoSuchType  # noqa: F821

    for cls in (Strange, Pair, Unreadable):
        with pytest.raises(errors.ValidationError) as caught:
            ChatRequest(prompt="a", schema=cls)
        assert caught.value.code == "invalid_schema"


def test_strict_schemas_are_told_from_others():
    strict = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    assert is_strict({"type": "array", "items": strict, "anyOf": [strict]})
    assert not is_strict({"type": "object"})
    assert not is_strict({"anyOf": [{"properties": {"a": {}}, "additionalProperties": False}]})


def test_a_schema_makes_no_request_and_a_senseless_one_is_refused():
    for schema in ({"type": "objet"}, {"$id": "http://127.0.0.1:9/a", "$ref": "b#/x"}, {"pattern": "("}):
        with pytest.raises(errors.ValidationError) as caught:
            Validator(schema)
        assert caught.value.code == "invalid_schema"


def test_a_value_nested_too_deeply_is_a_problem():
    value: Any = []
    for _ in range(5000):
        value = [value]
    assert Validator({"type": "array", "items": {"$ref": "#"}}).problems(value) == ["data is nested too deeply"]
