"""What the disk says, as typed errors."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import StorageError


@contextmanager
def storage_errors_in(folder: Path) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a ``StorageError`` about the folder."""
    try:
        yield
    except OSError as error:
        raise storage_error(folder, error) from error


def prepare_folder(folder: Path) -> None:
    """Make the folder; ``StorageError`` if that can't be done."""
    with storage_errors_in(folder):
        folder.mkdir(parents=True, exist_ok=True)


def storage_error(folder: Path, error: OSError) -> StorageError:
    """Return the error for a folder that can't be written to, with what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        code, hint = (
            "disk_full",
            "Free some space, or choose another output folder. The server may have kept it.",
        )
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        code, hint = "no_permission", "Choose an output folder in the preferences that can be written to."
    else:
        code, hint = "storage", "Check the output folder in the preferences."
    words = error.strerror or str(error)
    return StorageError(
        f"{folder} can't be written to: {words}.", code=code, hint=hint, context={"folder": str(folder)}
    )
