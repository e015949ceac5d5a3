"""Multipart form uploads that stream the file from disk in constant memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import StorageError

UPLOAD_CHUNK_BYTES = 256 * 1024


class MultipartUpload:
    """A form with text fields and one file, iterable any number of times, so that it can be sent again.

    ``on_chunk(sent, total)`` is told the file's bytes as they go; what it raises ends the upload. A file that can't
    be read raises ``StorageError``.
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
        try:
            self._file_size = path.stat().st_size
        except OSError as error:
            raise unreadable(path, error) from error
        parts = [self._field(name, value) for name, value in fields.items()]
        disposition = f'form-data; name="{_quoted(file_field)}"; filename="{_quoted(file_name)}"'
        parts.append(f"--{self._boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {media_type}\r\n\r\n")
        self._head = "".join(parts).encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the body."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(len(self._head) + self._file_size + len(self._tail)),
        }

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from self._file_chunks()
        yield self._tail

    def _field(self, name: str, value: str) -> str:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'

    def _file_chunks(self) -> Iterator[bytes]:
        left = self._file_size
        try:
            with self._path.open("rb") as file:
                while left and (chunk := file.read(min(UPLOAD_CHUNK_BYTES, left))):
                    left -= len(chunk)
                    yield chunk
                    if self._on_chunk is not None:
                        self._on_chunk(self._file_size - left, self._file_size)
        except OSError as error:
            raise unreadable(self._path, error) from error
        if left:
            raise StorageError(
                f"{self._path.name} became shorter while it was uploaded.",
                hint="Let it be finished before it is used.",
                context={"path": str(self._path)},
            )


def unreadable(path: Path, error: OSError) -> StorageError:
    """Return the error for an input file that can't be read."""
    missing = isinstance(error, FileNotFoundError)
    return StorageError(
        f"The input file {path} {'does not exist' if missing else f'can not be read: {error.strerror or error}'}.",
        code="missing_file" if missing else "no_permission" if isinstance(error, PermissionError) else "storage",
        hint="Choose another file, or save it first.",
        context={"path": str(path)},
    )


def _quoted(name: str) -> str:
    """Escape a name as browsers do, so that no quote or line end leaves its header."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
