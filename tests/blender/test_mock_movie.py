"""Blender's sequencer plays the clips that the mock WanGP makes: length, size, speed, sound, and pictures that move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own

FRAMES, FPS, WIDTH, HEIGHT = 24, 12, 320, 192


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "blend_job.mp4"
    movie = own("clients.mock.media.movie").Movie("A lighthouse in a storm", 42, WIDTH, HEIGHT, FRAMES, FPS, sound=True)
    path.write_bytes(movie.file())
    return path


@pytest.fixture
def made() -> Any:
    editor = own("blender.platform.sequencer").editor_of(bpy.context.scene)
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def rendered(scene: Any, frame: int, folder: Path) -> list[float]:
    """Return the pixels of a frame of the sequencer's output."""
    scene.frame_set(frame)
    scene.render.filepath = str(folder / f"{frame}.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    assert tuple(image.size) == (WIDTH, HEIGHT)
    pixels = list(image.pixels)
    bpy.data.images.remove(image)
    return pixels


def test_a_clip_is_a_movie_strip_with_moving_pictures(clip: Path, made: Any, tmp_path: Path) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = WIDTH, HEIGHT, 100
    scene.render.fps, scene.render.image_settings.file_format = FPS, "PNG"
    strip = made.new_movie(name="clip", filepath=str(clip), channel=1, frame_start=1)
    first, end = own("blender.platform.sequencer").bounds(strip)
    assert end - first == FRAMES
    element = strip.elements[0]
    assert (element.orig_width, element.orig_height, element.orig_fps) == (WIDTH, HEIGHT, FPS)
    pictures = [rendered(scene, frame, tmp_path) for frame in (1, FRAMES // 2, FRAMES)]
    for pixels in pictures:
        assert max(pixels[0::4]) > 0.5  # the letters
        assert len({round(each, 2) for each in pixels[1::4]}) > 20
    assert pictures[0] != pictures[1] != pictures[2]


def test_a_clip_s_sound_is_a_sound_strip(clip: Path, made: Any) -> None:
    try:
        strip = made.new_sound(name="sound", filepath=str(clip), channel=2, frame_start=1)
    except RuntimeError as error:
        # the bpy module of 4.2 was built so
        assert "without Audaspace" in str(error)  # noqa: PT017 - which error is the question
        assert bpy.app.version < (4, 3)
        return
    assert strip.sound.samplerate == 24_000
    assert strip.sound.channels == "MONO"
    first, end = own("blender.platform.sequencer").bounds(strip)
    scene = bpy.context.scene
    assert abs((end - first) / scene.render.fps - FRAMES / FPS) < 0.2
