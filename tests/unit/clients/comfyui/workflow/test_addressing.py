"""Addresses of inputs, and the plan that is made of a request: values, files and seeds in their places."""

import copy

import pytest

from movie_director.clients.comfyui import WorkflowRequest, bundled_workflow
from movie_director.clients.comfyui.run.planning import find_models, make_plan
from movie_director.clients.comfyui.workflow.addressing import Addresses, Target, seed_targets
from movie_director.clients.comfyui.workflow.conversion import EditorWidget
from movie_director.clients.comfyui.workflow.loading import load_workflow
from movie_director.clients.errors import StorageError, ValidationError


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title else {})


PROMPT = {
    "3": node("KSampler", "Sampler", seed=1, steps=20, model=["4", 0], positive=["6", 0], **{"format.bits": 8}),
    "4": node("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
    "6": node("CLIPTextEncode", "Positive prompt", text="old", clip=["4", 1]),
    "7": node("CLIPTextEncode", "Twice", text="x", clip=["4", 1]),
    "8": node("CLIPTextEncode", "Twice", text=["20", 0], clip=["4", 1]),
    "9": node("SaveImage", "v1.5 result", images=["3", 0], filename_prefix="a"),
    "10": node("LoadImage", "Input image", image="x.png", upload="image"),
    "20": node("PrimitiveStringMultiline", value="wired"),
    "21": node("CLIPTextEncode", "Wired prompt", text=["20", 0], clip=["4", 1]),
    "22": node("VAEDecode", "Decode", samples=["3", 0], vae=["4", 2]),
    "23": node("ImageScale", "Size", image=["22", 0], width=1, height=2),
    "24": node("PrimitiveInt", "9", value=5),
    "25": node("Nothing", "Nothing in it"),
}


def resolve(address):
    return Addresses(PROMPT).resolve_all({address: None})[address]


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("Positive prompt", Target("6", "text")),
        ("Positive prompt.text", Target("6", "text")),
        ("Sampler.steps", Target("3", "steps")),
        ("KSampler.steps", Target("3", "steps")),
        ("3.steps", Target("3", "steps")),
        ("Sampler.format.bits", Target("3", "format.bits")),
        ("CheckpointLoaderSimple", Target("4", "ckpt_name")),
        ("4", Target("4", "ckpt_name")),
        ("v1.5 result", Target("9", "filename_prefix")),
        ("v1.5 result.filename_prefix", Target("9", "filename_prefix")),
        ("Input image", Target("10", "image")),
        ("7.text", Target("7", "text")),
        ("Wired prompt", Target("20", "value")),
        ("Wired prompt.text", Target("20", "value")),
        ("8.text", Target("20", "value")),
        ("9", Target("24", "value")),
        ("Size.image", Target("23", "image")),
        ("Sampler.model", Target("3", "model")),
    ],
)
def test_an_address_finds_its_input(address, target):
    assert resolve(address) == target


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("Twice", ["'Twice' is ambiguous", "7, 8"]),
        ("Twice.text", ["ambiguous"]),
        ("CLIPTextEncode.text", ["ambiguous", "21, 6, 7, 8"]),
        ("Sampler", ["no single obvious input", "seed, steps, model"]),
        ("Size", ["no single obvious input"]),
        ("Decode", ["no single obvious input"]),
        ("Nothing in it", ["no single obvious input", "one of: none"]),
        ("Sampler.stepz", ["'Sampler' has no input 'stepz'", "Did you mean steps"]),
        ("Sampler.zzzzzz", ["has no input 'zzzzzz'; it has seed, steps"]),
        ("Positive promt", ["no node 'Positive promt'", "Did you mean 'Positive prompt'"]),
        ("Positive promt.text", ["'Positive prompt'"]),
        ("qqqqqqqq", ["no node 'qqqqqqqq'."]),
        ("", ["no node ''"]),
    ],
)
def test_an_address_that_finds_nothing_says_what_is_near(address, words):
    with pytest.raises(ValidationError) as caught:
        resolve(address)
    assert caught.value.code == "unknown_input"
    assert len(caught.value.problems) == 1
    assert all(word in caught.value.problems[0] for word in words), caught.value.problems


