"""PNG files without a library: 8-bit RGB out, 8-bit RGB, RGBA and grey in."""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .pixels import Breathe, Pixels, grey_row, no_breath

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 64 * 1024 * 1024
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
LEVEL = 4


class NotAPicture(ValueError):
    """The bytes are no PNG, or one of a kind that is not read here."""


def encode(image: Pixels, *, text: Mapping[str, Any] | None = None, breathe: Breathe = no_breath) -> bytes:
    """A PNG of ``image``; ``text`` becomes tEXt chunks with JSON values, as ComfyUI writes them."""
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0)
    chunks = [SIGNATURE, _chunk(b"IHDR", header)]
    for key, value in (text or {}).items():
        chunks.append(_chunk(b"tEXt", key.encode("latin-1", "replace") + b"\0" + json.dumps(value).encode("latin-1")))
    chunks += [_chunk(b"IDAT", _packed(image, breathe)), _chunk(b"IEND", b"")]
    return b"".join(chunks)


def encode_animation(
    frames: list[Pixels], fps: float, *, text: Mapping[str, Any] | None = None, breathe: Breathe = no_breath
) -> bytes:
    """An animated PNG; ``text`` becomes the chunks that ComfyUI makes up for it."""
    width, height = frames[0].width, frames[0].height
    sequence = itertools.count()
    chunks = [SIGNATURE, _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    chunks.append(_chunk(b"acTL", struct.pack(">II", len(frames), 0)))
    for number, frame in enumerate(frames):
        timing = (0, 0, round(1000 / fps), 1000, 0, 0)
        chunks.append(_chunk(b"fcTL", struct.pack(">IIIIIHHBB", next(sequence), width, height, *timing)))
        data = _packed(frame, breathe)
        chunks.append(_chunk(b"fdAT", struct.pack(">I", next(sequence)) + data) if number else _chunk(b"IDAT", data))
    for key, value in (text or {}).items():
        chunks.append(_chunk(b"comf", key.encode("latin-1", "replace") + b"\0" + json.dumps(value).encode("latin-1")))
    return b"".join([*chunks, _chunk(b"IEND", b"")])


def _packed(image: Pixels, breathe: Breathe) -> bytes:
    packer = zlib.compressobj(LEVEL)
    parts = []
    for y in range(image.height):
        row = image.row(y)
        parts.append(packer.compress(b"\1" + row[:3] + _differences(row)))
        breathe()
    return b"".join([*parts, packer.flush()])


def _differences(row: bytes) -> bytes:
    """Each byte less the one a pixel before it (filter 1), modulo 256, all at once."""
    length = len(row) - 3
    high = int.from_bytes(b"\x80" * length, "little")
    a, b = int.from_bytes(row[3:], "little"), int.from_bytes(row[:-3], "little")
    return (((a | high) - (b & ~high)) ^ ((a ^ ~b) & high)).to_bytes(length, "little")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def read_text(data: bytes) -> dict[str, str]:
    """The tEXt chunks of a PNG."""
    pairs = (body.partition(b"\0") for kind, body in _chunks(data) if kind == b"tEXt")
    return {key.decode("latin-1"): value.decode("latin-1") for key, _, value in pairs}


def decode(data: bytes, *, breathe: Breathe = no_breath) -> Pixels:
    """The picture in a PNG, without its alpha. Raises ``NotAPicture``."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise NotAPicture("not a PNG file")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or colour not in CHANNELS or interlaced or not 0 < width * height <= MAX_PIXELS:
        raise NotAPicture(f"{width} x {height}, {depth} bits, colour type {colour}: not supported")
    channels = CHANNELS[colour]
    stride = 1 + width * channels
    try:
        raw = zlib.decompressobj().decompress(
            b"".join(body for kind, body in chunks if kind == b"IDAT"), stride * height
        )
    except zlib.error as error:
        raise NotAPicture(f"damaged: {error}") from error
    if len(raw) < stride * height:
        raise NotAPicture("it ends too early")
    rows = []
    above = bytes(stride - 1)
    for y in range(height):
        line = raw[y * stride : (y + 1) * stride]
        above = _unfiltered(line[0], line[1:], above, channels)
        rows.append(_rgb(above, channels))
        breathe()
    return Pixels.from_rows(width, rows)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE) if data.startswith(SIGNATURE) else len(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _rgb(row: bytes, channels: int) -> bytes:
    if channels == 3:
        return row
    if channels < 3:
        return grey_row(row[::channels])
    out = bytearray(len(row) // 4 * 3)
    for channel in range(3):
        out[channel::3] = row[channel::4]
    return bytes(out)


# The five filters


def _none(line: bytes, _above: bytes, _size: int) -> bytes:
    return line


def _sub(line: bytes, _above: bytes, size: int) -> bytes:
    out = bytearray(len(line))
    for channel in range(size):
        out[channel::size] = bytes(value & 255 for value in itertools.accumulate(line[channel::size]))
    return bytes(out)


def _up(line: bytes, above: bytes, _size: int) -> bytes:
    high = int.from_bytes(b"\x80" * len(line), "little")
    a, b = int.from_bytes(line, "little"), int.from_bytes(above, "little")
    return (((a & ~high) + (b & ~high)) ^ ((a ^ b) & high)).to_bytes(len(line), "little")


def _mean(line: bytes, above: bytes, size: int) -> bytes:
    out = bytearray(len(line))
    for channel in range(size):
        left = 0
        values = []
        for value, up in zip(line[channel::size], above[channel::size], strict=True):
            left = (value + ((left + up) >> 1)) & 255
            values.append(left)
        out[channel::size] = bytes(values)
    return bytes(out)


def _paeth(line: bytes, above: bytes, size: int) -> bytes:
    out = bytearray(len(line))
    for channel in range(size):
        left = corner = 0
        values = []
        for value, up in zip(line[channel::size], above[channel::size], strict=True):
            by_left, by_up = up - corner, left - corner
            by_corner = abs(by_left + by_up)
            by_left, by_up = abs(by_left), abs(by_up)
            if by_left <= by_up and by_left <= by_corner:
                near = left
            else:
                near = up if by_up <= by_corner else corner
            left = (value + near) & 255
            corner = up
            values.append(left)
        out[channel::size] = bytes(values)
    return bytes(out)


_FILTERS: tuple[Callable[[bytes, bytes, int], bytes], ...] = (_none, _sub, _up, _mean, _paeth)


def _unfiltered(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    if kind >= len(_FILTERS):
        raise NotAPicture(f"damaged: filter {kind}")
    return _FILTERS[kind](line, above, size)
