"""Files as base64 text in a body."""

from __future__ import annotations

import base64
from pathlib import Path

from ..files.input_file import read_chunks

_SLICE_BYTES = 3 * 64 * 1024
"""Small enough that other threads have their turn, and without padding between the slices."""


def base64_slices(path: Path) -> list[bytes]:
    """Return a file's base64 text in slices; ``StorageError`` if it can't be read."""
    return [base64.b64encode(piece) for piece in read_chunks(path, _SLICE_BYTES)]
