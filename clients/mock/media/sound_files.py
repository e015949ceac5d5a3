"""Sound files as ComfyUI writes them, without a library: FLAC, and MP3 that is silent."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .pixels import Breathe, no_breath

BLOCK = 4096
_MP3_RATES = (44100, 48000, 32000)
_MP3_SAMPLES = 1152
_MP3_BITRATE = 128_000


@dataclass(frozen=True)
class Sound:
    """16-bit samples, little-endian, the channels by turns."""

    rate: int
    channels: int
    samples: bytes = field(repr=False)

    @classmethod
    def silence(cls, seconds: float, rate: int, channels: int) -> Sound:
        return cls(rate, channels, bytes(2 * channels * round(seconds * rate)))

    @property
    def length(self) -> int:
        return len(self.samples) // (2 * self.channels)

    def mono(self) -> array[int]:
        """The first channel's samples."""
        samples = array("h", struct.unpack(f"<{len(self.samples) // 2}h", self.samples))
        return samples[:: self.channels]


def flac(sound: Sound, text: Mapping[str, Any], *, breathe: Breathe = no_breath) -> bytes:
    """A FLAC of ``sound``, not compressed except where it is constant; ``text`` goes into its comments as JSON."""
    shape = sound.rate << 44 | (sound.channels - 1) << 41 | 15 << 36 | sound.length
    stream = struct.pack(">HH", BLOCK, BLOCK) + bytes(6) + shape.to_bytes(8, "big")
    stream += hashlib.md5(sound.samples, usedforsecurity=False).digest()
    parts = [b"fLaC", _block(0, stream), _block(0x84, _comments(text))]
    step = 2 * sound.channels * BLOCK
    for number, at in enumerate(range(0, len(sound.samples), step)):
        parts.append(_frame(sound.samples[at : at + step], sound.channels, number))
        breathe()
    return b"".join(parts)


def _block(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def _comments(text: Mapping[str, Any]) -> bytes:
    texts = [b"demo", *(f"{key}={json.dumps(value)}".encode() for key, value in text.items())]
    packed = [struct.pack("<I", len(each)) + each for each in texts]
    return packed[0] + struct.pack("<I", len(texts) - 1) + b"".join(packed[1:])


def _frame(samples: bytes, channels: int, number: int) -> bytes:
    count = len(samples) // (2 * channels)
    # the frame's number is coded as UTF-8 codes a character
    head = b"\xff\xf8\x70" + bytes([(channels - 1) << 4 | 0x08]) + chr(number).encode("utf-8", "surrogatepass")
    head += struct.pack(">H", count - 1)
    head += bytes([_checksum(head, _CRC8, 8)])
    swapped = bytearray(len(samples))
    swapped[0::2], swapped[1::2] = samples[1::2], samples[0::2]
    for channel in range(channels):
        plane = bytearray(2 * count)
        plane[0::2], plane[1::2] = swapped[2 * channel :: 2 * channels], swapped[2 * channel + 1 :: 2 * channels]
        constant = plane == plane[:2] * count
        head += b"\x00" + plane[:2] if constant else b"\x02" + plane
    return head + struct.pack(">H", _checksum(head, _CRC16, 16))


def _table(polynomial: int, width: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << width - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> width - 1 & 1 else 0)
        table.append(value & (1 << width) - 1)
    return table


_CRC8 = _table(0x07, 8)
_CRC16 = _table(0x8005, 16)


def _checksum(data: bytes, table: list[int], width: int) -> int:
    value = 0
    mask = (1 << width) - 1
    for byte in data:
        value = (value << 8 ^ table[value >> (width - 8) ^ byte]) & mask
    return value


def silent_mp3(sound: Sound, text: Mapping[str, Any]) -> bytes:
    """An MP3 as long as ``sound``, silent: empty frames of 128 kbit/s behind an ID3 tag with ``text`` as JSON."""
    rate = sound.rate if sound.rate in _MP3_RATES else _MP3_RATES[0]
    frames = itertools.repeat(_mp3_frame(rate, sound.channels), -(-sound.length * rate // sound.rate // _MP3_SAMPLES))
    tags = b""
    for key, value in text.items():
        data = b"\x03" + f"{key}\0{json.dumps(value)}".encode() + b"\0"
        tags += b"TXXX" + _syncsafe(len(data)) + b"\0\0" + data
    return b"ID3\x04\0\0" + _syncsafe(len(tags)) + tags + b"".join(frames)


def _mp3_frame(rate: int, channels: int) -> bytes:
    head = bytes([0xFF, 0xFB, 0x90 | _MP3_RATES.index(rate) << 2, 0x00 if channels == 2 else 0xC0])
    return head + bytes(144 * _MP3_BITRATE // rate - len(head))


def _syncsafe(value: int) -> bytes:
    """Seven bits a byte."""
    return bytes(value >> shift & 127 for shift in (21, 14, 7, 0))
