"""Undoing gzip and deflate in bounded memory: a megabyte can hold a gigabyte of zeros."""

from __future__ import annotations

import zlib
from typing import Any

from ..core.errors import ProtocolError

_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_START = 2
"""So many bytes tell the format."""


class Decoder:
    """Decodes one body piece by piece; never gives more at a time than it is asked for."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise _bad_encoding(f"encoded as {encoding[:40]!r}, which was not asked for")
        self._gzip = encoding != "deflate"
        self._stream: Any = None  # zlib does not tell its type
        self._held = False  # zlib can have taken all input and still have more to give
        self.waiting = b""

    @property
    def finished(self) -> bool:
        """Whether what came is whole. A body of no bytes is."""
        return not self.waiting if self._stream is None else bool(self._stream.eof)

    def decode(self, most: int) -> bytes:
        """Return up to ``most`` bytes of what is ``waiting``, empty if it takes more input to go on."""
        decoded = b""
        while (self.waiting or self._held) and not decoded and self._ready():
            data, self.waiting = self.waiting, b""
            try:
                decoded = self._stream.decompress(data, most)
            except zlib.error as error:
                raise _bad_encoding(f"not what its Content-Encoding says ({error})") from error
            self.waiting = self._stream.unused_data or self._stream.unconsumed_tail
            self._held = len(decoded) == most and not self._stream.eof
        return decoded

    def _ready(self) -> bool:
        if self._stream is not None and not self._stream.eof:
            return True
        if len(self.waiting) < _START:
            return False
        if self._stream is None:
            self._stream = zlib.decompressobj(_GZIP if self._gzip else _deflate_format(self.waiting))
        elif self.waiting.startswith(b"\x1f\x8b"):
            self._stream = zlib.decompressobj(_GZIP)  # gzip files can follow one another
        else:
            self.waiting = b""  # padding
        return bool(self.waiting)


def _deflate_format(start: bytes) -> int:
    """By deflate some servers mean zlib's format, as they should, others the bare one."""
    return _ZLIB if start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(start[:_START], "big") % 31 == 0 else _BARE


def _bad_encoding(problem: str) -> ProtocolError:
    return ProtocolError(
        f"The server's answer is {problem}.",
        code="bad_encoding",
        hint="Does a proxy before the server repack its answers?",
    )
