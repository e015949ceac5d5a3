"""What is not converted: missing classes, group nodes, damaged files, and garbage of every kind."""

from __future__ import annotations

import json
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.workflows import CLASSES, SUBGRAPH, node, subgraph, workflow

from movie_director.clients.comfyui.workflow.conversion import node_classes, ui_to_api
from movie_director.clients.errors import MissingResource, ValidationError

RECORDINGS = Path(__file__).parents[5] / "recordings" / "comfyui"


def _refused(ui: Any, classes: Any = CLASSES) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        ui_to_api(ui, classes)
    assert caught.value.hint
    assert caught.value.backend == "comfyui"
    return caught.value


@pytest.mark.parametrize(
    "ui",
    [None, [], "text", {}, {"nodes": {}}, {"workflow": 5}, {"workflow": {}}, {"1": {"class_type": "A", "inputs": {}}}],
    ids=str,
)
def test_not_a_workflow(ui: Any) -> None:
    assert _refused(ui).code == "not_a_ui_workflow"


@pytest.mark.parametrize(
    ("ui", "code"),
    [
        ({"nodes": [None]}, "malformed_node"),
        ({"nodes": [[1, "Source"]]}, "malformed_node"),
        ({"nodes": [{"type": "Source"}]}, "malformed_node"),
        ({"nodes": [{"id": 1}]}, "malformed_node"),
        ({"nodes": [{"id": True, "type": "Source"}]}, "malformed_node"),
        ({"nodes": [{"id": float("nan"), "type": "Source"}]}, "malformed_node"),
        ({"nodes": [{"id": "", "type": "Source"}]}, "malformed_node"),
        ({"nodes": [node(1, "Source"), node("1", "Source")]}, "duplicate_node_id"),
        ({"nodes": [], "definitions": {"subgraphs": [5]}}, "malformed_subgraph"),
        ({"nodes": [], "definitions": {"subgraphs": [{"id": 5}]}}, "malformed_subgraph"),
    ],
    ids=str,
)
def test_damaged_workflow(ui: Any, code: str) -> None:
    assert _refused(ui).code == code


def test_workflow_within_a_wrapper_is_taken_out() -> None:
    inner = workflow([node(1, "Source", values=[3, "red"])], [])
    prompt = ui_to_api({"output": {}, "workflow": inner}, CLASSES)
    assert prompt["1"]["inputs"] == {"width": 3, "color": "red"}


@pytest.mark.parametrize("info", [None, [], "x"])
def test_damaged_object_info(info: Any) -> None:
    assert _refused(workflow([], []), info).code == "not_object_info"


def test_empty_workflow_is_an_empty_prompt() -> None:
    assert ui_to_api({"nodes": [], "links": None, "definitions": None}, {}) == {}


def test_classes_to_ask_the_server_for() -> None:
    inner = subgraph([node(2, "Invert"), node(3, "Gone"), node(4, "Reroute")], [])
    nodes = [node(1, "Source"), node(5, "Note"), node(6, SUBGRAPH), node(7, "Invert", mode=4)]
    assert node_classes(workflow(nodes, [], inner)) == ["Source", "Invert", "Gone"]
    with pytest.raises(ValidationError) as caught:
        node_classes({"1": {"class_type": "Source"}})
    assert caught.value.code == "not_a_ui_workflow"


def test_the_classes_asked_for_are_enough() -> None:
    for ui in PAIRS:
        wanted = {kind: KNOWN[kind] for kind in node_classes(ui)}
        assert ui_to_api(ui, wanted, rng=random.Random(1)) == ui_to_api(ui, KNOWN, rng=random.Random(1))


def test_missing_class_is_named_with_the_nearest() -> None:
    nodes = [
        node(1, "Source", values=[1, ""]),
        node(4, "Inverd", title="Flip", inputs=[("image", "IMAGE", 1)]),
        node(5, "Quite Other", outputs=["IMAGE"]),
        node(6, "Inverd", inputs=[("image", "IMAGE", 2)]),
    ]
    with pytest.raises(MissingResource) as caught:
        ui_to_api(workflow(nodes, [(1, 1, 0, 4), (2, 5, 0, 6)]), {**CLASSES, 5: {}})
    error = caught.value
    assert (error.kind, error.name, error.nearest, error.code) == ("node", "Inverd", ("Invert",), "missing_node")
    assert 'node "Flip" (Inverd, id 4) and 1 other' in error.message
    assert "Alike: Invert." in error.hint
    assert error.context["missing"] == [
        {"name": "Inverd", "node_id": "4", "title": "Flip", "nearest": ["Invert"]},
        {"name": "Quite Other", "node_id": "5", "title": "", "nearest": []},
    ]
    assert pickle.loads(pickle.dumps(error)).context == error.context


