"""The texts that ComfyUI writes into the files it saves: the ``prompt`` (API format) and the editor's ``workflow``.

Where they stand, seen in files of 0.3.64: PNG in text chunks (an animated one in ``comf`` chunks), WebP in the EXIF
fields Make and Model as ``key:text``, FLAC among the Vorbis comments, MP4 under ``moov/udta/meta``. Only what holds
texts is read, and what is damaged passed over.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

MAX_TEXT_BYTES = 64 * 1024 * 1024
"""What is read of a file, unpacked: a workflow with a few hundred nodes has 1 MB."""

_KEYS = ("prompt", "workflow")

MAX_PARTS = 100_000
"""A container of more parts is damaged, or made to keep us busy."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"comf")
_EXIF_ASCII = 2
_VORBIS_COMMENT = 4

Texts = Iterator[tuple[str, bytes]]


def embedded_texts(opened: BinaryIO, most: int = MAX_TEXT_BYTES) -> dict[str, bytes] | None:
    """Return a file's ``prompt`` and ``workflow``, as far as it has them, None for a file of another kind; ``OSError``
    if it can't be read.

    Not more than ``most`` bytes are read, what is unpacked included.
    """
    file = _Reader(opened, most)
    head = file.read(12)
    if head.startswith(_PNG):
        file.seek(len(_PNG))
        found = _png_texts(file)
    elif head[:4] == b"RIFF" and head[8:] == b"WEBP":
        found = _webp_texts(file)
    elif head.startswith(b"fLaC"):
        file.seek(4)
        found = _flac_texts(file)
    elif head[4:8] == b"ftyp":
        found = _mp4_texts(file, file.seek(0, io.SEEK_END))
    else:
        return None
    texts: dict[str, bytes] = {}
    try:
        for key, text in found:
            if key.lower() in _KEYS:
                texts.setdefault(key.lower(), text)
    except (struct.error, zlib.error, _DamagedError):
        pass  # what came before the damage is there
    return texts


class _DamagedError(Exception):
    """The container can't be followed further."""


class _Reader:
    """A file of which only so many bytes are read."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self._left = most
        self.seek = file.seek

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes."""
        self._charge(size)
        return self._file.read(size)

    def inflated(self, data: bytes) -> bytes:
        """Return packed data unpacked, which counts as read."""
        text = zlib.decompressobj().decompress(data, self._left + 1)
        self._charge(len(text))
        return text

    def _charge(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _DamagedError


def _read(file: _Reader, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise _DamagedError
    return data


# PNG


def _png_texts(file: _Reader) -> Texts:
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in _PNG_TEXTS:
            keyword, _, rest = _read(file, length).partition(b"\0")
            key = keyword.decode("latin-1")
            if key.lower() in _KEYS:
                yield key, _chunk_text(file, kind, rest)
            file.seek(4, io.SEEK_CUR)
        else:
            file.seek(length + 4, io.SEEK_CUR)


def _chunk_text(file: _Reader, kind: bytes, rest: bytes) -> bytes:
    if kind in (b"tEXt", b"comf"):
        return _utf8(rest)
    if kind == b"zTXt":
        return _utf8(file.inflated(rest[1:]))
    compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return file.inflated(text) if compressed else text


def _utf8(latin: bytes) -> bytes:
    return latin.decode("latin-1").encode()


# WebP


def _webp_texts(file: _Reader) -> Texts:
    for _ in range(MAX_PARTS):
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind == b"EXIF":
            yield from _exif_texts(_read(file, length).removeprefix(b"Exif\0\0"))
            return
        file.seek(length + length % 2, io.SEEK_CUR)


def _exif_texts(tiff: bytes) -> Texts:
    """Yield the ASCII fields of the first directory that have the form ``key:text``."""
    order = ">" if tiff[:2] == b"MM" else "<"
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    for number in range(count):
        _tag, kind, length, offset = struct.unpack_from(f"{order}HHII", tiff, at + 2 + 12 * number)
        key, colon, text = tiff[offset : offset + length].rstrip(b"\0").partition(b":")
        if kind == _EXIF_ASCII and length > 4 and colon:
            yield key.decode("latin-1"), text


# FLAC


def _flac_texts(file: _Reader) -> Texts:
    last = False
    while not last:
        (header,) = struct.unpack(">I", file.read(4))
        last, kind, length = bool(header >> 31), header >> 24 & 0x7F, header & 0xFFFFFF
        if kind == _VORBIS_COMMENT:
            yield from _vorbis_texts(_read(file, length))
        else:
            file.seek(length, io.SEEK_CUR)


def _vorbis_texts(block: bytes) -> Texts:
    (vendor,) = struct.unpack_from("<I", block, 0)
    at = 4 + vendor
    (count,) = struct.unpack_from("<I", block, at)
    at += 4
    for _ in range(min(count, MAX_PARTS)):
        (length,) = struct.unpack_from("<I", block, at)
        key, _, text = block[at + 4 : at + 4 + length].partition(b"=")
        yield key.decode("latin-1"), text
        at += 4 + length


# MP4


def _mp4_texts(file: _Reader, end: int) -> Texts:
    for kind, start, stop in _boxes(file, 0, end):
        if kind == b"moov":
            yield from _metadata(file, start, stop, within=b"udta")


def _metadata(file: _Reader, start: int, stop: int, within: bytes = b"") -> Texts:
    for kind, at, end in _boxes(file, start, stop):
        if kind == within:
            yield from _metadata(file, at, end)
        elif kind == b"meta":
            file.seek(at)
            yield from _keyed_texts(_read(file, end - at))


def _keyed_texts(meta: bytes) -> Texts:
    """Yield the texts of a ``meta`` box: ``keys`` has the names, each box in ``ilst`` is named by its place there."""
    body = _Reader(io.BytesIO(meta), len(meta))
    boxes = {kind: (start, stop) for kind, start, stop in _boxes(body, 4, len(meta))}
    if b"keys" not in boxes or b"ilst" not in boxes:
        return
    start, stop = boxes[b"keys"]
    names = [meta[at:end] for _kind, at, end in _boxes(body, start + 8, stop)]
    for kind, at, end in _boxes(body, *boxes[b"ilst"]):
        number = int.from_bytes(kind, "big")
        if 1 <= number <= len(names):
            yield names[number - 1].decode("latin-1"), meta[at + 16 : end]


def _boxes(file: _Reader, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the contents of each box; the file may be moved between."""
    for _ in range(MAX_PARTS):
        if start + 8 > stop:
            return
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        body = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            body += 8
        end = stop if size == 0 else start + size
        if not body <= end <= stop:
            raise _DamagedError
        yield kind, body, end
        start = end
