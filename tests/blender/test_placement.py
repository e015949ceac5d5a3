"""Where results go when the film has changed meanwhile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import fakes
import pytest
from conftest import own, placement_of, preferences, pump_until, runtime_ref, settled, start_job, strips, ui


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
    [view] = runtime_ref().jobs()
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
        runtime_ref().runtime().channel.wait(0.1)
        pump.tick()
    pump.tick()
    assert not placement_of(job).settled
    assert placement_of(job).message == "Placed when the render is done"
    assert runtime_ref().active()
    monkeypatch.undo()
    pump.tick()
    assert placement_of(job).state.value == "placed"


def test_one_result_a_tick(comfyui: Any) -> None:
    pump = own("blender.pump.pump")
    jobs = [start_job(prompt=f"picture {number}", steps=1) for number in range(3)]
    for job in jobs:
        job.result(timeout=60)
    while len(ui().placements) + len(runtime_ref().runtime().channel.drain(0.0, 0)) < len(jobs):
        placed = len(strips())
        runtime_ref().runtime().channel.wait(0.1)
        pump.tick()
        assert len(strips()) <= placed + 1
    pump_until(lambda: not ui().queue)
    assert len(strips()) == 3


@pytest.fixture
def with_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own("blender.pump.pump"), "bpy", fakes.WithWindow())


def end_timer() -> None:
    """Do what Blender does with the pump's timer until there is no more work."""
    pump = own("blender.pump.pump")
    while pump._timer() is not None:
        pass
    bpy.app.timers.unregister(pump._timer)


def test_a_result_of_another_film_is_placed_when_its_film_is_back(film: Path, comfyui: Any, with_window: None) -> None:
    pump = own("blender.pump.pump")
    job = start_job(steps=1)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.read_homefile(use_empty=False)
    pump_until(lambda: settled(job))
    end_timer()
    assert placement_of(job).state.value == "offered"
    assert not pump.running()
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert pump.running()
    pump_until(lambda: not ui().queue)
    assert placement_of(job).state.value == "placed"
    assert len(strips()) == 1
    end_timer()
    assert own("blender.pump.handlers")._loaded not in bpy.app.handlers.load_post


def test_loads_are_noticed_while_a_result_is_offered(film: Path, comfyui: Any, with_window: None) -> None:
    loaded = own("blender.pump.handlers")._loaded
    job = start_job(steps=1)
    bpy.ops.wm.read_homefile(use_empty=False)
    pump_until(lambda: settled(job))
    end_timer()
    assert loaded in bpy.app.handlers.load_post
    own("blender.commands").close()
    assert loaded not in bpy.app.handlers.load_post
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert not own("blender.pump.pump").running()


def test_a_start_on_one_server_leaves_the_failed_test_of_another(comfyui: Any) -> None:
    job = start_job(steps=1)
    job.result(timeout=60)
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    refused = own("clients.core.errors").ConnectionFailed("No server.")
    server = own("blender.state.settings").server_key("comfyui")
    test = own("blender.state.ui_state").ConnectionTest("a test", server, error=refused)
    ui().probes["comfyui"] = test
    pump_until(lambda: settled(job))
    assert ui().probes["comfyui"] is test


def test_a_start_takes_back_the_failed_test_of_its_server(comfyui: Any) -> None:
    test = own("blender.commands").probe("comfyui")
    pump_until(lambda: not test.pending)
    test.error = own("clients.core.errors").ConnectionFailed("No server.")
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    assert "comfyui" not in ui().probes


def test_an_unknown_item_does_not_keep_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [object(), own("runtime").Recovered(("a job",), ())]
    channel = SimpleNamespace(empty=lambda: False, drain=lambda *_, **__: items)
    monkeypatch.setattr(runtime_ref(), "runtime_or_none", lambda: SimpleNamespace(channel=channel))
    own("blender.pump.pump")._drain()
    assert ui().recovered == ("a job",)


