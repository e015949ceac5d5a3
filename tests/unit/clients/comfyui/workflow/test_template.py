"""Workflows as forms: which parameters are found, what they take, and the request that comes of it."""

from pathlib import Path

import pytest

from movie_director.clients.comfyui import WorkflowTemplate, bundled_workflow
from movie_director.clients.comfyui.workflow.addressing import Addresses, Target
from movie_director.clients.comfyui.workflow.conversion import EditorWidget
from movie_director.clients.comfyui.workflow.loading import load_workflow
from movie_director.clients.comfyui.workflow.parameters import parameter
from movie_director.clients.errors import ValidationError
from movie_director.clients.mock.comfyui.object_info import NODE_CLASSES, describe_class
from movie_director.clients.mock.comfyui.versions import NEWEST


def definitions():
    return {name: describe_class(name, NEWEST, list) for name in NODE_CLASSES}


def node(kind, title="", **inputs):
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title or kind}}


def template(prompt, parameters=None):
    return WorkflowTemplate.of(prompt, definitions(), parameters)


def test_a_bundled_workflow_as_a_form():
    form = template(load_workflow(bundled_workflow("text_to_image")))
    assert list(form.parameters) == [
        "prompt", "negative_prompt", "seed", "model", "width", "height", "steps", "cfg", "denoise",
    ]  # fmt: skip
    prompt, seed, width = (form.parameters[name] for name in ("prompt", "seed", "width"))
    assert (prompt.kind, prompt.multiline, prompt.targets) == ("text", True, ("#6.text",))
    assert (seed.kind, seed.minimum, seed.maximum) == ("seed", 0, 2**64 - 1)
    assert (width.kind, width.minimum, width.step) == ("integer", 16, 8)
    assert form.parameters["model"].kind == "choice"
    assert "dreamshaper_8.safetensors" in form.parameters["model"].choices
    assert form.parameters["cfg"].kind == "number"


def test_seeds_keep_the_limits_of_the_server_the_tightest_of_them():
    def seeded(**limits):
        return {"input": {"required": {"seed": ["INT", limits]}}}

    prompt = {"1": node("Paid", seed=1), "2": node("Free", seed=1), "3": node("Unknown", seed=1)}
    known = {"Paid": seeded(min=0, max=2147483647), "Free": seeded(min=-1, max=2**64 - 1)}
    seed = WorkflowTemplate.of(prompt, known).parameters["seed"]
    assert (seed.kind, seed.minimum, seed.maximum) == ("seed", 0, 2147483647)
    unlimited = WorkflowTemplate.of({"1": node("Any", seed=1)}, {"Any": seeded()}).parameters["seed"]
    assert (unlimited.minimum, unlimited.maximum) == (0, 2**64 - 1)


def test_the_request_of_a_filled_form():
    form = template(load_workflow(bundled_workflow("image_to_image")))
    request = form.request(
        {"prompt": "a cat", "image": Path("/a/cat.png"), "steps": 3}, seed=7, metadata={"shot": "1A"}
    )
    assert request.inputs == {"#6.text": "a cat", "#3.steps": 3}
    assert list(request.files.values()) == [Path("/a/cat.png")]
    assert (request.seed, request.metadata) == (7, {"shot": "1A"})
    assert request.problems() == []
    assert form.request().inputs == {}


def test_a_form_is_not_led_astray_by_nodes_titled_like_ids():
    form = template(
        {
            "1": node("CLIPTextEncode", "2", text="x", clip=["9", 1]),
            "2": node("CLIPTextEncode", text="y", clip=["9", 1]),
            "3": node("KSampler", positive=["2", 0], negative=["1", 0], steps=1),
        }
    )
    request = form.request({"prompt": "a cat"})
    assert Addresses(form.prompt).resolve_all(request.inputs) == {"#2.text": Target("2", "text")}


