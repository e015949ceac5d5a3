"""Which widgets a class has, and which saved value belongs to which; plain cases are among the recorded pairs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.workflows import CLASSES, class_info, node, workflow

from movie_director.clients.comfyui.workflow.conversion import ui_to_api
from movie_director.clients.errors import ValidationError


def _inputs(required: dict[str, Any], values: Any, kind: str = "It", **more: Any) -> dict[str, Any]:
    ui = workflow([node(1, kind, values=values, **more)], [])
    inputs: dict[str, Any] = ui_to_api(ui, {kind: class_info(required)})["1"]["inputs"]
    return inputs


SEED = {"seed": ["INT", {}], "steps": ["INT", {"default": 20}]}


@pytest.mark.parametrize(
    ("required", "values", "expected"),
    [
        (SEED, [1, "fixed", 2], {"seed": 1, "steps": 2}),
        (SEED, [1, True, 2], {"seed": 1, "steps": 2}),
        (SEED, [1, None, None], {"seed": 1, "steps": None}),
        (SEED, [1], {"seed": 1, "steps": 20}),
        (SEED, [1, "fixed", 2, "surplus"], {"seed": 1, "steps": 2}),
        (SEED, {"steps": 2, "seed": 1}, {"seed": 1, "steps": 2}),
        (SEED, 5, {"seed": 0, "steps": 20}),
        ({"seed": ["INT", {"control_after_generate": False}]}, [1], {"seed": 1}),
        ({"noise_seed": ["INT", {}], "b": ["INT", {}]}, [1, "fixed", 2], {"noise_seed": 1, "b": 2}),
        ({"seed": ["FLOAT", {}], "b": ["INT", {}]}, [1.5, 2], {"seed": 1.5, "b": 2}),
        ({"a": ["FLOAT", {"control_after_generate": True}], "b": ["INT", {}]}, [1.5, "fixed", 2], {"a": 1.5, "b": 2}),
        (
            {"a": [["x", "y"], {"control_after_generate": True}], "b": ["INT", {}]},
            ["y", "increment-wrap", "/filter/", 2],
            {"a": "y", "b": 2},
        ),
        ({"a": ["STRING", {"control_after_generate": True}], "b": ["INT", {}]}, ["s", 2], {"a": "s", "b": 2}),
        ({"seed": ["INT", {}]}, [2**64 - 1, "fixed"], {"seed": 2**64 - 1}),
        ({"seed": ["INT", {}]}, [10**400, "fixed"], {"seed": 10**400}),
        ({"a": ["INT", {}], "b": ["FLOAT", {}]}, ["12", "1e3"], {"a": "12", "b": "1e3"}),
        ({"a": ["BOOLEAN", {}], "b": ["BOOLEAN", {}]}, [1, True], {"a": 1, "b": True}),
        ({"a": ["BOOLEAN", {}], "b": ["STRING", {}], "c": ["COLOR", {}]}, [], {"a": False, "b": "", "c": "#000000"}),
        ({"a": ["STRING", {}]}, [3], {"a": 3}),
        ({"a": [["x", "y"]]}, [], {"a": "x"}),
        ({"a": ["COMBO", {"options": ["x"], "default": "z"}]}, [], {"a": "z"}),
        ({"a": ["COMBO", {"options": []}]}, [], {}),
        ({"a": ["COMBO", {"options": "no list"}]}, [], {}),
        ({"a": ["COMBO", {"remote": {"route": "/x"}}], "b": ["INT", {}]}, ["m", False, 3], {"a": "m", "b": 3}),
        ({"a": ["COMBO", {"multiselect": True}]}, [["x", "y"]], {"a": {"__value__": ["x", "y"]}}),
        ({"a": ["VIDEO_EDIT", {}]}, [], {}),
        ({"a": ["IMAGE,MASK", {"widgetType": "STRING"}]}, ["s"], {"a": "s"}),
        ({"a": ["INT", {"forceInput": True}], "b": ["INT", {}]}, [5, 6], {"b": 6}),
        (
            {"a": ["INT", {"forceInput": True}], "b": ["INT", {"control_after_generate": True}]},
            [5, 6, "fixed"],
            {"b": 6},
        ),
        ({"a": ["INT", {"forceInput": True}], "b": ["INT", {}]}, [6], {"b": 6}),
        ({"a": ["AUDIO_RECORD", {}], "b": ["INT", {}]}, ["r.wav", "", 3], {"a": "r.wav", "b": 3}),
        ({"a": [["v.mp4"], {"video_upload": True}], "b": ["INT", {}]}, ["v.mp4", 4, "image"], {"a": "v.mp4", "b": 4}),
        ({"a": ["BOUNDING_BOX", {}], "b": ["INT", {}]}, [{"x": 1}, 1, 2, 3, 4, 5], {"a": {"x": 1}, "b": 5}),
        ({"a": ["CURVE", {"default": {"points": []}}]}, [], {"a": {"points": []}}),
        ({"a": ["BOUNDING_BOXES", {}]}, [["x", "y"]], {"a": {"__value__": ["x", "y"]}}),
        ({"a": ["BOUNDING_BOXES", {}]}, [["x", True]], {"a": {"__value__": ["x", True]}}),
        ({"a": "INT", "b": [], "c": [5], "d": {"x": 1}}, [], {"a": 0}),
    ],
    ids=str,
)
def test_values(required: dict[str, Any], values: Any, expected: dict[str, Any]) -> None:
    assert _inputs(required, values) == expected


@pytest.mark.parametrize(
    ("required", "values", "field", "shown"),
    [
        (SEED, [1, 2, "fixed"], "control_after_generate", "a int"),
        (SEED, ["fixed", "fixed", 2], "seed", "'fixed'"),
        (SEED, [1, "fixed", True], "steps", "True"),
        (SEED, [1, "fixed", [2]], "steps", "a list"),
        (SEED, [1, "now and then", 2], "control_after_generate", "'now and then'"),
        ({"a": ["BOOLEAN", {}]}, ["enable"], "a", "'enable'"),
        ({"a": ["STRING", {}]}, [False], "a", "False"),
        ({"a": ["STRING", {}]}, [{}], "a", "a dict"),
        ({"a": [["x"]]}, [{}], "a", "a dict"),
        ({"a": ["COMFY_DYNAMICCOMBO_V3", {"options": []}]}, [3], "a", "a int"),
        (SEED, {"seed": "fixed"}, "seed", "'fixed'"),
    ],
    ids=str,
)
def test_values_of_another_version_of_the_class(required: Any, values: Any, field: str, shown: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _inputs(required, values, title="My sampler")
    error = caught.value
    assert (error.code, error.context) == (
        "widget_values_mismatch",
        {"node_id": "1", "title": "My sampler", "field": field},
    )
    assert 'node "My sampler" (It, id 1)' in error.message
    assert f"would get {shown}." in error.message
    assert "Export (API)" in error.hint


@pytest.mark.parametrize(
    ("values", "named", "expected"),
    [
        ([1, "fixed", 2], {"seed": 8, "steps": 9}, {"seed": 1, "steps": 2}),
        ([1, "fixed"], {"seed": 8, "steps": 9}, {"seed": 8, "steps": 9}),
        ([1, "fixed", 2, 3], {"seed": 8, "steps": 9}, {"seed": 8, "steps": 9}),
        (["fixed", 1, 2], {"seed": 8}, {"seed": 8, "steps": 20}),
        (None, {"seed": 8, "steps": 9, "gone": 1}, {"seed": 8, "steps": 9}),
        ([1, "fixed", 2], "junk", {"seed": 1, "steps": 2}),
    ],
    ids=["the list fits", "short", "long", "shifted", "names alone", "junk"],
)
def test_names_count_where_the_list_does_not_fit(values: Any, named: Any, expected: dict[str, Any]) -> None:
    assert _inputs(SEED, values, widgets_values_named=named) == expected


def test_a_packs_own_widgets_saved_by_name_are_sent() -> None:
    saved = {"seed": 1, "crf": 19, "pingpong": False, "preview": {"x": 1}, "after": "randomize", "format": "mp4"}
    expected = {"seed": 1, "steps": 20, "crf": 19, "pingpong": False, "format": "mp4"}
    assert _inputs(SEED, saved) == expected


MODES = [
    {"key": "plain", "inputs": {"required": {}}},
    {"key": "size", "inputs": {"required": {"seed": ["INT", {}], "w": ["INT", {}], "image": ["IMAGE"]}}},
    {
        "key": "deep",
        "inputs": {"optional": {"more": ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "k"}, {"key": 3}]}]}},
    },
    "junk",
]
DYNAMIC = {"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": MODES}], "last": ["INT", {}]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["plain", 9], {"mode": "plain", "last": 9}),
        (["size", 1, 2, 9], {"mode": "size", "mode.seed": 1, "mode.w": 2, "last": 9}),
        (["deep", "k", 9], {"mode": "deep", "mode.more": "k", "last": 9}),
        (["unknown", 9], {"mode": "unknown", "last": 9}),
        ([], {"mode": "plain", "last": 0}),
    ],
    ids=str,
)
def test_choice_of_a_dynamic_combo_brings_its_widgets(values: list[Any], expected: dict[str, Any]) -> None:
    assert _inputs(DYNAMIC, values) == expected


def test_dynamic_combo_without_options_is_left_to_the_server() -> None:
    assert _inputs({"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": "junk"}]}, []) == {}


def test_socket_of_a_dynamic_combos_choice_is_linked() -> None:
    slots = [("mode.image", "IMAGE", 4)]
    ui = workflow(
        [node(2, "Source", values=[1, ""]), node(1, "It", inputs=slots, values=["size", 1, 2, 9])], [(4, 2, 0, 1)]
    )
    prompt = ui_to_api(ui, {**CLASSES, "It": class_info(DYNAMIC)})
    assert prompt["1"]["inputs"]["mode.image"] == ["2", 0]


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ({"input": {"required": {"v": ["INT", {}]}}}, [5, 6], {"vs.v0": 5, "vs.v1": 6}),
        ({"input": {"required": {"v": ["INT", {"forceInput": True}]}}}, [], {}),
        ({"input": {"required": {}}}, [], {}),
        ({"input": 5}, [], {}),
        (5, [], {}),
    ],
    ids=str,
)
def test_widgets_of_a_growing_group(template: Any, values: list[Any], expected: dict[str, Any]) -> None:
    slots = [("vs.v0", "INT", None), ("vs.v1", "INT", None), ("other", "INT", None)]
    assert _inputs({"vs": ["COMFY_AUTOGROW_V3", {"template": template}]}, values, inputs=slots) == expected


@pytest.mark.parametrize("kind", ["LOAD_3D", "WEBCAM", "COMFY_DYNAMICGROUP_V3"])
def test_what_only_the_editor_can_fill_is_refused(kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _inputs({"view": [kind, {}]}, ["", 1], title="Camera")
    assert caught.value.code == "needs_editor"
    assert caught.value.context == {"node_id": "1", "title": "Camera", "field": "view"}
    assert "Export (API)" in caught.value.hint


@pytest.mark.parametrize("mode", [2, 4])
def test_what_is_off_is_not_judged(mode: int) -> None:
    ui = workflow([node(1, "It", values=["", "wrong"], mode=mode)], [])
    assert ui_to_api(ui, {"It": class_info({"view": ["LOAD_3D", {}], "b": ["INT", {}]})}) == {}


def test_view_of_a_saved_mesh_is_a_text_of_its_own() -> None:
    assert _inputs({"prefix": ["STRING", {}]}, ["p", "file"], kind="SaveGLB") == {"prefix": "p", "image": "file"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", 0, "a", "b", ""], {"choice": "a", "index": 0, "option1": "a", "option2": "b", "option3": ""}),
        (["z", 0, "a", ""], {"choice": "z", "index": -1, "option1": "a", "option2": ""}),
        (None, {"index": -1, "option1": ""}),
        ({"option1": None}, {"index": -1, "option1": None}),
    ],
)
def test_custom_combo_grows(values: Any, expected: dict[str, Any]) -> None:
    assert _inputs({"choice": ["COMBO", {"options": []}]}, values, kind="CustomCombo") == expected


@pytest.mark.parametrize("value", [["text", 0], ["", 1.5]])
def test_list_that_the_server_would_read_as_a_link_is_refused(value: list[Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        _inputs({"boxes": ["BOUNDING_BOXES", {}]}, [value], title="Boxes")
    assert caught.value.code == "ambiguous_list"
    assert caught.value.context == {"node_id": "1", "title": "Boxes", "field": "boxes"}


def test_value_nested_too_deep_is_refused() -> None:
    deep: Any = json.loads("[" * 400 + "]" * 400)
    for value in (deep, {"a": deep}):
        with pytest.raises(ValidationError) as caught:
            _inputs({"boxes": ["BOUNDING_BOXES", {}]}, [value])
        assert caught.value.code == "nested_too_deep"


@pytest.mark.parametrize(
    "order", [None, "junk", {}, {"required": "ab"}, {"required": ["b", 3, "a", "gone"], "optional": ["c"]}]
)
def test_order_of_inputs_is_the_servers(order: Any) -> None:
    info = {"input": {"required": {"a": ["INT"], "b": ["INT"]}, "optional": {"c": ["INT"]}}, "input_order": order}
    prompt = ui_to_api(workflow([node(1, "It", values=[1, 2, 3])], []), {"It": info})
    swapped = isinstance(order, dict) and "optional" in order
    assert prompt["1"]["inputs"] == ({"b": 1, "a": 2, "c": 3} if swapped else {"a": 1, "b": 2, "c": 3})


@pytest.mark.parametrize("info", [{}, {"input": 5}, {"input": {"required": 5}}])
def test_class_of_which_nothing_is_known_has_no_inputs(info: dict[str, Any]) -> None:
    prompt = ui_to_api(workflow([node(1, "It", values=[1])], []), {"It": info})
    assert prompt == {"1": {"inputs": {}, "class_type": "It", "_meta": {"title": "It"}}}


@pytest.mark.parametrize(
    ("title", "info", "expected"),
    [
        ("Mine", {"display_name": "Shown", "name": "It"}, "Mine"),
        ("", {"display_name": "Shown", "name": "It"}, "Shown"),
        (None, {"display_name": None, "name": "Its name"}, "Its name"),
        (5, {"display_name": "", "name": 7}, "It"),
    ],
)
def test_title(title: Any, info: dict[str, Any], expected: str) -> None:
    prompt = ui_to_api(workflow([node(1, "It", title=title)], []), {"It": info})
    assert prompt["1"]["_meta"] == {"title": expected}


def _of_pack(values: Any, module: Any = "custom_nodes.pack", **more: Any) -> dict[str, Any]:
    info = class_info(SEED, python_module=module, **more)
    inputs: dict[str, Any] = ui_to_api(workflow([node(1, "It", values=values, title="Mine")], []), {"It": info})["1"][
        "inputs"
    ]
    return inputs


LORA = {"on": True, "lora": "a.safetensors", "strength": 1, "strengthTwo": None}


@pytest.mark.parametrize("left", [[LORA], ["a.safetensors"], [None, 0.5], [[1, 2]], [True]], ids=str)
def test_values_that_a_packs_script_made_are_refused(left: list[Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        _of_pack([1, "fixed", 20, *left])
    assert (caught.value.code, caught.value.context) == ("needs_editor", {"node_id": "1", "title": "Mine"})
    assert 'node "Mine" (It, id 1)' in caught.value.message
    assert "Export (API)" in caught.value.hint


@pytest.mark.parametrize(
    ("left", "more"),
    [
        ([None, "", 0, False, {}, []], {}),
        (["image", "randomize"], {}),
        (["what was shown", {"url": "x"}], {"output_node": True}),
        (["width: 5", {"before": "x"}], {"module": "comfy_extras.nodes_images"}),
        (["surplus", 5], {"module": None}),
    ],
    ids=["nothing", "buttons", "shown at the end", "ComfyUI's own", "nobody knows whose"],
)
def test_values_left_over_that_mean_nothing(left: list[Any], more: dict[str, Any]) -> None:
    assert _of_pack([1, "fixed", 20, *left], **more) == {"seed": 1, "steps": 20}


def test_values_left_over_that_have_names_are_sent_by_them_for_packs_only() -> None:
    named = {"seed": 1, "steps": 2, "mode": "fast", "after": "fixed", "amount": 0.5, "videopreview": {"hidden": True}}
    values = [1, "fixed", 2, "fast", "fixed", 0.5, {"hidden": True}]
    expected = {"seed": 1, "steps": 2}
    for module, extra in (("custom_nodes.pack", {"mode": "fast", "amount": 0.5}), ("nodes", {}), (None, {})):
        info = class_info(SEED, python_module=module)
        ui = workflow([node(1, "It", values=values, widgets_values_named=named)], [])
        assert ui_to_api(ui, {"It": info})["1"]["inputs"] == {**expected, **extra}
    assert _of_pack({k: v for k, v in named.items() if k != "after"}) == {**expected, "mode": "fast", "amount": 0.5}


def test_a_class_without_widgets_may_have_values_by_name() -> None:
    assert _inputs({}, {"mode": "fast"}) == {"mode": "fast"}
    ui = workflow([node(1, "It", widgets_values_named={"mode": "fast"})], [])
    info = class_info({}, python_module="custom_nodes.pack")
    assert ui_to_api(ui, {"It": info})["1"]["inputs"] == {"mode": "fast"}


@pytest.mark.parametrize("as_named", [True, False])
def test_structured_values_with_names_are_refused(as_named: bool) -> None:
    named = {"seed": 1, "steps": 2, "rows": [LORA]}
    more = {"widgets_values_named": named} if as_named else {}
    ui = workflow([node(1, "It", values=[1, "fixed", 2, [LORA]] if as_named else named, **more)], [])
    with pytest.raises(ValidationError) as caught:
        ui_to_api(ui, {"It": class_info(SEED, python_module="custom_nodes.pack")})
    assert caught.value.code == "needs_editor"


def test_structured_values_are_refused_whosever_they_are() -> None:
    with pytest.raises(ValidationError) as caught:
        _inputs({}, [{}, LORA])
    assert caught.value.code == "needs_editor"


POWER = "Power Lora Loader (rgthree)"
ROWS = [{}, {"type": "PowerLoraLoaderHeaderWidget"}, LORA, {**LORA, "on": False, "strengthTwo": 0.5}, {}, ""]
SENT = {"on": True, "lora": "a.safetensors", "strength": 1}


@pytest.mark.parametrize(
    ("properties", "second"),
    [({}, ({}, {})), ({"Show Strengths": "Separate Model & Clip"}, ({"strengthTwo": 1}, {"strengthTwo": 0.5}))],
)
def test_the_rows_of_a_power_lora_loader(properties: dict[str, Any], second: tuple[Any, Any]) -> None:
    expected = {"lora_1": {**SENT, **second[0]}, "lora_2": {**SENT, "on": False, **second[1]}}
    assert _inputs({}, ROWS, POWER, properties=properties) == expected
    named = {"divider": {}, "lora_1": ROWS[2], "lora_7": ROWS[3], "more": ""}
    assert _inputs({}, named, POWER, properties=properties) == expected
    assert _inputs({}, None, POWER, properties=properties, widgets_values_named=named) == expected


def _driven(primitive: dict[str, Any], *, link: bool = True) -> Any:
    target = node(1, "Source", widgets=[("width", "INT", 4 if link else None)], values=[512, "red"])
    ui = workflow([primitive, node(3, "Source", values=[7, ""], title="Pic"), target], [(4, 2, 0, 1)])
    return ui_to_api(ui, CLASSES)["1"]["inputs"]["width"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"values": [9, "fixed"]}, 9),
        ({"values": {"value": 9}}, 9),
        ({"widgets_values_named": {"value": 9}}, 9),
        ({"values": []}, 512),
        ({}, 512),
        ({"values": [9], "mode": 2}, 9),
        ({"values": ["%Pic.width%"], "properties": {"Run widget replace on values": True}}, "7"),
        ({"values": ["%Pic.width%"], "properties": {"Run widget replace on values": False}}, "%Pic.width%"),
        ({"values": [8], "properties": {"Run widget replace on values": True}}, 8),
    ],
    ids=str,
)
def test_primitive_node_drives_the_widget(more: dict[str, Any], expected: Any) -> None:
    assert _driven(node(2, "PrimitiveNode", outputs=["INT"], **more)) == expected


def test_unlinked_primitive_node_drives_nothing() -> None:
    assert _driven(node(2, "PrimitiveNode", values=[9]), link=False) == 512


def test_curve_saved_as_a_list_is_marked_as_one() -> None:
    points = [[0, 0], [1, 1]]
    assert _inputs({"c": ["CURVE", {}]}, [points]) == {"c": {"__type__": "CURVE", "__value__": points}}
