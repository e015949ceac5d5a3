"""Input files, read in pieces; an error of the disk becomes a ``StorageError`` about the file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import StorageError
from .storage_errors import input_errors

CHUNK_BYTES = 256 * 1024


def file_size(path: Path) -> int:
    """Return the size in bytes of a regular file."""
    with input_errors(path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a file")
        return status.st_size


def read_start(path: Path, limit: int) -> bytes:
    """Return the first ``limit`` bytes."""
    with input_errors(path), path.open("rb") as file:
        return file.read(limit)


def read_chunks(path: Path, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Yield the whole file; errors raised between the chunks pass unchanged."""
    with input_errors(path), path.open("rb") as file:
        while chunk := file.read(chunk_bytes):
            yield chunk


def read_announced(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first ``size`` bytes, as many as were announced; ``StorageError`` for a file that became shorter."""
    left = size
    for chunk in read_chunks(path):
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
    if left:
        raise StorageError(
            f"{path.name} was truncated while it was being uploaded.",
            hint="Wait until the file is complete, then try again.",
            context={"path": str(path)},
        )
