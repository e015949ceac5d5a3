"""Where an input's value comes from: bypass, reroutes, virtual nodes, promoted inputs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.waiting import HANG_GUARD_S
from support.workflows import CLASSES, OUTER, SUBGRAPH, node, subgraph, workflow

from movie_director.clients.comfyui.workflow.conversion import ui_to_api
from movie_director.clients.errors import ValidationError


def _fed(ui: dict[str, Any], target: str = "9", name: str = "images") -> Any:
    return ui_to_api(ui, CLASSES)[target]["inputs"].get(name)


def _save(link: int | None = 9) -> dict[str, Any]:
    return node(9, "Save", inputs=[("images", "IMAGE", link)], values=["x"])


def _source(node_id: int = 1) -> dict[str, Any]:
    return node(node_id, "Source", outputs=["IMAGE"], values=[1, ""])


def _mix(mode: int, *inputs: tuple[str, str, int | None]) -> dict[str, Any]:
    return node(2, "Mix", inputs=list(inputs), outputs=["IMAGE", "MASK", "LATENT"], mode=mode)


@pytest.mark.parametrize(
    ("slot", "expected"),
    [(0, ["1", 0]), (1, ["1", 0]), (2, ["1", 0]), (7, ["1", 0])],
    ids=["same slot", "first of the type", "the type wins over the output's", "no such output"],
)
def test_bypass_finds_an_input_of_the_wanted_type(slot: int, expected: list[Any]) -> None:
    mix = _mix(4, ("image", "IMAGE", 1), ("mask", "MASK", None))
    assert _fed(workflow([_source(), mix, _save()], [(1, 1, 0, 2), (9, 2, slot, 9)])) == expected


def test_bypass_takes_a_compatible_input_when_none_is_exact() -> None:
    classes = {**CLASSES, "Loose": {**CLASSES["Mix"], "input": {"required": {"mask": ["MASK"], "a": ["LATENT,IMAGE"]}}}}
    classes["Loose"]["input_order"] = {"required": ["mask", "a"]}
    loose = node(2, "Loose", inputs=[("a", "LATENT,IMAGE", 1)], outputs=["IMAGE"], mode=4)
    prompt = ui_to_api(workflow([_source(), loose, _save()], [(1, 1, 0, 2), (9, 2, 0, 9)]), classes)
    assert prompt["9"]["inputs"]["images"] == ["1", 0]


def test_bypass_of_what_has_no_fitting_input_ends_the_link() -> None:
    only_mask = node(2, "Gone", inputs=[("mask", "MASK", 1)], outputs=["IMAGE"], mode=4)
    assert _fed(workflow([_source(), only_mask, _save()], [(1, 1, 0, 2), (9, 2, 0, 9)])) is None


def test_bypassed_class_that_the_server_lacks_passes_its_saved_slots_on() -> None:
    gone = node(2, "Gone", inputs=[("image", "IMAGE", 1)], outputs=["IMAGE"], mode=4)
    assert _fed(workflow([_source(), gone, _save()], [(1, 1, 0, 2), (9, 2, 0, 9)])) == ["1", 0]


@pytest.mark.parametrize(("slot", "expected"), [(0, ["1", 0]), (1, None), (5, ["1", 0])])
def test_bypass_before_an_input_of_any_type_takes_the_same_slot_else_the_first(slot: int, expected: Any) -> None:
    mix = _mix(4, ("image", "IMAGE", 1), ("mask", "MASK", None))
    target = node(9, "Any", inputs=[("value", "*", 9)])
    ui = workflow([_source(), mix, target], [(1, 1, 0, 2), (9, 2, slot, 9)])
    assert _fed(ui, name="value") == expected


def test_bypassed_node_without_inputs_ends_the_link() -> None:
    source = {**_source(), "mode": 4}
    assert _fed(workflow([source, _save()], [(9, 1, 0, 9)])) is None


@pytest.mark.parametrize("wanted", ["IMAGE", "*"])
def test_bypassed_unknown_node_without_inputs_ends_the_link(wanted: str) -> None:
    target = node(9, "Any", inputs=[("value", wanted, 9)])
    assert _fed(workflow([node(1, "Gone", mode=4), target], [(9, 1, 0, 9)]), name="value") is None


def test_a_slot_may_have_its_choices_for_a_type() -> None:
    gone = node(2, "Gone", inputs=[("c", "COMBO", 1)], outputs=["COMBO"], mode=4)
    gone["inputs"][0]["type"] = gone["outputs"][0]["type"] = ["a", "b"]
    target = node(9, "Any", inputs=[("value", "*", None), ("extra", "COMBO", 9)])
    assert _fed(workflow([_source(), gone, target], [(1, 1, 0, 2), (9, 2, 0, 9)]), name="extra") == ["1", 0]


def test_bypassed_instance_passes_its_own_input_on() -> None:
    ports = {"inputs": [("image", "IMAGE", None)], "outputs": [("out", "IMAGE", None)]}
    host = node(2, SUBGRAPH, inputs=[("image", "IMAGE", 1)], outputs=["IMAGE"], mode=4)
    ui = workflow([_source(), host, _save()], [(1, 1, 0, 2), (9, 2, 0, 9)], subgraph([], [], **ports))
    assert _fed(ui) == ["1", 0]


@pytest.mark.parametrize("kind", ["Reroute", "Reroute (rgthree)", "SetNode"])
def test_passing_nodes_pass_on(kind: str) -> None:
    passing = node(2, kind, inputs=[("", "*", 1)], outputs=["*"], values=["name"])
    assert _fed(workflow([_source(), passing, _save()], [(1, 1, 0, 2), (9, 2, 0, 9)])) == ["1", 0]


def test_a_reroute_hands_on_what_type_is_wanted() -> None:
    mix = _mix(4, ("image", "IMAGE", 1), ("mask", "MASK", None))
    reroute = node(3, "Reroute", inputs=[("", "*", 2)], outputs=["*"])
    assert _fed(workflow([_source(), mix, reroute, _save()], [(1, 1, 0, 2), (2, 2, 1, 3), (9, 3, 0, 9)])) == ["1", 0]


def test_reroute_without_an_input_ends_the_link() -> None:
    assert _fed(workflow([node(2, "Reroute"), _save()], [(9, 2, 0, 9)])) is None


def test_a_long_chain_of_reroutes_is_followed() -> None:
    count = 5000
    chain = [node(10 + at, "Reroute", inputs=[("", "*", 10 + at)], outputs=["*"]) for at in range(count)]
    links = [(10, 1, 0, 10), *((10 + at, 9 + at, 0, 10 + at) for at in range(1, count)), (9, 9 + count, 0, 9)]
    assert _fed(workflow([_source(), *chain, _save()], links)) == ["1", 0]


def test_links_in_a_circle_are_refused() -> None:
    one = node(2, "Reroute", inputs=[("", "*", 2)], outputs=["*"])
    other = node(3, "Reroute", inputs=[("", "*", 3)], outputs=["*"])
    with pytest.raises(ValidationError) as caught:
        ui_to_api(workflow([one, other, _save()], [(2, 3, 0, 2), (3, 2, 0, 3), (9, 2, 0, 9)]), CLASSES)
    assert caught.value.code == "link_cycle"
    assert 'node "Save" (Save, id 9)' in caught.value.message


def test_get_node_finds_the_set_node_of_its_name() -> None:
    nodes = [
        _source(),
        node(2, "SetNode", inputs=[("IMAGE", "IMAGE", 1)], values=["other"]),
        node(3, "SetNode", inputs=[("IMAGE", "IMAGE", 2)], values=["mine"]),
        _source(4),
        node(5, "GetNode", outputs=["IMAGE"], values=["mine"]),
        node(6, "GetNode", outputs=["IMAGE"], values=["other"]),
        node(7, "Invert", inputs=[("image", "IMAGE", 8)]),
        _save(),
    ]
    ui = workflow(nodes, [(1, 1, 0, 2), (2, 4, 0, 3), (8, 6, 0, 7), (9, 5, 0, 9)])
    assert _fed(ui) == ["4", 0]
    assert _fed(ui, "7", "image") == ["1", 0]


def test_get_node_in_a_subgraph_finds_the_set_node_around_it() -> None:
    inner = subgraph([node(5, "GetNode", values=["mine"])], [(3, 5, 0, -20, 0)], outputs=[("out", "IMAGE", 3)])
    setter = node(3, "SetNode", inputs=[("IMAGE", "IMAGE", 2)], values=["mine"])
    ui = workflow([_source(), setter, node(6, SUBGRAPH), _save()], [(2, 1, 0, 3), (9, 6, 0, 9)], inner)
    assert _fed(ui) == ["1", 0]


@pytest.mark.parametrize("values", [["nobody"], [], None, [3]])
def test_get_node_without_a_partner_ends_the_link(values: Any) -> None:
    assert _fed(workflow([node(5, "GetNode", values=values), _save()], [(9, 5, 0, 9)])) is None


def test_many_inputs_at_the_end_of_one_long_chain() -> None:
    count = 3000
    reroutes = [node(at, "Reroute", inputs=[("", "*", at)], outputs=["*"]) for at in range(2, count)]
    hub = node(count, "Any", inputs=[(f"in{at}", "IMAGE", count) for at in range(count)])
    links = [(2, 1, 0, 2), *((at + 1, at, 0, at + 1) for at in range(2, count))]
    began = time.monotonic()
    inputs = ui_to_api(workflow([_source(), *reroutes, hub], links), CLASSES)[str(count)]["inputs"]
    assert time.monotonic() - began < HANG_GUARD_S
    assert set(map(tuple, inputs.values())) == {("1", 0)}


@pytest.mark.parametrize("kind", ["bypassed", "set and get", "subgraph"])
def test_a_workflow_made_to_be_followed_for_ever_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the square of its size in steps."""
    monkeypatch.setattr("movie_director.clients.comfyui.workflow.conversion.subgraphs.MOST_STEPS", 50_000)
    count = 300
    types = [f"T{at}" for at in range(count)]
    wide = {"inputs": [(f"i{at}", f"X{at}", None) for at in range(count)], "outputs": types}
    sink = node(2, "Any", inputs=[(kind_, kind_, at) for at, kind_ in enumerate(types)])
    links = [(at, 1, at, 2) for at in range(count)]
    definitions: list[dict[str, Any]] = []
    if kind == "bypassed":
        host = node(1, "Wide", mode=4, **wide)
    elif kind == "set and get":
        host = node(1, "Reroute", inputs=[("", "*", "c0")], outputs=types)
        links = [(at, 1, 0, 2) for at in range(count)]
        links += [(f"c{at}", 10_000 + at, 0, 10_000 + at - 1) for at in range(count)]
    else:
        inner = subgraph([], [], outputs=[(kind_, kind_, None) for kind_ in types])
        for port in inner["outputs"]:
            port["linkIds"] = list(range(count))
        host, definitions = node(1, SUBGRAPH, outputs=types), [inner]
    chain = [node(10_000 + at, "Reroute", inputs=[("", "*", f"c{at + 1}")]) for at in range(count)]
    with pytest.raises(ValidationError) as caught:
        ui_to_api(workflow([host, sink, *chain], links, *definitions), CLASSES)
    assert caught.value.code == "workflow_too_large"


