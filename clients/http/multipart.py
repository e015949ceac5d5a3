"""Multipart form uploads that stream the file from disk in constant memory."""

from __future__ import annotations

import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..core.errors import StorageError

UPLOAD_CHUNK_BYTES = 256 * 1024


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
        self.file_size = _size_of(path)
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
        for chunk in _chunks(self._path, self.file_size):
            yield chunk
            sent += len(chunk)
            if self._on_chunk is not None:
                self._on_chunk(sent, self.file_size)
        yield self._tail

    def _field(self, name: str, value: str) -> str:
        return f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'


def unreadable(path: Path, error: OSError) -> StorageError:
    """Return the error for an input file that can't be read."""
    missing = isinstance(error, FileNotFoundError)
    return StorageError(
        f"The input file {path} {'does not exist' if missing else f'can not be read: {error.strerror or error}'}.",
        code="missing_file" if missing else "no_permission" if isinstance(error, PermissionError) else "storage",
        hint="Choose another file, or save it first.",
        context={"path": str(path)},
    )


def _size_of(path: Path) -> int:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no file")
    except ValueError as error:  # a NUL in the name
        raise unreadable(path, OSError(0, str(error))) from error
    except OSError as error:
        raise unreadable(path, error) from error
    return status.st_size


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first ``size`` bytes of the file, as many as were announced."""
    left = size
    try:
        with path.open("rb") as file:
            while left and (chunk := file.read(min(UPLOAD_CHUNK_BYTES, left))):
                left -= len(chunk)
                yield chunk
    except OSError as error:
        raise unreadable(path, error) from error
    if left:
        raise StorageError(
            f"{path.name} became shorter while it was uploaded.",
            hint="Let it be finished before it is used.",
            context={"path": str(path)},
        )


def _quoted(name: str) -> str:
    """Escape a name as browsers do, so that no quote or line end leaves its header."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
