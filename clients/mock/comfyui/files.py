"""The input, output and temporary files of the mock ComfyUI, in memory."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field

TYPES = ("input", "output", "temp")
ANNOTATION = re.compile(r"(.*?) ?\[(input|output|temp)\]\Z", re.DOTALL)
MAX_KEPT = 512 * 1024 * 1024

MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "wav": "audio/x-wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "txt": "text/plain",
    "json": "application/json",
    "html": "text/html",
    "htm": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "svg": "image/svg+xml",
    "xml": "text/xml",
    "glb": "model/gltf-binary",
}
ACTIVE = ("html", "htm", "js", "css", "svg", "xml")
"""Extensions that hardened releases only give as a download."""


@dataclass(frozen=True)
class StoredFile:
    """One file: its bytes and when it was written (nanoseconds since the epoch)."""

    name: str
    data: bytes = field(repr=False)
    modified_ns: int = field(default_factory=time.time_ns)

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2].lower()

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES.get(self.extension, "application/octet-stream")

    @property
    def etag(self) -> str:
        return f'"{self.modified_ns:x}-{len(self.data):x}"'


class FileStore:
    """Files by type, subfolder and name. Thread-safe. Over ``max_kept`` bytes the oldest files are dropped."""

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._lock = threading.Lock()
        self._files: dict[tuple[str, str, str], StoredFile] = {}
        self._counters: dict[tuple[str, str, str], int] = {}
        self._max_kept = max_kept
        self._kept = 0

    def get(self, kind: str, subfolder: str, name: str) -> StoredFile | None:
        with self._lock:
            return self._files.get((kind, subfolder.strip("/"), name))

    def find(self, value: str, kind: str = "input") -> StoredFile | None:
        """Find the file that a node's widget names: ``subfolder/name``, optionally followed by ``[type]``."""
        match = ANNOTATION.match(value)
        if match:
            value, kind = match.groups()
        subfolder, _, name = value.rpartition("/")
        return self.get(kind, subfolder, name)

    def put(self, kind: str, subfolder: str, name: str, data: bytes) -> None:
        key = (kind, subfolder.strip("/"), name)
        with self._lock:
            self._drop(key)
            self._files[key] = StoredFile(name, data)
            self._kept += len(data)
            while self._kept > self._max_kept and len(self._files) > 1:
                self._drop(next(iter(self._files)))

    def save(self, kind: str, prefix: str, extension: str, data: bytes, *, bare: bool = False) -> dict[str, str]:
        """Write the next file of ``prefix`` (which may contain subfolders); return it as an item of an output list.

        Names end in an underscore, ``bare`` ones in the number.
        """
        subfolder, _, stem = prefix.rpartition("/")
        key = (kind, subfolder, stem)
        with self._lock:
            number = self._counters[key] = self._counters.get(key, 0) + 1
        name = f"{stem}_{number:05}{'' if bare else '_'}.{extension}"
        self.put(kind, subfolder, name, data)
        return {"filename": name, "subfolder": subfolder, "type": kind}

    def upload(self, kind: str, subfolder: str, name: str, data: bytes, *, overwrite: bool) -> str:
        """Write an upload and return its name: a number is added if another file has that name."""
        stem, dot, extension = name.rpartition(".")
        chosen = name
        number = 0
        while not overwrite and (old := self.get(kind, subfolder, chosen)) is not None and old.data != data:
            number += 1
            chosen = f"{stem} ({number}){dot}{extension}" if dot else f"{name} ({number})"
        self.put(kind, subfolder, chosen, data)
        return chosen

    def names(self, kind: str) -> list[str]:
        """List the names of the files in the top folder of ``kind``."""
        with self._lock:
            return sorted(name for each, subfolder, name in self._files if each == kind and not subfolder)

    def delete(self, kind: str, subfolder: str, name: str) -> None:
        with self._lock:
            self._drop((kind, subfolder.strip("/"), name))

    def clear_temp(self) -> None:
        with self._lock:
            for key in [key for key in self._files if key[0] == "temp"]:
                self._drop(key)

    def _drop(self, key: tuple[str, str, str]) -> None:
        old = self._files.pop(key, None)
        if old is not None:
            self._kept -= len(old.data)
