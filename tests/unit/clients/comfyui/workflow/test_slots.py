"""Which inputs of a workflow take the prompt, the picture, the size and the rest."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.waiting import HANG_GUARD_S
from support.workflows import SUBGRAPH, class_info, subgraph, workflow
from support.workflows import node as saved

from movie_director.clients.comfyui import WorkflowTemplate, bundled_workflow
from movie_director.clients.comfyui.workflow.conversion import Converted, convert
from movie_director.clients.comfyui.workflow.loading import load_workflow
from movie_director.clients.comfyui.workflow.slots import find_slots, slot_titled

TEXT = ["STRING", {"multiline": True}]
KNOWN: dict[str, Any] = {
    "CLIPTextEncode": class_info(
        {"text": TEXT, "clip": ["CLIP"]}, output=["CONDITIONING"], display_name="Encode (Prompt)"
    ),
    "KSampler": class_info(
        {
            "positive": ["CONDITIONING"],
            "negative": ["CONDITIONING"],
            "latent_image": ["LATENT"],
            "seed": ["INT", {}],
            "steps": ["INT", {}],
            "denoise": ["FLOAT", {}],
        },
        output=["LATENT"],
    ),
    "BasicGuider": class_info({"conditioning": ["CONDITIONING"]}, output=["GUIDER"]),
    "Control": class_info(
        {"positive": ["CONDITIONING"], "negative": ["CONDITIONING"]}, output=["CONDITIONING", "CONDITIONING"]
    ),
    "ZeroOut": class_info({"conditioning": ["CONDITIONING"]}, output=["CONDITIONING"]),
    "EmptyLatentImage": class_info({"width": ["INT", {}], "height": ["INT", {}]}, output=["LATENT"]),
    "Scheduler": class_info({"steps": ["INT", {}], "width": ["INT", {}], "height": ["INT", {}]}, output=["SIGMAS"]),
    "ToVideo": class_info(
        {"width": ["INT", {}], "height": ["INT", {}]}, {"start_image": ["IMAGE"]}, output=["CONDITIONING", "LATENT"]
    ),
    "ImageScale": class_info({"image": ["IMAGE"], "width": ["INT", {}], "height": ["INT", {}]}, output=["IMAGE"]),
    "LatentUpscale": class_info(
        {"samples": ["LATENT"], "width": ["INT", {}], "height": ["INT", {}]}, output=["LATENT"]
    ),
    "LoadImage": class_info(
        {"image": [["a.png", "b.png"], {"image_upload": True}]}, output=["IMAGE", "MASK"], display_name="Load Image"
    ),
    "LoadImageMask": class_info({"image": [["a.png"], {"image_upload": True}]}, output=["MASK"]),
    "PrimitiveInt": class_info({"value": ["INT", {"control_after_generate": True}]}, output=["INT"]),
    "PrimitiveStringMultiline": class_info({"value": TEXT}, output=["STRING"]),
    "Switch": class_info(
        {"switch": ["BOOLEAN", {}]},
        {"on_false": ["COMFY_MATCHTYPE_V3", {}], "on_true": ["COMFY_MATCHTYPE_V3", {}]},
        output=["COMFY_MATCHTYPE_V3"],
    ),
    "Math": class_info(
        {
            "expression": TEXT,
            "values": ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"value": ["FLOAT,INT", {}]}}}}],
        },
        output=["INT"],
    ),
    "TextGenerate": class_info({"prompt": TEXT, "system_prompt": TEXT}, output=["STRING"]),
    "StringReplace": class_info({"string": TEXT, "find": TEXT, "replace": TEXT}, output=["STRING"]),
    "StringConcatenate": class_info({"string_a": TEXT, "string_b": TEXT}, output=["STRING"]),
    "RegexExtract": class_info({"string": TEXT, "regex_pattern": TEXT}, output=["STRING"]),
    "PreviewAny": class_info({"source": ["*"]}, output=["STRING"]),
    "GetImageSize": class_info({"image": ["IMAGE"]}, output=["INT", "INT"]),
    "EncodeEdit": class_info({"instruction": TEXT, "negative_words": TEXT}, output=["CONDITIONING"]),
    "Paid": class_info({"prompt": TEXT, "negative_prompt": TEXT}, output=["IMAGE"]),
    "Save": class_info({"images": ["IMAGE"]}, output=[]),
}


def node(kind: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def slots_of(prompt: dict[str, Any], known: dict[str, Any] = KNOWN) -> dict[str, list[str]]:
    return {slot: [target.address for target in targets] for slot, targets in find_slots(prompt, known).items()}


def sampled(**nodes: dict[str, Any]) -> dict[str, Any]:
    """Return a prompt in which ``p`` and ``n`` lead to a sampler."""
    return {"s": node("KSampler", positive=["p", 0], negative=["n", 0]), **nodes}


# The bundled workflows


@pytest.mark.parametrize("known", [{}, KNOWN], ids=["without definitions", "with definitions"])
def test_the_bundled_workflows_have_all_slots(known: dict[str, Any]) -> None:
    text_to_image = {
        "prompt": ["#6.text"],
        "negative_prompt": ["#7.text"],
        "width": ["#5.width"],
        "height": ["#5.height"],
        "steps": ["#3.steps"],
        "denoise": ["#3.denoise"],
    }
    assert slots_of(load_workflow(bundled_workflow("text_to_image")), known) == text_to_image
    assert slots_of(load_workflow(bundled_workflow("image_to_image")), known) == {
        **text_to_image,
        "image": ["#10.image"],
        "width": ["#12.width"],
        "height": ["#12.height"],
    }


@pytest.mark.parametrize("known", [{}, KNOWN], ids=["without definitions", "with definitions"])
def test_untitled_nodes_are_found_by_their_links(known: dict[str, Any]) -> None:
    prompt = load_workflow(bundled_workflow("text_to_image"))
    titled = slots_of(prompt, known)
    for each in prompt.values():
        del each["_meta"]
    assert slots_of(prompt, known) == titled


# The prompts


def test_a_prompt_is_found_through_other_nodes() -> None:
    prompt = {
        "1": node("PrimitiveStringMultiline", value="a fox"),
        "2": node("CLIPTextEncode", text=["1", 0]),
        "3": node("ZeroOut", conditioning=["2", 0]),
        "4": node("BasicGuider", conditioning=["3", 0]),
    }
    assert slots_of(prompt) == {"prompt": ["#1.value"]}
    assert slots_of(prompt, {}) == {"prompt": ["#1.value"]}


def test_a_guider_with_conditions_of_other_names() -> None:
    prompt = {
        "1": node("CLIPTextEncode", text="a fox"),
        "2": node("CLIPTextEncode", text="rain"),
        "3": node("DualGuider", cond1=["1", 0], uncond=["2", 0]),
    }
    both = class_info({"cond1": ["CONDITIONING"], "uncond": ["CONDITIONING"]}, output=["GUIDER"])
    assert slots_of(prompt, {**KNOWN, "DualGuider": both}) == {"prompt": ["#1.text"]}


def test_nodes_that_pass_both_prompts_on_keep_them_apart() -> None:
    prompt = {
        "s": node("KSampler", positive=["c", 0], negative=["c", 1]),
        "c": node("Control", positive=["1", 0], negative=["2", 0]),
        "1": node("CLIPTextEncode", text="a fox"),
        "2": node("CLIPTextEncode", text="rain"),
    }
    assert slots_of(prompt) == {"prompt": ["#1.text"], "negative_prompt": ["#2.text"]}


def test_one_text_for_both_is_the_prompts() -> None:
    prompt = sampled(p=node("CLIPTextEncode", text="a fox"), n=node("ZeroOut", conditioning=["p", 0]))
    assert slots_of(prompt) == {"prompt": ["#p.text"]}


@pytest.mark.parametrize(
    ("title", "slot"),
    [
        ("Prompt", "prompt"),
        ("positive_prompt", "prompt"),
        ("POSITIVE", "prompt"),
        ("blender:prompt", "prompt"),
        ("Blender: Positive Prompt", "prompt"),
        ("CLIP Text Encode (Positive Prompt)", "prompt"),
        ("String (Multiline - Prompt)", "prompt"),
        ("Avoid", "negative_prompt"),
        ("Text （Negative）", "negative_prompt"),
        ("Encode: negative prompt", "negative_prompt"),
    ],
)
def test_titles_tell_where_links_do_not(title: str, slot: str) -> None:
    assert slots_of({"1": node("CLIPTextEncode", title, text="a"), "2": node("CLIPTextEncode", text="b")}) == {
        slot: ["#1.text"]
    }


def test_the_title_that_a_class_has_by_itself_says_nothing() -> None:
    assert slots_of({"1": node("CLIPTextEncode", "Encode (Prompt)", text="a")}) == {}


def test_a_title_for_us_counts_more_than_a_link() -> None:
    prompt = sampled(
        p=node("CLIPTextEncode", text="style"),
        n=node("CLIPTextEncode", text="rain"),
        x=node("CLIPTextEncode", "blender:prompt", text="a fox"),
    )
    assert slots_of(prompt)["prompt"] == ["#x.text"]


@pytest.mark.parametrize(("title", "chosen"), [("Prompt", "#x.value"), ("User Prompt", "#p.text")])
def test_a_hint_counts_only_where_links_agree(title: str, chosen: str) -> None:
    prompt = sampled(
        p=node("CLIPTextEncode", text="style"),
        n=node("CLIPTextEncode", text="rain"),
        x=node("PrimitiveStringMultiline", title, value="for a language model"),
    )
    assert slots_of(prompt)["prompt"] == [chosen]


def test_of_several_linked_texts_the_titled_one_is_the_prompt() -> None:
    prompt = sampled(
        p=node("CLIPTextEncode", text=["j", 0]),
        j=node("StringConcatenate", string_a=["1", 0], string_b=["2", 0]),
        n=node("CLIPTextEncode", text="rain"),
        **{
            "1": node("PrimitiveStringMultiline", "Caption", value="x"),
            "2": node("PrimitiveStringMultiline", "Text (User Prompt)", value="y"),
        },
    )
    assert slots_of(prompt)["prompt"] == ["#2.value"]
    prompt["2"]["_meta"]["title"] = ""
    assert slots_of(prompt)["prompt"] == ["#1.value", "#2.value"]


def test_instructions_to_a_language_model_are_no_prompt() -> None:
    prompt = sampled(
        p=node("CLIPTextEncode", text=["w", 0]),
        w=node("Switch", switch=False, on_false=["u", 0], on_true=["v", 0]),
        v=node("PreviewAny", source=["g", 0]),
        g=node("TextGenerate", prompt=["r", 0], system_prompt="You are"),
        r=node("StringReplace", string="Say it better: {prompt}", find="{prompt}", replace=["j", 0]),
        j=node("StringConcatenate", string_a=["y", 0], string_b=["u", 0]),
        y=node("PrimitiveStringMultiline", "SYSTEM_PROMPT", value="You are an artist."),
        u=node("PrimitiveStringMultiline", value="a fox"),
        n=node("CLIPTextEncode", text="rain"),
    )
    assert slots_of(prompt)["prompt"] == ["#u.value"]


def test_a_text_in_which_words_are_replaced_is_the_prompt_and_the_words_are_not() -> None:
    prompt = sampled(
        p=node("CLIPTextEncode", text=["r", 0]),
        r=node("StringReplace", string="a <style> dancer", find="<style>", replace=["x", 0]),
        x=node("RegexExtract", string="one\ntwo", regex_pattern="^"),
        n=node("CLIPTextEncode", text=["x", 0]),
    )
    assert slots_of(prompt) == {"prompt": ["#r.string"]}


def test_texts_that_say_themselves_which_they_are() -> None:
    assert slots_of(
        {"1": node("Paid", prompt="a fox", negative_prompt=["2", 0]), "2": node("PreviewAny", source=1)}
    ) == {"prompt": ["#1.prompt"]}
    assert slots_of({"1": node("Kijai", positive_prompt="a", negative_prompt="b")}, {}) == {
        "prompt": ["#1.positive_prompt"],
        "negative_prompt": ["#1.negative_prompt"],
    }
    linked = {"1": node("Paid", prompt=["2", 0]), "2": node("PrimitiveStringMultiline", value="a fox")}
    assert slots_of(linked) == {"prompt": ["#2.value"]}


def test_an_encoder_with_a_text_under_another_name() -> None:
    prompt = sampled(
        p=node("EncodeEdit", instruction="a fox", negative_words="x"), n=node("CLIPTextEncode", text="rain")
    )
    assert slots_of(prompt)["prompt"] == ["#p.instruction"]


def test_texts_held_by_the_sampler_or_a_loader_of_an_unknown_class() -> None:
    prompt = {
        "1": node("Efficient Loader", positive="a fox", negative="rain"),
        "2": node("KSampler (Efficient)", positive=["1", 1], negative=["1", 2]),
    }
    assert slots_of(prompt, {}) == {"prompt": ["#1.positive"], "negative_prompt": ["#1.negative"]}


def test_all_texts_of_one_encoder_are_the_prompt() -> None:
    prompt = sampled(p=node("Flux", clip_l="a", t5xxl="b", guidance=3.5), n=node("X", text="rain"))
    assert slots_of(prompt, {})["prompt"] == ["#p.clip_l", "#p.t5xxl"]


# The size, the steps, how much changes


def test_sizes_are_those_of_what_makes_a_picture_out_of_none() -> None:
    prompt = {
        "1": node("EmptyLatentImage", width=512, height=768),
        "2": node("Scheduler", steps=20, width=512, height=768),
        "3": node("ImageScale", image=["9", 0], width=99, height=99),
        "4": node("LatentUpscale", samples=["1", 0], width=99, height=99),
        "9": node("LoadImage", image="a.png"),
    }
    found = slots_of(prompt)
    assert (found["width"], found["height"]) == (["#1.width", "#2.width"], ["#1.height", "#2.height"])


def test_the_first_frame_of_a_clip_does_not_give_its_size() -> None:
    prompt = {"1": node("ToVideo", width=640, height=480, start_image=["9", 0]), "9": node("LoadImage", image="a.png")}
    assert slots_of(prompt) == {"image": ["#9.image"], "width": ["#1.width"], "height": ["#1.height"]}


def test_a_size_set_elsewhere_is_found_through_switches_and_sums() -> None:
    prompt = {
        "1": node("EmptyLatentImage", width=["2", 0], height=["5", 0]),
        "2": node("Math", **{"expression": "a // 2", "values.a": ["3", 0]}),
        "3": node("PrimitiveInt", value=1280),
        "5": node("Switch", switch=True, on_false=["6", 0], on_true=["7", 0]),
        "6": node("PrimitiveInt", value=720),
        "7": node("PrimitiveInt", value=1080),
    }
    found = slots_of(prompt)
    assert (found["width"], found["height"]) == (["#3.value"], ["#6.value", "#7.value"])


def test_the_size_of_a_picture_that_is_read_is_no_slot() -> None:
    prompt = {
        "1": node("EmptyLatentImage", width=["2", 0], height=["2", 1]),
        "2": node("GetImageSize", image=["9", 0]),
        "9": node("LoadImage", image="a.png"),
    }
    assert slots_of(prompt) == {"image": ["#9.image"]}


def test_a_node_titled_size_gives_it_whatever_it_is() -> None:
    prompt = {
        "1": node("EmptyLatentImage", width=512, height=512),
        "2": node("ImageScale", "Size", image=["9", 0], width=99, height=98),
        "9": node("LoadImage", image="a.png"),
    }
    found = slots_of(prompt)
    assert (found["width"], found["height"]) == (["#2.width"], ["#2.height"])
    prompt.pop("1")
    prompt["2"]["_meta"]["title"] = ""
    assert slots_of(prompt)["width"] == ["#2.width"]  # the only one there is


def test_numbers_that_are_titled_but_lead_nowhere_are_slots_if_there_are_no_others() -> None:
    lone = {"1": node("PrimitiveInt", "Int (Width)", value=8), "2": node("PrimitiveInt", "steps", value=4)}
    assert slots_of(lone) == {"width": ["#1.value"], "steps": ["#2.value"]}
    assert slots_of({**lone, "3": node("KSampler", steps=30)})["steps"] == ["#3.steps"]


def test_one_number_for_both_sides_is_no_size() -> None:
    prompt = {"1": node("EmptyLatentImage", width=["2", 0], height=["2", 0]), "2": node("PrimitiveInt", value=8)}
    assert slots_of(prompt) == {}


@pytest.mark.parametrize(("second", "found"), [(20, ["#1.steps", "#2.steps"]), (4, None)])
def test_samplers_with_steps_of_their_own_are_the_workflows_affair(second: int, found: list[str] | None) -> None:
    prompt = {"1": node("KSampler", steps=20, denoise=1.0), "2": node("KSampler", steps=second, denoise=0.5)}
    assert slots_of(prompt).get("steps") == found
    assert "denoise" not in slots_of(prompt)


def test_an_input_that_its_author_named_otherwise_is_no_slot() -> None:
    assert slots_of({"1": node("EmptyLatentImage", "blender:Side", width=8, height=9)}) == {"height": ["#1.height"]}


# The picture


def test_the_picture_is_what_is_titled_for_it() -> None:
    prompt = {
        "1": node("LoadImage", "Face", image="a.png"),
        "2": node("LoadImage", "Load First Frame", image="b.png"),
        "3": node("LoadImageMask", "image", image="m.png"),
    }
    assert slots_of(prompt)["image"] == ["#2.image"]


def test_else_what_a_clip_starts_from_else_the_first_that_is_used() -> None:
    prompt = {
        "1": node("LoadImage", image="unused.png"),
        "2": node("LoadImage", "Last frame", image="a.png"),
        "3": node("LoadImage", image="b.png"),
        "4": node("Save", images=["2", 0]),
        "5": node("Save", images=["3", 0]),
    }
    assert slots_of(prompt)["image"] == ["#3.image"]
    prompt["6"] = node("ToVideo", width=1, height=1, start_image=["7", 0])
    prompt["7"] = node("ImageScale", image=["8", 0], width=1, height=1)
    prompt["8"] = node("LoadImage", image="c.png")
    assert slots_of(prompt)["image"] == ["#8.image"]
    assert slots_of({"1": node("LoadImage", "Last frame", image="a.png")})["image"] == ["#1.image"]
    assert slots_of({"1": node("LoadImage", image=["2", 0]), "2": node("Text", text="a.png")}) == {}


# What the editor saved


def subgraph_with_a_prompt(label: str = "prompt", **host: Any) -> Converted:
    """Return a workflow whose text, width and height stand on the outside of a subgraph, converted."""
    inner = subgraph(
        [
            saved(1, "CLIPTextEncode", widgets=[("text", "STRING", 1)], outputs=["CONDITIONING"], values=["inner"]),
            saved(2, "EmptyLatentImage", widgets=[("width", "INT", 2), ("height", "INT", 3)], values=[64, 64]),
            saved(3, "Scheduler", widgets=[("width", "INT", 4), ("height", "INT", 5)], values=[9, 64, 64]),
            saved(4, "KSampler", inputs=[("positive", "CONDITIONING", 6)], values=[1, "fixed", 9, 1.0]),
        ],
        [
            (1, -10, 0, 1, 0),
            (2, -10, 1, 2, 0),
            (3, -10, 2, 2, 1),
            (4, -10, 1, 3, 0),
            (5, -10, 2, 3, 1),
            (6, 1, 0, 4, 0),
        ],
        inputs=[("text", "STRING", 1), ("width", "INT", 2), ("height", "INT", 3)],
    )
    inner["inputs"][1]["linkIds"], inner["inputs"][2]["linkIds"] = [2, 4], [3, 5]
    inner["inputs"][0]["label"] = label
    inner["name"] = "Text to Image"
    return convert(workflow([saved(10, SUBGRAPH, values=["outer", 8, 16], **host)], [], inner), KNOWN)


def test_the_widgets_that_a_subgraph_shows() -> None:
    converted = subgraph_with_a_prompt()
    assert [(each.node_id, each.title, each.name, each.label, each.targets) for each in converted.widgets] == [
        ("10", "Text to Image", "text", "prompt", (("10:1", "text"),)),
        ("10", "Text to Image", "width", "", (("10:2", "width"), ("10:3", "width"))),
        ("10", "Text to Image", "height", "", (("10:2", "height"), ("10:3", "height"))),
    ]
    found = find_slots(converted.prompt, KNOWN, converted.widgets)
    assert [target.address for target in found["prompt"]] == ["#10:1.text"]
    assert [target.address for target in found["width"]] == ["#10:2.width", "#10:3.width"]
    assert "steps" in found


def test_the_title_of_a_subgraph_is_that_of_its_text() -> None:
    converted = subgraph_with_a_prompt("", title="Avoid")
    converted.prompt["10:4"]["inputs"].pop("positive")
    found = find_slots(converted.prompt, KNOWN, converted.widgets)
    assert [target.address for target in found["negative_prompt"]] == ["#10:1.text"]
    assert "prompt" not in found


def test_what_one_widget_feeds_stays_together() -> None:
    converted = subgraph_with_a_prompt()
    converted.prompt.pop("10:3")
    shared = [(("10:2", "width"), ("10:2", "height"))]
    widgets = [type(converted.widgets[0])("10", "t", "side", "", targets) for targets in shared]
    assert [target.address for target in find_slots(converted.prompt, KNOWN, widgets)["width"]] == [
        "#10:2.width",
        "#10:2.height",
    ]


def test_a_title_of_a_node_that_only_the_editor_has() -> None:
    ui = workflow(
        [
            saved(1, "PrimitiveNode", title="prompt", outputs=["STRING"], values=["a fox"]),
            saved(2, "CLIPTextEncode", widgets=[("text", "STRING", 1)], outputs=["CONDITIONING"], values=["old"]),
            saved(3, "CLIPTextEncode", outputs=["CONDITIONING"], values=["other"]),
        ],
        [(1, 1, 0, 2)],
    )
    converted = convert(ui, KNOWN)
    assert converted.prompt["2"]["inputs"]["text"] == "a fox"
    found = find_slots(converted.prompt, KNOWN, converted.widgets)
    assert [target.address for target in found["prompt"]] == ["#2.text"]


# The same answer for all who ask


def test_a_template_names_the_slots_so() -> None:
    converted = subgraph_with_a_prompt()
    form = WorkflowTemplate.of(converted.prompt, KNOWN, None, converted.widgets)
    found = find_slots(converted.prompt, KNOWN, converted.widgets)
    for slot, targets in found.items():
        assert form.parameters[slot].targets == tuple(target.address for target in targets)


@pytest.mark.parametrize(("title", "slot"), [("blender:Prompt", "prompt"), ("avoid", "negative_prompt"), ("Mood", "")])
def test_the_slot_of_a_title(title: str, slot: str) -> None:
    assert slot_titled(title) == slot


# Hostile graphs


def diamonds(kind: str, names: tuple[str, str], count: int) -> dict[str, Any]:
    """Return nodes of which each is fed twice by the next: 2**count paths from "0" to the last."""
    return {str(at): node(kind, **{name: [str(at + 1), 0] for name in names}) for at in range(count)}


@pytest.mark.parametrize("known", [{}, KNOWN], ids=["without definitions", "with definitions"])
def test_a_graph_with_more_paths_than_can_be_walked(known: dict[str, Any]) -> None:
    count = 4_000
    prompt = {
        **diamonds("StringConcatenate", ("string_a", "string_b"), count),
        str(count): node("PrimitiveStringMultiline", value="a fox"),
        **{f"s{at}": node("KSampler", positive=[str(at), 0], negative=[str(at), 0]) for at in range(count)},
    }
    began = time.monotonic()
    assert slots_of(prompt, known) == {"prompt": [f"#{count}.value"]}
    assert time.monotonic() - began < HANG_GUARD_S


def test_numbers_and_pictures_with_more_paths_than_can_be_walked() -> None:
    count = 4_000
    prompt = {
        **diamonds("Switch", ("on_false", "on_true"), count),
        str(count): node("PrimitiveInt", value=8),
        **{f"p{at}": node("ImageScale", image=[f"p{at + 1}", 0]) for at in range(count)},
        f"p{count}": node("LoadImage", image="a.png"),
        **{
            f"s{at}": node("ToVideo", width=[str(at), 0], height=9, steps=[str(at), 0], start_image=[f"p{at}", 0])
            for at in range(count)
        },
    }
    began = time.monotonic()
    found = slots_of(prompt)
    assert (found["width"], found["steps"], found["image"]) == (
        [f"#{count}.value"],
        [f"#{count}.value"],
        [f"#p{count}.image"],
    )
    assert time.monotonic() - began < HANG_GUARD_S


def test_links_in_a_circle_and_into_nothing_end() -> None:
    prompt = {
        "1": node("StringConcatenate", string_a=["2", 0]),
        "2": node("StringConcatenate", string_a=["1", 0]),
        "3": node("KSampler", positive=["1", 0], negative=["99", 0], steps=["4", 0]),
        "4": node("Switch", on_true=["4", 0], on_false=["5", 0]),
        "5": node("Switch", on_true=["4", 0], on_false=["3", 0]),
        "6": node("ToVideo", width=["4", 0], height=1, start_image=["7", 0]),
        "7": node("ImageScale", image=["7", 0], width=["7", 0], height=["7", 0]),
    }
    assert slots_of(prompt) == {"height": ["#6.height"]}
    assert slots_of(prompt, {}) == {}


def test_titles_of_a_megabyte() -> None:
    titles = ["(" * 1_000_000, " - " * 300_000, "blender:" * 100_000, "_" * 1_000_000]
    began = time.monotonic()
    assert slots_of({str(at): node("CLIPTextEncode", title, text="x") for at, title in enumerate(titles)}) == {}
    assert time.monotonic() - began < HANG_GUARD_S
