"""From the operator to the movie strip, against the embedded mock Wan2GP."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import fakes
import pytest
from conftest import own, placement_of, preferences, pump_until, runtime_ref, settled, strips, ui

FRAME = 30
FPS = 24
WIDE = (1600, 192)
CLIP_FPS = 16
SLOW_MODEL = "t2v_1.3B"
"""Makes 16 frames a second, where the film has 24; the default model has the film's rate."""


@pytest.fixture
def wan2gp() -> Iterator[Any]:
    """A mock Wan2GP on loopback, twenty times as fast as life; the preferences point to it."""
    with own("clients.mock").MockBackends(speed=20.0, only=["wan2gp"]) as mocks:
        preferences().backends.wan2gp.url = mocks.wan2gp.url
        own_size()
        yield mocks.wan2gp


def own_size() -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 320, 192, 100
    scene.render.fps = FPS


def generate(**arguments: Any) -> set[str]:
    arguments = {"prompt": "a lighthouse", "seconds": 1.0, "quality": "standard", **arguments}
    result: set[str] = bpy.ops.movie_director.generate_video("EXEC_DEFAULT", **arguments)
    return result


def of_type(kind: str) -> list[Any]:
    return [strip for strip in strips() if strip.type == kind]


def clips(film: Path) -> list[Path]:
    return sorted((film.parent / "movie_director").glob("*.mp4"))


def submitted() -> Any:
    return runtime_ref().runtime().job(runtime_ref().jobs()[0].id).request


def bounds(strip: Any) -> tuple[int, int]:
    found: tuple[int, int] = own("blender.platform.sequencer").bounds(strip)
    return found


def test_a_clip_lands_at_the_playhead(film: Path, wan2gp: Any) -> None:
    bpy.context.scene.frame_set(FRAME)
    assert generate(seed="4711") == {"FINISHED"}
    [clip] = clips(film)
    [strip] = of_type("MOVIE")
    assert Path(bpy.path.abspath(strip.filepath)) == clip
    assert strip.filepath.startswith("//")
    assert bounds(strip)[0] == FRAME
    assert bounds(strip)[1] - FRAME == pytest.approx(FPS, abs=4)
    kept = strip["movie_director"].to_dict()
    assert (kept["prompt"], kept["seed"], kept["backend"]) == ("a lighthouse", "4711", "wan2gp")
    assert "Placed in 'Scene'" in ui().placements[kept["job"]].message


def test_the_request_has_what_the_scene_wishes(film: Path, wan2gp: Any) -> None:
    props = bpy.context.scene.movie_director.video
    props.prompt, props.seconds, props.seed, props.lock_seed = "waves", 2.0, "12", True
    props.negative_prompt, props.quality, props.model = "people", "draft", SLOW_MODEL
    assert bpy.ops.movie_director.generate_video("EXEC_DEFAULT") == {"FINISHED"}
    request = submitted()
    assert (request.prompt, request.model, request.seed, request.duration_s) == ("waves", SLOW_MODEL, 12, 2.0)
    assert (request.width, request.height, request.preset) == (320, 192, "draft")
    assert request.settings == {"negative_prompt": "people"}
    assert request.files == {}


def test_an_unlocked_seed_is_new_and_shown(film: Path, wan2gp: Any) -> None:
    props = bpy.context.scene.movie_director.video
    props.seed, props.lock_seed = "5", False
    assert generate() == {"FINISHED"}
    assert props.seed == str(submitted().seed)
    assert 0 <= submitted().seed <= 999_999_999


def test_a_clip_of_another_rate_keeps_its_speed(film: Path, wan2gp: Any) -> None:
    assert generate(model=SLOW_MODEL, seconds=2.0) == {"FINISHED"}
    [strip] = of_type("MOVIE")
    assert strip.fps == CLIP_FPS
    seconds = (bounds(strip)[1] - bounds(strip)[0]) / FPS
    assert seconds == pytest.approx(2.0, abs=0.3)
    effects = of_type("SPEED")
    assert len(effects) == 1
    for effect in effects:
        assert bounds(effect) == bounds(strip)
        assert effect.speed_factor == pytest.approx(CLIP_FPS / FPS, abs=0.02)


