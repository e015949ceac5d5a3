"""From the operator to the strip, against the embedded mock ComfyUI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import FILM_SIZE, own, preferences, start_job, strips
from support.workflows import picture_in_a_subgraph

FRAME = 37


def generate(**arguments: Any) -> set[str]:
    result: set[str] = bpy.ops.movie_director.generate_image("EXEC_DEFAULT", **arguments)
    return result


def pictures(film: Path) -> list[Path]:
    return sorted((film.parent / "movie_director").glob("*.png"))


def posted(comfyui: Any) -> dict[str, Any]:
    requests = comfyui.requests.matching("POST /prompt")
    assert len(requests) == 1
    prompt: dict[str, Any] = requests[0].json["prompt"]
    return prompt


def test_an_image_lands_at_the_playhead(film: Path, comfyui: Any) -> None:
    scene = bpy.context.scene
    scene.frame_set(FRAME)
    scene.render.resolution_x, scene.render.resolution_y = 1920, 1080
    assert generate(prompt="a red fox in the snow", seed="4711") == {"FINISHED"}

    [picture] = pictures(film)
    assert picture.read_bytes().startswith(b"\x89PNG")
    sidecar = json.loads(Path(f"{picture}.json").read_text(encoding="utf-8"))
    assert sidecar["request"]["seed"] == 4711
    assert not list(film.parent.rglob("*.part"))

    image = next(image for image in bpy.data.images if image.get("movie_director"))
    assert Path(bpy.path.abspath(image.filepath)) == picture
    assert image.use_fake_user
    assert tuple(image.size) == (1920, 1080)
    assert image.colorspace_settings.name == "sRGB"
    kept = image["movie_director"].to_dict()
    assert (kept["prompt"], kept["seed"], kept["backend"]) == ("a red fox in the snow", "4711", "comfyui")

    [strip] = strips()
    assert strip.type == "IMAGE"
    assert own("blender.platform.sequencer").bounds(strip) == (FRAME, FRAME + 96)
    assert Path(bpy.path.abspath(strip.directory), strip.elements[0].filename) == picture
    assert strip["movie_director"].to_dict() == kept
    assert comfyui.requests.matching("POST /prompt")


def test_the_request_has_prompt_size_steps_and_seed(film: Path, comfyui: Any) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 1008, 500, 50
    assert generate(prompt="a lighthouse", negative_prompt="people", seed=str(2**64 - 1), steps=7) == {"FINISHED"}
    prompt = posted(comfyui)
    sampler = prompt["3"]["inputs"]
    assert (sampler["seed"], sampler["steps"]) == (2**64 - 1, 7)
    assert prompt["6"]["inputs"]["text"] == "a lighthouse"
    assert prompt["7"]["inputs"]["text"] == "people"
    assert (prompt["5"]["inputs"]["width"], prompt["5"]["inputs"]["height"]) == (504, 248)


def test_the_scene_is_asked_for_what_the_caller_does_not_say(film: Path, comfyui: Any) -> None:
    props = bpy.context.scene.movie_director
    props.prompt, props.seed, props.lock_seed, props.steps = "a harbour", "12345678901234567890", True, 3
    assert generate() == {"FINISHED"}
    assert posted(comfyui)["3"]["inputs"]["seed"] == 12345678901234567890
    assert posted(comfyui)["3"]["inputs"]["steps"] == 3
    assert props.seed == "12345678901234567890"


def test_an_unlocked_seed_is_new_and_shown(film: Path, comfyui: Any) -> None:
    props = bpy.context.scene.movie_director
    props.prompt, props.seed, props.lock_seed = "a harbour", "5", False
    assert generate() == {"FINISHED"}
    seed = posted(comfyui)["3"]["inputs"]["seed"]
    assert seed != 5
    assert props.seed == str(seed)
    assert seed < 2**31, "more than some nodes take"


def test_the_camera_view_is_uploaded(film: Path, comfyui: Any) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 320, 200
    assert generate(prompt="as oil painting", input_source="CAMERA", strength=0.25) == {"FINISHED"}
    [view] = (film.parent / "movie_director" / "inputs").glob("camera_*.png")
    uploads = comfyui.requests.matching("POST /upload/image")
    assert len(uploads) == 1
    assert view.read_bytes() in uploads[0].body
    prompt = posted(comfyui)
    assert prompt["3"]["inputs"]["denoise"] == 0.25
    assert (prompt["12"]["inputs"]["width"], prompt["12"]["inputs"]["height"]) == (320, 200)


def test_demo_mode_needs_no_server(film: Path) -> None:
    preferences().demo_mode = True
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    assert generate(prompt="hello", steps=1) == {"FINISHED"}
    assert len(pictures(film)) == 1
    assert len(strips()) == 1


def test_without_a_strip_there_is_only_the_image(film: Path, comfyui: Any) -> None:
    assert generate(prompt="hello", as_strip=False) == {"FINISHED"}
    assert strips() == []
    assert [image for image in bpy.data.images if image.get("movie_director")]


def test_two_results_take_two_channels(film: Path, comfyui: Any) -> None:
    generate(prompt="one", steps=1)
    generate(prompt="two", steps=1)
    assert [strip.channel for strip in strips()] == [1, 2]
    assert len(pictures(film)) == 2


def test_the_strip_is_as_long_as_the_scene_says(film: Path, comfyui: Any) -> None:
    bpy.context.scene.movie_director.strip_frames = 11
    generate(prompt="hello")
    assert own("blender.platform.sequencer").bounds(strips()[0]) == (1, 12)


def test_an_own_workflow_is_used(film: Path, comfyui: Any) -> None:
    graph = json.loads(own("clients.comfyui").bundled_workflow("text_to_image").read_text(encoding="utf-8"))
    workflow = film.parent / "mine.json"
    mine = {f"1{key}": _renamed(node) for key, node in graph.items()}
    workflow.write_text(json.dumps(mine), encoding="utf-8")
    assert generate(prompt="a ship", workflow="//mine.json") == {"FINISHED"}
    assert posted(comfyui)["16"]["inputs"]["text"] == "a ship"


def test_an_own_workflow_keeps_its_steps_and_what_is_to_be_avoided(film: Path, comfyui: Any) -> None:
    graph = json.loads(own("clients.comfyui").bundled_workflow("text_to_image").read_text(encoding="utf-8"))
    graph["3"]["inputs"]["steps"] = 4
    graph["7"]["inputs"]["text"] = "crowds"
    (film.parent / "turbo.json").write_text(json.dumps(graph), encoding="utf-8")
    assert generate(prompt="a ship", workflow="//turbo.json") == {"FINISHED"}
    assert posted(comfyui)["3"]["inputs"]["steps"] == 4
    assert posted(comfyui)["7"]["inputs"]["text"] == "crowds"


def as_the_editor_saves(graph: dict[str, Any]) -> dict[str, Any]:
    """Return a prompt in the form of ComfyUI's editor."""
    nodes, links = [], []
    for key, node in graph.items():
        values = {name: value for name, value in node["inputs"].items() if not isinstance(value, list)}
        slots = []
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                links.append([len(links) + 1, int(value[0]), value[1], int(key), len(slots), "*"])
                slots.append({"name": name, "type": "*", "link": len(links)})
        nodes.append(
            {
                "id": int(key),
                "type": node["class_type"],
                "mode": 0,
                "inputs": slots,
                "outputs": [{"name": "out", "type": "*"} for _ in range(3)],
                "widgets_values": list(values.values()),
                "widgets_values_named": values,
            }
        )
    return {"nodes": nodes, "links": links, "version": 0.4}


