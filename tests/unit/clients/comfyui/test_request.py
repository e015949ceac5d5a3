"""The typed request: what is wrong with it on its face, and its way through JSON."""

import json
from pathlib import Path

import pytest

from movie_director.clients import ComfyUIClient, comfyui
from movie_director.clients.comfyui import WorkflowRequest, bundled_workflow, ui_to_api
from movie_director.clients.comfyui.workflow.bundled_workflows import is_bundled
from movie_director.clients.comfyui.workflow.loading import load_workflow
from movie_director.clients.errors import ValidationError

NODE = {"1": {"class_type": "SaveImage", "inputs": {}}}


@pytest.mark.parametrize("workflow", [NODE, "a.json", Path("a.png")])
def test_a_dict_a_text_and_a_path_are_workflows(workflow):
    assert WorkflowRequest(workflow, inputs={"a": [1, {"b": None}]}, files={"c": "d.png"}).problems() == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"workflow": {}}, "workflow"),
        ({"workflow": ""}, "workflow"),
        ({"workflow": 5}, "workflow"),
        ({"workflow": None}, "workflow"),
        ({"inputs": ["a"]}, "inputs"),
        ({"inputs": {1: 2}}, "inputs"),
        ({"files": "a.png"}, "files"),
        ({"files": {"a": ""}}, "'a'"),
        ({"files": {"a": 5}}, "'a'"),
        ({"inputs": {"a": float("nan")}}, "'a'"),
        ({"inputs": {"a": object()}}, "'a'"),
        ({"inputs": {"a": 1}, "files": {"a": "b.png"}}, "both"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"slots": ["prompt"]}, "slots"),
        ({"slots": {"promt": "x"}}, "negative_prompt"),
        ({"slots": {"prompt": 5}}, "a text"),
        ({"slots": {"image": ""}}, "a file"),
        ({"slots": {"steps": "20"}}, "a number"),
        ({"slots": {"width": True}}, "a number"),
        ({"slots": {"denoise": float("inf")}}, "a number"),
    ],
)
def test_what_is_wrong_on_its_face_is_one_problem(fields, word):
    problems = WorkflowRequest(**{"workflow": NODE, **fields}).problems()
    assert len(problems) == 1
    assert word in problems[0]


def test_the_largest_seed_is_64_bits_wide():
    assert WorkflowRequest(NODE, seed=2**64 - 1).problems() == []


def test_a_wrong_request_is_refused_by_submit_without_a_server():
    with ComfyUIClient("http://127.0.0.1:9") as client, pytest.raises(ValidationError) as caught:
        client.submit({"workflow": NODE, "seed": -1})
    assert caught.value.problems == ("seed: it must be between 0 and 18446744073709551615.",)


def test_a_request_survives_json():
    slots = {"prompt": "x", "image": Path("/tmp/d.png"), "steps": 4, "denoise": 0.5}
    request = WorkflowRequest(
        Path("/tmp/a.json"), inputs={"a": 1}, files={"b": Path("/tmp/c.png")}, seed=2**64 - 1, slots=slots
    )
    again = WorkflowRequest.from_dict(json.loads(json.dumps(request.to_dict())))
    assert again.to_dict() == request.to_dict()
    assert again.slots == slots
    assert again.problems() == []


@pytest.mark.parametrize("name", ["text_to_image", "image_to_image"])
def test_the_bundled_workflows_can_be_loaded(name):
    path = bundled_workflow(name)
    prompt = load_workflow(path)
    titles = {node["_meta"]["title"] for node in prompt.values()}
    assert {"Positive prompt", "Negative prompt", "Sampler", "Size", "Checkpoint", "Result"} <= titles
    assert is_bundled(path)
    assert is_bundled(str(path))


def test_what_is_not_bundled(tmp_path):
    assert not is_bundled(NODE)
    assert not is_bundled(tmp_path / "text_to_image.json")


@pytest.mark.parametrize("name", ["text_to_imag", "../__init__", "", "sub/text_to_image"])
def test_an_unknown_bundled_workflow_names_those_there_are(name):
    with pytest.raises(ValidationError) as caught:
        bundled_workflow(name)
    assert caught.value.code == "unknown_workflow"
    assert "image_to_image, text_to_image" in caught.value.hint


def test_the_package_has_the_conversion_and_no_other_surprise():
    assert ui_to_api({"nodes": [], "links": []}, {}) == {}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = comfyui.nothing
