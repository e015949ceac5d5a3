"""Uploads that stream a file from disk in constant memory: as a multipart form, or as the bare body."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..files.input_file import file_size, read_announced
from ..files.names import kind_and_type


class MultipartUpload:
    """A form with text fields and one file, iterable any number of times, so that it can be sent again.

    ``on_chunk(sent, total)`` is told the file's bytes as they go; what it raises ends the upload. A file that can't
    be read raises ``StorageError``. ``media_type`` is the caller's own, never a user's text; ``file_size`` is in bytes.
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        file_field: str,
        path: Path,
        file_name: str,
        media_type: str,
        on_chunk: Callable[[int, int], None] | None = None,
    ) -> None:
        self._boundary = secrets.token_hex(16)
        self._path = path
        self._on_chunk = on_chunk
        self.file_size = file_size(path)
        parts = [self._field(name, value) for name, value in fields.items()]
        disposition = f'form-data; name="{_quoted(file_field)}"; filename="{_quoted(file_name)}"'
        parts.append(f"--{self._boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n")
        # names of files can hold halves of characters, which UTF-8 has not
        self._head = "".join(parts).encode("utf-8", "replace")
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the body."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(len(self._head) + self.file_size + len(self._tail)),
        }

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        sent = 0
        for chunk in read_announced(self._path, self.file_size):
            yield chunk
            sent += len(chunk)
            if self._on_chunk is not None:
                self._on_chunk(sent, self.file_size)
        yield self._tail

    def _field(self, name: str, value: str) -> str:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'


class FileBody:
    """A file's bytes as a bare body, iterable any number of times, so that they can be sent again.

    ``check`` is called between chunks; what it raises ends the upload. A file that can't be read raises
    ``StorageError``.
    """

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        self._size = file_size(path)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the body."""
        return {"Content-Type": kind_and_type(self._path.name)[1], "Content-Length": str(self._size)}

    def __iter__(self) -> Iterator[bytes]:
        for chunk in read_announced(self._path, self._size):
            yield chunk
            self._check()


def _quoted(name: str) -> str:
    """Escape a name as browsers do, so that no quote or line end leaves its header."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
