"""Free disk space: some is always left, for the system and for Blender's own files."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..core.errors import StorageError
from .storage_errors import storage_errors

MIN_FREE_BYTES = 256 * 1024 * 1024
CHECK_EVERY_BYTES = 64 * 1024 * 1024
"""So often the space is looked at while a file is written."""


def check_free_space(folder: Path, coming_bytes: int = 0) -> None:
    """Raise ``StorageError`` (code ``disk_full``) if ``coming_bytes`` would leave too little space on the disk."""
    with storage_errors(folder):
        disk = shutil.disk_usage(folder)
    # network folders can say that they have no room at all
    if not disk.total or disk.free - coming_bytes >= MIN_FREE_BYTES:
        return
    wanted = f" and {_megabytes(coming_bytes)} are coming" if coming_bytes else ""
    raise StorageError(
        f"{folder} has {_megabytes(disk.free)} of free space left{wanted}; {_megabytes(MIN_FREE_BYTES)} are kept free.",
        code="disk_full",
        hint="Free some space, or choose another folder; the server may still have the result.",
        context={"path": str(folder), "free_bytes": disk.free, "coming_bytes": coming_bytes},
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"
