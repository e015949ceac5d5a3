"""The endpoints of an app, from recorded and made-up descriptions."""

from __future__ import annotations

import pytest
from support.gradio_app import config, info
from support.gradio_proto import VERSIONS, recorded, wiring

from movie_director.clients.gradio_app.endpoints import (
    Choice,
    Endpoint,
    Field,
    FieldKind,
    Wrapping,
    find_dependency,
    parse_endpoints,
)

FILE = {"properties": {"path": {}, "url": {}, "meta": {}}, "title": "FileData", "type": "object"}
FILES = {"$defs": {"FileData": FILE}, "items": {"$ref": "#/$defs/FileData"}, "type": "array"}


def recorded_endpoints(version):
    described = next(
        line["json"] for line in recorded(version, "config_info") if "named_endpoints" in (line.get("json") or ())
    )
    return {each.name: each for each in parse_endpoints(wiring(), described)}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_recorded_app_is_read(version):
    endpoints = recorded_endpoints(version)
    assert list(endpoints)[:3] == ["/echo", "/gen_progress", "/plain_progress"]
    text, number, flag = endpoints["/echo"].fields
    assert (text.kind, text.required, text.label) == (FieldKind.TEXT, True, "text")
    assert (number.kind, number.minimum, number.maximum, number.step) == (FieldKind.WHOLE_NUMBER, 1, 10, 1)
    assert (number.default, number.required) == (2, False)
    assert flag.kind is FieldKind.YES_NO
    assert endpoints["/gen_progress"].is_generator
    assert not endpoints["/echo"].is_generator
    assert endpoints["/dropdown_echo"].fields[0].choices == (Choice("a", "a"), Choice("b", "b"))
    assert [each.kind for each in endpoints["/file_io"].fields] == [FieldKind.FILE]
    assert [each.kind for each in endpoints["/files_io"].fields] == [FieldKind.FILES]
    image = endpoints["/make_video"].field("image")
    assert (image.kind, image.media, image.required) == (FieldKind.FILE, "image", False)
    assert endpoints["/make_video"].media == ("video",)
    assert endpoints["/make_audio"].media == ("audio",)
    assert endpoints["/gallery"].media == ("image",)
    assert endpoints["/echo"].media == ("text",)
    assert len(endpoints["/state_fn"].fields) == 1, "State is not for the caller to fill in"


def one_field(part, entry, schema):
    """Return the field of an endpoint with that component."""
    wired = {"dependencies": [{"api_name": "run", "inputs": [1], "outputs": []}], "components": [{"id": 1, **part}]}
    told = {"/run": {"parameters": [{"label": "L", "parameter_name": "p", "type": schema, **entry}], "returns": []}}
    (endpoint,) = parse_endpoints(wired, {"named_endpoints": told})
    return endpoint.fields[0]


@pytest.mark.parametrize(
    ("part", "entry", "schema", "expected"),
    [
        ({"type": "number", "props": {"precision": 0}}, {}, {"type": "number"}, {"kind": FieldKind.WHOLE_NUMBER}),
        ({"type": "number", "props": {"step": 1}}, {}, {"type": "number"}, {"kind": FieldKind.NUMBER}),
        ({"type": "number", "props": {}}, {}, {"type": "integer"}, {"kind": FieldKind.WHOLE_NUMBER}),
        (
            {"type": "slider", "props": {"minimum": 0, "maximum": 1, "step": 0.01}},
            {},
            {"type": "number"},
            {"kind": FieldKind.NUMBER, "step": 0.01},
        ),
        (
            {"type": "slider", "props": {"minimum": 1, "maximum": 9, "step": 1}},
            {"parameter_has_default": True, "parameter_default": 2.5},
            {"type": "number"},
            {"kind": FieldKind.NUMBER, "default": 2.5},
        ),
        ({}, {"component": "Slider"}, {"type": "number", "minimum": 2, "maximum": 4}, {"minimum": 2, "maximum": 4}),
        ({"type": "slider", "props": {"minimum": True}}, {}, {"type": "number"}, {"minimum": None}),
        (
            {"type": "radio", "props": {"choices": [["Warm", "w"], "cold"]}},
            {},
            {"type": "string", "enum": ["w", "cold"]},
            {"kind": FieldKind.CHOICE, "choices": (Choice("Warm", "w"), Choice("cold", "cold"))},
        ),
        (
            {"type": "checkboxgroup", "props": {}},
            {},
            {"type": "array", "items": {"type": "string", "enum": ["a"]}},
            {"kind": FieldKind.CHOICES, "choices": (Choice("a", "a"),)},
        ),
        (
            {"type": "dropdown", "props": {"allow_custom_value": True}},
            {},
            {"type": "string"},
            {"takes_other_values": True},
        ),
        (
            {"type": "textbox", "props": {"lines": 4, "info": "Say it"}},
            {},
            {"type": "string"},
            {"lines": 4, "help": "Say it"},
        ),
        ({"type": "textbox", "props": {"lines": 0}}, {}, {"type": "string"}, {"lines": 1}),
        ({"type": "json", "props": {}}, {}, {"type": {}}, {"kind": FieldKind.JSON}),
        ({"type": "image", "props": {}}, {}, FILE, {"kind": FieldKind.FILE, "media": "image"}),
        ({"type": "file", "props": {"file_types": ["audio"]}}, {}, FILES, {"kind": FieldKind.FILES, "media": "audio"}),
        ({"type": "file", "props": {"file_types": [".zip"]}}, {}, FILE, {"media": "other", "file_types": (".zip",)}),
        ({"type": "video", "props": {}}, {}, {"properties": {"video": {}}}, {"wrapping": Wrapping.VIDEO}),
        ({"type": "video", "props": {}}, {}, FILE, {"wrapping": Wrapping.BARE, "media": "video"}),
        ({"type": "imageeditor", "props": {}}, {}, {"properties": {}}, {"wrapping": Wrapping.EDITOR}),
        (
            {"type": "gallery", "props": {}},
            {},
            {"type": "array"},
            {"wrapping": Wrapping.GALLERY, "kind": FieldKind.FILES},
        ),
        ({"type": "custom", "props": {}}, {}, FILE, {"kind": FieldKind.FILE, "media": "other"}),
    ],
)
def test_fields_are_read_from_component_and_schema(part, entry, schema, expected):
    field = one_field(part, entry, schema)
    assert {name: getattr(field, name) for name in expected} == expected


