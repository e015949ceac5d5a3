"""Blender reads the files that the mock servers make or bring along: a JPEG, a WebM strip, a FLAC."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest
from conftest import own

WIDTH, HEIGHT = 32, 24


def sample(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(own("clients.mock.media.samples").read_sample(name))
    return path


def test_a_jpeg_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "preview.jpg"
    plain = own("clients.mock.media.pixels").Pixels.plain(WIDTH, HEIGHT, bytes((100, 100, 200)))
    path.write_bytes(own("clients.mock.media.jpeg").encode(plain))
    image = bpy.data.images.load(str(path))
    assert tuple(image.size) == (2 * WIDTH, 2 * HEIGHT)
    assert list(image.pixels[:3]) == pytest.approx([100 / 255, 100 / 255, 200 / 255], abs=0.03)
    bpy.data.images.remove(image)


def test_the_webm_is_a_movie_strip(tmp_path: Path) -> None:
    editor = own("blender.platform.sequencer").editor_of(bpy.context.scene)
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_movie(name="clip", filepath=str(sample(tmp_path, "clip.webm")), channel=1, frame_start=1)
    element = strip.elements[0]
    assert (strip.frame_final_duration, element.orig_width, element.orig_height) == (12, 320, 180)
    strips.remove(strip)


@pytest.mark.parametrize("name", ["animation.webp", "animation.png"])
def test_the_animations_are_pictures(name: str, tmp_path: Path) -> None:
    image = bpy.data.images.load(str(sample(tmp_path, name)))
    assert image.size[0] > 100
    bpy.data.images.remove(image)


@pytest.mark.parametrize("name", ["sound.flac", "sound.mp3"])
def test_the_sounds_are_audible(name: str, tmp_path: Path) -> None:
    aud = pytest.importorskip("aud")
    sound = aud.Sound(str(sample(tmp_path, name)))
    assert sound.specs == (24000, 1)
    assert abs(sound.data()).max() > 0.2
