"""Uploads that stream a file from disk in constant memory: as the bare body, or as a multipart form."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from urllib3.fields import RequestField

from ..files.input_file import file_size, read_announced
from ..files.names import kind_and_type

OnChunk = Callable[[int, int], None]


class FileBody:
    """A file's bytes as a body, iterable any number of times, so that it can be sent again.

    ``on_chunk(sent, file_size)`` is told the file's bytes as they go; what it raises ends the upload. A file that can't
    be read raises ``StorageError``. ``file_size`` is in bytes.
    """

    def __init__(self, path: Path, on_chunk: OnChunk | None = None) -> None:
        self.file_size = file_size(path)
        self._path = path
        self._on_chunk = on_chunk
        self._content_type = kind_and_type(path.name)[1]
        self._head = self._tail = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the body."""
        length = len(self._head) + self.file_size + len(self._tail)
        return {"Content-Type": self._content_type, "Content-Length": str(length)}

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        for chunk in read_announced(self._path, self.file_size):
            yield chunk
            sent += len(chunk)
            if self._on_chunk is not None:
                self._on_chunk(sent, self.file_size)
        yield self._tail


class MultipartUpload(FileBody):
    """A form with text fields and one file; ``media_type`` is the caller's own, never a user's text."""

    def __init__(
        self,
        fields: Mapping[str, str],
        file_field: str,
        path: Path,
        file_name: str,
        media_type: str,
        on_chunk: OnChunk | None = None,
    ) -> None:
        super().__init__(path, on_chunk)
        boundary = secrets.token_hex(16)
        parts = [f"--{boundary}\r\n{_part_head(name)}{value}\r\n" for name, value in fields.items()]
        parts.append(f"--{boundary}\r\n{_part_head(file_field, file_name, media_type)}")
        # names of files can hold halves of characters, which UTF-8 has not
        self._head = "".join(parts).encode("utf-8", "replace")
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._content_type = f"multipart/form-data; boundary={boundary}"


def _part_head(name: str, file_name: str | None = None, media_type: str | None = None) -> str:
    part = RequestField(name, b"", file_name)
    part.make_multipart(content_type=media_type)
    return part.render_headers()