def test_all_wrong_addresses_are_told_at_once():
    with pytest.raises(ValidationError) as caught:
        Addresses(PROMPT).resolve_all({"a1": 0, "Sampler.steps": 0, "b1": 0})
    assert len(caught.value.problems) == 2
    assert "Sampler" in caught.value.context["nodes"]


def test_an_address_by_id_is_not_led_astray_by_titles():
    prompt = {
        "3": node("KSampler", "Sampler", steps=1),
        "4": node("KSampler", "3", steps=2),
        "5": node("KSampler", "3", steps=3),
        "10:6.0": node("Text", "#3.steps", **{"a.b": 4}),
    }
    found = Addresses(prompt).resolve_all(["#3.steps", "#4.steps", "#10:6.0.a.b"])
    assert list(found.values()) == [Target("3", "steps"), Target("4", "steps"), Target("10:6.0", "a.b")]
    assert list(found) == [target.address for target in found.values()]


def test_an_address_by_id_follows_wires_and_needs_an_input():
    wired = {"1": node("Text", text=["2", 0]), "2": node("PrimitiveString", value="a")}
    assert Addresses(wired).resolve_all(["#1.text"])["#1.text"] == Target("2", "value")
    with pytest.raises(ValidationError):
        Addresses(wired).resolve_all(["#1.image"])
    with pytest.raises(ValidationError):
        Addresses(wired).resolve_all(["#7.text"])


def test_a_title_may_begin_like_an_id():
    assert Addresses({"1": node("Text", "#7", text="a")}).resolve_all(["#7.text"])["#7.text"] == Target("1", "text")


def test_primitives_that_feed_each_other_end_the_search():
    circle = {"1": node("PrimitiveInt", value=["2", 0]), "2": node("PrimitiveInt", value=["1", 0])}
    assert Addresses(circle).resolve_all({"1.value": 0})["1.value"] in (Target("1", "value"), Target("2", "value"))


def test_a_node_of_several_values_is_not_followed_into():
    prompt = {"1": node("A", "Target", text=["2", 0]), "2": node("Custom", value="v", mode="m")}
    assert Addresses(prompt).resolve_all({"Target": 0})["Target"] == Target("1", "text")


def plan(prompt, known=None, **fields):
    return make_plan(WorkflowRequest(prompt, **fields), copy.deepcopy(prompt), known or {})


def seeded_class(name="seed", **limits):
    return {"input": {"required": {name: ["INT", limits]}}}


SEEDS = {
    "1": node("KSampler", "A", seed=1, steps=2),
    "2": node("KSamplerAdvanced", "B", noise_seed=2),
    "3": node("KSampler", "C", seed=["4", 0]),
    "4": node("PrimitiveInt", "Seed", value=3),
    "5": node("KSampler", "D", seed=["6", 0]),
    "6": node("Foreign", "E", a=1, b=2),
    "7": node("Flag", "F", seed=True),
    "8": node("Text", "G", seed="random"),
}


def test_seeds_are_found_also_where_they_are_wired():
    assert seed_targets(SEEDS) == [Target("1", "seed"), Target("2", "noise_seed"), Target("4", "value")]


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**64 - 1])
def test_a_given_seed_goes_into_every_seed(seed):
    made = plan(SEEDS, seed=seed)
    assert made.seed == seed
    assert [made.prompt[n]["inputs"][i] for n, i in (("1", "seed"), ("2", "noise_seed"), ("4", "value"))] == [seed] * 3


def test_no_seed_is_a_random_one_that_javascript_can_show():
    made = {plan(SEEDS).seed for _ in range(20)}
    assert len(made) == 20
    assert all(0 <= seed < 2**53 for seed in made)


def test_a_random_seed_stays_within_the_limits_of_every_input_that_takes_it():
    known = {
        "KSampler": seeded_class(min=5, max=9),
        "KSamplerAdvanced": seeded_class("noise_seed", min=-1, max=2**64 - 1),
        "PrimitiveInt": seeded_class("value", min=-(2**63), max=2**63 - 1),
    }
    assert {plan(SEEDS, known).seed for _ in range(200)} == {5, 6, 7, 8, 9}
    wired = {"3": SEEDS["3"], "4": SEEDS["4"]}
    assert {plan(wired, known).seed for _ in range(200)} == {5, 6, 7, 8, 9}


