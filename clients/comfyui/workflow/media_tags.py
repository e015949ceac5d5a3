"""Reads the tags of sounds and clips: Matroska and WebM, Ogg (Opus, Vorbis, FLAC), MP3.

ComfyUI's save nodes write one tag each for ``prompt`` and ``workflow``; VideoHelperSuite writes both into the tag
``comment`` as JSON. Sources: RFC 9559 (Matroska), RFC 7845 and 3533 (Opus in Ogg), id3.org (ID3v2.3 and 2.4). Only the
parts with tags are read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from .bounded_reader import BoundedReader, DamagedError

Texts = Iterator[tuple[str, bytes]]

MAX_PARTS = 100_000
"""A container with more parts is damaged or malicious."""

MATROSKA = b"\x1a\x45\xdf\xa3"
OGG = b"OggS"
ID3 = b"ID3"


def as_utf8(text: bytes) -> bytes:
    """Return a Latin-1 text as UTF-8; text that is valid UTF-8 stays, because many programs write UTF-8 here."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1").encode()
    return text


# Matroska

_SEGMENT, _TAGS, _TAG, _SIMPLE_TAG = 0x18538067, 0x1254C367, 0x7373, 0x67C8
_TAG_NAME, _TAG_STRING = 0x45A3, 0x4487
_HOLDERS = (_TAG, _SIMPLE_TAG)


def matroska_texts(file: BoundedReader, end: int) -> Texts:
    """Yield the names and texts of all tags."""
    for kind, start, stop in _elements(file, 0, end):
        if kind == _SEGMENT:
            for inner, at, until in _elements(file, start, stop):
                if inner == _TAGS:
                    file.seek(at)
                    body = file.read_all(until - at)
                    yield from _tags(BoundedReader(io.BytesIO(body), 16 * len(body)), 0, len(body))


def _tags(body: BoundedReader, start: int, stop: int, depth: int = 0) -> Texts:
    held: dict[int, bytes] = {}
    for kind, at, end in _elements(body, start, stop):
        if kind in _HOLDERS and depth < len(_HOLDERS):
            yield from _tags(body, at, end, depth + 1)
        elif kind in (_TAG_NAME, _TAG_STRING):
            body.seek(at)
            held[kind] = body.read_all(end - at).rstrip(b"\0")
    if len(held) == 2:
        yield held[_TAG_NAME].decode("latin-1"), held[_TAG_STRING]


