"""Blender reads the files that the mock ComfyUI makes: the preview's JPEG, a WebM strip, a FLAC with its samples."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own

WIDTH, HEIGHT = 32, 24


@pytest.fixture
def frames() -> list[Any]:
    plain = own("clients.mock.media.pixels").Pixels.plain
    return [plain(WIDTH, HEIGHT, bytes((10 * number, 100, 200))) for number in range(16)]


def test_a_preview_is_a_picture(frames: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "preview.jpg"
    path.write_bytes(own("clients.mock.media.jpeg").encode_blocks(frames[10]))
    image = bpy.data.images.load(str(path))
    assert tuple(image.size) == (8 * WIDTH, 8 * HEIGHT)
    assert list(image.pixels[:3]) == pytest.approx([100 / 255, 100 / 255, 200 / 255], abs=0.02)
    bpy.data.images.remove(image)


def test_a_webm_is_a_movie_strip(frames: list[Any], tmp_path: Path) -> None:
    encode = own("clients.mock.media.jpeg_picture").encode
    path = tmp_path / "clip.webm"
    pictures = [encode(frame) for frame in frames]
    path.write_bytes(own("clients.mock.media.matroska").matroska_file(pictures, 2 * WIDTH, 2 * HEIGHT, 8.0))
    editor = own("blender.platform.sequencer").editor_of(bpy.context.scene)
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_movie(name="clip", filepath=str(path), channel=1, frame_start=1)
    element = strip.elements[0]
    assert (strip.frame_final_duration, element.orig_width, element.orig_height) == (16, 2 * WIDTH, 2 * HEIGHT)
    strips.remove(strip)


def test_a_flac_has_its_samples(tmp_path: Path) -> None:
    aud = pytest.importorskip("aud")
    module = own("clients.mock.media.sound_files")
    samples = [(37 * number) % 20001 - 10000 for number in range(2 * 9000)]
    path = tmp_path / "sound.flac"
    path.write_bytes(module.flac(module.Sound(44100, 2, struct.pack(f"<{len(samples)}h", *samples)), {"prompt": {}}))
    read = aud.Sound(str(path))
    assert read.specs == (44100, 2)
    told = [value for pair in read.data()[:100].tolist() for value in pair]
    assert told == pytest.approx([value / 32768 for value in samples[:200]], abs=1e-4)
