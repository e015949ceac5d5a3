"""Files as the bare body of a PUT, streamed from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.errors import StorageError
from ..files.names import kind_and_type
from ..http.multipart import UPLOAD_CHUNK_BYTES, unreadable


class FileBody:
    """A file's bytes, iterable any number of times, so that they can be sent again.

    ``check`` is called between chunks; what it raises ends the upload. A file that can't be read raises
    ``StorageError``.
    """

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check
        try:
            with path.open("rb") as file:
                self._size = file.seek(0, 2)
        except (OSError, ValueError) as error:
            raise unreadable(path, error if isinstance(error, OSError) else OSError(0, str(error))) from error

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to the body."""
        return {"Content-Type": kind_and_type(self._path.name)[1], "Content-Length": str(self._size)}

    def __iter__(self) -> Iterator[bytes]:
        left = self._size
        try:
            with self._path.open("rb") as file:
                while left and (chunk := file.read(min(UPLOAD_CHUNK_BYTES, left))):
                    left -= len(chunk)
                    yield chunk
                    self._check()
        except OSError as error:
            raise unreadable(self._path, error) from error
        if left:
            raise StorageError(
                f"{self._path.name} became shorter while it was uploaded.",
                hint="Let it be finished before it is used.",
                context={"path": str(self._path)},
            )
