"""The files in a gallery."""

from __future__ import annotations

import pytest

from movie_director.clients.gradio.component_values import GradioFile
from movie_director.clients.wan2gp.gallery import find_task_files, get_base_name, is_working, list_gallery_files


def gallery(*items, sounds="[]", info=""):
    value = {"__type__": "update", "value": list(items), "selected_index": 0}
    return [{"__type__": "update"}, value, 0, sounds, -1, {"__type__": "update", "value": info, "visible": bool(info)}]


def movie(name):
    return {"video": {"path": f"/tmp/cache/{name}", "orig_name": name}, "caption": None}


def test_all_kinds_of_files_are_found():
    still = {"image": {"path": "/tmp/cache/b.png"}, "caption": "x"}
    newer = {"video": {"video": {"path": "/tmp/cache/c.mkv", "orig_name": "c.mkv"}, "subtitles": None}}
    files = list_gallery_files(gallery(movie("a.mp4"), still, newer, sounds='["outputs/d.wav", "C:\\\\o\\\\e.mp3"]'))
    assert [each.name for each in files] == ["a.mp4", "b.png", "c.mkv", "d.wav", "e.mp3"]
    assert files[0].path == "/tmp/cache/a.mp4"


GARBAGE = [None, 5, [], [[{"video": 5}]], [[{"video": {"path": ""}}]], ["[1, {}]", "[x", "["]]


@pytest.mark.parametrize("outputs", GARBAGE)
def test_garbage_in_a_gallery_is_no_file(outputs):
    assert list_gallery_files(outputs) == ()
    assert not is_working(outputs)


def test_a_tasks_files_are_known_by_name():
    names = ("blend_1.mp4", "blend_1_2.mp4", "blend_1(3).mp4", "blend_12.mp4", "2026_seed5.mp4")
    files = tuple(GradioFile(f"/c/{name}", name) for name in names)
    assert [each.name for each in find_task_files(files, "blend_1", own_session=True)] == list(names[:3])
    others = files[3:]
    assert find_task_files(others, "blend_1", own_session=True) == others
    assert find_task_files(others, "blend_1", own_session=False) == ()


def test_a_session_that_works_shows_its_task():
    assert is_working(gallery(info="<TABLE WIDTH=100% ID=PINFO style=''>"))
    assert not is_working(gallery(movie("a.mp4")))
    assert get_base_name("C:\\out\\a.mp4") == "a.mp4"
