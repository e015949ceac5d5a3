#!/usr/bin/env python3
"""Make a short film in a headless Blender: a story, its shots, a picture, a clip, a line and a sound, cut together.

Runs in the Python of a ``bpy`` module (``make demo`` sets that up). Demo mode answers instead of the five AI servers,
over their real protocols. Everything is done through the operators that a user presses. The results are in ``--out``:

    film.blend           the film: the 3D scene, two texts, and strips of pictures and sounds
    synopsis.txt         the story that was written
    shots.json           its shots, which became placeholder strips
    camera_view.png      what the camera sees, which the picture of the first shot started from
    generated.png        that picture
    clip.mp4             the clip of the second shot
    line.wav             its line of dialogue, spoken
    sound.wav            the sound of the first shot
    sequencer_frame.png  a frame of the first shot as the Sequencer renders it
    clip_frame.png       and one of the second

The exit status is 0 only if all of them are there and are what they should be.
"""

from __future__ import annotations

import argparse
import array
import importlib
import json
import math
import os
import shutil
import struct
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MODULE = "bl_ext.user_default.movie_director"
PROMPT = "a monkey's head and its toys on a beach at dawn, soft light, film still"
SEED = "20261122"
PLAYHEAD = 24
SIZE = (960, 544)
COLOURS = {
    "Sand": (0.80, 0.62, 0.38),
    "Coral": (0.90, 0.20, 0.12),
    "Sea": (0.05, 0.35, 0.60),
    "Moss": (0.18, 0.45, 0.10),
    "Plum": (0.40, 0.10, 0.35),
}
STORY = "a monkey's head that longs for the sea"
VOICE = "demo-voice"
PICTURES = ("camera_view.png", "generated.png", "sequencer_frame.png", "clip_frame.png")
KEPT = ("film.blend", "synopsis.txt", "shots.json", "clip.mp4", "line.wav", "sound.wav", *PICTURES)


class DemoFailed(Exception):
    """Something is not as it should be."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print what is done and how long it took."""
    started = time.monotonic()
    print(f"- {name} ...", flush=True)
    yield
    print(f"  done in {time.monotonic() - started:.1f} s", flush=True)


def check(truth: object, what: str) -> None:
    """Fail unless it is true."""
    if not truth:
        raise DemoFailed(what)


def install(bpy: Any, zip_path: Path) -> Any:
    """Install and enable the extension in the clean user folder; return its preferences."""
    done = bpy.ops.extensions.package_install_files(filepath=str(zip_path), repo="user_default", enable_on_install=True)
    check(done == {"FINISHED"} and MODULE in bpy.context.preferences.addons, f"the extension does not install: {done}")
    return bpy.context.preferences.addons[MODULE].preferences


def build_scene(bpy: Any, film: Path) -> None:
    """Make a small set with a camera and something to see, and save it."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene = bpy.context.scene
    materials = {name: _material(bpy, name, colour) for name, colour in COLOURS.items()}
    add = bpy.ops.mesh
    add.primitive_plane_add(size=30)
    _paint(bpy, materials["Sand"])
    add.primitive_monkey_add(size=2.4, location=(0, 0, 1.15), rotation=(math.radians(-8), 0, math.radians(14)))
    bpy.ops.object.modifier_add(type="SUBSURF")
    bpy.ops.object.shade_smooth()
    _paint(bpy, materials["Coral"])
    add.primitive_torus_add(location=(-2.6, 0.6, 0.32), major_radius=0.9, minor_radius=0.3)
    bpy.ops.object.shade_smooth()
    _paint(bpy, materials["Sea"])
    add.primitive_cone_add(location=(2.5, 0.8, 0.9), radius1=0.8, depth=1.8)
    _paint(bpy, materials["Moss"])
    add.primitive_cube_add(location=(1.8, -1.5, 0.4), size=0.8, rotation=(0, 0, math.radians(30)))
    _paint(bpy, materials["Plum"])
    bpy.ops.object.light_add(type="SUN", location=(4, -4, 8), rotation=(math.radians(40), 0, math.radians(40)))
    bpy.ops.object.camera_add(location=(0.6, -8.4, 2.9), rotation=(math.radians(77), 0, math.radians(4)))
    scene.camera = bpy.context.object
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0.55, 0.42, 0.45)
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.display.shading.show_cavity = True
    scene.display.shading.show_shadows = True
    scene.frame_start, scene.frame_end = 1, 120
    scene.frame_set(PLAYHEAD)
    bpy.ops.wm.save_as_mainfile(filepath=str(film))


def _material(bpy: Any, name: str, colour: tuple[float, float, float]) -> Any:
    material = bpy.data.materials.new(name)
    material.diffuse_color = (*colour, 1.0)
    return material


def _paint(bpy: Any, material: Any) -> None:
    bpy.context.object.data.materials.append(material)


def write(bpy: Any, out: Path) -> None:
    """Have a story written, and broken down into shots on the timeline."""
    wishes = bpy.context.scene.movie_director.writing
    wishes.prompt, wishes.preset = STORY, "SYNOPSIS"
    check(bpy.ops.movie_director.write() == {"FINISHED"}, "nothing was written")
    [story] = bpy.data.texts
    wishes.script = story
    check(bpy.ops.movie_director.shot_list() == {"FINISHED"}, "no shot list was made")
    [listed] = [text for text in bpy.data.texts if text != story]
    (out / "synopsis.txt").write_text(story.as_string(), encoding="utf-8")
    (out / "shots.json").write_text(listed.as_string(), encoding="utf-8")
    shots = json.loads(listed.as_string())["shots"]
    strips = shot_strips(bpy)
    check(len(strips) == len(shots) >= 2, f"{len(strips)} placeholders for {len(shots)} shots")
    check(strips[0].frame_final_start == PLAYHEAD, "the first shot does not begin at the playhead")
    for strip in strips:
        print(f"  frames {strip.frame_final_start} to {strip.frame_final_end - 1}: {strip.name}")
    bpy.context.scene.frame_end = strips[-1].frame_final_end - 1


def shot_strips(bpy: Any) -> list[Any]:
    """Return the strips that show shots, in their order."""
    strips = [strip for strip in bpy.context.scene.sequence_editor.strips if strip.get("movie_director_shot")]
    return sorted(strips, key=lambda strip: strip.frame_final_start)


def select(bpy: Any, chosen: Any) -> None:
    """Select one strip alone."""
    for strip in bpy.context.scene.sequence_editor.strips:
        strip.select = strip == chosen


def generate(bpy: Any) -> None:
    """Fill in the panel's fields and press its button, for the first shot."""
    wishes = bpy.context.scene.movie_director
    wishes.prompt, wishes.seed, wishes.lock_seed = PROMPT, SEED, True
    wishes.input_source = "CAMERA"
    shot = shot_strips(bpy)[0]["movie_director_shot"]["id"]
    done = bpy.ops.movie_director.generate_image(prompt=PROMPT, shot=shot)
    check(done == {"FINISHED"}, "no picture was generated")


