#!/usr/bin/env python3
"""Show the whole way once, in a headless Blender: install the extension, look through a camera, generate, cut it in.

Runs in the Python of a ``bpy`` module (``make demo`` sets that up). Demo mode answers instead of a ComfyUI server, over
the real protocol. Everything is done through the operators that a user presses. The results are in ``--out``:

    film.blend           the film: the 3D scene, and the generated picture as a strip in its Sequencer
    camera_view.png      what the camera sees, which the generation started from
    generated.png        what came back
    sequencer_frame.png  a frame of the film as the Sequencer renders it

The exit status is 0 only if all of them are there and are what they should be.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import struct
import sys
import tempfile
import time
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
KEPT = ("film.blend", "camera_view.png", "generated.png", "sequencer_frame.png")


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


def generate(bpy: Any) -> None:
    """Fill in the panel's fields and press its button."""
    wishes = bpy.context.scene.movie_director
    wishes.prompt, wishes.seed, wishes.lock_seed = PROMPT, SEED, True
    wishes.input_source = "CAMERA"
    check(bpy.ops.movie_director.generate_image() == {"FINISHED"}, "no picture was generated")


def collect(bpy: Any, out: Path) -> None:
    """Check what the film has got and copy the pictures to where they are easily found."""
    strips = [strip for strip in bpy.context.scene.sequence_editor.strips if strip.get("movie_director")]
    check(len(strips) == 1, f"{len(strips)} strips in the Sequencer instead of one")
    strip = strips[0]
    check(strip.frame_final_start == PLAYHEAD, f"the strip starts at {strip.frame_final_start}, not at the playhead")
    check(strip["movie_director"]["seed"] == SEED, "the strip does not know its seed")
    picture = Path(bpy.path.abspath(strip.directory)) / strip.elements[0].filename
    sidecar = json.loads(Path(f"{picture}.json").read_text(encoding="utf-8"))
    check(str(sidecar["request"]["seed"]) == SEED, "the sidecar does not know the seed")
    shutil.copy(picture, out / "generated.png")
    views = sorted((out / "movie_director" / "inputs").glob("camera_*.png"))
    check(len(views) == 1, f"{len(views)} camera views instead of one")
    shutil.copy(views[0], out / "camera_view.png")
    start, end = strip.frame_final_start, strip.frame_final_end
    print(f"  strip '{strip.name}': channel {strip.channel}, frames {start} to {end - 1}")


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
        head = path.read_bytes()[:24]
        if name.endswith(".png"):
            check(head.startswith(b"\x89PNG\r\n\x1a\n"), f"{name} is no PNG")
            width, height = struct.unpack(">II", head[16:24])
            check((width, height) == SIZE, f"{name} has {width} x {height} pixels")
            kind = f"PNG, {width} x {height}"
        else:
            check(head.startswith((b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b")), f"{name} is no .blend file")
            kind = "Blender file"
        check(path.stat().st_size > 1000, f"{name} is nearly empty")
        print(f"  {name:20} {path.stat().st_size:>9,} bytes  {kind}")


def show(zip_path: Path, out: Path) -> None:
    """Do it all."""
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
    print("  demo mode is on: a ComfyUI inside this process answers on loopback")
    with step("test the connection"):
        check(bpy.ops.movie_director.test_connection(backend="comfyui") == {"FINISHED"}, "no connection")
    with step("build a small set and save the film"):
        build_scene(bpy, out / "film.blend")
    with step("generate from what the camera sees"):
        generate(bpy)
    with step("save the film with the strip, render a frame of it"):
        bpy.ops.wm.save_mainfile()
        collect(bpy, out)
        render_sequencer_frame(bpy, out / "sequencer_frame.png")
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
