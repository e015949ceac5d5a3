"""The small pictures of the panels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest
from conftest import own


@pytest.fixture
def pictures() -> Iterator[ModuleType]:
    module = own("blender.platform.pictures")
    yield module
    module.close()


@pytest.fixture
def png(tmp_path: Path) -> bytes:
    image = bpy.data.images.new("x", 16, 16)
    image.filepath_raw, image.file_format = str(tmp_path / "x.png"), "PNG"
    image.save()
    return (tmp_path / "x.png").read_bytes()


def test_the_newest_preview_replaces_the_one_before(pictures: Any, png: bytes) -> None:
    assert pictures.preview_icon("job") == 0
    pictures.store_preview("job", png, "image/png")
    pictures.store_preview("job", png, "image/png")
    first, second = pictures._collection
    assert first != second
    files = list(Path(bpy.app.tempdir).glob("movie_director_preview_job*"))
    assert len(files) == 1
    assert files[0].read_bytes() == png


def test_each_preview_has_a_later_file_time(pictures: Any, png: bytes) -> None:
    times = []
    for _ in range(3):
        pictures.store_preview("job", png, "image/png")
        [file] = Path(bpy.app.tempdir).glob("movie_director_preview_job*")
        times.append(int(file.stat().st_mtime))
    assert times == sorted(set(times))


def test_previews_of_the_past_are_dropped_after_a_while(pictures: Any, png: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(pictures, "KEEP_DROPPED_S", -1.0)
    for _ in range(20):
        pictures.store_preview("job", png, "image/png")
    assert len(pictures._collection) == 1
    pictures.drop_preview("job")
    assert len(pictures._collection) == 0
    assert pictures.preview_icon("job") == 0


def test_what_blender_can_not_show_is_left_out(pictures: Any, png: bytes) -> None:
    pictures.store_preview("job", png, "video/mp4")
    assert pictures.preview_icon("job") == 0


def test_a_thumbnail_is_loaded_once(pictures: Any, png: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    assert pictures.thumbnail_icon(path) == 0
    pictures.store_thumbnail(path)
    pictures.store_thumbnail(path)
    assert len(pictures._collection) == 1


def test_a_job_id_can_not_name_another_file(pictures: Any, png: bytes) -> None:
    pictures.store_preview("../../../etc/x", png, "image/png")
    assert list(Path(bpy.app.tempdir).glob("movie_director_preview_etcx*"))
