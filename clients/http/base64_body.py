"""Files as base64 text in a body."""

from __future__ import annotations

import base64
from pathlib import Path

from .multipart import unreadable

_SLICE_BYTES = 3 * 64 * 1024
"""Small enough that other threads have their turn, and without padding between the slices."""


def base64_slices(path: Path) -> list[bytes]:
    """Return a file's base64 text in slices; ``StorageError`` if it can't be read."""
    try:
        with path.open("rb") as file:
            return [base64.b64encode(piece) for piece in iter(lambda: file.read(_SLICE_BYTES), b"")]
    except OSError as error:
        raise unreadable(path, error) from error
