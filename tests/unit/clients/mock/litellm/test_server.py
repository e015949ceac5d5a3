"""The mock writer by itself: values for any schema, slices, and what it tells tests."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import fastjsonschema
import pytest

from movie_director.clients.mock.litellm.server import MockLiteLLM
from movie_director.clients.mock.litellm.stream import sliced
from movie_director.clients.mock.litellm.text import SHOTS, schema_in, text_for, value_for

SCHEMAS = {
    "limits": {"properties": {
        "scene": {"type": "string", "maxLength": 5},
        "note": {"type": "string", "minLength": 30},
        "duration": {"type": "number", "maximum": 2},
        "take": {"type": "integer", "minimum": 7},
        "day": {"type": "boolean"},
        "nothing": {"type": "null"},
        "fixed": {"const": 5},
    }, "required": ["scene", "note", "duration", "take", "day", "nothing", "fixed"]},
    "arrays": {"type": "array", "minItems": 4, "maxItems": 4, "items": {"enum": ["wide", "close"]}},
    "few": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
    "choices": {"type": "object", "properties": {
        "a": {"anyOf": [{"type": "null"}, {"type": "integer"}]}, "b": {"oneOf": [{"type": "string"}]},
        "c": {"type": ["null", "number"]},
    }, "required": ["a", "b", "c"]},
    "recursive": {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "maxItems": 1, "items": {"$ref": "#"}},
        "next": {"anyOf": [{"$ref": "#/$defs/next"}, {"type": "null"}]},
    }, "$defs": {"next": {"type": "object", "properties": {"deeper": {"anyOf": [
        {"$ref": "#/$defs/next"}, {"type": "null"}]}}, "required": ["deeper"]}}},
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_writer_s_values_satisfy_the_schema(name):
    value = value_for(SCHEMAS[name])
    fastjsonschema.compile(SCHEMAS[name])(value)
    json.dumps(value)


def test_the_writer_knows_its_trade():
    for wanted in ("shot list", "synopsis", "logline", "dialogue", "sum up", "anything"):
        assert len("".join(text_for(f"A {wanted}, please"))) > 40
    assert SHOTS[4][2] in "".join(text_for("shot list"))
    endless = text_for("a feature-length film")
    assert len([next(endless) for _ in range(5000)]) == 5000


def test_the_schema_is_found_wherever_the_request_has_it():
    body = {"messages": [{"role": "user", "content": [{"type": "text"}]}]}
    assert schema_in(body) is None
    assert schema_in({**body, "response_format": {"type": "json_object"}})["type"] == "object"
    wanted = {"type": "json_schema", "json_schema": {"schema": {"const": 1}}}
    assert schema_in({**body, "response_format": wanted}) == {"const": 1}
    said = [{"role": "system", "content": 'Fit this JSON Schema:\n{"const": 2} please'}]
    assert schema_in({"messages": said}) == {"const": 2}


def test_slices_are_of_one_size_and_lose_nothing():
    assert list(sliced(iter([b"abc", b"defgh", b"i"]), 4)) == [b"abcd", b"efgh", b"i"]
    assert list(sliced(iter([b"", b""]), 4)) == []


def test_waiting_for_a_client_to_leave_is_bounded():
    with MockLiteLLM() as mock, pytest.raises(TimeoutError):
        mock.wait_left(1, timeout=0.01)


def test_lm_studio_takes_no_json_object():
    with MockLiteLLM(dialect="lmstudio") as mock:
        body = {"model": "demo-writer", "messages": [], "response_format": {"type": "json_object"}}
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{mock.url}/v1/chat/completions", json.dumps(body).encode(), timeout=30)
        with caught.value as error:
            assert isinstance(json.loads(error.read())["error"], str)
