"""Reads and writes WAV files in blocks of samples: PCM of 8 to 32 bits, floats, and extensible headers.

The standard library's ``wave`` rejects floats and, before Python 3.12, extensible headers, and trusts the lengths in
the header; servers that stream write 0 or 0xFFFFFFFF there. Hence an own reader.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .codec import needs_codec, unreadable_audio

BLOCK_FRAMES = 2 * 1024
MAX_DATA_BYTES = 0xFFFFFFFF - 36
"""The largest size in the header of a WAV file: six hours of 48 kHz stereo."""

FULL_SCALE = 32768.0

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MIN_RATE, _MAX_RATE = 1000, 768_000  # a lower rate would turn kilobytes into gigabytes
_MAX_CHANNELS = 64
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")

Decode = Callable[[bytes], "array[int] | list[float]"]


@dataclass(frozen=True)
class WaveFormat:
    """The format of a WAV file's samples: ``bits`` of one sample, ``floats`` or integers, ``data_at`` and
    ``data_bytes`` in the file.
    """

    rate: int
    channels: int
    bits: int
    floats: bool
    data_at: int
    data_bytes: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * self.bits // 8

    @property
    def frames(self) -> int:
        """The number of complete frames."""
        return self.data_bytes // self.frame_bytes


def read_format(file: BinaryIO, path: Path) -> WaveFormat:
    """Read the header; ``ValidationError`` for other files and codings other than PCM or float."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise unreadable_audio(path, "it does not start with a WAV header")
    fmt = b""
    at = 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head)
        if name == b"fmt ":
            fmt = file.read(min(length, 40))
        elif name == b"data":
            return _make_format(fmt, at + 8, _count_present(length, size - at - 8), path)
        at += 8 + length + length % 2
    raise unreadable_audio(path, "it contains no samples")


def _count_present(declared: int, present: int) -> int:
    """Return the bytes of samples in the file; a server that streams declares 0 or too many."""
    return min(declared, present) or present


def _make_format(fmt: bytes, data_at: int, data_bytes: int, path: Path) -> WaveFormat:
    if len(fmt) < 16:
        raise unreadable_audio(path, "its header is incomplete")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        tag = struct.unpack_from("<H", fmt, 24)[0]
    check_bounds(path, channels, rate)
    if (tag, bits) not in _DECODERS:
        raise needs_codec(path, f"wav (coding {tag}, {bits} bit)")
    return WaveFormat(rate, channels, bits, tag == _FLOAT, data_at, data_bytes)


def check_bounds(path: Path, channels: int, rate: int) -> None:
    """Raise ``ValidationError`` for impossible numbers of channels or rates."""
    if not (1 <= channels <= _MAX_CHANNELS and _MIN_RATE <= rate <= _MAX_RATE):
        raise unreadable_audio(path, f"its header says {channels} channels at {rate} Hz")


def sample_blocks(file: BinaryIO, wanted: WaveFormat, path: Path) -> Iterator[array[int] | list[float]]:
    """Yield the interleaved samples block by block, on the scale of 16-bit numbers; ``ValidationError`` if the file
    ends early.
    """
    decode = _DECODERS[(_FLOAT if wanted.floats else _PCM, wanted.bits)]
    left = wanted.frames * wanted.frame_bytes
    file.seek(wanted.data_at)
    while left:
        size = min(left, BLOCK_FRAMES * wanted.frame_bytes)
        data = file.read(size)
        if len(data) < size:
            raise unreadable_audio(path, "it was truncated while it was being read")
        left -= size
        yield decode(data)


def header(rate: int, channels: int, data_bytes: int) -> bytes:
    """Return the header of a 16-bit PCM file."""
    return _HEADER.pack(
        *(b"RIFF", 36 + data_bytes, b"WAVE", b"fmt ", 16, _PCM, channels),
        *(rate, rate * channels * 2, channels * 2, 16, b"data", data_bytes),
    )


def wave_bytes(samples: array[int], rate: int, channels: int = 1) -> bytes:
    """Return a whole WAV file of 16-bit samples (an ``array("h")``, interleaved)."""
    data = little_endian(samples).tobytes()
    return header(rate, channels, len(data)) + data


def little_endian(samples: array[int]) -> array[int]:
    """Return the samples in the byte order of files."""
    if sys.byteorder == "big":  # pragma: no cover - no such machine runs Blender or the tests
        samples = samples[:]
        samples.byteswap()
    return samples


def _int16(data: bytes) -> array[int]:
    samples: array[int] = array("h")
    samples.frombytes(data)
    return little_endian(samples)


def _uint8(data: bytes) -> list[float]:
    return [(each - 128) * 256.0 for each in data]


def _int24(data: bytes) -> list[float]:
    wide = bytearray(len(data) // 3 * 4)
    for byte in range(3):
        wide[byte + 1 :: 4] = data[byte::3]
    return _int32(bytes(wide))


def _int32(data: bytes) -> list[float]:
    return [each / 65536.0 for (each,) in struct.iter_unpack("<i", data)]


def _float32(data: bytes) -> list[float]:
    return _replace_infinite(data, "<f")


def _float64(data: bytes) -> list[float]:
    return _replace_infinite(data, "<d")


def _replace_infinite(data: bytes, code: str) -> list[float]:
    """Return floats on the 16-bit scale; values that are not finite become silence."""
    return [each * FULL_SCALE if abs(each) < 1e6 else 0.0 for (each,) in struct.iter_unpack(code, data)]


_DECODERS: dict[tuple[int, int], Decode] = {
    (_PCM, 8): _uint8,
    (_PCM, 16): _int16,
    (_PCM, 24): _int24,
    (_PCM, 32): _int32,
    (_FLOAT, 32): _float32,
    (_FLOAT, 64): _float64,
}
