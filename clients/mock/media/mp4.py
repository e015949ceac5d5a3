"""A small MP4 muxer: JPEG pictures, and 16-bit sound beside them.

Facts: ISO/IEC 14496-12 (boxes) and 14496-14; object type 0x6C of 14496-1 is JPEG; ``sowt`` is QuickTime's name of
16-bit little-endian samples, which readers of MP4 know too.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
MOVIE_SCALE = 1000
JPEG_OBJECT = 0x6C


@dataclass(frozen=True)
class Sound:
    """Mono samples, ``rate`` of them a second."""

    samples: array[int]
    rate: int


def make_mp4(
    frames: Sequence[bytes], width: int, height: int, fps: float, *, sound: Sound | None = None, comment: str = ""
) -> bytes:
    """Make an MP4 of JPEG ``frames`` and ``sound``, of either or both; ``comment`` becomes its comment tag.

    The index stands before the data.
    """
    data = b"" if sound is None else struct.pack(f"<{len(sound.samples)}h", *sound.samples)
    sizes = [len(each) for each in frames]
    kind = _box("ftyp", b"isom", 512, b"isomiso2mp41")
    begin = len(kind) + 8 + len(_index(sizes, (width, height), fps, sound, comment, 0))
    index = _index(sizes, (width, height), fps, sound, comment, begin)
    return b"".join((kind, index, struct.pack(">I4s", 8 + sum(sizes) + len(data), b"mdat"), *frames, data))


def _index(sizes: list[int], size: tuple[int, int], fps: float, sound: Sound | None, comment: str, begin: int) -> bytes:
    """Make the ``moov`` box for data that begins at the byte ``begin``."""
    tracks = []
    seconds = [0.0]
    if sizes:
        scale = round(fps * MOVIE_SCALE)
        seconds.append(len(sizes) * MOVIE_SCALE / scale)
        offsets = list(accumulate(sizes[:-1], initial=begin))
        table = _table(_jpeg_entry(size), len(sizes), MOVIE_SCALE, (0, len(sizes), *sizes), offsets, 1)
        tracks.append(_track(1, size, scale, len(sizes) * MOVIE_SCALE, seconds[-1], table))
    if sound is not None:
        count = len(sound.samples)
        seconds.append(count / sound.rate)
        entry = _box("sowt", struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, sound.rate << 16))
        table = _table(entry, count, 1, (2, count), [begin + sum(sizes)], count)
        tracks.append(_track(2, None, sound.rate, count, seconds[-1], table))
    length = round(max(seconds) * MOVIE_SCALE)
    header = (0, 0, 0, MOVIE_SCALE, length, 1 << 16, 1 << 24, bytes(8), MATRIX, bytes(24), len(tracks) + 1)
    text = _box("data", 1, 0, comment.encode())
    handler = _box("hdlr", 0, 0, b"mdirappl", bytes(9))
    tag = _box("udta", _box("meta", 0, handler, _box("ilst", _box("\xa9cmt", text))))
    return _box("moov", _box("mvhd", *header), *tracks, tag)


def _track(number: int, size: tuple[int, int] | None, scale: int, duration: int, seconds: float, table: bytes) -> bytes:
    """Make a track: of pictures, or of sound where it has no ``size``."""
    width, height = size or (0, 0)
    volume = 0 if size else 1 << 24
    header = (7, 0, 0, number, 0, round(seconds * MOVIE_SCALE), bytes(8), 0, volume, MATRIX, width << 16, height << 16)
    handler = _box("hdlr", 0, 0, b"vide" if size else b"soun", bytes(12), b"movie\0")
    kind = _box("vmhd", 1, bytes(8)) if size else _box("smhd", bytes(8))
    reference = _box("dinf", _box("dref", 0, 1, _box("url ", 1)))
    media = _box(
        "mdia", _box("mdhd", 0, 0, 0, scale, duration, 0x55C40000), handler, _box("minf", kind, reference, table)
    )
    return _box("trak", _box("tkhd", *header), media)


def _table(entry: bytes, count: int, duration: int, sizes: Sequence[int], offsets: Sequence[int], chunk: int) -> bytes:
    """Make the sample table: ``count`` samples of ``duration``, their sizes, the offsets of ``chunk`` samples each."""
    entries = _box("stsd", 0, 1, entry) + _box("stts", 0, 1, count, duration) + _box("stsc", 0, 1, 1, chunk, 1)
    return _box("stbl", entries, _box("stsz", 0, *sizes), _box("stco", 0, len(offsets), *offsets))


def _jpeg_entry(size: tuple[int, int]) -> bytes:
    config = struct.pack(">BBB3xII", JPEG_OBJECT, 0x11, 0, 0, 0)
    stream = bytes((3, 21, 0, 1, 0, 4, len(config))) + config + b"\6\1\2"
    body = struct.pack(">6xH16xHHIIIH32sHh", 1, *size, 72 << 16, 72 << 16, 0, 1, b"\4JPEG", 24, -1)
    return _box("mp4v", body, _box("esds", 0, stream))


def _box(kind: str, *parts: bytes | int) -> bytes:
    """Make a box of bytes and 32-bit numbers."""
    body = b"".join(struct.pack(">I", part) if isinstance(part, int) else part for part in parts)
    return struct.pack(">I4s", len(body) + 8, kind.encode("latin-1")) + body
