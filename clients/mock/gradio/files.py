"""The file cache of a mock Gradio server: uploads, outputs, and GET /file=."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import threading
import urllib.parse
from typing import Any

from ..http.responses import Response, range_response

ROOT = "/tmp/gradio"  # noqa: S108 - a name in the mock's own memory: nothing is written there
MAX_BYTES = 512 * 1024 * 1024
INLINE = ("image/jpeg", "image/png", "image/gif", "image/webp", "text/plain", "application/json")


class FileCache:
    """Files by their path on the simulated server, the oldest dropped over ``MAX_BYTES``. Safe from any thread.

    ``base_url`` is the address before the routes, as the last client wrote it; it is in every FileData.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self._lock = threading.Lock()
        self._files: dict[str, bytes] = {}
        self._total = 0
        self.base_url = ""

    def add(self, name: str, data: bytes) -> str:
        """Store a file and return its path."""
        path = f"{ROOT}/{hashlib.sha256(data).hexdigest()}/{safe_name(name)}"
        self.put(path, data)
        return path

    def put(self, path: str, data: bytes) -> None:
        """Store a file under a given path."""
        with self._lock:
            self._total -= len(self._files.pop(path, b""))
            self._files[path] = data
            self._total += len(data)
            while self._total > MAX_BYTES and len(self._files) > 1:
                self._total -= len(self._files.pop(next(iter(self._files))))

    def get(self, path: str) -> bytes | None:
        with self._lock:
            return self._files.get(path)

    def clear(self) -> None:
        with self._lock:
            self._files.clear()
            self._total = 0

    def file_data(self, name: str, data: bytes, media_type: str | None, *, sized: bool) -> dict[str, Any]:
        path = self.add(name, data)
        return {
            "path": path,
            "url": f"{self.base_url}/file={path}",
            "size": len(data) if sized else None,
            "orig_name": name,
            "mime_type": media_type if self.generation > 4 else None,
            "is_stream": False,
            "meta": {"_type": "gradio.FileData"},
        }

    def uploaded(self, file_data: Any) -> bytes:
        """Return the content of an input's FileData; ``ValueError`` if the server would refuse it."""
        data = self.get(str(file_data.get("path"))) if isinstance(file_data, dict) else None
        if data is None:
            raise ValueError("not a file of this server")
        return data

    def answer(self, path: str, wanted: str | None) -> Response:
        """Answer GET /file= with 200, 206 or 403. Version 4 ignores a range without an end."""
        data = self.get(path)
        if data is None:
            refused = json.dumps({"detail": f"File not allowed: {path}."}, ensure_ascii=False).encode()
            return Response(403, refused, {"content-type": "application/json"})
        name = path.rpartition("/")[2]
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        shown = media_type in INLINE or media_type.startswith(("audio/", "video/"))
        disposition = "inline" if shown else "attachment"
        content_type = f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
        first, _, last = (wanted or "").removeprefix("bytes=").partition("-")
        if first and last:
            answer = range_response(data, {"Content-Disposition": "inline", "Content-Type": media_type}, wanted)
            answer.headers.pop("Accept-Ranges", None)
            return answer
        headers = {"Content-Type": content_type, "Content-Disposition": f"{disposition}; {_filename(name)}"}
        return range_response(data, headers, None if self.generation == 4 else wanted)


def safe_name(name: str) -> str:
    """Return a file's name as Gradio stores it: letters and digits of any script, and ``._-, ``."""
    kept = "".join(each for each in name.rpartition("/")[2] if each.isalnum() or each in "._-, ")
    return kept[-200:]


def _filename(name: str) -> str:
    quoted = urllib.parse.quote(name)
    return f'filename="{name}"' if quoted == name else f"filename*=utf-8''{quoted}"