def test_a_shot_stays_if_its_picture_is_refused(film: Path, comfyui: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise RuntimeError("Blender says no")

    shots = own("blender.placing.shots")
    rows = [own("blender.placing.listed_shot").ListedShot("A", "Wide", "a pier", duration=1.0)]
    shots.add_placeholders(bpy.context.scene, rows, 40, 1)
    monkeypatch.setattr(own("blender.platform.sequencer"), "add_image", refuse)
    job = start_job(steps=1, shot=shots.of_strip(strips()[0]).id)
    pump_until(lambda: settled(job))
    assert placement_of(job).state.value == "failed"
    assert [strip.type for strip in strips()] == ["COLOR"]


def test_a_shot_gets_its_picture_in_a_full_sequencer(film: Path, comfyui: Any, picture: Path) -> None:
    scene, shots, sequencer = bpy.context.scene, own("blender.placing.shots"), own("blender.platform.sequencer")
    fill_channels(scene, picture, 40, 200)
    sequencer.remove(scene, next(strip for strip in strips() if strip.channel == 3))
    rows = [own("blender.placing.listed_shot").ListedShot("A", "Wide", "a pier", duration=1.0)]
    shots.add_placeholders(scene, rows, 40, 3)
    [placeholder] = [strip for strip in strips() if strip.type == "COLOR"]
    span = sequencer.bounds(placeholder)
    job = start_job(steps=1, shot=shots.of_strip(placeholder).id)
    pump_until(lambda: settled(job))
    [placed] = [strip for strip in strips() if strip.channel == 3]
    assert (placed.type, sequencer.bounds(placed)) == ("IMAGE", span)


def test_a_shot_on_a_locked_channel_stays(film: Path, comfyui: Any) -> None:
    scene, shots = bpy.context.scene, own("blender.placing.shots")
    rows = [own("blender.placing.listed_shot").ListedShot("A", "Wide", "a pier", duration=1.0)]
    shots.add_placeholders(scene, rows, 40, 3)
    own("blender.platform.sequencer").editor_of(scene).channels[3].lock = True
    job = start_job(steps=1, shot=shots.of_strip(strips()[0]).id)
    pump_until(lambda: settled(job))
    assert sorted((strip.type, strip.channel) for strip in strips()) == [("COLOR", 3), ("IMAGE", 4)]


def test_a_result_can_be_placed_in_its_shot_again(film: Path, comfyui: Any) -> None:
    shots = own("blender.placing.shots")
    rows = [own("blender.placing.listed_shot").ListedShot("A", "Wide", "a pier", duration=1.0)]
    shots.add_placeholders(bpy.context.scene, rows, 40, 1)
    [placeholder] = strips()
    shot = shots.of_strip(placeholder)
    job = start_job(steps=1, shot=shot.id)
    pump_until(lambda: settled(job))
    bpy.context.scene.frame_set(1)
    assert bpy.ops.movie_director.place_result(job_id=job.id, in_shot=True) == {"FINISHED"}
    starts = [own("blender.platform.sequencer").bounds(strip)[0] for strip in strips()]
    assert starts == [40, 40]
    assert bpy.ops.movie_director.place_result(job_id=job.id) == {"FINISHED"}
    assert min(own("blender.platform.sequencer").bounds(strip)[0] for strip in strips()) == 1


def test_the_film_lasts_until_its_newest_result_ends(film: Path, comfyui: Any) -> None:
    scene = bpy.context.scene
    scene.frame_end = 50
    scene.frame_set(40)
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    [strip] = strips()
    assert scene.frame_end == own("blender.platform.sequencer").bounds(strip)[1] - 1 > 50


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


def test_a_scene_is_seen_as_a_timeline(picture: Path) -> None:
    sequencer, shots = own("blender.platform.sequencer"), own("blender.placing.shots")
    scene = bpy.context.scene
    strip = sequencer.add_image(scene, "a", picture, 10, 20, "FIT", 3)
    colour = sequencer.add_colour(scene, "b", 30, 5, (0, 0, 0), 1)
    shots.mark(colour, own("blender.placing.listed_shot").ListedShot(shot="Wide", id="7"))
    sequencer.editor_of(scene).channels[2].lock = True
    timeline = own("blender.placing.timeline").SceneTimeline(scene)
    assert timeline.name == scene.name
    assert timeline.locked_channels() == {2}
    seen = {info.channel: info for info in timeline.strips()}
    assert (seen[3].key, seen[3].start, seen[3].end, seen[3].shot, seen[3].placeholder) == (strip, 10, 30, None, False)
    assert (seen[1].key, seen[1].start, seen[1].end, seen[1].placeholder) == (colour, 30, 35, True)
    assert seen[1].shot.id == "7"


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