def test_nodes_that_are_titled_for_it_come_first():
    prompt = {
        "1": node("PrimitiveStringMultiline", "Mood", value="calm"),
        "2": node("PrimitiveInt", "blender: Count ", value=3),
        "3": node("PrimitiveFloat", value=0.5),
        "4": node("PrimitiveString", "Wired", value=["1", 0]),
        "5": node("EmptyImage", "Blender:Side", width=8, height=8, batch_size=1, color=0),
        "6": node("PrimitiveInt", "Mood", value=1),
    }
    form = template(prompt)
    assert {name: form.parameters[name].targets for name in ("Mood", "Count", "Side", "Mood_2")} == {
        "Mood": ("#1.value",),
        "Count": ("#2.value",),
        "Side": ("#5.width",),
        "Mood_2": ("#6.value",),
    }
    assert "Wired" not in form.parameters
    assert "height" in form.parameters
    assert "width" not in form.parameters


def test_titles_of_slots_name_them_whatever_their_capitals():
    prompt = {
        "1": node("KSampler", steps=["2", 0], positive=["4", 0]),
        "2": node("PrimitiveInt", "Steps", value=20),
        "3": node("PrimitiveStringMultiline", "Prompt", value="x"),
        "4": node("CLIPTextEncode", text=["3", 0], clip=["9", 1]),
    }
    form = template(prompt)
    assert (form.parameters["steps"].kind, form.parameters["steps"].targets) == ("integer", ("#2.value",))
    assert form.parameters["prompt"].targets == ("#3.value",)
    assert form.request({"Steps": 3, "PROMPT": "y"}).inputs == {"#2.value": 3, "#3.value": "y"}


def test_pictures_that_are_not_the_slots_are_parameters_too():
    prompt = {"1": node("LoadImage", image="a.png"), "2": node("LoadImage", "First frame", image="b.png")}
    form = template(prompt)
    assert {name: each.targets for name, each in form.parameters.items()} == {
        "image": ("#2.image",),
        "image_2": ("#1.image",),
    }


def test_widgets_of_the_editor_are_parameters_by_their_labels():
    prompt = {
        "1": node("KSampler", "inner", seed=1, steps=20, cfg=7.0),
        "2": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
    }
    widgets = [
        EditorWidget("5", "Subgraph", "cfg", "Guidance", (("1", "cfg"),)),
        EditorWidget("5", "Subgraph", "steps", "turbo_steps", (("1", "steps"),)),
        EditorWidget("5", "Subgraph", "seed", "Dice", (("1", "seed"),)),
        EditorWidget("6", "blender:Amount", "batch_size", "", (("2", "batch_size"),)),
        EditorWidget("7", "Shade", "value", "", (("2", "color"),)),
        EditorWidget("8", "Subgraph", "width", "", (("2", "width"),)),
    ]
    form = WorkflowTemplate.of(prompt, definitions(), None, widgets)
    assert {name: each.targets for name, each in form.parameters.items()} == {
        "Guidance": ("#1.cfg",),
        "Amount": ("#2.batch_size",),
        "Shade": ("#2.color",),
        "seed": ("#1.seed",),
        "width": ("#2.width",),
        "height": ("#2.height",),
        "steps": ("#1.steps",),
    }
    mapped = WorkflowTemplate.of(prompt, definitions(), {"side": "Subgraph.width"}, widgets)
    assert mapped.parameters["side"].targets == ("#2.width",)


def test_an_explicit_mapping_is_all_there_is():
    prompt = load_workflow(bundled_workflow("text_to_image"))
    form = template(prompt, {"words": "Positive prompt", "rounds": "Sampler.steps"})
    assert {name: each.targets for name, each in form.parameters.items()} == {
        "words": ("#6.text",),
        "rounds": ("#3.steps",),
    }
    with pytest.raises(ValidationError) as caught:
        template(prompt, {"words": "Positive promt"})
    assert caught.value.code == "unknown_input"


def test_texts_of_no_known_part_and_numbers_in_several_places():
    prompt = {
        "1": node("CLIPTextEncode", "A", text="x", clip=["9", 1]),
        "2": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "3": node("EmptyImage", width=9, height=True, batch_size=1, color=0),
        "4": node("Looped", a=["5", 0]),
        "5": node("Looped", a=["4", 0], b=["1", 0]),
    }
    form = template(prompt)
    assert list(form.parameters) == ["text", "height"]