@pytest.mark.parametrize("limits", [{"min": "a", "max": True}, {"max": float("inf")}, {"min": float("nan")}, {}])
def test_limits_that_are_none_are_passed_over(limits):
    assert plan(SEEDS, {"KSampler": seeded_class(**limits)}).seed >= 0


def test_limits_that_leave_nothing_give_the_least():
    assert plan(SEEDS, {"KSampler": seeded_class(min=7, max=3)}).seed == 7


def test_a_seed_that_the_inputs_name_stays():
    made = plan(SEEDS, inputs={"A.seed": 77})
    assert made.prompt["1"]["inputs"]["seed"] == 77
    assert made.prompt["2"]["inputs"]["noise_seed"] == made.seed != 77


def test_when_the_inputs_name_all_seeds_the_first_is_recorded():
    prompt = {"1": SEEDS["1"]}
    assert plan(prompt, inputs={"A.seed": 77}).seed == 77


def test_a_workflow_without_seeds():
    prompt = {"1": node("SaveImage", images="x")}
    assert plan(prompt).seed is None
    assert plan(prompt).warnings == ()
    made = plan(prompt, seed=5)
    assert made.seed is None
    assert "no seed" in made.warnings[0]


def test_values_are_put_in_and_files_are_kept_for_their_upload(tmp_path):
    file = tmp_path / "cat.png"
    file.write_bytes(b"x")
    made = plan(PROMPT, inputs={"Positive prompt": "new", "Wired prompt": "w"}, files={"Input image": file})
    assert made.prompt["6"]["inputs"]["text"] == "new"
    assert made.prompt["20"]["inputs"]["value"] == "w"
    assert made.prompt["21"]["inputs"]["text"] == ["20", 0]
    assert made.files == {Target("10", "image"): file}
    assert made.given == {Target("6", "text"), Target("20", "value"), Target("10", "image")}
    assert PROMPT["6"]["inputs"]["text"] == "old"


def test_a_wire_is_replaced_by_a_value():
    made = plan(PROMPT, inputs={"Sampler.positive": "flat"})
    assert made.prompt["3"]["inputs"]["positive"] == "flat"


def test_a_value_that_is_a_wire_to_nowhere_is_refused():
    with pytest.raises(ValidationError) as caught:
        plan(PROMPT, inputs={"Sampler.positive": ["99", 0]})
    assert "'99'" in caught.value.message


def test_a_missing_input_file_is_told_before_anything_is_sent(tmp_path):
    with pytest.raises(StorageError) as caught:
        plan(PROMPT, files={"Input image": tmp_path / "none.png"})
    assert caught.value.code == "missing_file"
    assert "none.png" in caught.value.message


WIDGETS = [
    EditorWidget("1", "Text to Image", "text", "prompt", (("6", "text"),)),
    EditorWidget("1", "Text to Image", "width", "", (("23", "width"), ("23", "height"))),
    EditorWidget("2", "Sampler", "steps", "", (("6", "text"),)),
    EditorWidget("3", "Set v1.5", "value", "", (("24", "value"),)),
    EditorWidget("4", "Both", "text", "", (("6", "text"),)),
    EditorWidget("4", "Both", "prompt", "", (("7", "text"),)),
    EditorWidget("5", "", "text", "", (("6", "text"),)),
]


@pytest.mark.parametrize(
    ("address", "targets"),
    [
        ("Text to Image", (Target("6", "text"),)),
        ("Text to Image.text", (Target("6", "text"),)),
        ("Text to Image.prompt", (Target("6", "text"),)),
        ("Text to Image.width", (Target("23", "width"), Target("23", "height"))),
        ("Sampler.steps", (Target("3", "steps"),)),
        ("Set v1.5", (Target("24", "value"),)),
        ("Set v1.5.value", (Target("24", "value"),)),
    ],
)
def test_widgets_of_the_editor_have_addresses(address, targets):
    assert Addresses(PROMPT, WIDGETS).resolve_places([address]) == {address: targets}


@pytest.mark.parametrize(
    ("address", "words"),
    [("Both", "one of: text, prompt"), ("Text to Image.height", "Text to Image"), ("Text to Imag", "Text to Image")],
)
def test_widgets_that_are_not_found_are_told_with_what_is_near(address, words):
    with pytest.raises(ValidationError) as caught:
        Addresses(PROMPT, WIDGETS).resolve_places([address])
    assert words in caught.value.problems[0]


