"""A small MP4 muxer: JPEG pictures, and 16-bit sound beside them.

Facts: ISO/IEC 14496-12 (boxes) and 14496-14; object type 0x6C of 14496-1 is JPEG; ``sowt`` is QuickTime's name of
16-bit little-endian samples, which readers of MP4 know too.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
MOVIE_SCALE = 1000
JPEG_OBJECT = 0x6C


@dataclass(frozen=True)
class Sound:
    """Mono samples and how many of them make a second."""

    samples: array[int]
    rate: int


def movie_file(
    frames: Sequence[bytes], width: int, height: int, fps: float, *, sound: Sound | None = None, comment: str = ""
) -> bytes:
    """An MP4 of JPEG ``frames``; ``comment`` is written as its comment tag. The index stands before the data.

    Without frames it has its sound only.
    """
    data = b"" if sound is None else _little_endian(sound.samples)
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2mp41")
    sizes = [len(each) for each in frames]
    begin = len(kind) + 8 + len(_index(sizes, width, height, fps, sound, comment, 0))
    index = _index(sizes, width, height, fps, sound, comment, begin)
    return b"".join((kind, index, struct.pack(">I4s", 8 + sum(sizes) + len(data), b"mdat"), *frames, data))


def mp4_with_sound(samples: array[int], rate: int) -> bytes:
    """An MP4 with nothing but sound in it."""
    return movie_file((), 0, 0, 1.0, sound=Sound(samples, rate))


def _little_endian(samples: array[int]) -> bytes:
    if sys.byteorder == "little":
        return samples.tobytes()
    swapped = array(samples.typecode, samples)  # pragma: no cover: no big-endian machine runs the tests
    swapped.byteswap()  # pragma: no cover: as above
    return swapped.tobytes()  # pragma: no cover: as above


def _index(
    sizes: list[int], width: int, height: int, fps: float, sound: Sound | None, comment: str, begin: int
) -> bytes:
    """The ``moov`` box, for data that begins at the byte ``begin``."""
    scale = round(fps * MOVIE_SCALE)
    seconds = len(sizes) * MOVIE_SCALE / scale
    offsets = []
    for size in sizes:
        offsets.append(begin)
        begin += size
    tracks = []
    if sizes:
        times = [(len(sizes), MOVIE_SCALE)]
        pictures = _table(_visual(width, height), times, struct.pack(">II", 0, len(sizes)) + _numbers(sizes), offsets)
        tracks.append(_track(1, (width, height), scale, len(sizes) * MOVIE_SCALE, seconds, b"vide", pictures))
    if sound is not None:
        count = len(sound.samples)
        samples = _table(_audible(sound.rate), [(count, 1)], struct.pack(">II", 2, count), [begin], count)
        seconds = max(seconds, count / sound.rate)
        tracks.append(_track(2, None, sound.rate, count, count / sound.rate, b"soun", samples))
    length = round(seconds * MOVIE_SCALE)
    header = struct.pack(">IIIIIIH10x", 0, 0, 0, MOVIE_SCALE, length, 1 << 16, 1 << 8)
    header += MATRIX + bytes(24) + struct.pack(">I", len(tracks) + 1)
    return _box(b"moov", _box(b"mvhd", header), *tracks, _tag(comment))


def _track(
    number: int, size: tuple[int, int] | None, scale: int, duration: int, seconds: float, kind: bytes, table: bytes
) -> bytes:
    length = round(seconds * MOVIE_SCALE)
    volume = 0 if size is not None else 1 << 8
    width, height = size or (0, 0)
    header = struct.pack(">IIIIII8xHHHH", 7, 0, 0, number, 0, length, 0, 0, volume, 0)
    header += MATRIX + struct.pack(">II", width << 16, height << 16)
    media = _box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, scale, duration, 0x55C4, 0))
    handler = _box(b"hdlr", struct.pack(">II4s12x", 0, 0, kind), b"movie\0")
    sort = _box(b"vmhd", struct.pack(">I8x", 1)) if size is not None else _box(b"smhd", bytes(8))
    reference = _box(b"dref", struct.pack(">II", 0, 1), _box(b"url ", struct.pack(">I", 1)))
    body = _box(b"minf", sort, _box(b"dinf", reference), table)
    return _box(b"trak", _box(b"tkhd", header), _box(b"mdia", media, handler, body))


def _table(entry: bytes, times: list[tuple[int, int]], sizes: bytes, offsets: list[int], each: int = 1) -> bytes:
    """The sample table: what the samples are, how long, how large and where; ``each`` chunk has so many of them."""
    described = _box(b"stsd", struct.pack(">II", 0, 1), entry)
    lasting = _box(b"stts", struct.pack(">II", 0, len(times)), *(struct.pack(">II", *pair) for pair in times))
    chunks = _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, each, 1))
    places = _box(b"stco", struct.pack(">II", 0, len(offsets)), _numbers(offsets))
    large = _box(b"stsz", struct.pack(">I", 0), sizes)
    return _box(b"stbl", described, lasting, chunks, large, places)


def _visual(width: int, height: int) -> bytes:
    body = struct.pack(">6xH16xHHIIIH32sHh", 1, width, height, 72 << 16, 72 << 16, 0, 1, b"\4JPEG", 24, -1)
    config = struct.pack(">BBB3xII", JPEG_OBJECT, 0x11, 0, 0, 0)
    stream = _described(3, struct.pack(">HB", 1, 0) + _described(4, config) + _described(6, b"\2"))
    return _box(b"mp4v", body, _box(b"esds", bytes(4), stream))


def _described(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body


def _audible(rate: int) -> bytes:
    return _box(b"sowt", struct.pack(">6xH8xHHHHI", 1, 1, 16, 0, 0, rate << 16))


def _tag(comment: str) -> bytes:
    """The comment, where players and WanGP look for it."""
    text = _box(b"data", struct.pack(">II", 1, 0), comment.encode())
    handler = _box(b"hdlr", struct.pack(">II4s4s8x", 0, 0, b"mdir", b"appl"), b"\0")
    return _box(b"udta", _box(b"meta", bytes(4), handler, _box(b"ilst", _box(b"\xa9cmt", text))))


def _numbers(values: list[int]) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body