def test_note_gives_nothing() -> None:
    assert _fed(workflow([node(5, "Note"), _save()], [(9, 5, 0, 9)])) is None


@pytest.mark.parametrize(
    "links",
    [[], [(9, 77, 0, 9)], [(9, 1, -3, 9)], [(9, -10, 0, 9)]],
    ids=["no such link", "no such node", "negative slot", "port in the root"],
)
def test_a_dangling_link_is_no_link(links: list[Any]) -> None:
    assert _fed(workflow([_source(), _save()], links)) is None


def test_links_of_broken_form_are_no_links() -> None:
    ui = workflow([_source(), _save()], [])
    ui["links"] = [None, 5, [9, 1], [9, 1, "x", 9, 0, "IMAGE"], [9, True, 0, 9, 0, "IMAGE"], {"id": 9}, [1.5, 1, 0, 9]]
    assert _fed(ui) is None


def test_links_may_have_texts_for_numbers() -> None:
    ui = workflow([_source(), _save()], [])
    ui["links"] = [["9", "1", "0", "9", 0, "IMAGE"]]
    ui["nodes"][1]["inputs"][0]["link"] = 9.0
    assert _fed(ui) == ["1", 0]


def test_a_link_to_a_port_that_the_instance_lacks_is_no_link() -> None:
    inner = subgraph(
        [node(2, "Invert", inputs=[("image", "IMAGE", 5)])],
        [(5, -10, 7, 2, 0), (6, 2, 0, -20, 0)],
        inputs=[("image", "IMAGE", 4)],
        outputs=[("out", "IMAGE", 6)],
    )
    ui = workflow([node(6, SUBGRAPH), _save()], [(9, 6, 0, 9)], inner)
    assert ui_to_api(ui, CLASSES) == {
        "6:2": {"inputs": {}, "class_type": "Invert", "_meta": {"title": "Invert"}},
        "9": {"inputs": {"prefix": "x", "images": ["6:2", 0]}, "class_type": "Save", "_meta": {"title": "Save"}},
    }