def film(bpy: Any) -> None:
    """Have a clip made of the second shot's own description, in its place."""
    select(bpy, shot_strips(bpy)[1])
    done = bpy.ops.movie_director.generate_shots(kind="VIDEO")
    check(done == {"FINISHED"}, "no clip was generated")


def sound(bpy: Any) -> None:
    """Have the second shot's line spoken, and the first shot's sound made."""
    bpy.context.scene.movie_director.voice.voice = VOICE
    select(bpy, shot_strips(bpy)[1])
    check(bpy.ops.movie_director.generate_shots(kind="LINE") == {"FINISHED"}, "no line was spoken")
    select(bpy, shot_strips(bpy)[0])
    check(bpy.ops.movie_director.generate_shots(kind="SOUND") == {"FINISHED"}, "no sound was made")


def collect(bpy: Any, out: Path) -> None:
    """Check what the film has got and copy the files to where they are easily found."""
    first, second, *_ = shot_strips(bpy)
    check(first.type == "IMAGE" and second.type == "MOVIE", f"the shots are {first.type} and {second.type}")
    check(first.frame_final_start == PLAYHEAD, f"the strip starts at {first.frame_final_start}, not at the playhead")
    check(first["movie_director"]["seed"] == SEED, "the strip does not know its seed")
    picture = Path(bpy.path.abspath(first.directory)) / first.elements[0].filename
    sidecar = json.loads(Path(f"{picture}.json").read_text(encoding="utf-8"))
    check(str(sidecar["request"]["seed"]) == SEED, "the sidecar does not know the seed")
    shutil.copy(picture, out / "generated.png")
    views = sorted((out / "movie_director" / "inputs").glob("camera_*.png"))
    check(len(views) == 1, f"{len(views)} camera views instead of one")
    shutil.copy(views[0], out / "camera_view.png")
    shutil.copy(bpy.path.abspath(second.filepath), out / "clip.mp4")
    sounds = {
        strip["movie_director"]["backend"]: strip
        for strip in bpy.context.scene.sequence_editor.strips
        if strip.type == "SOUND" and strip["movie_director"]["backend"] != "wan2gp"
    }
    for backend, name, shot in (("rvc", "line.wav", second), ("audioldm", "sound.wav", first)):
        check(backend in sounds, f"there is no sound strip for {name}")
        strip = sounds[backend]
        check(strip.frame_final_start == shot.frame_final_start, f"{name} does not begin with its shot")
        shutil.copy(bpy.path.abspath(strip.sound.filepath), out / name)
    for strip in sorted(bpy.context.scene.sequence_editor.strips, key=lambda each: each.frame_final_start):
        start, end = strip.frame_final_start, strip.frame_final_end
        print(f"  {strip.type:6} channel {strip.channel}, frames {start:3} to {end - 1:3}: {strip.name}")


