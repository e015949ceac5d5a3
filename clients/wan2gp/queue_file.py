"""Writes the queue file that WanGP's web UI loads: a zip of ``queue.json`` and its media.

Facts: media are copied to one folder of the server under their base names, where equal names of other jobs overwrite
them; so the names contain the job's id. A bare .json loses all attachments, so it is always a .zip.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..core.errors import ValidationError
from ..files.input_file import read_chunks
from ..files.storage_errors import storage_errors
from .task import Attachment, Task

QUEUE_NAME = "queue.json"
_CHUNK_BYTES = 1024 * 1024
_MAX_SUFFIX = 16


def write_queue(task: Task, path: Path, check: Callable[[], None]) -> None:
    """Write the task's queue file; ``check`` is called between chunks, and its error ends the writing.

    Raises ``StorageError`` for an input that can't be read or a disk that can't be written, ``ValidationError`` (code
    ``not_json``) for a setting without a JSON form.
    """
    names = {each: make_media_name(task, index, each) for index, each in enumerate(task.attachments)}
    text = make_queue_json(task, names)
    with storage_errors(path.parent), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.writestr(QUEUE_NAME, text, zipfile.ZIP_DEFLATED)
        for each, name in names.items():
            _copy(each.path, archive, name, check)


def make_queue_json(task: Task, names: dict[Attachment, str]) -> str:
    """Return the text of ``queue.json``: a list of one task."""
    try:
        return json.dumps([{"id": 1, "params": task.with_media(names)}], allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(
            f"The settings contain a value that can't be sent: {error}.",
            code="not_json",
            backend="wan2gp",
            hint="Use only finite numbers, text, lists and mappings.",
        ) from error


def make_media_name(task: Task, index: int, attachment: Attachment) -> str:
    """Return a file name for an input that no other job uses."""
    suffix = attachment.path.suffix.lower()
    ending = suffix if suffix.isascii() and len(suffix) <= _MAX_SUFFIX else ""
    return f"{task.stem}_{attachment.setting}_{index}{ending}"


def _copy(path: Path, archive: zipfile.ZipFile, name: str, check: Callable[[], None]) -> None:
    with archive.open(name, "w", force_zip64=True) as target:
        for chunk in read_chunks(path, _CHUNK_BYTES):
            check()
            target.write(chunk)