def test_missing_class_within_a_subgraph_has_its_full_id() -> None:
    inner = subgraph([node(2, "Gone", inputs=[("i", "IMAGE", 5)])], [(5, -10, 0, 2, 0)], inputs=[("i", "IMAGE", 5)])
    with pytest.raises(MissingResource) as caught:
        ui_to_api(workflow([node(7, SUBGRAPH)], [], inner), CLASSES)
    assert caught.value.context["missing"][0]["node_id"] == "7:2"
    assert "Alike" not in caught.value.hint


def test_many_missing_classes_are_cut_short() -> None:
    nodes = [node(at, f"Gone {at}" + "x" * 5000, inputs=[("i", "IMAGE", at)]) for at in range(500)]
    with pytest.raises(MissingResource) as caught:
        ui_to_api(workflow(nodes, [(at, at, 0, at) for at in range(500)]), CLASSES)
    assert len(caught.value.context["missing"]) == 20
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("kind", ["Note", "MarkdownNote", "Label (rgthree)", "A pack's own note"])
def test_nodes_of_the_editor_alone_are_left_out(kind: str) -> None:
    assert ui_to_api(workflow([node(1, kind, values=["hello"])], []), CLASSES) == {}


@pytest.mark.parametrize("kind", ["Note", "MarkdownNote", "Reroute", "PrimitiveNode"])
def test_the_editors_own_nodes_are_virtual_whatever_the_server_has(kind: str) -> None:
    nodes = [node(1, kind, values=[3]), node(9, "Save", inputs=[("images", "IMAGE", 1)])]
    prompt = ui_to_api(workflow(nodes, [(1, 1, 0, 9)]), {**CLASSES, kind: CLASSES["Source"]})
    assert prompt["9"]["inputs"] == {"prefix": "x"}
    assert set(prompt) == {"9"}


def test_a_packs_node_that_the_server_has_is_real() -> None:
    nodes = [node(1, "GetNode", values=[3, "red"]), node(9, "Save", inputs=[("images", "IMAGE", 1)])]
    prompt = ui_to_api(workflow(nodes, [(1, 1, 0, 9)]), {**CLASSES, "GetNode": CLASSES["Source"]})
    assert prompt["9"]["inputs"]["images"] == ["1", 0]
    assert prompt["1"]["inputs"] == {"width": 3, "color": "red"}


def test_wired_nodes_of_the_editor_alone_are_left_out() -> None:
    muter = node(2, "Fast Muter (rgthree)", inputs=[("Source", "*", 1)], outputs=["_CONNECTION_"])
    assert set(ui_to_api(workflow([node(1, "Source"), muter], [(1, 1, 0, 2)]), CLASSES)) == {"1"}


@pytest.mark.parametrize("mode", [2, 4])
def test_missing_class_that_is_off_is_left_out(mode: int) -> None:
    gone = node(2, "Gone", inputs=[("i", "IMAGE", 1)], mode=mode)
    assert set(ui_to_api(workflow([node(1, "Source"), gone], [(1, 1, 0, 2)]), CLASSES)) == {"1"}


@pytest.mark.parametrize("kind", ["workflow/My group", "workflow>My group"])
def test_group_node_is_refused_with_advice(kind: str) -> None:
    error = _refused(workflow([node(3, kind, title="G")], []))
    assert (error.code, error.context) == ("group_node", {"node_id": "3", "title": "G"})
    assert "convert the group node to a subgraph" in error.hint


def test_instance_without_its_definition_is_refused() -> None:
    error = _refused(workflow([node(1, "Source"), node(3, SUBGRAPH, inputs=[("i", "*", 1)])], [(1, 1, 0, 3)]))
    assert (error.code, error.context) == ("missing_subgraph", {"node_id": "3"})


def test_class_said_to_be_nothing_is_missing() -> None:
    with pytest.raises(MissingResource):
        ui_to_api(workflow([node(1, "Odd", inputs=[("i", "*", 1)])], [(1, 1, 0, 1)]), {"Odd": None})


# ------------------------------------------------------------------------------------------------------------- garbage

