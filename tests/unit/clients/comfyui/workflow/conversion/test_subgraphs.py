"""Promoted widgets of subgraphs in odd and damaged forms; the plain forms are among the recorded pairs."""

from __future__ import annotations

from typing import Any

import pytest
from support.workflows import CLASSES, OUTER, SUBGRAPH, node, subgraph, workflow

from movie_director.clients.comfyui.workflow.conversion import ui_to_api
from movie_director.clients.errors import ValidationError


def _sampler(link: int | None = 5, values: Any = (7, "fixed", 20), node_id: int = 2) -> dict[str, Any]:
    return node(node_id, "Sampler", widgets=[("seed", "INT", link)], outputs=["LATENT"], values=list(values))


def _definition(**more: Any) -> dict[str, Any]:
    return subgraph([_sampler()], [(5, -10, 0, 2, 1)], inputs=[("the seed", "INT", 5)], **more)


def _seed(host: dict[str, Any], *definitions: dict[str, Any], inner: str = "10:2") -> Any:
    made = definitions or (_definition(),)
    return ui_to_api(workflow([host], [], *made), CLASSES)[inner]["inputs"]["seed"]


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        ({}, 7),
        ({"widgets_values": [8]}, 8),
        ({"widgets_values": {"the seed": 8}}, 8),
        ({"widgets_values_named": {"the seed": 8}}, 8),
        ({"widgets_values_named": {"seed": 8}}, 7),
        ({"widgets_values": [9], "widgets_values_named": {"the seed": 8}}, 9),
        ({"widgets_values": [1, 2], "widgets_values_named": {"the seed": 8}}, 8),
        ({"properties": {"proxyWidgets": []}, "widgets_values": [8]}, 8),
        ({"properties": {"proxyWidgets": [["2", "seed"]]}, "widgets_values": [8]}, 8),
        ({"properties": {"proxyWidgets": [[2, "seed"]]}, "widgets_values": [8]}, 8),
        ({"properties": {"proxyWidgets": [["-1", "the seed"]]}, "widgets_values": [8]}, 8),
        ({"properties": {"proxyWidgets": [["-1", "nothing"]]}, "widgets_values": [8]}, 7),
        ({"properties": {"proxyWidgets": [["2", "seed"]]}, "widgets_values": [None]}, 7),
        ({"properties": {"proxyWidgets": [["2", "seed"]]}, "widgets_values": "x"}, 7),
        ({"properties": {"proxyWidgets": [["2", "nothing"], ["77", "seed"]]}, "widgets_values": [8, 9]}, 7),
        ({"properties": {"proxyWidgets": [None, ["2"], ["2", 3], [None, "seed"]]}, "widgets_values": [1, 2, 3, 4]}, 7),
        ({"properties": {"proxyWidgets": "2"}, "widgets_values": [8]}, 8),
        ({"properties": 5, "widgets_values": [8]}, 8),
    ],
)
def test_value_of_an_instance(saved: dict[str, Any], expected: int) -> None:
    assert _seed(node(10, SUBGRAPH, **saved)) == expected


def test_pair_of_an_unlinked_inner_widget() -> None:
    bare = subgraph([_sampler(None)], [])
    host = node(10, SUBGRAPH, values=[8], properties={"proxyWidgets": [["2", "seed"]]})
    assert _seed(host, bare) == 8


@pytest.mark.parametrize("name", ["the seed", "seed", "2: seed", "7: 2: seed", "2:the seed"])
def test_pair_of_a_nested_instances_widget(name: str) -> None:
    outer = subgraph([node(7, SUBGRAPH)], [], name=OUTER)
    host = node(10, OUTER, values=[8], properties={"proxyWidgets": [["7", name]]})
    assert _seed(host, outer, _definition(), inner="10:7:2") == 8


def test_pair_of_an_unknown_widget_of_a_nested_instance_is_dropped() -> None:
    outer = subgraph([node(7, SUBGRAPH)], [], name=OUTER)
    host = node(10, OUTER, values=[8], properties={"proxyWidgets": [["7", "nothing"]]})
    socket = subgraph([_sampler()], [(5, -10, 1, 2, 1)], inputs=[("nowhere", "*", 99), ("the seed", "INT", 5)])
    assert _seed(host, outer, socket, inner="10:7:2") == 7


def test_first_link_inside_that_ends_at_a_widget_counts() -> None:
    definition = _definition()
    definition["nodes"] += [node(3, "Invert", inputs=[("image", "IMAGE", 6)]), node(4, "Invert")]
    links = [(5, -10, 0, 2, 1), (6, -10, 0, 3, 0), (7, -10, 0, 4, 0), (8, -10, 0, 99, 0)]
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    definition["links"] = [dict(zip(keys, link, strict=True)) for link in links]
    definition["inputs"][0]["linkIds"] = [None, 66, 8, 7, 6, 5]
    assert _seed(node(10, SUBGRAPH, values=[8]), definition) == 8


def test_input_linked_to_a_nested_instances_socket_promotes_nothing() -> None:
    inner = subgraph(
        [node(3, "Invert", inputs=[("image", "IMAGE", 5)])], [(5, -10, 0, 3, 0)], inputs=[("i", "IMAGE", 5)]
    )
    outer = subgraph(
        [node(7, SUBGRAPH, inputs=[("i", "IMAGE", 6)])], [(6, -10, 0, 7, 0)], name=OUTER, inputs=[("i", "IMAGE", 6)]
    )
    prompt = ui_to_api(workflow([node(10, OUTER, values=[5])], [], outer, inner), CLASSES)
    assert prompt == {"10:7:3": {"inputs": {}, "class_type": "Invert", "_meta": {"title": "Invert"}}}