@pytest.mark.parametrize("slot", [0, 3])
def test_an_output_that_nothing_inside_feeds_gives_nothing(slot: int) -> None:
    inner = subgraph([], [], outputs=[("out", "IMAGE", None)])
    assert _fed(workflow([node(6, SUBGRAPH), _save()], [(9, 6, slot, 9)], inner)) is None


def test_a_subgraph_may_pass_its_input_straight_through() -> None:
    inner = subgraph([], [(5, -10, 0, -20, 0)], inputs=[("in", "IMAGE", 5)], outputs=[("out", "IMAGE", 5)])
    host = node(6, SUBGRAPH, inputs=[("in", "IMAGE", 1)], outputs=["IMAGE"])
    assert _fed(workflow([_source(), host, _save()], [(1, 1, 0, 6), (9, 6, 0, 9)], inner)) == ["1", 0]


def test_slots_of_an_instance_are_matched_by_name() -> None:
    inner = subgraph(
        [node(2, "Mix", inputs=[("image", "IMAGE", 5), ("mask", "MASK", 4)])],
        [(4, -10, 0, 2, 1), (5, -10, 1, 2, 0)],
        inputs=[("mask", "MASK", 4), ("image", "IMAGE", 5)],
    )
    host = node(6, SUBGRAPH, inputs=[("image", "IMAGE", 1)])
    assert _fed(workflow([_source(), host], [(1, 1, 0, 6)], inner), "6:2", "image") == ["1", 0]


def test_muted_inner_instance_is_left_out_with_all_it_holds() -> None:
    inner = subgraph([_source(1), _save(None)], [])
    outer = subgraph([node(5, SUBGRAPH, mode=2), node(6, SUBGRAPH, mode=4), node(7, SUBGRAPH)], [], name=OUTER)
    assert set(ui_to_api(workflow([node(3, OUTER)], [], inner, outer), CLASSES)) == {"3:7:1", "3:7:9"}
