"""The frame that the Sequencer shows, as the picture that a clip starts from: whole, scaled, in its own colours."""

from __future__ import annotations

import struct
import wave
import zlib
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own, strips

FRAME = 5
CORNERS = {
    "bottom left": (200, 30, 40),
    "bottom right": (30, 180, 60),
    "top left": (40, 60, 220),
    "top right": (230, 210, 50),
}
TOLERANCE = 4 / 255


@pytest.fixture
def scene() -> Any:
    bpy.ops.wm.read_homefile(use_empty=False)
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 384, 216, 100
    scene.frame_set(FRAME)
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.exposure = 0.5
    return scene


def quadrants(path: Path, width: int, height: int) -> Path:
    """Write a PNG whose quarters have the colours of ``CORNERS``."""
    rows = []
    for y in range(height):
        half = "top" if y < height / 2 else "bottom"
        left, right = bytes(CORNERS[f"{half} left"]), bytes(CORNERS[f"{half} right"])
        rows.append(b"\0" + left * (width // 2) + right * (width - width // 2))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    )
    return path


def add_still(scene: Any, path: Path, fit: str = "FIT") -> Any:
    return own("blender.platform.sequencer").add_image(scene, "still", path, 1, 20, fit, 1)


def rendered(scene: Any, folder: Path, size: tuple[int, int]) -> Path:
    path: Path = own("blender.requests.camera_view").render(scene, folder / "inputs", size, strips=True)
    return path


def colour_at(path: Path, place: str) -> tuple[float, ...]:
    """Return the colour in the middle of a quarter of a picture, 0 to 1 a channel."""
    image = bpy.data.images.load(str(path))
    width, height = image.size
    x = width // 4 if "left" in place else width * 3 // 4
    y = height // 4 if "bottom" in place else height * 3 // 4
    at = (y * width + x) * 4
    colour = tuple(image.pixels[at : at + 3])
    bpy.data.images.remove(image)
    return colour


def size_of(path: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def test_an_untouched_still_that_fills_the_frame_is_its_own_file(scene: Any, tmp_path: Path) -> None:
    path = quadrants(tmp_path / "whole.png", 192, 108)
    add_still(scene, path)
    assert rendered(scene, tmp_path, (256, 144)) == path


@pytest.mark.parametrize("size", [(384, 216), (256, 144), (832, 464), (64, 64)])
def test_the_whole_frame_is_sent_in_its_own_colours(scene: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    strip = add_still(scene, quadrants(tmp_path / "whole.png", 192, 108))
    strip.use_flip_x = True
    strip.use_flip_y = True
    path = rendered(scene, tmp_path, size)
    assert size_of(path) == size
    for place, shown in (("bottom left", "top right"), ("top right", "bottom left")):
        assert colour_at(path, place) == pytest.approx([part / 255 for part in CORNERS[shown]], abs=TOLERANCE)
    assert scene.view_settings.view_transform == "AgX"
    assert scene.view_settings.exposure == pytest.approx(0.5)


def test_a_still_of_another_shape_is_sent_as_shown(scene: Any, tmp_path: Path) -> None:
    add_still(scene, quadrants(tmp_path / "square.png", 108, 108))
    path = rendered(scene, tmp_path, (256, 144))
    assert size_of(path) == (256, 144)
    image = bpy.data.images.load(str(path))
    assert list(image.pixels[:3]) == [0.0, 0.0, 0.0]  # the bar beside a square picture
    bpy.data.images.remove(image)


def test_a_cropped_and_moved_still_is_sent_as_shown(scene: Any, tmp_path: Path) -> None:
    strip = add_still(scene, quadrants(tmp_path / "whole.png", 384, 216))
    strip.transform.offset_x = 192
    path = rendered(scene, tmp_path, (384, 216))
    moved = [part / 255 for part in CORNERS["bottom left"]]
    assert colour_at(path, "bottom right") == pytest.approx(moved, abs=TOLERANCE)
    strip.transform.offset_x = 0
    strip.crop.max_x = 192
    path = rendered(scene, tmp_path, (384, 216))
    assert colour_at(path, "bottom right") == pytest.approx([0.0, 0.0, 0.0], abs=TOLERANCE)


def test_a_trimmed_clip_is_sent_at_the_frame_shown(scene: Any, tmp_path: Path) -> None:
    sequencer = own("blender.platform.sequencer")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(own("clients.mock.media.movie").Movie("a harbour", 42, 384, 216, 24, 24).file())
    strip = sequencer.add_movie(scene, "clip", clip, FRAME - 10, "FIT", 1)
    sent = rendered(scene, tmp_path, (384, 216))
    scene.frame_set(FRAME + 5)
    later = rendered(scene, tmp_path, (384, 216))
    assert sent.read_bytes() != later.read_bytes()
    assert strip in strips()


@pytest.mark.parametrize("hide", ["strip", "channel", "sound", "gap", "empty meta"])
def test_where_nothing_is_shown_nothing_is_sent(scene: Any, tmp_path: Path, hide: str) -> None:
    sequencer = own("blender.platform.sequencer")
    strip = add_still(scene, quadrants(tmp_path / "whole.png", 192, 108))
    editor = sequencer.editor_of(scene)
    if hide == "strip":
        strip.mute = True
    elif hide == "channel":
        editor.channels[1].mute = True
    elif hide == "gap":
        scene.frame_set(100)
    else:
        sequencer.remove(scene, strip)
        if hide == "empty meta":
            sequencer._collection(editor).new_meta(name="meta", channel=1, frame_start=1)
        elif bpy.app.version >= (4, 3, 0):  # the bpy module of 4.2 was built without sound
            wav = tmp_path / "tone.wav"
            with wave.open(str(wav), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes(bytes(32000))
            sequencer.add_sound(scene, "sound", wav, 1, 2)
    with pytest.raises(own("clients.errors").ValidationError) as refused:
        rendered(scene, tmp_path, (64, 64))
    assert refused.value.code == "no_strip"
    assert not (tmp_path / "inputs").exists()