def _elements(file: BoundedReader, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Yield id, start and end of the contents of each element; the caller may move the file between elements.

    An element of unknown size ends with its parent.
    """
    for _ in range(MAX_PARTS):
        if start >= stop:
            return
        file.seek(start)
        kind, _ = _variable(file, most=4, marked=True)
        size, unknown = _variable(file, most=8, marked=False)
        at = file.tell()
        end = stop if unknown else at + size
        if end > stop:
            raise DamagedError
        yield kind, at, end
        start = end


def _variable(file: BoundedReader, most: int, marked: bool) -> tuple[int, bool]:
    """Return a number of variable length, and True if all its bits are set; ``marked`` keeps the length bit."""
    first = file.read_all(1)[0]
    length = 9 - first.bit_length()
    if length > most:
        raise DamagedError
    number = int.from_bytes(bytes([first]) + file.read_all(length - 1), "big")
    bits = (1 << 7 * length) - 1
    return number if marked else number & bits, number & bits == bits


# Ogg

_OPUS, _VORBIS, _FLAC = b"OpusTags", b"\x03vorbis", b"\x04"
_FLAC_HEADER = 4


def ogg_texts(file: BoundedReader) -> Texts:
    """Yield the comments in the second packet of the first stream."""
    file.seek(0)
    packets = _packets(file)
    next(packets, b"")
    comments = next(packets, b"")
    for head, length in ((_OPUS, len(_OPUS)), (_VORBIS, len(_VORBIS)), (_FLAC, _FLAC_HEADER)):
        if comments.startswith(head):
            yield from vorbis_comments(comments[length:])
            return


def vorbis_comments(block: bytes) -> Texts:
    """Yield the names and texts of a block of Vorbis comments."""
    (vendor,) = struct.unpack_from("<I", block, 0)
    at = 4 + vendor
    (count,) = struct.unpack_from("<I", block, at)
    at += 4
    for _ in range(min(count, MAX_PARTS)):
        (length,) = struct.unpack_from("<I", block, at)
        key, _, text = block[at + 4 : at + 4 + length].partition(b"=")
        yield key.decode("latin-1"), text
        at += 4 + length


def _packets(file: BoundedReader) -> Iterator[bytes]:
    """Yield the packets of the first stream."""
    stream: int | None = None
    parts: list[bytes] = []
    for _ in range(MAX_PARTS):
        mark, serial, count = struct.unpack("<4s10xI8xB", file.read_all(27))
        if mark != OGG:
            raise DamagedError
        sizes = file.read_all(count)
        stream = serial if stream is None else stream
        if serial != stream:
            file.seek(sum(sizes), io.SEEK_CUR)
            continue
        for size in sizes:
            parts.append(file.read_all(size))
            if size < 255:  # a segment of 255 bytes continues the packet
                yield b"".join(parts)
                parts = []


# MP3

_UNSYNCHRONISED, _EXTENDED = 0x80, 0x40
_FRAME_LENGTH, _FRAME_UNSYNCHRONISED, _FRAME_PACKED = 0x01, 0x02, 0x0C
_OLD_FRAME_PACKED = 0xC0
_CODECS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


def id3_texts(file: BoundedReader) -> Texts:
    """Yield the user-defined texts and the comments of an ID3v2 tag at the file's beginning."""
    file.seek(0)
    version, flags, *size = struct.unpack("3xBxB4B", file.read_all(10))
    if version not in (3, 4):
        return
    tag = file.read_all(_seven_bits(bytes(size)))
    if version == 3 and flags & _UNSYNCHRONISED:
        tag = tag.replace(b"\xff\0", b"\xff")
    at = 0
    if flags & _EXTENDED:
        at = 4 + struct.unpack_from(">I", tag)[0] if version == 3 else _seven_bits(tag[:4])
    while at + 10 <= len(tag) and tag[at]:
        kind, length, options = tag[at : at + 4], tag[at + 4 : at + 8], tag[at + 9]
        stop = at + 10 + (_seven_bits(length) if version == 4 else int.from_bytes(length, "big"))
        if stop > len(tag):
            raise DamagedError
        if kind in (b"TXXX", b"COMM"):
            yield from _id3_frame(kind, tag[at + 10 : stop], version, options)
        at = stop


def _id3_frame(kind: bytes, body: bytes, version: int, options: int) -> Texts:
    if options & (_FRAME_PACKED if version == 4 else _OLD_FRAME_PACKED):
        return
    if version == 4 and options & _FRAME_LENGTH:
        body = body[4:]
    if version == 4 and options & _FRAME_UNSYNCHRONISED:
        body = body.replace(b"\xff\0", b"\xff")
    code, text = body[:1], body[1:] if kind == b"TXXX" else body[4:]
    codec = _CODECS[code[0]] if code and code[0] < len(_CODECS) else ""
    if not codec:
        return
    name, _, value = _split(text, 2 if "16" in codec else 1)
    key = "comment" if kind == b"COMM" else _decoded(name, codec).decode()
    yield key, _decoded(value, codec).rstrip(b"\0")


def _split(text: bytes, width: int) -> tuple[bytes, bytes, bytes]:
    """Split a name from the text after it, at a NUL of ``width`` bytes."""
    at = text.find(bytes(width))
    while at % width:
        at = text.find(bytes(width), at + 1)
    return (text[:at], bytes(width), text[at + width :]) if at >= 0 else (text, b"", b"")


def _decoded(text: bytes, codec: str) -> bytes:
    return as_utf8(text) if codec in ("latin-1", "utf-8") else text.decode(codec, "replace").encode()


def _seven_bits(data: bytes) -> int:
    """Return a number stored with seven bits in each byte."""
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
    return number
