"""Where results go when the film has changed meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own, placement_of, pump_until, settled, start_job, strips


def fill_channels(scene: Any, picture: Path, start: int, end: int) -> None:
    sequencer = own("blender.platform.sequencer")
    collection = sequencer.editor_of(scene)
    made = collection.strips if hasattr(collection, "strips") else collection.sequences
    for channel in range(1, 129):
        strip = made.new_image(name=f"c{channel}", filepath=str(picture), channel=channel, frame_start=start)
        sequencer.set_length(strip, end - start)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = bpy.data.images.new("x", 16, 16)
    image.filepath_raw = str(tmp_path / "x.png")
    image.file_format = "PNG"
    image.save()
    return tmp_path / "x.png"


def test_a_renamed_scene_is_found(comfyui: Any) -> None:
    job = start_job(steps=1)
    scene = bpy.context.scene
    scene.name = "Renamed"
    bpy.data.scenes.new("Scene")
    pump_until(lambda: settled(job))
    assert placement_of(job).state.value == "placed"
    assert len(strips(scene)) == 1


def test_a_deleted_scene_loses_nothing(comfyui: Any) -> None:
    asking = bpy.context.scene
    other = bpy.data.scenes.new("Other")
    job = start_job(steps=1)
    bpy.context.window.scene = other
    bpy.data.scenes.remove(asking)
    pump_until(lambda: settled(job))
    assert placement_of(job).state.value == "offered"
    assert placement_of(job).result.artifacts[0].path.is_file()
    assert bpy.ops.movie_director.place_result(job_id=job.id) == {"FINISHED"}
    assert len(strips(other)) == 1


def test_a_full_sequencer_loses_nothing(comfyui: Any, picture: Path) -> None:
    scene = bpy.context.scene
    fill_channels(scene, picture, 1, 200)
    with pytest.raises(RuntimeError, match="All 128 channels"):
        bpy.ops.movie_director.generate_image(prompt="hello", steps=1)
    [view] = own("blender.commands").jobs()
    assert view.status.state.value == "succeeded"
    scene.frame_set(300)
    assert bpy.ops.movie_director.place_result(job_id=view.id) == {"FINISHED"}
    assert own("blender.platform.sequencer").bounds(strips()[-1])[0] == 300


def test_a_picture_deleted_meanwhile_is_said_so(comfyui: Any) -> None:
    job = start_job(steps=1)
    job.result(timeout=60).artifacts[0].path.unlink()
    pump_until(lambda: settled(job))
    assert placement_of(job).state.value == "failed"
    assert "can't be read" in placement_of(job).message


def test_a_result_waits_while_blender_is_busy(comfyui: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    placement, pump = own("blender.placing.placement"), own("blender.pump.pump")
    job = start_job(steps=1)
    monkeypatch.setattr(placement, "obstacle", lambda: "Placed when the render is done")
    job.result(timeout=60)
    while placement_of(job) is None:
        own("blender.commands").runtime().channel.wait(0.1)
        pump.tick()
    pump.tick()
    assert not placement_of(job).settled
    assert placement_of(job).message == "Placed when the render is done"
    assert own("blender.commands").active()
    monkeypatch.undo()
    pump.tick()
    assert placement_of(job).state.value == "placed"


def test_one_result_a_tick(comfyui: Any) -> None:
    pump, session = own("blender.pump.pump"), own("blender.commands")
    jobs = [start_job(prompt=f"picture {number}", steps=1) for number in range(3)]
    for job in jobs:
        job.result(timeout=60)
    while len(session.board.placements) + len(session.runtime().channel.drain(0.0, 0)) < len(jobs):
        placed = len(strips())
        session.runtime().channel.wait(0.1)
        pump.tick()
        assert len(strips()) <= placed + 1
    pump_until(lambda: not session.board.queue)
    assert len(strips()) == 3


def test_a_tick_survives_what_blender_does_not_take(comfyui: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise RuntimeError("Blender says no")

    monkeypatch.setattr(own("blender.placing.image"), "load_image", refuse)
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    assert placement_of(job).state.value == "failed"
    assert "Blender says no" in placement_of(job).message
    monkeypatch.undo()
    assert bpy.ops.movie_director.place_result(job_id=job.id) == {"FINISHED"}


def test_free_channel_is_above_what_is_there(picture: Path) -> None:
    sequencer = own("blender.platform.sequencer")
    scene = bpy.context.scene
    first = sequencer.add_image(scene, "a", picture, 10, 20, "FIT")
    assert (first.channel, sequencer.bounds(first)) == (1, (10, 30))
    assert sequencer.free_channel(scene, 29, 31) == 2
    assert sequencer.free_channel(scene, 30, 31) == 1
    assert sequencer.free_channel(scene, 1, 10) == 1


def test_locked_channels_are_left_alone(picture: Path) -> None:
    sequencer = own("blender.platform.sequencer")
    scene = bpy.context.scene
    editor = sequencer.editor_of(scene)
    editor.channels[1].lock = True
    editor.channels[2].lock = True
    assert sequencer.free_channel(scene, 1, 10) == 3


def test_room_below_is_used_when_the_top_is_taken(picture: Path) -> None:
    sequencer = own("blender.platform.sequencer")
    scene = bpy.context.scene
    strip = sequencer.add_image(scene, "a", picture, 1, 5, "FIT")
    strip.channel = 128
    assert sequencer.free_channel(scene, 1, 5) == 127


def test_strip_length_follows_the_frame_rate() -> None:
    sequencer = own("blender.platform.sequencer")
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 30, 1.001
    assert sequencer.strip_frames(scene, 2.0) == 60
    assert sequencer.strip_frames(scene, 0.0) == 1


def test_absolute_paths_are_kept_for_who_wants_them(comfyui: Any) -> None:
    filepaths = bpy.context.preferences.filepaths
    filepaths.use_relative_paths = False
    try:
        job = start_job(steps=1)
        pump_until(lambda: settled(job))
        image = next(image for image in bpy.data.images if image.get("movie_director"))
        assert Path(image.filepath).is_absolute()
    finally:
        filepaths.use_relative_paths = True


@pytest.mark.skipif(bpy.app.version < (5, 0, 0), reason="the workspace has no scene of its own for the Sequencer")
def test_the_strip_goes_where_the_sequencer_looks(comfyui: Any) -> None:
    edit = bpy.data.scenes.new("Edit")
    bpy.context.workspace.sequencer_scene = edit
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    assert len(strips(edit)) == 1
    assert strips(bpy.context.scene) == []
