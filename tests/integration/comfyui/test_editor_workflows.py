"""What ComfyUI's editor saves, run as it is; and what is found wrong with a workflow before it is sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.comfyui import VERSIONS, bench, node, picture_workflow
from support.waiting import HANG_GUARD_S
from support.workflows import picture_in_a_subgraph

from movie_director.clients import events
from movie_director.clients.comfyui import WorkflowRequest, bundled_workflow
from movie_director.clients.comfyui.server.api import ComfyAPI
from movie_director.clients.comfyui.workflow.loading import load_workflow
from movie_director.clients.errors import MissingResource, ValidationError
from movie_director.clients.mock import Fault
from movie_director.clients.mock.comfyui.object_info import NODE_CLASSES

LOADER = "CheckpointLoaderSimple"


def editor_workflow(first: str = "EmptyImage") -> dict:
    """Return a picture workflow as the editor saves it: two nodes and a wire."""
    return {
        "nodes": [
            {
                "id": 4,
                "type": first,
                "title": "Source",
                "mode": 0,
                "inputs": [],
                "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}],
                "widgets_values": [16, 8, 1, 255],
            },
            {
                "id": 7,
                "type": "SaveImage",
                "mode": 0,
                "inputs": [{"name": "images", "type": "IMAGE", "link": 1}],
                "outputs": [],
                "widgets_values": ["editor"],
            },
            {"id": 9, "type": "Note", "mode": 0, "inputs": [], "outputs": [], "widgets_values": ["a word"]},
        ],
        "links": [[1, 4, 0, 7, 0, "IMAGE"]],
        "version": 0.4,
    }


def definitions_asked(made) -> list[str]:
    return [each.path for each in made.mock.requests if each.path.startswith("/api/object_info")]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_workflow_of_the_editor_runs_as_it_is(version, tmp_path):
    path = tmp_path / "editor.json"
    path.write_text(json.dumps(editor_workflow()), encoding="utf-8")
    with bench(tmp_path, version) as made:
        job = made.client().submit(WorkflowRequest(path, inputs={"Source.color": 1000}))
        result = job.result(HANG_GUARD_S)
        (sent,) = made.posts()
        assert sent["prompt"]["4"]["inputs"] == {"width": 16, "height": 8, "batch_size": 1, "color": 1000}
        assert sent["prompt"]["7"]["inputs"]["images"] == ["4", 0]
        assert "9" not in sent["prompt"]
        assert definitions_asked(made) == ["/api/object_info/EmptyImage", "/api/object_info/SaveImage"]
    assert result.artifacts[0].kind == "image"


def test_its_classes_are_asked_for_once(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        for color in (1, 2):
            client.submit(WorkflowRequest(editor_workflow(), inputs={"Source.color": color})).result(HANG_GUARD_S)
        assert len(definitions_asked(made)) == 2


def test_nodes_that_the_server_lacks_are_named_with_what_is_like_them(tmp_path):
    with bench(tmp_path) as made:
        error = made.client().submit(WorkflowRequest(editor_workflow("EmptyImages"))).exception(HANG_GUARD_S)
        assert made.posts() == []
    assert isinstance(error, MissingResource)
    assert (error.name, error.nearest[0], error.code) == ("EmptyImages", "EmptyImage", "missing_node")


def test_what_can_not_be_converted_is_refused_clearly(tmp_path):
    workflow = editor_workflow()
    workflow["nodes"][0]["type"] = "workflow/Group"
    with bench(tmp_path) as made:
        error = made.client().submit(WorkflowRequest(workflow)).exception(HANG_GUARD_S)
        assert made.posts() == []
    assert isinstance(error, ValidationError)
    assert error.code == "group_node"
    assert error.context["title"] == "Source"


def checkpoint_workflow(name: str) -> dict:
    return picture_workflow() | {
        "4": node("CheckpointLoaderSimple", "Model", ckpt_name=name),
        "5": node("VAEDecode", samples=["6", 0], vae=["4", 2]),
        "6": node("EmptyLatentImage", width=16, height=16, batch_size=1),
        "2": node("SaveImage", images=["5", 0], filename_prefix="x"),
    }


def test_a_model_that_the_server_lacks_is_named_before_anything_is_sent(tmp_path):
    with bench(tmp_path) as made:
        error = (
            made.client()
            .submit(WorkflowRequest(checkpoint_workflow("dreamshaper.safetensors")))
            .exception(HANG_GUARD_S)
        )
        assert made.posts() == []
    assert isinstance(error, MissingResource)
    assert (error.kind, error.name) == ("model", "dreamshaper.safetensors")
    assert error.nearest


def test_a_model_that_has_come_meanwhile_is_found(tmp_path, monkeypatch):
    request = WorkflowRequest(checkpoint_workflow("new.safetensors"))
    with bench(tmp_path) as made:
        client = made.client()
        assert isinstance(client.submit(request).exception(HANG_GUARD_S), MissingResource)
        loader = replace(NODE_CLASSES[LOADER], inputs={"ckpt_name": [["new.safetensors"]]})
        monkeypatch.setitem(NODE_CLASSES, LOADER, loader)
        assert client.submit(request).result(HANG_GUARD_S).artifacts


def test_an_old_name_that_the_server_replaces_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(ComfyAPI, "replaceable_nodes", lambda *_: frozenset({"EmptyPicture"}))
    workflow = picture_workflow() | {"1": node("EmptyPicture", "Source")}
    with bench(tmp_path) as made:
        error = made.client().submit(WorkflowRequest(workflow)).exception(HANG_GUARD_S)
        assert len(made.posts()) == 1
    assert isinstance(error, MissingResource), "the mock server does not swap it"


def test_a_server_that_tells_no_classes_judges_alone(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:403", on="/object_info"))
        job = made.client().submit(WorkflowRequest(picture_workflow()))
        assert job.result(HANG_GUARD_S).artifacts


def test_missing_nodes_are_named_also_when_the_list_of_all_can_not_be_had(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:404", on="/object_info", after=2))
        error = made.client().submit(WorkflowRequest(editor_workflow("EmptyImages"))).exception(HANG_GUARD_S)
    assert isinstance(error, MissingResource)
    assert (error.name, error.nearest) == ("EmptyImages", ())


def test_only_so_many_definitions_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.comfyui.server.object_info.MOST_KEPT", 1)
    with bench(tmp_path) as made:
        client = made.client()
        for color in (1, 2):
            client.submit(WorkflowRequest(editor_workflow(), inputs={"Source.color": color})).result(HANG_GUARD_S)
        assert len(definitions_asked(made)) > 2


def test_a_template_of_an_editor_workflow_runs_filled_in(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        form = client.template(editor_workflow(), {"color": "Source.color"})
        assert (form.parameters["color"].kind, form.parameters["color"].minimum) == ("integer", 0)
        client.submit(form.request({"color": 77})).result(HANG_GUARD_S)
        assert made.posts()[0]["prompt"]["4"]["inputs"]["color"] == 77
        with pytest.raises(MissingResource) as caught:
            client.template(editor_workflow("EmptyImages"))
    assert caught.value.nearest[0] == "EmptyImage"


def test_a_form_of_a_workflow_with_a_missing_node_when_the_list_of_all_can_not_be_had(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:404", on="/object_info", after=2))
        with pytest.raises(MissingResource) as missing:
            made.client().template(editor_workflow("EmptyImages"))
    assert (missing.value.name, missing.value.nearest) == ("EmptyImages", ())


def test_the_slots_of_a_workflow_are_those_of_its_template(tmp_path):
    """What stands inside subgraphs is found, and scripts get the answer that Blender gets."""
    given = {"prompt": "a ship", "negative_prompt": "fog", "width": 24, "height": 16, "steps": 2}
    with bench(tmp_path) as made:
        client = made.client()
        client.submit(WorkflowRequest(picture_in_a_subgraph(), slots=given, seed=3)).result(HANG_GUARD_S)
        form = client.template(picture_in_a_subgraph())
        client.submit(form.request(given, seed=3)).result(HANG_GUARD_S)
        client.submit(WorkflowRequest(picture_in_a_subgraph(), inputs={"Text to Image.prompt": "a ship"})).result(
            HANG_GUARD_S
        )
        by_slot, by_template, by_address = (each["prompt"] for each in made.posts())
    assert by_slot == by_template
    assert by_slot["10:2"]["inputs"]["text"] == by_address["10:2"]["inputs"]["text"] == "a ship"
    assert by_slot["10:3"]["inputs"]["text"] == "fog"
    assert (by_slot["10:4"]["inputs"]["width"], by_slot["10:4"]["inputs"]["height"]) == (24, 16)
    assert (by_slot["10:5"]["inputs"]["steps"], by_slot["10:5"]["inputs"]["seed"]) == (2, 3)


def test_slots_are_in_the_metadata_and_what_has_no_place_in_the_log(tmp_path):
    with bench(tmp_path) as made:
        job = made.client().submit(WorkflowRequest(picture_in_a_subgraph(), slots={"prompt": "a ship"}))
        assert job.result(HANG_GUARD_S).metadata["slots"] == {"prompt": "a ship"}
        job = made.client().submit(WorkflowRequest(editor_workflow(), slots={"width": 24, "steps": 3}))
        job.result(HANG_GUARD_S)
    lines = [event.line for event in job.events() if isinstance(event, events.Logged)]
    assert "The workflow has no input for steps." in lines


def test_a_workflow_without_a_place_for_the_prompt_is_not_sent(tmp_path):
    with bench(tmp_path) as made:
        error = made.client().submit(WorkflowRequest(editor_workflow(), slots={"prompt": "x"})).exception(HANG_GUARD_S)
        assert made.posts() == []
    assert isinstance(error, ValidationError)
    assert (error.code, error.backend) == ("no_prompt_slot", "comfyui")


def test_slots_are_found_without_definitions_too(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:403", on="/object_info"))
        slots = {"prompt": "a ship", "width": 24, "height": 16, "steps": 2}
        job = made.client().submit(WorkflowRequest(load_workflow(bundled_workflow("text_to_image")), slots=slots))
        job.exception(HANG_GUARD_S)
        (sent,) = made.posts()
    assert sent["prompt"]["6"]["inputs"]["text"] == "a ship"
    assert sent["prompt"]["5"]["inputs"]["width"] == 24