def test_a_workflow_that_the_editor_saved_is_used_as_it_is(film: Path, comfyui: Any) -> None:
    graph = json.loads(own("clients.comfyui").bundled_workflow("text_to_image").read_text(encoding="utf-8"))
    graph["4"]["inputs"]["ckpt_name"] = "dreamshaper_8.safetensors"
    (film.parent / "mine.json").write_text(json.dumps(as_the_editor_saves(graph)), encoding="utf-8")
    assert generate(prompt="a ship", workflow="//mine.json") == {"FINISHED"}
    assert posted(comfyui)["6"]["inputs"]["text"] == "a ship"
    assert posted(comfyui)["7"]["inputs"]["text"] == graph["7"]["inputs"]["text"]
    assert len(strips()) == 1


def test_a_workflow_that_holds_everything_in_a_subgraph(film: Path, comfyui: Any) -> None:
    (film.parent / "modern.json").write_text(json.dumps(picture_in_a_subgraph()), encoding="utf-8")
    bpy.context.scene.movie_director.size_limit = 256
    given = {"prompt": "a ship", "negative_prompt": "fog", "steps": 3, "seed": "5"}
    assert generate(workflow="//modern.json", **given) == {"FINISHED"}
    sent = posted(comfyui)
    assert (sent["10:2"]["inputs"]["text"], sent["10:3"]["inputs"]["text"]) == ("a ship", "fog")
    assert (sent["10:5"]["inputs"]["steps"], sent["10:5"]["inputs"]["seed"]) == (3, 5)
    width, height = own("blender.requests.image_request").size(bpy.context)
    assert (sent["10:4"]["inputs"]["width"], sent["10:4"]["inputs"]["height"]) == (width, height)
    assert len(strips()) == 1


def _renamed(node: dict[str, Any]) -> dict[str, Any]:
    inputs = {
        name: [f"1{value[0]}", value[1]] if isinstance(value, list) else value for name, value in node["inputs"].items()
    }
    return {"class_type": node["class_type"], "inputs": inputs, "_meta": {"title": node["class_type"]}}


def test_everything_survives_saving_and_loading(film: Path, comfyui: Any) -> None:
    generate(prompt="a red fox", seed="1")
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert len(strips()) == 1
    [image] = [image for image in bpy.data.images if image.get("movie_director")]
    assert image.filepath.startswith("//movie_director/")
    assert tuple(image.size) == FILM_SIZE


def test_submitting_returns_before_anything_is_sent(film: Path, comfyui: Any) -> None:
    job = start_job()
    assert not job.done()
    assert job.result(timeout=60).artifacts


@pytest.mark.parametrize("invocation", ["EXEC_DEFAULT", "INVOKE_DEFAULT"])
def test_without_a_window_both_ways_wait(film: Path, comfyui: Any, invocation: str) -> None:
    assert bpy.ops.movie_director.generate_image(invocation, prompt="hello", steps=1) == {"FINISHED"}
    assert len(strips()) == 1
