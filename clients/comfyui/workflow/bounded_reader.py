"""A file reader with a limit on the bytes, for parsers of foreign containers."""

from __future__ import annotations

import zlib
from typing import BinaryIO


class DamagedError(Exception):
    """The container is damaged."""


class BoundedReader:
    """Reads at most ``most`` bytes of a file, unpacked data included; then raises :class:`DamagedError`."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._left = most
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        self._charge(size)
        return self._file.read(size)

    def read_all(self, size: int) -> bytes:
        """Return ``size`` bytes; :class:`DamagedError` if the file ends before."""
        data = self.read(size)
        if len(data) < size:
            raise DamagedError
        return data

    def inflate(self, data: bytes) -> bytes:
        """Return unpacked data; its bytes count as read."""
        text = zlib.decompressobj().decompress(data, self._left + 1)
        self._charge(len(text))
        return text

    def _charge(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise DamagedError
