"""Words, wishes and workflows: the parts of the edge that know no Blender."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from conftest import own

TEXT_TO_IMAGE = {
    "prompt": ["#6.text"],
    "negative_prompt": ["#7.text"],
    "image": [],
    "steps": ["#3.steps"],
    "strength": ["#3.denoise"],
    "width": ["#5.width"],
    "height": ["#5.height"],
}


def slots_of(graph: dict[str, Any]) -> dict[str, list[str]]:
    return dict(vars(own("blender.requests.workflow_slots").find_slots(graph)))


def node(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


def bundled(name: str) -> dict[str, Any]:
    graph: dict[str, Any] = json.loads(own("clients.comfyui").bundled_workflow(name).read_text(encoding="utf-8"))
    return graph


def test_the_bundled_workflows_have_all_slots() -> None:
    assert slots_of(bundled("text_to_image")) == TEXT_TO_IMAGE
    assert slots_of(bundled("image_to_image")) == {
        **TEXT_TO_IMAGE,
        "image": ["#10.image"],
        "width": ["#12.width"],
        "height": ["#12.height"],
    }


def test_untitled_nodes_are_found_by_their_links() -> None:
    graph = bundled("text_to_image")
    for each in graph.values():
        del each["_meta"]
    assert slots_of(graph) == TEXT_TO_IMAGE


def test_a_prompt_is_found_through_other_nodes() -> None:
    graph = {
        "1": node("PrimitiveString", value="a fox"),
        "2": node("CLIPTextEncode", text=["1", 0]),
        "3": node("FluxGuidance", conditioning=["2", 0]),
        "4": node("BasicGuider", positive=["3", 0]),
    }
    assert slots_of(graph)["prompt"] == ["#1.value"]


def test_a_title_counts_more_than_a_link() -> None:
    graph = {
        "1": node("CLIPTextEncode", text="style"),
        "2": node("CLIPTextEncode", "blender:prompt", text="a fox"),
        "3": node("KSampler", positive=["1", 0], negative=["1", 0]),
    }
    slots = slots_of(graph)
    assert slots["prompt"] == ["#2.text"]
    assert slots["negative_prompt"] == ["#1.text"]


def test_one_node_for_both_is_the_prompts() -> None:
    graph = {
        "1": node("CLIPTextEncode", text="a fox"),
        "2": node("KSampler", positive=["1", 0], negative=["1", 0]),
    }
    assert slots_of(graph)["prompt"] == ["#1.text"]
    assert slots_of(graph)["negative_prompt"] == []


def test_links_in_a_circle_and_into_nothing_end() -> None:
    graph = {
        "1": node("Join", text=["2", 0]),
        "2": node("Join", text=["1", 0]),
        "3": node("KSampler", positive=["1", 0], negative=["99", 0]),
    }
    assert slots_of(graph)["prompt"] == []
    assert slots_of(graph)["negative_prompt"] == []


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        "[]",
        "{}",
        '{"nodes": [], "links": []}',
        '{"1": {"class_type": "X"}}',
        '{"prompt": 5}',
        '{"1": {"class_type": "X", "inputs": {}}, "note": "' + "x" * 1_000_001 + '"}',
    ],
)
def test_what_is_no_workflow_is_left_to_the_client(tmp_path: Path, content: str) -> None:
    (tmp_path / "w.json").write_text(content, encoding="utf-8")
    assert own("blender.requests.workflow_slots").read_graph(tmp_path / "w.json") is None


def test_a_wrapped_workflow_is_unwrapped(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps({"prompt": bundled("text_to_image")}), encoding="utf-8")
    assert own("blender.requests.workflow_slots").read_graph(tmp_path / "w.json") == bundled("text_to_image")


def editors_node(number: int, kind: str, slots: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": kind, "mode": 0, "inputs": slots, **more}


def editors_workflow() -> dict[str, Any]:
    """A text to picture as editors of different ages save it: named values, values by place, names of widgets only."""
    text = {"name": "text", "type": "STRING", "widget": {"name": "text"}}
    return {
        "nodes": [
            editors_node(6, "CLIPTextEncode", [{**text, "link": None}], widgets_values=["a cat"]),
            editors_node(7, "CLIPTextEncode", [{**text, "link": 4}], widgets_values=["old"]),
            editors_node(8, "PrimitiveNode", None, widgets_values=["dog"]),
            editors_node(5, "EmptyLatentImage", None, widgets_values=[64, 48, 1]),
            editors_node(
                3,
                "KSampler",
                [
                    {"name": "positive", "type": "CONDITIONING", "link": 1},
                    {"name": "negative", "type": "CONDITIONING", "link": 2},
                    {"name": "latent_image", "type": "LATENT", "link": 3},
                ],
                widgets_values_named={"seed": 1, "steps": 20, "denoise": 1.0},
                widgets_values=[1, "fixed", 20, 7, "euler", "normal", 1.0],
            ),
            editors_node(9, "CLIPTextEncode", None, widgets_values=["muted"]) | {"mode": 2},
            editors_node(10, "LoadImage", [], widgets_values=["a.png", "image"], title="Image"),
            "no node",
        ],
        "links": [
            [1, 6, 0, 3, 1, "CONDITIONING"],
            [2, 7, 0, 3, 2, "CONDITIONING"],
            {"id": 3, "origin_id": 5, "target_id": 3},
            [4, 8, 0, 7, 0, "STRING"],
            "no link",
        ],
    }


def test_the_slots_of_what_the_editor_saved(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(editors_workflow()), encoding="utf-8")
    graph = own("blender.requests.workflow_slots").read_graph(tmp_path / "w.json")
    assert slots_of(graph) == {
        "prompt": ["#6.text"],
        "negative_prompt": ["#7.text"],
        "image": ["#10.image"],
        "steps": ["#3.steps"],
        "strength": ["#3.denoise"],
        "width": ["#5.width"],
        "height": ["#5.height"],
    }
    assert graph["10"]["_meta"]["title"] == "Image"
    assert "9" not in graph


def test_the_workflow_in_a_picture(tmp_path: Path) -> None:
    body = b"workflow\0" + json.dumps(editors_workflow()).encode()
    chunk = len(body).to_bytes(4, "big") + b"tEXt" + body + bytes(4)
    (tmp_path / "w.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    assert "6" in own("blender.requests.workflow_slots").read_graph(tmp_path / "w.png")
    (tmp_path / "w.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert own("blender.requests.workflow_slots").read_graph(tmp_path / "w.png") is None


def test_a_file_made_to_keep_blender_busy_is_left_to_the_client(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    assert own("blender.requests.workflow_slots").read_graph(tmp_path / "deep.json") is None
    text = b"prompt\0\0" + zlib.compress(json.dumps(bundled("text_to_image")).encode() + b" " * 10_000_000)
    chunk = len(text).to_bytes(4, "big") + b"zTXt" + text + bytes(4)
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    assert own("blender.requests.workflow_slots").read_graph(tmp_path / "bomb.png") is None


def test_a_folder_is_no_workflow(tmp_path: Path) -> None:
    with pytest.raises(own("clients.errors").StorageError) as failed:
        own("blender.requests.workflow_slots").read_graph(tmp_path)
    assert failed.value.code == "unreadable"


def test_a_wish_survives_as_plain_strings() -> None:
    wish_type = own("blender.state.placement_request").PlacementTarget
    target = wish_type(
        title="t", prompt="p\nq", scene="S", scene_uid=7, blend_file="/f", frame=-3, length=9, as_strip=False
    )
    tag = target.to_tag()
    assert all(isinstance(value, str) for value in tag.values())
    assert wish_type.from_tag(json.loads(json.dumps(tag))) == target
    assert target.of_this_process
    assert not wish_type.from_tag({**tag, "process": "another"}).of_this_process


def test_a_damaged_wish_gets_defaults() -> None:
    target = own("blender.state.placement_request").PlacementTarget.from_tag({"frame": "soon", "unknown": "x"})
    assert (target.title, target.frame, target.as_strip) == ("", 1, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (4200, "1 h 10 min"), (-5, "0 s")],
)
def test_durations(seconds: float, words: str) -> None:
    assert own("blender.platform.formatting").duration(seconds) == words


def test_progress_in_words() -> None:
    words, progress = own("blender.platform.formatting"), own("clients.core.model").Progress
    assert words.progress_text(None) == ""
    assert words.progress_text(progress()) == "Working"
    assert words.progress_text(progress(stage="Sampler", step=3, total_steps=9)) == "Sampler 3/9"
    assert words.progress_text(progress(stage="Sampler", eta_s=8, estimated=True)) == "Sampler, about 8 s left"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"state": "QUEUED"}, "Waiting"),
        ({"state": "QUEUED", "queue_position": 0}, "Next in the queue"),
        ({"state": "QUEUED", "queue_position": 4}, "4 before it in the queue"),
        ({"state": "RUNNING"}, "Working"),
        ({"state": "RUNNING", "message": "Uploading"}, "Uploading"),
        ({"state": "SUCCEEDED"}, "Done"),
        ({"state": "SUCCEEDED", "started_at": 10.0, "finished_at": 22.0}, "Done in 12 s"),
        ({"state": "CANCELLED"}, "Cancelled"),
        (
            {"state": "CANCELLED", "backend_cancel": "UNSUPPORTED"},
            "Cancelled here; this server can't be told and works on",
        ),
        ({"state": "CANCELLED", "backend_cancel": "FAILED"}, "Cancelled here; the server could not be told"),
    ],
)
def test_states_in_words(status: dict[str, Any], words: str) -> None:
    jobs = own("clients.core.model")
    given = {**status, "state": jobs.JobState[status["state"]]}
    if "backend_cancel" in given:
        given["backend_cancel"] = jobs.BackendCancel[given["backend_cancel"]]
    assert own("blender.platform.formatting").status_text(jobs.JobStatus(**given)) == words


def test_every_state_has_its_word_and_its_icon() -> None:
    jobs = own("clients.core.model")
    values = {state.value for state in jobs.JobState}
    assert set(own("blender.platform.formatting").STATE_WORDS) == values
    assert set(own("ui.job_list").ICONS) == values
    assert set(own("blender.platform.formatting").CANCEL_WORDS) == {outcome.value for outcome in jobs.BackendCancel}
