"""Animated WebP files without a library: lossless frames, not compressed."""

from __future__ import annotations

import struct

from .pixels import Pixels

_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""Huffman codes are written from their highest bit on, into bytes filled from their lowest."""


def encode_animation(frames: list[Pixels], fps: float, *, exif: dict[int, str] | None = None) -> bytes:
    """A WebP of ``frames``; ``exif`` are texts by tag number."""
    width, height = frames[0].width, frames[0].height
    size = _int24(width - 1) + _int24(height - 1)
    duration = _int24(round(1000 / fps))
    chunks = [_chunk(b"VP8X", bytes([0x0A if exif else 0x02, 0, 0, 0]) + size), _chunk(b"ANIM", bytes(6))]
    head = bytes(6) + size + duration + b"\x02"
    chunks += [_chunk(b"ANMF", head + _chunk(b"VP8L", _lossless(frame))) for frame in frames]
    if exif:
        chunks.append(_chunk(b"EXIF", _exif(exif)))
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _int24(value: int) -> bytes:
    return value.to_bytes(3, "little")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


class _Bits:
    """Bits in the order in which they are read."""

    def __init__(self) -> None:
        self.value = 0
        self.count = 0

    def put(self, value: int, count: int) -> None:
        self.value |= value << self.count
        self.count += count


def _lossless(image: Pixels) -> bytes:
    """A VP8L stream in which every channel's code is the byte itself."""
    bits = _Bits()
    bits.put(0x2F, 8)
    bits.put(image.width - 1, 14)
    bits.put(image.height - 1, 14)
    bits.put(0, 1 + 3)  # no alpha, version 0
    bits.put(0, 3)  # no transform, no colour cache, one set of codes
    _even_code(bits, unused=24)  # green, and lengths of copies
    _even_code(bits, unused=0)
    _even_code(bits, unused=0)
    bits.put(0b101, 3)  # alpha: one symbol of 8 bits
    bits.put(255, 8)
    bits.put(0b0001, 4)  # distances: one symbol of 1 bit
    shuffled = bytearray(len(image.data))
    for place, channel in enumerate((1, 0, 2)):
        shuffled[place::3] = image.data[channel::3]
    pixels = int.from_bytes(shuffled.translate(_REVERSED), "little")
    length = (bits.count + 8 * len(shuffled) + 7) // 8
    return (bits.value | pixels << bits.count).to_bytes(length, "little")


def _even_code(bits: _Bits, *, unused: int) -> None:
    """A code of 256 symbols of 8 bits each, and ``unused`` ones behind them."""
    bits.put(0, 1)
    bits.put(12 - 4, 4)
    for place in range(12):  # 17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8: which lengths there are
        bits.put(int(place == 11 or (unused > 0 and place == 2)), 3)
    bits.put(0, 1)
    if unused:
        bits.put((1 << 256) - 1, 256)
        bits.put(0, unused)


def _exif(texts: dict[int, str]) -> bytes:
    entries, values = [], b""
    start = 8 + 2 + 12 * len(texts) + 4
    for tag, value in sorted(texts.items()):
        data = value.encode() + b"\0"
        entries.append(struct.pack(">HHII", tag, 2, len(data), start + len(values)))
        values += data
    return b"MM\0*" + struct.pack(">IH", 8, len(entries)) + b"".join(entries) + bytes(4) + values
