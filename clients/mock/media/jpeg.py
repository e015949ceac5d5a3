"""Small JPEG files without a library: one colour for each block of 8 x 8, as previews of a latent image look."""

from __future__ import annotations

import struct

from .pixels import Pixels

BLOCK = 8
_CATEGORIES = 12
_DC_CODE_LENGTH = 4
_END_OF_BLOCK = "0"


def encode_blocks(image: Pixels) -> bytes:
    """A JPEG eight times as wide and high as ``image``, each pixel a block."""
    head = struct.pack(">BHHB", 8, BLOCK * image.height, BLOCK * image.width, 3)
    frame = head + b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    scan = b"\x03" + b"".join(bytes([number, 0]) for number in (1, 2, 3)) + b"\x00\x3f\x00"
    lengths = bytearray(16)
    lengths[_DC_CODE_LENGTH - 1] = _CATEGORIES
    parts = [
        b"\xff\xd8",
        _segment(0xE0, b"JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        _segment(0xDB, b"\0" + b"\x08" * 64),
        _segment(0xC0, frame),
        _segment(0xC4, b"\x00" + bytes(lengths) + bytes(range(_CATEGORIES))),
        _segment(0xC4, b"\x10" + bytes([1, *[0] * 15]) + b"\x00"),
        _segment(0xDA, scan),
        _scan(image),
        b"\xff\xd9",
    ]
    return b"".join(parts)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _scan(image: Pixels) -> bytes:
    bits = []
    before = [0, 0, 0]
    data = image.data
    for at in range(0, len(data), 3):
        values = _levels(data[at], data[at + 1], data[at + 2])
        for component, value in enumerate(values):
            bits.append(_CODES[value - before[component]])
            before[component] = value
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")


def _levels(red: int, green: int, blue: int) -> tuple[int, int, int]:
    """Brightness and the two colour differences, around zero."""
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(light) - 128, round(0.564 * (blue - light)), round(0.713 * (red - light))


def _code(difference: int) -> str:
    """A block: its difference to the one before, and nothing else in it."""
    size = abs(difference).bit_length()
    code = f"{size:0{_DC_CODE_LENGTH}b}"
    if size:
        value = difference if difference > 0 else difference + (1 << size) - 1
        code += f"{value:0{size}b}"
    return code + _END_OF_BLOCK


_CODES = {difference: _code(difference) for difference in range(-511, 512)}
