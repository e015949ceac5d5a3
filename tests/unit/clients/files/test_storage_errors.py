"""What the disk says, in words that tell what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from movie_director.clients.errors import StorageError
from movie_director.clients.files.input_file import file_size, read_announced, read_chunks, read_start
from movie_director.clients.files.part_file import write_whole
from movie_director.clients.files.storage_errors import check_writable, prepare_folder, storage_errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (PermissionError(errno.EACCES, "Permission denied"), "no_permission"),
        (OSError(errno.EROFS, "Read-only file system"), "no_permission"),
        (OSError(errno.EIO, "Input/output error"), "storage"),
        (OSError("odd"), "storage"),
    ],
)
def test_each_kind_of_failure_has_its_code_and_a_hint(tmp_path, error, code):
    with pytest.raises(StorageError) as caught, storage_errors(tmp_path):
        raise error
    assert caught.value.code == code
    assert caught.value.hint
    assert str(tmp_path) in caught.value.message
    assert caught.value.__cause__ is error


def test_a_folder_is_made_with_all_above_it_or_refused(tmp_path):
    folder = tmp_path / "a" / "b"
    prepare_folder(folder)
    prepare_folder(folder)
    assert folder.is_dir()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        prepare_folder(Path(tmp_path / "file" / "b"))


def test_a_folder_is_writable_or_refused_before_anything_is_written(tmp_path):
    check_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        check_writable(tmp_path / "file")


READERS = [
    file_size,
    lambda path: read_start(path, 3),
    lambda path: list(read_chunks(path)),
    lambda path: list(read_announced(path, 3)),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("name", "code"), [("none.png", "missing_file"), ("a\0b", "storage"), ("file/x", "storage"), (".", "storage")]
)
def test_an_input_that_can_not_be_read_is_named(tmp_path, read, name, code):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as caught:
        read(tmp_path / name)
    assert caught.value.code == code
    assert caught.value.context["path"] == str(tmp_path / name)
    assert caught.value.hint


def test_an_input_is_read_in_pieces(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert (file_size(path), read_start(path, 3)) == (10, b"012")
    assert list(read_chunks(path, 4)) == [b"0123", b"4567", b"89"]
    assert b"".join(read_announced(path, 7)) == b"0123456"
    with pytest.raises(StorageError, match="truncated"):
        list(read_announced(path, 11))


def test_what_is_raised_between_the_pieces_is_not_the_input_s_error(tmp_path):
    def write_elsewhere(_chunk):
        raise OSError("another disk")

    (tmp_path / "file").write_bytes(b"0123456789")
    with pytest.raises(OSError, match="another disk"):
        list(map(write_elsewhere, read_chunks(tmp_path / "file", 4)))


@pytest.mark.parametrize(("private", "others_read"), [(True, False), (False, True)])
def test_a_text_is_written_whole_or_not_at_all(tmp_path, private, others_read):
    (tmp_path / "a.json").write_text("before")
    write_whole(tmp_path / "a.json", "after", private=private)
    assert (tmp_path / "a.json").read_text() == "after"
    assert bool((tmp_path / "a.json").stat().st_mode & 0o044) is others_read
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_whole(tmp_path / "folder", "text")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.json", "folder"]
