"""Uploads input files: each content once, under a name with its hash."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core.context import JobContext
from ...files.input_file import read_chunks
from ...files.names import kind_and_type
from ...http.multipart import MultipartUpload
from ..server.api import ComfyAPI

SUBFOLDER = "movie_director"
_CHUNK_BYTES = 1024 * 1024
_NAME_CHARS = 40
_MAX_SUFFIX = 16
_LOOK_AGAIN_S = 1.0
"""Poll interval for the job's time limit while another job uploads; everything else wakes it."""


class Uploads:
    """The uploads of one client, with a cache of the server's files. Thread-safe."""

    def __init__(self, api: ComfyAPI) -> None:
        self._api = api
        self._changed = threading.Condition()
        self._known: dict[str, str] = {}
        self._under_way: set[str] = set()

    def upload(self, job: JobContext, path: Path) -> str:
        """Upload the file unless the server has it, and return its value for an input; ``StorageError`` if it can't be
        read.
        """
        name = content_name(job, path)
        with self._turn(job, name):
            value = self._known.get(name)
            if value is None:
                value = self._send(job, path, name)
                with self._changed:
                    self._known[name] = value
        return value

    def forget(self, values: Iterable[str]) -> None:
        """Forget these uploads: the server has rejected the prompt, and may have lost the files."""
        gone = set(values)
        with self._changed:
            self._known = {name: value for name, value in self._known.items() if value not in gone}

    @contextmanager
    def _turn(self, job: JobContext, name: str) -> Iterator[None]:
        """Hold the lock for this content; raises the errors of ``job.check`` while waiting."""
        with job.interrupter.guard(self._wake), self._changed:
            while name in self._under_way:
                job.check()
                self._changed.wait(_LOOK_AGAIN_S)
            self._under_way.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._under_way.discard(name)
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _send(self, job: JobContext, path: Path, name: str) -> str:
        job.message(f"Uploading {path.name}")
        fields = {"type": "input", "subfolder": SUBFOLDER}
        body = MultipartUpload(fields, "image", path, name, kind_and_type(name)[1], lambda _sent, _total: job.check())
        given, subfolder = self._api.upload(body, job)
        return f"{subfolder}/{given}" if subfolder else given


def content_name(job: JobContext, path: Path) -> str:
    """Return the file's name on the server: the same for the same content."""
    digest = hashlib.sha256()
    for chunk in read_chunks(path, _CHUNK_BYTES):
        job.check()
        digest.update(chunk)
    suffix = path.suffix.lower()
    ending = suffix if suffix.isascii() and len(suffix) <= _MAX_SUFFIX else ""
    return f"{digest.hexdigest()[:_NAME_CHARS]}{ending}"
