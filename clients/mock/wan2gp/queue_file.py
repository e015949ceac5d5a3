"""The queue files of a mock WanGP: queue.zip with its media, or settings as JSON."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from ...wan2gp.catalogue import catalogue
from .task import Refused, Task

MAX_BYTES = 256 * 1024 * 1024


def parse_tasks(name: str, data: bytes, first: int) -> list[Task]:
    """Parse a queue file into tasks numbered from ``first``; raise ``Refused`` with the program's message."""
    entries, media = _json(data) if name.lower().endswith(".json") else _zip(data)
    tasks = []
    for number, entry in enumerate(entries, first):
        params = _params(entry)
        task = Task(number, params, media)
        task.check()
        missing = [file for key in _attachments(params) for file in task.attached(key) if _base(file) not in media]
        if missing:
            raise Refused(f"[Errno 2] No such file or directory: '{missing[0]}'")
        tasks.append(task)
    return tasks


def _zip(data: bytes) -> tuple[list[Any], dict[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(each.file_size for each in archive.infolist()) > MAX_BYTES:
                raise Refused("the queue file is too large")
            files = {_base(each.filename): archive.read(each) for each in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise Refused(str(error)) from error
    if "queue.json" not in files:
        raise Refused("queue.json not found in zip file")
    return _entries(files.pop("queue.json")), files


def _json(data: bytes) -> tuple[list[Any], dict[str, bytes]]:
    """Read settings without media: every attachment is removed."""
    entries = []
    for each in _entries(data):
        params = _params(each)
        entries.append({"params": {key: value for key, value in params.items() if key not in _attachments(params)}})
    return entries, {}


def _params(entry: Any) -> dict[str, Any]:
    params = entry.get("params", entry) if isinstance(entry, dict) else None
    if not isinstance(params, dict):
        raise Refused("Invalid queue file: settings must be an object")
    return params


def _entries(data: bytes) -> list[Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise Refused(str(error)) from error
    return found if isinstance(found, list) else [found]


def _attachments(params: dict[str, Any]) -> list[str]:
    return [name for name in catalogue().attachments if params.get(name)]


def _base(name: str) -> str:
    return name.partition("|")[0].replace("\\", "/").rpartition("/")[2]