WORDS = """
    1 2 -10 -20 id type inputs outputs links link name widget mode title nodes widgets_values widgets_values_named
    properties proxyWidgets definitions subgraphs linkIds seed Source Sampler CustomCombo PrimitiveNode GetNode SetNode
    Reroute choice option1 workflow/x INT STRING COMBO COMFY_DYNAMICCOMBO_V3 COMFY_AUTOGROW_V3 BOUNDING_BOX required
    options key template input input_order output fixed %Source.width% {a|b} *
"""
NAMES = st.sampled_from(["", SUBGRAPH, *WORDS.split()])
SCALARS = st.none() | st.booleans() | st.integers(-30, 30) | st.just(2**70) | st.floats() | NAMES | st.text(max_size=4)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)
SLOT = st.fixed_dictionaries({"name": NAMES, "type": NAMES, "link": st.integers(1, 4) | SCALARS, "widget": JSON})
KINDS = st.sampled_from([*CLASSES, SUBGRAPH, "Reroute", "PrimitiveNode", "SetNode", "GetNode", "Note"])
NODE = st.fixed_dictionaries(
    {"id": st.integers(1, 6), "type": KINDS, "inputs": st.lists(SLOT, max_size=3) | JSON},
    optional={
        "mode": st.sampled_from([0, 2, 4, None]),
        "outputs": JSON,
        "widgets_values": st.lists(SCALARS, max_size=4) | JSON,
        "widgets_values_named": JSON,
        "properties": st.dictionaries(NAMES, JSON, max_size=3),
        "title": SCALARS,
    },
)
LINK = st.tuples(*(st.integers(-1, 6) | st.sampled_from([-10, -20]) for _ in range(5))).map(list) | JSON
PORT = st.fixed_dictionaries({"name": NAMES, "type": NAMES, "linkIds": st.lists(st.integers(1, 4), max_size=2) | JSON})
GRAPH: dict[str, Any] = {
    "nodes": st.lists(NODE, max_size=5, unique_by=lambda made: made["id"]),
    "links": st.lists(LINK, max_size=5),
    "inputs": st.lists(PORT, max_size=2),
    "outputs": st.lists(PORT, max_size=2),
}
DEFINITION = st.fixed_dictionaries({"id": st.sampled_from([SUBGRAPH, "Source"]), **GRAPH})
WORKFLOW = st.fixed_dictionaries(
    {**GRAPH, "definitions": st.fixed_dictionaries({"subgraphs": st.lists(DEFINITION, max_size=2)})}
)
SPEC = st.tuples(NAMES, JSON).map(list) | JSON
INFO = st.fixed_dictionaries(
    {"input": st.fixed_dictionaries({"required": st.dictionaries(NAMES, SPEC, max_size=4), "optional": JSON})},
    optional={"input_order": JSON, "output": JSON, "display_name": SCALARS},
)
OBJECT_INFO = st.dictionaries(NAMES, INFO | JSON, max_size=6)


def _ends_well(ui: Any, info: Any) -> None:
    """The conversion gives a prompt that is plain JSON and whole, or one of its own errors."""
    before = repr((ui, info))
    try:
        prompt = ui_to_api(ui, info, rng=random.Random(0))
    except (ValidationError, MissingResource) as error:
        told = json.loads(json.dumps(error.to_dict()))
        if not (told["code"] and told["message"]):
            pytest.fail(f"an error that says nothing: {told}")
    else:
        json.dumps(prompt)
        for entry in prompt.values():
            assert set(entry) == {"inputs", "class_type", "_meta"}
            assert entry["class_type"] in info
            links = [value for value in entry["inputs"].values() if isinstance(value, list)]
            assert all(link[0] in prompt for link in links)
    assert repr((ui, info)) == before


@given(WORKFLOW, OBJECT_INFO)
@settings(max_examples=60, deadline=None)
def test_garbage_shaped_as_a_workflow(ui: Any, info: Any) -> None:
    _ends_well(ui, {**CLASSES, **info})


@given(JSON, JSON)
@settings(max_examples=100, deadline=None)
def test_garbage(ui: Any, info: Any) -> None:
    _ends_well(ui, info)


def _places(holder: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = holder.items() if isinstance(holder, dict) else enumerate(holder) if isinstance(holder, list) else ()
    return [path, *(place for key, value in items for place in _places(value, (*path, key)))]


PAIRS = [
    json.loads(line)["ui"]
    for name in ("workflow_conversion", "workflow_conversion_rules")
    for line in (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
]
KNOWN = {
    kind: info
    for name in ("workflow_conversion", "workflow_conversion_rules")
    for kind, info in json.loads((RECORDINGS / f"{name}_object_info.json").read_text(encoding="utf-8")).items()
}


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_real_workflows_with_damage(data: st.DataObject) -> None:
    ui = json.loads(json.dumps(data.draw(st.sampled_from(PAIRS))))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(_places(ui)[1:] or [("nodes",)]))
        holder = ui
        for key in path:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[last] = data.draw(JSON)
        else:
            del holder[last]
        if not isinstance(ui, dict) or not ui:
            break
    _ends_well(ui, KNOWN)
