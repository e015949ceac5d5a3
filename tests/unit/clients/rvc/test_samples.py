"""The samples of a voice are found, cleared away and encoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from movie_director.clients import errors
from movie_director.clients.http.base64_body import base64_slices
from movie_director.clients.rvc.samples import clear_folder, find_files


def test_samples_are_found_once_and_in_order(tmp_path, monkeypatch):
    for name in ("b.wav", "a.mp3", ".hidden.wav", "notes.txt"):
        (tmp_path / name).touch()
    found = find_files([tmp_path / "b.wav", str(tmp_path)])
    assert [each.name for each in found] == ["b.wav", "a.mp3"]

    def refused(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(errors.StorageError) as caught:
        find_files([tmp_path])
    assert caught.value.code == "no_permission"


def test_a_folder_that_is_gone_needs_no_clearing(tmp_path):
    clear_folder(tmp_path / "gone")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "sample.wav").touch()
    clear_folder(tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_file_that_is_gone_can_not_be_encoded(tmp_path):
    with pytest.raises(errors.StorageError):
        base64_slices(tmp_path / "none.wav")