def test_a_prompt_is_told_from_what_is_to_be_avoided_through_other_nodes():
    prompt = {
        "1": node("CLIPTextEncode", text="x", clip=["9", 1]),
        "2": node("ConditioningCombine", conditioning_1=["1", 0], conditioning_2=["3", 0]),
        "3": node("CLIPTextEncode", text="y", clip=["9", 1]),
        "4": node("KSampler", positive=["2", 0], negative=["5", 0]),
        "5": node("CLIPTextEncode", text="z", clip=["9", 1]),
    }
    form = template(prompt)
    assert form.parameters["prompt"].targets == ("#1.text", "#3.text")
    assert form.parameters["negative_prompt"].targets == ("#5.text",)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 0, "between 1 and"),
        ("steps", 2.5, "a whole number"),
        ("steps", True, "a whole number"),
        ("cfg", "7", "a number"),
        ("seed", 2**64, "between 0 and"),
        ("prompt", 5, "a text"),
        ("model", "dreamshaper.safetensors", "dreamshaper_8.safetensors"),
        ("model", "?", "the choices are"),
        ("model", 5, "a text"),
        ("image", "", "a file"),
        ("image", 5, "a file"),
    ],
)
def test_values_that_do_not_fit(name, value, words):
    form = template(load_workflow(bundled_workflow("image_to_image")))
    with pytest.raises(ValidationError) as caught:
        form.request({name: value})
    assert caught.value.code == "invalid_parameter"
    assert words in caught.value.problems[0]
    assert caught.value.problems[0].startswith(f"{name}: ")


def test_names_that_it_does_not_have():
    form = template(load_workflow(bundled_workflow("text_to_image")))
    with pytest.raises(ValidationError, match="it has prompt") as caught:
        form.request({"promt": "x"})
    assert caught.value.code == "unknown_parameter"
    with pytest.raises(ValidationError, match="it has none"):
        template({}).request({"steps": 1})


@pytest.mark.parametrize(
    ("value", "kind", "good", "bad"),
    [(True, "boolean", False, 1), (1, "integer", 2, "2"), (0.5, "number", 1, "1"), ("x", "text", "", None)],
)
def test_without_a_definition_the_kind_is_that_of_the_value(value, kind, good, bad):
    made = parameter("p", ("1.a",), "Label", value, [None])
    assert (made.kind, made.default) == (kind, value)
    assert made.problem(good) == ""
    assert made.problem(bad)


@pytest.mark.parametrize(
    ("value", "sent"), [("5", 5), (5, 5), ("0.5", 0.5), (0.5, 0.5), ("True", True), (True, True), ("auto", "auto")]
)
def test_choices_that_are_no_texts_can_be_given_as_shown_or_as_they_are(value, sent):
    known = {"X": {"input": {"required": {"length": [[5, 8, 0.5, True, "auto"], {}]}}}}
    form = WorkflowTemplate.of({"1": node("X", length=8)}, known, {"length": "1.length"})
    length = form.parameters["length"]
    assert (length.kind, length.choices, length.default) == ("choice", ("5", "8", "0.5", "True", "auto"), "8")
    given = form.request({"length": value}).inputs["#1.length"]
    assert (type(given), given) == (type(sent), sent)


@pytest.mark.parametrize(
    ("value", "words"), [(6, "a text"), (False, "a text"), ([], "a text"), ("6", "the choices are 5, 8")]
)
def test_what_is_none_of_such_choices(value, words):
    known = {"X": {"input": {"required": {"length": [[5, 8, 0], {}]}}}}
    form = WorkflowTemplate.of({"1": node("X", length=8)}, known, {"length": "1.length"})
    assert words in form.parameters["length"].problem(value)


def test_a_choice_without_known_choices_takes_any():
    spec = {"X": {"input": {"required": {"name": ["COMBO", {"remote": {"route": "/x"}}]}}}}
    form = WorkflowTemplate.of({"1": node("X", name="a")}, spec, {"name": "1.name"})
    assert form.parameters["name"].problem("b") == ""
    wire = WorkflowTemplate.of({"1": node("X", other=4)}, spec, {"other": "1.other"})
    assert wire.parameters["other"].kind == "integer"
