"""PNG files without a library: 8-bit RGB out, 8-bit RGB, RGBA and grey in."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from .pixels import Pause, Pixels, grey_row, no_pause

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 64 * 1024 * 1024
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
LEVEL = 4


class NotAPicture(ValueError):
    """The bytes are no PNG, or one of a kind that is not read here."""


def encode(image: Pixels, *, text: Mapping[str, Any] | None = None, pause: Pause = no_pause) -> bytes:
    """Encode ``image``; ``text`` becomes tEXt chunks with JSON values, as ComfyUI writes them."""
    chunks = [SIGNATURE, _chunk(b"IHDR", struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 0))]
    for key, value in (text or {}).items():
        chunks.append(_chunk(b"tEXt", key.encode("latin-1", "replace") + b"\0" + json.dumps(value).encode("latin-1")))
    packer = zlib.compressobj(LEVEL)
    parts = []
    for y in range(image.height):
        row = image.row(y)
        parts.append(packer.compress(b"\1" + row[:3] + _differences(row)))
        pause()
    chunks += [_chunk(b"IDAT", b"".join(parts) + packer.flush()), _chunk(b"IEND", b"")]
    return b"".join(chunks)


def _differences(row: bytes) -> bytes:
    """Subtract from each byte the one a pixel before it (filter 1), all at once."""
    length = len(row) - 3
    high = int.from_bytes(b"\x80" * length, "little")
    a, b = int.from_bytes(row[3:], "little"), int.from_bytes(row[:-3], "little")
    return (((a | high) - (b & ~high)) ^ ((a ^ ~b) & high)).to_bytes(length, "little")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def decode(data: bytes, *, pause: Pause = no_pause) -> Pixels:
    """Decode a PNG, without its alpha. Raise ``NotAPicture``."""
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise NotAPicture("not a PNG file")
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if depth != 8 or colour not in CHANNELS or interlaced or not 0 < width * height <= MAX_PIXELS:
        raise NotAPicture(f"{width} x {height}, {depth} bits, colour type {colour}: not supported")
    channels = CHANNELS[colour]
    stride = 1 + width * channels
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    try:
        raw = zlib.decompressobj().decompress(packed, stride * height)
    except zlib.error as error:
        raise NotAPicture(f"damaged: {error}") from error
    if len(raw) < stride * height:
        raise NotAPicture("it ends too early")
    rows = []
    above = bytes(stride - 1)
    for start in range(0, stride * height, stride):
        above = _unfilter(raw[start], raw[start + 1 : start + stride], above, channels)
        rows.append(_to_rgb(above, channels))
        pause()
    return Pixels.from_rows(width, rows)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE) if data.startswith(SIGNATURE) else len(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _to_rgb(row: bytes, channels: int) -> bytes:
    if channels == 3:
        return row
    if channels < 3:
        return grey_row(row[::channels])
    out = bytearray(len(row) // 4 * 3)
    for channel in range(3):
        out[channel::3] = row[channel::4]
    return bytes(out)


def _unfilter(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """Undo one of the five filters of a row whose pixels have ``size`` bytes."""
    if kind > 4:
        raise NotAPicture(f"damaged: filter {kind}")
    if kind == 0:
        return line
    if kind == 2:
        return bytes((value + up) & 255 for value, up in zip(line, above, strict=True))
    out = bytearray(len(line))
    for channel in range(size):
        left, corner, values = 0, 0, []
        for value, up in zip(line[channel::size], above[channel::size], strict=True):
            if kind == 1:
                near = left
            elif kind == 3:
                near = (left + up) >> 1
            else:
                by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                near = left if by_left <= by_up and by_left <= by_corner else up if by_up <= by_corner else corner
            left, corner = (value + near) & 255, up
            values.append(left)
        out[channel::size] = bytes(values)
    return bytes(out)
