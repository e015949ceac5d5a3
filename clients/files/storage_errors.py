"""Errors of the disk as typed errors with a hint."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from ..core.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Raise an ``OSError`` of the block as a ``StorageError`` about the folder that is written to."""
    try:
        yield
    except OSError as error:
        raise _write_error(folder, error) from error


@contextmanager
def input_errors(path: Path) -> Iterator[None]:
    """Raise an ``OSError`` of the block as a ``StorageError`` about the input file that is read.

    Codes: ``missing_file``, ``no_permission``, ``storage``. A NUL in the name is one too.
    """
    try:
        if "\0" in str(path):
            raise OSError(errno.EINVAL, "its name contains a NUL character")
        yield
    except OSError as error:
        raise _read_error(path, error) from error


def prepare_folder(folder: Path) -> None:
    """Make the folder; ``StorageError`` if that can't be done."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)


def check_writable(folder: Path) -> None:
    """Make the folder, and raise ``StorageError`` if no file can be made in it."""
    prepare_folder(folder)
    with storage_errors(folder), TemporaryFile(dir=folder):
        pass


def _write_error(folder: Path, error: OSError) -> StorageError:
    if error.errno in _FULL:
        code, hint = "disk_full", "Free some space, or choose another folder; the server may still have the result."
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        code, hint = "no_permission", "Choose a writable folder; the folder for results is set in the preferences."
    else:
        code, hint = "storage", "Check the folder; the folder for results is set in the preferences."
    message = f"{folder} can't be written to: {error.strerror or error}."
    return StorageError(message, code=code, hint=hint, context={"path": str(folder)})


def _read_error(path: Path, error: OSError) -> StorageError:
    missing = isinstance(error, FileNotFoundError)
    problem = "does not exist" if missing else f"can't be read: {error.strerror or error}"
    return StorageError(
        f"The input file {path} {problem}.",
        code="missing_file" if missing else "no_permission" if isinstance(error, PermissionError) else "storage",
        hint="Choose another file, or save it first.",
        context={"path": str(path)},
    )
