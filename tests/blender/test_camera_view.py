"""The camera's view as input: what is rendered, and that nothing of the user's settings is touched."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own


def settings_of(scene: Any) -> dict[str, Any]:
    """Return all plain settings of the render and its image format."""
    found = {}
    for owner in (scene.render, scene.render.image_settings):
        for prop in owner.bl_rna.properties:
            if prop.type in ("POINTER", "COLLECTION") or prop.identifier == "rna_type":
                continue
            value = getattr(owner, prop.identifier)
            found[f"{type(owner).__name__}.{prop.identifier}"] = (
                tuple(value) if getattr(prop, "is_array", False) else value
            )
    return found


def size_of(png: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return width, height


def odd_settings(scene: Any) -> None:
    render = scene.render
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = 1234, 567, 33
    render.filepath = "//out/frame_"
    render.use_border = render.use_stamp = render.film_transparent = render.use_placeholder = True
    render.use_overwrite = render.use_file_extension = False
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.image_settings.color_mode = "BW"


def test_the_view_has_the_size_asked_for_and_leaves_no_trace(tmp_path: Path) -> None:
    scene = bpy.context.scene
    odd_settings(scene)
    before = settings_of(scene)
    path = own("blender.requests.camera_view").render(scene, tmp_path / "inputs", (128, 72))
    assert path.parent == tmp_path / "inputs"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert size_of(path) == (128, 72)
    assert settings_of(scene) == before


def test_a_failed_render_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera_view = own("blender.requests.camera_view")
    scene = bpy.context.scene
    odd_settings(scene)
    before = settings_of(scene)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setattr(camera_view, "_new_path", lambda *_: tmp_path / "file" / "view.png")
    with pytest.raises(own("clients.errors").StorageError) as failed:
        camera_view.render(scene, tmp_path, (64, 64))
    assert failed.value.code == "render_failed"
    assert failed.value.hint
    assert settings_of(scene) == before


def test_the_users_render_stays_in_its_slot(tmp_path: Path) -> None:
    camera_view = own("blender.requests.camera_view")
    scene = bpy.context.scene
    camera_view.render(scene, tmp_path, (64, 64))
    result = next(image for image in bpy.data.images if image.type == "RENDER_RESULT")
    assert result.render_slots.active_index == 0
    camera_view.render(scene, tmp_path, (64, 64))
    assert [slot.name for slot in result.render_slots].count(camera_view.SLOT_NAME) == 1
    assert len(list(tmp_path.glob("camera_*.png"))) == 2


def test_sizes_are_multiples_of_eight_within_the_limit() -> None:
    camera_view = own("blender.requests.camera_view")
    scene = bpy.context.scene
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = 1920, 1080, 100
    assert camera_view.picture_size(scene, 1920) == (1920, 1080)
    assert camera_view.picture_size(scene, 1024) == (1024, 576)
    render.resolution_percentage = 25
    assert camera_view.picture_size(scene, 1920) == (480, 272)
    render.resolution_x, render.resolution_y = 4000, 40
    assert camera_view.picture_size(scene, 1920) == (1000, 64)


@pytest.mark.parametrize("kind", ["none", "mesh"])
def test_without_a_camera_the_way_out_is_said(tmp_path: Path, kind: str) -> None:
    scene = bpy.context.scene
    scene.camera = None if kind == "none" else bpy.data.objects["Cube"]
    with pytest.raises(own("clients.errors").ValidationError) as failed:
        own("blender.requests.camera_view").render(scene, tmp_path, (64, 64))
    assert failed.value.code == "no_camera"
    assert "camera" in failed.value.hint


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(own("clients.errors").StorageError) as failed:
        own("blender.requests.camera_view").render(bpy.context.scene, tmp_path / "file" / "inputs", (64, 64))
    assert failed.value.code == "storage"
    assert "preferences" in failed.value.hint
