"""Reads the texts that ComfyUI writes into saved files: the ``prompt`` (API format) and the editor's ``workflow``.

Their places in files of 0.3.64: PNG in text chunks (an animated one in ``comf`` chunks), WebP in the EXIF fields Make
and Model as ``key:text``, FLAC among the Vorbis comments, MP4 under ``moov/udta/meta``; other sounds and clips in their
tags (``media_tags.py``). Only the parts with texts are read, and damaged parts are skipped.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from .bounded_reader import BoundedReader, DamagedError
from .media_tags import ID3, MATROSKA, OGG, as_utf8, id3_texts, matroska_texts, ogg_texts, vorbis_comments

MAX_TEXT_BYTES = 64 * 1024 * 1024
"""Limit of bytes from a file, unpacked: a workflow with a few hundred nodes has 1 MB."""

_KEYS = ("prompt", "workflow")
_COMMENT = "comment"
_COMMENTS = (_COMMENT, "description")
"""VideoHelperSuite keeps both in the comment, as JSON. FFmpeg calls it a description in Ogg and FLAC."""

MAX_PARTS = 100_000
"""A container of more parts is damaged, or made to keep us busy."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"comf")
_MP4_COMMENT = b"\xa9cmt"
_EXIF_ASCII = 2
_VORBIS_COMMENT = 4

Texts = Iterator[tuple[str, bytes]]


def embedded_texts(opened: BinaryIO, most: int = MAX_TEXT_BYTES) -> dict[str, bytes] | None:
    """Return a file's ``prompt`` and ``workflow``, if present, None for another file format; ``OSError`` if it can't
    be read.

    At most ``most`` bytes are read, unpacked data included.
    """
    file = BoundedReader(opened, most)
    head = file.read(12)
    found = _texts_of_kind(head, file)
    if found is None:
        return None
    texts: dict[str, bytes] = {}
    comments = []
    try:
        for key, text in found:
            if key.lower() in _KEYS:
                texts.setdefault(key.lower(), text)
            elif key.lower() in _COMMENTS:
                comments.append(text)
    except (struct.error, zlib.error, DamagedError):
        pass  # keep the texts before the damage
    for comment in comments:
        texts = {**_texts_in_comment(comment), **texts}
    return texts


def _texts_of_kind(head: bytes, file: BoundedReader) -> Texts | None:
    """Return the texts of a file that begins with ``head``, None for another format."""
    if head.startswith(_PNG):
        file.seek(len(_PNG))
        return _png_texts(file)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return _webp_texts(file)
    if head.startswith(b"fLaC"):
        file.seek(4)
        return _flac_texts(file)
    if head[4:8] == b"ftyp":
        return _mp4_texts(file, file.seek(0, io.SEEK_END))
    if head.startswith(MATROSKA):
        return matroska_texts(file, file.seek(0, io.SEEK_END))
    if head.startswith(OGG):
        return ogg_texts(file)
    return id3_texts(file) if head.startswith(ID3) else None


def _texts_in_comment(comment: bytes) -> dict[str, bytes]:
    """Return the workflows in a comment, empty for other comments; each is a JSON object, or JSON in a text."""
    try:
        data = json.loads(comment)
    except (ValueError, RecursionError):
        return {}
    found = {key: data[key] for key in _KEYS if data.get(key)} if isinstance(data, dict) else {}
    return {
        key: (text if isinstance(text, str) else json.dumps(text)).encode(errors="replace")
        for key, text in found.items()
    }


# PNG


def _png_texts(file: BoundedReader) -> Texts:
    for _ in range(MAX_PARTS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in _PNG_TEXTS:
            keyword, _, rest = file.read_all(length).partition(b"\0")
            key = keyword.decode("latin-1")
            if key.lower() in _KEYS:
                yield key, _chunk_text(file, kind, rest)
            file.seek(4, io.SEEK_CUR)
        else:
            file.seek(length + 4, io.SEEK_CUR)


def _chunk_text(file: BoundedReader, kind: bytes, rest: bytes) -> bytes:
    if kind in (b"tEXt", b"comf"):
        return as_utf8(rest)
    if kind == b"zTXt":
        return as_utf8(file.inflate(rest[1:]))
    compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return file.inflate(text) if compressed else text


# WebP


def _webp_texts(file: BoundedReader) -> Texts:
    for _ in range(MAX_PARTS):
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind == b"EXIF":
            yield from _exif_texts(file.read_all(length).removeprefix(b"Exif\0\0"))
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


def _flac_texts(file: BoundedReader) -> Texts:
    last = False
    while not last:
        (header,) = struct.unpack(">I", file.read(4))
        last, kind, length = bool(header >> 31), header >> 24 & 0x7F, header & 0xFFFFFF
        if kind == _VORBIS_COMMENT:
            yield from vorbis_comments(file.read_all(length))
        else:
            file.seek(length, io.SEEK_CUR)


# MP4


def _mp4_texts(file: BoundedReader, end: int) -> Texts:
    for kind, start, stop in _boxes(file, 0, end):
        if kind == b"moov":
            yield from _metadata(file, start, stop, within=b"udta")


def _metadata(file: BoundedReader, start: int, stop: int, within: bytes = b"") -> Texts:
    for kind, at, end in _boxes(file, start, stop):
        if kind == within:
            yield from _metadata(file, at, end)
        elif kind == _MP4_COMMENT:  # QuickTime: two bytes of length, two of language
            file.seek(at)
            yield _COMMENT, file.read_all(end - at)[4:]
        elif kind == b"meta":
            file.seek(at)
            yield from _keyed_texts(file.read_all(end - at))


def _keyed_texts(meta: bytes) -> Texts:
    """Yield the texts of a ``meta`` box: a box in ``ilst`` has the number of its name in ``keys`` as its kind.

    A comment box in ``ilst`` needs no ``keys``: its kind is its name.
    """
    body = BoundedReader(io.BytesIO(meta), len(meta))
    boxes = {kind: (start, stop) for kind, start, stop in _boxes(body, 4, len(meta))}
    start, stop = boxes.get(b"keys", (0, 0))
    names = [meta[at:end] for _kind, at, end in _boxes(body, start + 8, stop)]
    for kind, at, end in _boxes(body, *boxes.get(b"ilst", (0, 0))):
        number = int.from_bytes(kind, "big")
        if kind == _MP4_COMMENT:
            yield _COMMENT, meta[at + 16 : end]
        if 1 <= number <= len(names):
            yield names[number - 1].decode("latin-1"), meta[at + 16 : end]


def _boxes(file: BoundedReader, start: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the contents of each box; the caller may move the file between boxes."""
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
            raise DamagedError
        yield kind, body, end
        start = end
