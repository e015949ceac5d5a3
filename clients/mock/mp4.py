"""MP4 files with nothing but uncompressed sound in them: what AudioLDM's web pages answer with, minus the picture."""

import struct
import sys
from array import array

_UNITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def mp4_with_sound(samples: "array[int]", rate: int) -> bytes:
    """A file with one mono track of 16-bit samples (``sowt``, as QuickTime calls little-endian PCM)."""
    data = samples[:]
    if sys.byteorder == "big":  # pragma: no cover - no such machine runs Blender or the tests
        data.byteswap()
    brand = _box(b"ftyp", b"qt  ", struct.pack(">I", 512), b"qt  ")
    media = _box(b"mdat", data.tobytes())
    return brand + media + _movie(len(samples), rate, len(brand) + 8)


def _movie(frames: int, rate: int, data_at: int) -> bytes:
    times = struct.pack(">IIII", 0, 0, rate, frames)
    head = _full(b"mvhd", times, struct.pack(">IH10x", 0x10000, 0x100), _UNITY, bytes(24), struct.pack(">I", 2))
    track_head = _full(
        b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, frames), bytes(8), struct.pack(">HHHH", 0, 0, 0x100, 0), _UNITY,
        bytes(8), flags=7,
    )  # fmt: skip
    media_head = _full(b"mdhd", times, struct.pack(">HH", 0x55C4, 0))
    handler = _full(b"hdlr", b"mhlr", b"soun", bytes(12), b"\0")
    reference = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    information = _box(b"minf", _full(b"smhd", bytes(4)), reference, _samples(frames, rate, data_at))
    return _box(b"moov", head, _box(b"trak", track_head, _box(b"mdia", media_head, handler, information)))


def _samples(frames: int, rate: int, data_at: int) -> bytes:
    """The table that says where the samples are and how they are written down."""
    sound = _box(b"sowt", bytes(6), struct.pack(">HHHIHHHHI", 1, 0, 0, 0, 1, 16, 0, 0, rate << 16 & 0xFFFFFFFF))
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), sound),
        _full(b"stts", struct.pack(">III", 1, frames, 1)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, frames, 1)),
        _full(b"stsz", struct.pack(">II", 2, frames)),
        _full(b"stco", struct.pack(">II", 1, data_at)),
    )


def _full(name: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(name, struct.pack(">I", flags), *parts)


def _box(name: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), name) + b"".join(parts)
