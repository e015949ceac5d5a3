"""The names under which ComfyUI gets input files."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from movie_director.clients.comfyui.uploads import content_name
from movie_director.clients.errors import StorageError

JOB = cast(Any, SimpleNamespace(check=lambda: None))


def test_the_same_content_has_the_same_name(tmp_path):
    for name, content in (("a cat.PNG", b"1"), ("b.png", b"1"), ("c.png", b"2"), ("d.ñ", b"1"), ("e", b"1")):
        (tmp_path / name).write_bytes(content)
    first, same, other, odd, bare = [content_name(JOB, path) for path in sorted(tmp_path.iterdir())]
    assert first == same
    assert first.endswith(".png")
    assert len({first, other, odd}) == 3
    assert odd == bare
    assert first.removesuffix(".png") == bare


def test_a_file_that_went_away_meanwhile_is_said(tmp_path):
    with pytest.raises(StorageError) as gone:
        content_name(JOB, tmp_path / "gone.png")
    assert gone.value.code == "missing_file"