def render_clip_frame(bpy: Any, path: Path) -> None:
    """Render a frame in the middle of the second shot, and see that it is another picture."""
    clip = shot_strips(bpy)[1]
    bpy.context.scene.frame_set((clip.frame_final_start + clip.frame_final_end) // 2)
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    check(path.is_file(), "the Sequencer rendered nothing of the clip")
    difference = _difference(bpy, path, path.with_name("generated.png"))
    check(difference > 0.01, "the clip shows the first shot's picture")


def check_sound(path: Path) -> str:
    """Check that a WAV file can be heard, and return what it is."""
    with wave.open(str(path), "rb") as file:
        frames, rate = file.getnframes(), file.getframerate()
        samples = array.array("h", file.readframes(frames))
    check(samples and max(map(abs, samples)) > 1000, f"{path.name} is silent")
    return f"WAV, {frames / rate:.1f} s"


def render_sequencer_frame(bpy: Any, path: Path) -> None:
    """Render the frame at the playhead as the film has it, and see that it is the generated picture."""
    scene = bpy.context.scene
    scene.render.use_sequencer = True
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "Standard"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    check(path.is_file(), "the Sequencer rendered nothing")
    difference = _difference(bpy, path, path.with_name("generated.png"))
    check(difference < 0.01, f"the rendered frame is not the generated picture (they differ by {difference:.2f})")


def _difference(bpy: Any, first: Path, second: Path) -> float:
    """Return how much two pictures of one size differ on the average, 0..1."""
    import numpy

    pixels = []
    for path in (first, second):
        image = bpy.data.images.load(str(path))
        values = numpy.empty(len(image.pixels), dtype=numpy.float32)
        image.pixels.foreach_get(values)
        pixels.append(values)
        bpy.data.images.remove(image)
    check(len(pixels[0]) == len(pixels[1]), "the rendered frame has another size than the generated picture")
    return float(numpy.abs(pixels[0] - pixels[1]).mean())


def check_files(out: Path) -> None:
    """Check and list what is left in the folder."""
    print(f"Results in {out}:")
    for name in KEPT:
        path = out / name
        check(path.is_file(), f"{name} is missing")
        kind = _kind(path)
        check(path.stat().st_size > 100, f"{name} is nearly empty")
        print(f"  {name:20} {path.stat().st_size:>9,} bytes  {kind}")


def _kind(path: Path) -> str:
    """Check that a file is what its name says, and return that."""
    head = path.read_bytes()[:24]
    if path.suffix == ".png":
        check(head.startswith(b"\x89PNG\r\n\x1a\n"), f"{path.name} is no PNG")
        width, height = struct.unpack(">II", head[16:24])
        check((width, height) == SIZE, f"{path.name} has {width} x {height} pixels")
        return f"PNG, {width} x {height}"
    if path.suffix == ".wav":
        return check_sound(path)
    if path.suffix == ".mp4":
        check(head[4:8] == b"ftyp", f"{path.name} is no MP4")
        return "MP4"
    if path.suffix == ".blend":
        check(head.startswith((b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b")), f"{path.name} is no .blend file")
        return "Blender file"
    return "text"


def show(zip_path: Path, out: Path) -> None:
    """Make the demo film in a headless Blender with this zip, and check the files that it leaves in ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "movie_director", ignore_errors=True)
    with step("start Blender"):
        import bpy
    print(f"  Blender {bpy.app.version_string}, Python {sys.version.split()[0]}")
    with step(f"install {zip_path.name} for a new user"):
        preferences = install(bpy, zip_path)
    preferences.demo_mode = True
    print("  demo mode is on: stand-ins inside this process answer on loopback")
    with step("test the connections"):
        for backend in importlib.import_module(f"{MODULE}.clients.registry").BACKENDS:
            done = bpy.ops.movie_director.test_connection(backend=backend)
            check(done == {"FINISHED"}, f"no connection to {backend}")
    with step("build a small set and save the film"):
        build_scene(bpy, out / "film.blend")
    with step("write the story and its shots (LiteLLM)"):
        write(bpy, out)
    with step("generate the first shot from what the camera sees (ComfyUI)"):
        generate(bpy)
    with step("generate the second shot as a clip (Wan2GP)"):
        film(bpy)
    with step("speak its line (RVC), make a sound for the first (AudioLDM)"):
        sound(bpy)
    with step("save the film, render two frames of it"):
        bpy.ops.wm.save_mainfile()
        collect(bpy, out)
        render_sequencer_frame(bpy, out / "sequencer_frame.png")
        render_clip_frame(bpy, out / "clip_frame.png")
    check_files(out)


def main() -> int:
    """Run the demo in a user folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zip", required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("--out", required=True, type=lambda text: Path(text).resolve())
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="movie-director-demo-", ignore_cleanup_errors=True) as user_folder:
        os.environ["BLENDER_USER_RESOURCES"] = user_folder
        try:
            show(arguments.zip, arguments.out)
        except (DemoFailed, RuntimeError) as failure:
            print(f"DEMO FAILED: {failure}", file=sys.stderr, flush=True)
            return 1
    print(f"Demo done in {time.monotonic() - started:.1f} s.", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
