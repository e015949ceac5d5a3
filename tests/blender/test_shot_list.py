"""From a script to shots on the timeline, and from a shot to its picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own, preferences, pump_until, runtime_ref, script, strips, ui

SCRIPT = "EXT. PIER - DUSK\n\nMara finds a key.\n"
FRAME = 20
MOCK_SECONDS = (6.0, 3.5, 5.0)


def shot_list(**arguments: Any) -> set[str]:
    result: set[str] = bpy.ops.movie_director.shot_list("EXEC_DEFAULT", **arguments)
    return result


def listed(name: str = "script shots") -> list[dict[str, Any]]:
    shots: list[dict[str, Any]] = json.loads(bpy.data.texts[name].as_string())["shots"]
    return shots


def spans(scene: Any = None) -> list[tuple[int, int]]:
    return [own("blender.platform.sequencer").bounds(strip) for strip in strips(scene)]


@pytest.fixture
def shots(film: Path, litellm: Any) -> list[Any]:
    """The strips of a shot list at FRAME."""
    script(SCRIPT)
    bpy.context.scene.frame_set(FRAME)
    assert shot_list(script="script") == {"FINISHED"}
    return strips()


def test_a_script_becomes_a_list_and_strips(shots: list[Any], litellm: Any) -> None:
    rows = listed()
    assert [row["duration"] for row in rows] == list(MOCK_SECONDS)
    assert set(rows[0]) == {"scene", "shot", "description", "dialogue", "sound", "duration"}
    assert spans() == [(20, 164), (164, 248), (248, 368)]
    assert {strip.type for strip in shots} == {"COLOR"}
    assert len({strip.channel for strip in shots}) == 1
    assert shots[1].name.startswith("2 Close-up: Mara's hand")
    first, second, third = (tuple(strip.color) for strip in shots)
    assert first == second != third
    kept = own("blender.placing.shots").of_strip(shots[1])
    assert (kept.dialogue, kept.sound, kept.duration) == ("Mara: It was never locked.", "A bell buoy", 3.5)
    assert len({own("blender.placing.shots").of_strip(strip).id for strip in shots}) == 3
    body = litellm.requests.matching("POST /v1/chat/completions")[0].json
    assert body["response_format"]["type"] == "json_schema"
    assert SCRIPT in body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("timeline", "strip_count", "marker_count"), [("MARKERS", 0, 3), ("BOTH", 3, 3), ("NONE", 0, 0)]
)
def test_the_timeline_is_as_wished(
    film: Path, litellm: Any, timeline: str, strip_count: int, marker_count: int
) -> None:
    script(SCRIPT)
    bpy.context.scene.frame_set(FRAME)
    assert shot_list(script="script", timeline=timeline) == {"FINISHED"}
    markers = bpy.context.scene.timeline_markers
    assert (len(strips()), len(markers)) == (strip_count, marker_count)
    assert sorted(marker.frame for marker in markers) == [20, 164, 248][:marker_count]
    assert len(listed()) == 3


def test_a_selection_is_enough(film: Path, litellm: Any) -> None:
    text = script("not this\nbut this")
    text.cursor_set(1, character=0)
    text.cursor_set(1, character=8, select=True)
    assert shot_list(script="script", selection_only=True) == {"FINISHED"}
    said = litellm.requests.matching("POST /v1/chat/completions")[0].json["messages"][-1]["content"]
    assert said == "Break this script down into shots.\n\nbut this"


def test_without_a_script_it_is_said(film: Path, litellm: Any) -> None:
    with pytest.raises(RuntimeError, match="No script is chosen"):
        shot_list()


def test_an_answer_that_never_fits_is_kept(film: Path, litellm: Any) -> None:
    litellm.inject(own("clients.mock").Fault("prose_for_json", times=10))
    script(SCRIPT)
    with pytest.raises(RuntimeError, match="requested format"):
        shot_list(script="script")
    assert strips() == []
    [view] = runtime_ref().jobs()
    assert bpy.data.texts["script shots"].as_string() == view.status.error.partial.text


def test_a_picture_takes_the_place_of_its_shot(shots: list[Any], comfyui: Any) -> None:
    for strip in shots:
        strip.select = strip == shots[1]
    kept = own("blender.placing.shots").of_strip(shots[1])
    place, channel = own("blender.platform.sequencer").bounds(shots[1]), shots[1].channel
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT") == {"FINISHED"}
    [request] = comfyui.requests.matching("POST /prompt")
    assert request.json["prompt"]["6"]["inputs"]["text"] == kept.description
    [picture] = [strip for strip in strips() if strip.type == "IMAGE"]
    assert own("blender.platform.sequencer").bounds(picture) == place
    assert picture.channel == channel
    assert own("blender.placing.shots").of_strip(picture) == kept
    assert len(strips()) == 3


def test_a_second_take_does_not_remove_the_first(shots: list[Any], comfyui: Any) -> None:
    for strip in shots[1:]:
        strip.select = False
    shots[0].select = True
    bpy.ops.movie_director.generate_shots("EXEC_DEFAULT")
    for strip in strips():
        strip.select = strip.type == "IMAGE"
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT") == {"FINISHED"}
    pictures = [strip for strip in strips() if strip.type == "IMAGE"]
    assert len(pictures) == 2
    assert len({own("blender.platform.sequencer").bounds(strip) for strip in pictures}) == 1
    assert len({strip.channel for strip in pictures}) == 2


def test_the_camera_is_looked_through_at_the_shot_s_frame(film: Path, shots: list[Any], comfyui: Any) -> None:
    scene = bpy.context.scene
    scene.render.resolution_percentage = 10
    for strip in shots:
        strip.select = strip == shots[2]
    scene.movie_director.input_source = "CAMERA"
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT") == {"FINISHED"}
    assert scene.frame_current == FRAME
    [view] = (film.parent / "movie_director" / "inputs").glob("camera_*.png")
    assert "_0248_" in view.name


def test_place_here_is_at_the_playhead(shots: list[Any], comfyui: Any) -> None:
    for strip in shots:
        strip.select = strip == shots[2]
    bpy.ops.movie_director.generate_shots("EXEC_DEFAULT")
    [view] = [view for view in runtime_ref().jobs() if view.backend == "comfyui"]
    bpy.context.scene.frame_set(500)
    assert bpy.ops.movie_director.place_result(job_id=view.id) == {"FINISHED"}
    assert 500 in [start for start, _ in spans()]


def test_all_selected_shots_are_made(shots: list[Any], comfyui: Any) -> None:
    for strip in shots:
        strip.select = True
    expected = spans()
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT") == {"FINISHED"}
    assert {strip.type for strip in strips()} == {"IMAGE"}
    assert sorted(spans()) == expected


def test_a_moved_shot_is_found(shots: list[Any], comfyui: Any) -> None:
    shot = own("blender.placing.shots").of_strip(shots[2])
    job = own("blender.requests.image_request").submit_image(bpy.context, {"shot": shot.id})
    shots[2].channel = 7
    shots[2].name = "something else"
    pump_until(lambda: job.id in ui().placements and not ui().queue)
    [picture] = [strip for strip in strips() if strip.type == "IMAGE"]
    assert picture.channel == 7


def test_without_selected_shots_it_is_said(film: Path) -> None:
    with pytest.raises(RuntimeError, match="shot list"):
        bpy.ops.movie_director.generate_shots("EXEC_DEFAULT")
    with pytest.raises(RuntimeError, match="no longer in the Sequencer"):
        bpy.ops.movie_director.generate_image("EXEC_DEFAULT", shot="gone")


def test_demo_mode_writes_too(film: Path) -> None:
    preferences().demo_mode = True
    preferences().backends.litellm.url = "http://127.0.0.1:9"
    script(SCRIPT)
    assert shot_list(script="script") == {"FINISHED"}
    assert len(strips()) == 3


def test_a_full_sequencer_keeps_the_list(film: Path, litellm: Any) -> None:
    sequencer = own("blender.platform.sequencer")
    for channel in range(1, 129):
        sequencer.add_colour(bpy.context.scene, "x", 1, 50, (0, 0, 0), channel)
    script(SCRIPT)
    with pytest.raises(RuntimeError, match="All 128 channels"):
        shot_list(script="script")
    assert len(listed()) == 3


def test_the_terminal_verbs(film: Path, litellm: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = own("cli.command_line").run
    assert run(["write", "--prompt", "a lighthouse", "--kind", "SYNOPSIS", "--save"]) == 0
    assert own("clients.mock.litellm.text").SYNOPSIS in capsys.readouterr().out
    (tmp_path / "script.txt").write_text(SCRIPT, encoding="utf-8")
    arguments = ["shot-list", "--script-file", str(tmp_path / "script.txt"), "--frame", "5", "--save"]
    assert run(arguments) == 0
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert spans()[0][0] == 5
    assert len(listed("script.txt shots")) == 3
    assert run(["shot-list", "--script-file", str(tmp_path / "none.txt")]) == 1
    assert "can't be read" in capsys.readouterr().err
    assert run(["write", "--prompt", "x", "--script", "script.txt"]) == 0
