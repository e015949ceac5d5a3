"""Judging prompts by the definitions of their node classes, without a server."""

import pytest

from movie_director.clients.comfyui.workflow.prompt_checks import find_problems, outputs_to_run, refused_whole

KNOWN = {
    "Loader": {"input": {"required": {"name": [["a.safetensors", "b.safetensors"], {}]}}, "output_node": False},
    "NewLoader": {"input": {"required": {"name": ["COMBO", {"options": ["a.safetensors"]}]}}},
    "Upload": {"input": {"required": {"image": [["a.ckpt"], {"image_upload": True}]}}},
    "Grow": {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {}]}}},
    "Save": {"input": {"required": {"images": ["IMAGE"], "prefix": ["STRING", {}]}}, "output_node": True},
    "Odd": {"input": "?", "output_node": True},
}


def node(kind, title="", **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def said(prompt):
    return {key: [problem.text for problem in found] for key, found in find_problems(prompt, KNOWN).items()}


def test_a_prompt_with_all_it_needs():
    prompt = {"1": node("Loader", name="a.safetensors"), "2": node("Save", images=["1", 0], prefix="x")}
    assert said(prompt) == {}


@pytest.mark.parametrize("kind", ["Loader", "NewLoader"])
def test_a_model_that_the_server_lacks(kind):
    found = find_problems({"1": node(kind, "Model", name="aa.safetensors")}, KNOWN)
    (problem,) = found["1"]
    assert problem.resource is not None
    assert (problem.resource.name, problem.resource.nearest[0]) == ("aa.safetensors", "a.safetensors")
    assert "'Model'" in problem.text


def test_an_input_that_is_not_set():
    assert said({"1": node("Save", "End", images=["2", 0])}) == {
        "1": ["'End': input 'prefix' is not connected or not set."]
    }


@pytest.mark.parametrize(
    "known_good",
    [
        node("Loader", name=["2", 0]),
        node("Loader", name="no model"),
        node("Upload", image="sub/b.ckpt"),
        node("Grow", **{"images.image0": ["2", 0]}),
        node("Odd"),
    ],
    ids=["wired", "no model file", "an upload", "inputs under other names", "no definition to speak of"],
)
def test_what_is_left_to_the_server(known_good):
    assert said({"1": known_good}) == {}


def test_the_whole_is_refused_when_no_output_can_be_made():
    prompt = {
        "1": node("Loader", name="x.ckpt"),
        "2": node("Save", images=["1", 0], prefix="a"),
        "3": node("Save", images=["2", 0], prefix="b"),
    }
    bad = find_problems(prompt, KNOWN)
    assert list(bad) == ["1"]
    assert refused_whole(prompt, KNOWN, bad)
    prompt["4"] = node("Odd", first=["5", 0], second=["5", 0])
    prompt["5"] = node("Loader", name=["4", 0])
    assert not refused_whole(prompt, KNOWN, bad)
    assert not refused_whole({"1": prompt["1"]}, KNOWN, bad)


OUTPUT_CLASSES = {"Source": {"output_node": False}, "Save": {"output_node": True}}
TWO_OUTPUTS = {
    "1": {"class_type": "Source", "inputs": {}},
    "2": {"class_type": "Save", "inputs": {}},
    "3": {"class_type": "Save", "inputs": {}},
}


@pytest.mark.parametrize(
    ("known", "errors", "outputs"),
    [
        (OUTPUT_CLASSES, {}, ["2", "3"]),
        (OUTPUT_CLASSES, {"1": {"dependent_outputs": ["3"]}}, ["2"]),
        (
            OUTPUT_CLASSES,
            {"1": {"dependent_outputs": None}, "2": "odd", "9": {"dependent_outputs": [["3"], None]}},
            ["2", "3"],
        ),
        (OUTPUT_CLASSES, {"1": {"dependent_outputs": ["2", "3"]}}, None),
        ({"Save": {"output_node": True}}, {}, None),
        (None, {}, None),
    ],
    ids=["all", "one refused", "odd answer", "none left", "a class unknown", "no class known"],
)
def test_the_outputs_that_will_run(known, errors, outputs):
    assert outputs_to_run(TWO_OUTPUTS, known, errors) == outputs
