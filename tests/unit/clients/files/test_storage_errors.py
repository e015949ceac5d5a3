"""What the disk says, in words that tell what to do."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from movie_director.clients.errors import StorageError
from movie_director.clients.files.storage_errors import prepare_folder, storage_errors_in


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
    with pytest.raises(StorageError) as caught, storage_errors_in(tmp_path):
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