def test_a_value_goes_into_all_inputs_of_a_widget():
    request = WorkflowRequest(PROMPT, inputs={"Text to Image.width": 64})
    made = make_plan(request, copy.deepcopy(PROMPT), {}, WIDGETS)
    assert made.prompt["23"]["inputs"] == {"image": ["22", 0], "width": 64, "height": 64}


def test_values_for_slots_are_put_where_they_belong(tmp_path):
    file = tmp_path / "cat.png"
    file.write_bytes(b"x")
    slots = {"prompt": "cat", "negative_prompt": "dog", "image": file, "width": 64, "height": 48, "steps": 3}
    made = plan(load_workflow(bundled_workflow("image_to_image")), slots={**slots, "denoise": 0.5})
    inputs = {node_id: each["inputs"] for node_id, each in made.prompt.items()}
    assert (inputs["6"]["text"], inputs["7"]["text"]) == ("cat", "dog")
    assert (inputs["12"]["width"], inputs["12"]["height"]) == (64, 48)
    assert (inputs["3"]["steps"], inputs["3"]["denoise"]) == (3, 0.5)
    assert made.files == {Target("10", "image"): file}
    assert made.warnings == ()


def test_what_is_addressed_counts_more_than_slots():
    prompt = load_workflow(bundled_workflow("text_to_image"))
    made = plan(prompt, inputs={"Positive prompt": "mine"}, slots={"prompt": "theirs", "steps": 3})
    assert made.prompt["6"]["inputs"]["text"] == "mine"
    assert made.prompt["3"]["inputs"]["steps"] == 3


@pytest.mark.parametrize(
    ("slots", "code", "words"),
    [
        ({"prompt": "x"}, "no_prompt_slot", "has no input for the prompt"),
        ({"image": "x.png"}, "no_image_slot", "has no input for an input image"),
    ],
)
def test_a_workflow_without_a_place_for_what_matters_is_refused(slots, code, words):
    for workflow, name in (({"1": node("SaveImage")}, "workflow has"), ("some/mute.json", "mute.json")):
        with pytest.raises(ValidationError) as caught:
            make_plan(WorkflowRequest(workflow, slots=slots), {"1": node("SaveImage")}, {})
        assert caught.value.code == code
        assert words in caught.value.message
        assert name in caught.value.message
        assert caught.value.hint


def test_a_damaged_workflow_is_refused_for_what_it_lacks_first():
    damaged = load_workflow({"1": node("SaveImage", images=["2", 0])}, check_links=False)
    with pytest.raises(ValidationError, match="has no input for the prompt"):
        plan(damaged, slots={"prompt": "x"})
    with pytest.raises(ValidationError, match="'2'"):
        plan(damaged, inputs={"SaveImage.images": ["2", 0]}, slots={"steps": 3})


def test_other_values_without_a_place_are_left_out():
    prompt = {"1": node("CLIPTextEncode", "Prompt", text="old")}
    made = plan(prompt, slots={"prompt": "new", "steps": 3, "width": 64})
    assert made.prompt["1"]["inputs"] == {"text": "new"}
    assert made.warnings == ("The workflow has no input for steps.", "The workflow has no input for width.")


def test_the_models_of_a_prompt():
    prompt = {**PROMPT, "5": node("LoraLoader", lora_name="b.safetensors", again="a.safetensors")}
    assert find_models(prompt) == ["a.safetensors", "b.safetensors"]


@pytest.mark.parametrize("name", ["text_to_image", "image_to_image"])
def test_the_bundled_workflows_take_the_addresses_of_the_readme(name):
    made = plan(
        load_workflow(bundled_workflow(name)),
        inputs={"Positive prompt": "cat", "Negative prompt": "dog", "Sampler.steps": 3, "Size.width": 64},
        seed=9,
    )
    assert made.prompt["6"]["inputs"]["text"] == "cat"
    assert made.prompt["7"]["inputs"]["text"] == "dog"
    assert made.prompt["3"]["inputs"]["steps"] == 3
    assert made.prompt["3"]["inputs"]["seed"] == 9