def test_slot_that_lost_its_widget_mark_is_known_by_its_name() -> None:
    definition = _definition()
    del definition["nodes"][0]["inputs"][0]["widget"]
    assert _seed(node(10, SUBGRAPH, values=[8]), definition) == 8


def test_promoted_list_is_wrapped() -> None:
    classes = {"Listed": {"input": {"required": {"boxes": ["BOUNDING_BOXES", {}]}}}}
    inner = node(2, "Listed", widgets=[("boxes", "BOUNDING_BOXES", 5)], values=[[]])
    definition = subgraph([inner], [(5, -10, 0, 2, 0)], inputs=[("boxes", "BOUNDING_BOXES", 5)])
    prompt = ui_to_api(workflow([node(10, SUBGRAPH, values=[[1]])], [], definition), classes)
    assert prompt["10:2"]["inputs"] == {"boxes": {"__value__": [1]}}


def test_definitions_within_definitions_are_found() -> None:
    outer = subgraph([node(7, SUBGRAPH)], [], name=OUTER)
    outer["definitions"] = {"subgraphs": [_definition()]}
    assert _seed(node(10, OUTER), outer, inner="10:7:2") == 7


def test_new_ids_skip_those_in_use_and_pairs_follow() -> None:
    definition = subgraph([_sampler(None, node_id=2), node(11, "Invert")], [])
    pairs = {"proxyWidgets": [["2", "seed"], "junk", []]}
    nodes = [node(2, "Invert"), node(11, "Invert"), node(10, SUBGRAPH, values=[8], properties=pairs)]
    prompt = ui_to_api(workflow(nodes, [], definition, last_node_id=9), CLASSES)
    assert set(prompt) == {"2", "11", "10:12", "10:13"}
    assert prompt["10:12"]["inputs"]["seed"] == 8


def test_new_ids_follow_the_highest_met() -> None:
    definition = subgraph([node(50, "Invert"), node(2, "Invert")], [])
    prompt = ui_to_api(workflow([node(2, "Invert"), node(10, SUBGRAPH)], [], definition, last_node_id=9), CLASSES)
    assert set(prompt) == {"2", "10:50", "10:51"}


def test_last_id_may_stand_in_the_state() -> None:
    ui = workflow([node(2, "Invert"), node(10, SUBGRAPH)], [], subgraph([_sampler(None)], []))
    del ui["last_node_id"]
    assert set(ui_to_api({**ui, "state": {"lastNodeId": 40}}, CLASSES)) == {"2", "10:41"}
    assert set(ui_to_api({**ui, "state": None}, CLASSES)) == {"2", "10:1"}


def _chain(count: int, *, promoted: bool) -> list[dict[str, Any]]:
    port: dict[str, Any] = {"inputs": [("seed", "INT", 5)]} if promoted else {}
    links = [(5, -10, 0, 2, 0)] if promoted else []
    made = [
        subgraph([node(2, f"level {at + 1}", widgets=[("seed", "INT", 5)])], links, name=f"level {at}", **port)
        for at in range(count)
    ]
    return [*made, subgraph([_sampler()], links, name=f"level {count}", **port)]


def test_deep_nesting_works_to_its_bound() -> None:
    prompt = ui_to_api(workflow([node(2, "level 0", values=[8])], [], *_chain(60, promoted=True)), CLASSES)
    (entry,) = prompt.values()
    assert entry["inputs"]["seed"] == 8


@pytest.mark.parametrize("promoted", [True, False])
@pytest.mark.parametrize("count", [70, 3000])
def test_deeper_nesting_is_refused(promoted: bool, count: int) -> None:
    with pytest.raises(ValidationError) as caught:
        ui_to_api(workflow([node(2, "level 0")], [], *_chain(count, promoted=promoted)), CLASSES)
    assert caught.value.code == "nested_too_deep"


def test_definitions_nested_deep_in_the_file_are_refused() -> None:
    entry = subgraph([], [])
    for _ in range(100):
        entry = {**subgraph([], []), "definitions": {"subgraphs": [entry]}}
    with pytest.raises(ValidationError) as caught:
        ui_to_api(workflow([], [], entry), CLASSES)
    assert caught.value.code == "nested_too_deep"


def test_a_subgraph_that_holds_itself_is_refused() -> None:
    port = {"inputs": [("seed", "INT", 5)]}
    looped = subgraph([node(2, SUBGRAPH, widgets=[("seed", "INT", 5)])], [(5, -10, 0, 2, 0)], **port)
    with pytest.raises(ValidationError) as caught:
        ui_to_api(workflow([node(10, SUBGRAPH)], [], looped), CLASSES)
    assert caught.value.code == "subgraph_cycle"


def test_a_workflow_that_grows_without_measure_is_refused() -> None:
    levels = [subgraph([node(at, f"l{n + 1}") for at in range(20)], [], name=f"l{n}") for n in range(10)]
    with pytest.raises(ValidationError) as caught:
        ui_to_api(workflow([node(1, "l0")], [], *levels, subgraph([_sampler()], [], name="l10")), CLASSES)
    assert caught.value.code == "workflow_too_large"