def test_a_field_without_a_name_gets_one_by_its_place():
    field = one_field({}, {"parameter_name": None, "label": ""}, {"type": "string"})
    assert (field.name, field.label) == ("param_0", "param_0")


def test_what_is_hidden_or_nameless_or_not_of_the_server_is_left_out():
    wired = config()
    wired["dependencies"] += [
        {"api_name": False, "inputs": [], "outputs": []},
        {"api_name": "script", "inputs": [], "outputs": [], "backend_fn": False},
        {"api_name": "old", "inputs": [], "outputs": []},
        {"api_name": "new", "inputs": [], "outputs": []},
    ]
    empty = {"parameters": [], "returns": []}
    told = info(
        **{
            "/script": empty,
            "/gone": empty,
            "/old": {**empty, "show_api": False},
            "/new": {**empty, "api_visibility": "undocumented"},
            "/odd": None,
        }
    )
    assert [each.name for each in parse_endpoints(wired, told)] == ["/echo", "/count"]


@pytest.mark.parametrize(("wired", "told"), [({}, {}), ({"dependencies": 3, "components": 4}, {"named_endpoints": []})])
def test_nonsense_has_no_endpoints(wired, told):
    assert parse_endpoints(wired, told) == ()


def test_a_function_without_an_id_is_counted():
    assert find_dependency({"dependencies": [{"api_name": "a"}, {"api_name": "b"}]}, "/b") == {"id": 1, "api_name": "b"}


def test_fields_and_components_that_do_not_fit_together_are_read_from_the_schema_alone():
    wired = config()
    wired["dependencies"][0]["inputs"] = [1, 4, 5, 2]
    text, sample = parse_endpoints(wired, info())[0].fields
    assert (text.kind, sample.kind, sample.media) == (FieldKind.TEXT, FieldKind.FILE, "audio")


def test_outputs_of_one_name_are_told_apart():
    wired, told = config(), info()
    told["named_endpoints"]["/count"]["returns"][1]["label"] = "Out"
    told["named_endpoints"]["/count"]["returns"].append({"type": {}})
    wired["dependencies"][1]["outputs"].append(6)
    assert [each.name for each in parse_endpoints(wired, told)[1].outputs] == ["Out", "Out 2", "output 3"]


def test_a_file_within_other_values_is_a_file():
    told = info()
    nested = {"properties": {"items": [{"properties": {"file": FILE}}]}}
    told["named_endpoints"]["/echo"]["returns"] = [{"label": "X", "type": nested, "component": "Custom"}]
    wired = config()
    wired["components"][1]["type"] = "custom"
    assert parse_endpoints(wired, told)[0].media == ("other",)


def test_endpoints_are_called_as_people_read_them():
    endpoint = Endpoint("/generate_music", 0, (Field("a", "Loud", FieldKind.TEXT), Field("b", "Loud", FieldKind.TEXT)))
    assert endpoint.label == "Generate music"
    assert endpoint.field("a") is endpoint.fields[0]
    assert endpoint.field("Loud") is None, "two have that label"
    assert endpoint.field("c") is None