@pytest.mark.parametrize("beside", ["COLOR", "IMAGE", "MOVIE", "TEXT", "CROSS", "META"])
def test_a_clip_is_retimed_beside_strips_of_every_kind(film: Path, tmp_path: Path, beside: str) -> None:
    """Blender 5.2's own retiming acts on the film's first strip, and crashes if that is no clip."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(own("clients.mock.media.movie").Movie("a harbour", 42, *WIDE, 32, CLIP_FPS).file())
    sequencer, scene = own("blender.platform.sequencer"), bpy.context.scene
    add_beside(beside, path)
    before = {strip.name: bounds(strip) for strip in strips()}
    strip = sequencer.add_movie(scene, "clip", path, FRAME, "STRETCH", 20)
    sequencer.retime(scene, strip, 48, 21)
    assert bounds(strip) == (FRAME, FRAME + 48)
    assert {name: bounds(strips_by_name()[name]) for name in before} == before


def add_beside(kind: str, clip: Path) -> None:
    sequencer, scene = own("blender.platform.sequencer"), bpy.context.scene
    first = sequencer.add_movie(scene, "first", clip, 1, "FIT", 1)
    if kind == "MOVIE":
        return
    editor = sequencer.editor_of(scene)
    collection = editor.strips if hasattr(editor, "strips") else editor.sequences
    span = {"length": 20} if bpy.app.version >= (5, 0, 0) else {"frame_end": 21}
    if kind == "CROSS":
        second = sequencer.add_movie(scene, "second", clip, 17, "FIT", 2)
        modern = "input1" in collection.bl_rna.functions["new_effect"].parameters
        names = ("input1", "input2") if modern else ("seq1", "seq2")
        sources = dict(zip(names, (first, second), strict=True))
        collection.new_effect(name="x", type="CROSS", channel=3, frame_start=17, **span, **sources)
        return
    sequencer.remove(scene, first)
    if kind == "META":
        collection.new_meta(name="meta", channel=1, frame_start=1)
    elif kind == "IMAGE":
        sequencer.add_image(scene, "first", clip.with_suffix(".png"), 1, 20, "FIT", 1)
    else:
        collection.new_effect(name="first", type=kind, channel=1, frame_start=1, **span)


def strips_by_name() -> dict[str, Any]:
    return {strip.name: strip for strip in strips()}


@pytest.mark.parametrize("cut", [0, 30])
def test_a_retimed_clip_moves_evenly_to_its_end(film: Path, tmp_path: Path, cut: int) -> None:
    """As the Sequencer renders it: the end of the strip is the end of the clip, not of a still that stands."""
    own_size()
    path = tmp_path / "clip.mp4"
    path.write_bytes(own("clients.mock.media.movie").Movie("a harbour", 42, *WIDE, 32, CLIP_FPS).file())
    sequencer, scene = own("blender.platform.sequencer"), bpy.context.scene
    strip = sequencer.add_movie(scene, "clip", path, FRAME, "STRETCH", 1)
    assert bounds(strip) == (FRAME, FRAME + 32)
    sequencer.retime(scene, strip, 48, 2)
    if cut:
        sequencer.set_length(strip, cut)
    assert bounds(strip) == (FRAME, FRAME + (cut or 48))
    pictures = [rendered(FRAME + offset, tmp_path) for offset in range(0, 42 if not cut else 24, 6)]
    assert all(first != second for first, second in itertools.pairwise(pictures))
    assert rendered(FRAME + 4, tmp_path) == rendered(FRAME + 5, tmp_path)  # two pictures last three frames


def rendered(frame: int, folder: Path) -> list[float]:
    scene = bpy.context.scene
    scene.frame_set(frame)
    path = own("blender.requests.camera_view").render(scene, folder, (320, 192), strips=True)
    image = bpy.data.images.load(str(path))
    pixels = list(image.pixels)
    bpy.data.images.remove(image)
    return pixels


def test_sound_comes_along_where_this_blender_has_sound(film: Path, wan2gp: Any) -> None:
    assert generate(model="ltx2_distilled") == {"FINISHED"}
    [movie], sounds = of_type("MOVIE"), of_type("SOUND")
    [placement] = ui().placements.values()
    if bpy.app.version < (4, 3, 0):  # the bpy module of 4.2 was built so
        assert sounds == []
        assert "built without sound" in placement.message
        return
    [sound] = sounds
    assert bounds(sound)[0] == bounds(movie)[0]
    assert bounds(sound)[1] <= bounds(movie)[1]
    assert sound.channel != movie.channel
    assert sound.show_waveform
    assert placement.message == "Placed in 'Scene'"


def test_a_silent_clip_has_no_sound_strip(film: Path, wan2gp: Any) -> None:
    sounds = len(bpy.data.sounds)
    assert generate() == {"FINISHED"}
    assert of_type("SOUND") == []
    if bpy.app.version >= (4, 3, 0):
        assert "sound" not in next(iter(ui().placements.values())).message
    assert len(bpy.data.sounds) == sounds


def test_the_camera_s_view_is_the_first_frame(film: Path, wan2gp: Any) -> None:
    assert generate(input_source="CAMERA") == {"FINISHED"}
    [view] = (film.parent / "movie_director" / "inputs").glob("camera_*.png")
    assert submitted().files == {"image_start": view}


def test_a_strip_s_frame_is_the_first_frame(film: Path, wan2gp: Any) -> None:
    sequencer = own("blender.platform.sequencer")
    sequencer.add_colour(bpy.context.scene, "red", FRAME, 10, (1, 0, 0), 1)
    bpy.context.scene.frame_set(FRAME)
    assert generate(input_source="STRIPS") == {"FINISHED"}
    [view] = (film.parent / "movie_director" / "inputs").glob("strips_*.png")
    assert submitted().files == {"image_start": view}
    image = bpy.data.images.load(str(view))
    red, green, blue, _ = image.pixels[:4]
    assert red > 0.5 > max(green, blue)
    bpy.context.scene.frame_set(1)
    with pytest.raises(RuntimeError, match="shows no strip at frame 1"):
        generate(input_source="STRIPS")


def test_a_clip_takes_the_place_of_its_shot(film: Path, wan2gp: Any) -> None:
    shots, sequencer = own("blender.placing.shots"), own("blender.platform.sequencer")
    rows = [
        own("blender.placing.listed_shot").ListedShot("PIER", "Wide", "an empty pier", duration=0.5),
        own("blender.placing.listed_shot").ListedShot("PIER", "Close", "a key", duration=1),
    ]
    shots.add_placeholders(bpy.context.scene, rows, FRAME, 1)
    first, second = strips()
    first.select, second.select = True, False
    place, channel = sequencer.bounds(first), first.channel
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT", kind="VIDEO") == {"FINISHED"}
    assert (submitted().prompt, submitted().duration_s) == ("an empty pier", 0.5)
    [clip] = of_type("MOVIE")
    assert bounds(clip) == place
    assert clip.channel == channel
    assert shots.of_strip(clip).description == "an empty pier"
    assert [strip.name for strip in of_type("COLOR")] == [second.name]


def test_a_preview_is_shown_while_it_runs(film: Path, wan2gp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pump, pictures = own("blender.pump.pump"), own("blender.platform.pictures")
    monkeypatch.setattr(pump, "bpy", fakes.WithWindow())
    kept: list[str] = []
    monkeypatch.setattr(pictures, "store_preview", lambda _job, data, kind: kept.append(kind) or len(data))
    job = own("blender.requests.video_request").submit_video(bpy.context, {"prompt": "x", "seconds": 1.0})
    pump_until(lambda: settled(job))
    assert kept
    assert set(kept) <= {"image/jpeg", "image/png", "image/webp"}


def test_a_file_that_is_no_clip_is_said(film: Path, wan2gp: Any) -> None:
    assert generate() == {"FINISHED"}
    [job_id] = ui().placements
    placement = ui().placements[job_id]
    clips(film)[0].write_bytes(b"no clip")
    own("blender.placing.placement").place_in(placement, bpy.context.scene, 200)
    assert "can't be read" in placement.message
    assert len(of_type("MOVIE")) == 1


def test_an_error_is_said(film: Path, wan2gp: Any) -> None:
    wan2gp.inject(own("clients.mock").Fault("out_of_memory"))
    with pytest.raises(RuntimeError, match="memory"):
        generate()
    assert strips() == []


def test_without_a_prompt_or_with_a_seed_too_large_it_is_said(film: Path, wan2gp: Any) -> None:
    with pytest.raises(RuntimeError, match="There is no prompt"):
        generate(prompt=" ")
    with pytest.raises(RuntimeError, match="0 to 999999999"):
        generate(seed=str(10**9))


def test_cancel(film: Path, wan2gp: Any) -> None:
    job = own("blender.requests.video_request").submit_video(bpy.context, {"prompt": "x", "seconds": 60.0})
    pump_until(job.running)
    assert own("blender.commands").cancel(job.id)
    pump_until(lambda: job.status.backend_cancel.value != "pending")
    assert placement_of(job) is None
    assert strips() == []


def test_the_panel_shows_what_is_needed(film: Path, wan2gp: Any) -> None:
    props = bpy.context.scene.movie_director.video
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_video_sequencer)
    assert {"prompt", "seconds", "input_source", "seed"} <= set(drawn.properties())
    assert "movie_director.generate_video" in drawn.operators()
    assert "Describe the clip first" in drawn.texts()
    props.prompt, props.input_source = "x", "FILE"
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_video_view)
    assert "input_image" in drawn.properties()
    assert "320 x 192" in fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_video_options_view).text()
    assert own("blender.requests.video_request").ready(fakes.Context())


def test_the_verb(film: Path, wan2gp: Any, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["generate-video", "--prompt", "waves", "--seconds", "1", "--frame", "12", "--seed", "9", "--save"]
    assert own("cli.command_line").run(arguments) == 0
    assert str(clips(film)[0]) in capsys.readouterr().out
    bpy.ops.wm.open_mainfile(filepath=str(film))
    [strip] = of_type("MOVIE")
    assert bounds(strip)[0] == 12
