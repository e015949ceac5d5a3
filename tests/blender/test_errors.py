"""Bad input and bad servers: a clear message with a way out, and nothing lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import new_film, own, preferences, runtime_ref, strips


def failure(**arguments: Any) -> str:
    """Run the operator, which must fail, and return what it tells the user."""
    arguments.setdefault("prompt", "hello")
    with pytest.raises(RuntimeError) as failed:
        bpy.ops.movie_director.generate_image("EXEC_DEFAULT", **arguments)
    text = str(failed.value)
    assert "Traceback" not in text
    return text


def jobs() -> list[Any]:
    views: list[Any] = runtime_ref().jobs()
    return views


def test_no_server(film: Path) -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    text = failure()
    assert "127.0.0.1:9" in text
    [view] = jobs()
    assert view.status.error.code == "refused"
    assert view.status.error.hint
    assert strips() == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:99999", "http://"])
def test_an_address_that_is_none(film: Path, url: str) -> None:
    preferences().backends.comfyui.url = url
    assert "URL" in failure() or "address" in failure()


def test_a_login_page(film: Path, comfyui: Any) -> None:
    fault = own("clients.mock").Fault
    comfyui.inject(fault("html_login_page", times=None))
    text = failure()
    assert jobs()[0].status.error.hint in text


def test_a_film_without_a_file(comfyui: Any) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    bpy.context.scene.movie_director.prompt = "keep me"
    assert "Save the .blend file first" in failure()
    with pytest.raises(own("clients.errors").ValidationError) as failed:
        own("blender.requests.image_request").submit_image(bpy.context, {"prompt": "hello"})
    assert failed.value.code == "file_not_saved"
    assert bpy.context.scene.movie_director.prompt == "keep me"
    assert jobs() == []


def test_a_film_without_a_file_with_a_folder_for_it(comfyui: Any, tmp_path: Path) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    preferences().unsaved_folder = str(tmp_path / "unsaved")
    assert bpy.ops.movie_director.generate_image(prompt="hello", steps=1) == {"FINISHED"}
    assert len(list((tmp_path / "unsaved").glob("*.png"))) == 1


def test_an_unwritable_output_folder(film: Path, comfyui: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    preferences().output_folder = str(tmp_path / "file")
    text = failure()
    assert "file" in text
    assert type(jobs()[0].status.error).__name__ == "StorageError"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(film: Path, comfyui: Any, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    preferences().output_folder = str(locked / "out")
    assert "permission" in failure().lower()


def test_a_missing_workflow(film: Path, comfyui: Any) -> None:
    text = failure(workflow="//nowhere.json")
    assert "nowhere.json" in text
    assert "Choose another workflow" in text


def test_a_missing_input_image(film: Path, comfyui: Any) -> None:
    assert "gone.png" in failure(input_source="FILE", input_image="//gone.png")
    assert not comfyui.requests.matching("POST /prompt")


def test_no_input_image_chosen(film: Path, comfyui: Any) -> None:
    assert "No image to start from" in failure(input_source="FILE", input_image="  ")


def test_no_camera(film: Path, comfyui: Any) -> None:
    bpy.context.scene.camera = None
    assert "has no camera" in failure(input_source="CAMERA")
    assert jobs() == []


def test_no_prompt(film: Path, comfyui: Any) -> None:
    assert "There is no prompt" in failure(prompt="  ")


@pytest.mark.parametrize("seed", ["-1", "18446744073709551616", "1.5", "fox"])
def test_a_seed_that_is_none(film: Path, comfyui: Any, seed: str) -> None:
    assert "is not a seed" in failure(seed=seed)


def test_a_workflow_without_a_prompt(film: Path, comfyui: Any) -> None:
    graph = {"1": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}}
    (film.parent / "mute.json").write_text(json.dumps(graph), encoding="utf-8")
    assert "no input for the prompt" in failure(workflow="//mute.json")


def test_a_workflow_without_a_place_for_the_camera(film: Path, comfyui: Any) -> None:
    path = own("clients.comfyui").bundled_workflow("text_to_image")
    assert "no input for an input image" in failure(workflow=str(path), input_source="CAMERA")


def test_a_workflow_of_the_editors_format(film: Path, comfyui: Any) -> None:
    nodes = [{"id": 1, "type": "EmptyImage", "mode": 0, "inputs": [], "outputs": [], "widgets_values": [8, 8, 1, 0]}]
    ui_format = {"nodes": nodes, "links": [], "version": 0.4, "last_node_id": 1}
    (film.parent / "ui.json").write_text(json.dumps(ui_format), encoding="utf-8")
    assert "no input for the prompt" in failure(workflow="//ui.json")
    assert not comfyui.requests.matching("POST /prompt")


def test_an_unknown_node(film: Path, comfyui: Any) -> None:
    graph = json.loads(own("clients.comfyui").bundled_workflow("text_to_image").read_text(encoding="utf-8"))
    graph["3"]["class_type"] = "NoSuchSampler"
    (film.parent / "odd.json").write_text(json.dumps(graph), encoding="utf-8")
    assert "NoSuchSampler" in failure(workflow="//odd.json")


def test_a_server_out_of_memory(film: Path, comfyui: Any) -> None:
    comfyui.inject(own("clients.mock").Fault("oom"))
    text = failure()
    assert "memory" in text
    assert bpy.ops.movie_director.free_memory() == {"FINISHED"}
    (asked,) = comfyui.requests.matching("POST /free")
    assert json.loads(asked.body) == {"unload_models": True, "free_memory": True}
    assert bpy.ops.movie_director.generate_image(prompt="again", steps=1) == {"FINISHED"}


def test_memory_of_a_server_that_is_not_there_or_can_not(film: Path) -> None:
    assert not bpy.app.online_access
    preferences().backends.comfyui.url = "http://192.0.2.1:8188"
    with pytest.raises(RuntimeError, match="online access"):
        bpy.ops.movie_director.free_memory()
    with pytest.raises(RuntimeError, match="These can: comfyui"):
        bpy.ops.movie_director.free_memory(backend="rvc")


def test_online_access_off_refuses_other_machines(film: Path) -> None:
    preferences().backends.comfyui.url = "http://192.0.2.1:8188"
    assert not bpy.app.online_access
    assert "online access" in failure()
    assert jobs() == []


def test_a_header_that_is_none_is_refused_and_not_repeated(film: Path, comfyui: Any) -> None:
    preferences().backends.comfyui.headers = "canary-secret"
    text = failure()
    assert "header" in text
    assert "canary" not in text


def test_results_of_an_earlier_film_go_on_beside_it(film: Path, comfyui: Any, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    bpy.ops.movie_director.generate_image(prompt="one", steps=1)
    new_film(tmp_path / "second" / "film.blend")
    bpy.ops.movie_director.generate_image(prompt="two", steps=1)
    assert len(list((film.parent / "movie_director").glob("*.png"))) == 1
    assert len(list((tmp_path / "second" / "movie_director").glob("*.png"))) == 1
