"""MP4 and Matroska files of JPEG pictures, without a library."""

import itertools
import struct

SCALE = 1000
"""Time units a second."""
_UNITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_JPEG_OBJECT = 0x6C
_VISUAL_STREAM = 0x11


# MP4


def mp4(frames: list[bytes], width: int, height: int, fps: float) -> bytes:
    """An MP4 with one track of MPEG-4's kind "JPEG"."""
    ends = [round(SCALE * (number + 1) / fps) for number in range(len(frames))]
    head = _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    # the table of places needs the length of what is before the pictures, which does not change with its values
    offset = len(head) + len(_movie(frames, ends, (width, height), 0)) + 8
    return head + _movie(frames, ends, (width, height), offset) + _box(b"mdat", b"".join(frames))


def _box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + kind + data


def _movie(frames: list[bytes], ends: list[int], size: tuple[int, int], offset: int) -> bytes:
    length = ends[-1]
    width, height = size
    times = struct.pack(">4I", 0, 0, SCALE, length)
    header = _box(b"mvhd", bytes(4), times, struct.pack(">IH10x", 0x10000, 0x100), _UNITY, bytes(24), b"\0\0\0\2")
    shown = struct.pack(">II", width << 16, height << 16)
    track = _box(b"tkhd", b"\0\0\0\7", struct.pack(">5I16x", 0, 0, 1, 0, length), _UNITY, shown)
    media = _box(b"mdhd", bytes(4), times, b"\x55\xc4\0\0")
    kind = _box(b"hdlr", bytes(8), b"vide", bytes(12), b"VideoHandler\0")
    source = _box(b"dinf", _box(b"dref", b"\0\0\0\0\0\0\0\1", _box(b"url ", b"\0\0\0\1")))
    information = _box(b"minf", _box(b"vmhd", b"\0\0\0\1", bytes(8)), source, _samples(frames, ends, size, offset))
    return _box(b"moov", header, _box(b"trak", track, _box(b"mdia", media, kind, information)))


def _samples(frames: list[bytes], ends: list[int], size: tuple[int, int], offset: int) -> bytes:
    durations = [end - start for start, end in itertools.pairwise([0, *ends])]
    places = [offset + done for done in itertools.accumulate((len(frame) for frame in frames[:-1]), initial=0)]
    count = len(frames)
    return _box(
        b"stbl",
        _box(b"stsd", b"\0\0\0\0\0\0\0\1", _description(*size)),
        _box(b"stts", struct.pack(">II", 0, count), *(struct.pack(">II", 1, each) for each in durations)),
        _box(b"stsc", struct.pack(">5I", 0, 1, 1, 1, 1)),
        _box(b"stsz", struct.pack(">3I", 0, 0, count), *(struct.pack(">I", len(frame)) for frame in frames)),
        _box(b"stco", struct.pack(">II", 0, count), *(struct.pack(">I", place) for place in places)),
    )


def _description(width: int, height: int) -> bytes:
    config = b"\x04\x0d" + bytes([_JPEG_OBJECT, _VISUAL_STREAM]) + bytes(11)
    stream = b"\x03" + bytes([3 + len(config) + 3]) + b"\0\1\0" + config + b"\x06\x01\x02"
    visual = struct.pack(">6xH16xHHII4xH32xHh", 1, width, height, 0x480000, 0x480000, 1, 24, -1)
    return _box(b"mp4v", visual, _box(b"esds", bytes(4), stream))


# Matroska


def matroska(frames: list[bytes], width: int, height: int, fps: float) -> bytes:
    """A file of WebM's container with one track of motion JPEG: there is no encoder of VP9 here."""
    header = _element("1A45DFA3", _element("4282", b"webm"), _number("4287", 4), _number("4285", 2))
    length = struct.pack(">d", 1000 * len(frames) / fps)
    facts = _element("1549A966", _number("2AD7B1", 1_000_000), _element("4489", length), _element("4D80", b"demo"))
    size = _element("E0", _number("B0", width), _number("BA", height))
    track = (_number("D7", 1), _number("73C5", 1), _number("83", 1), _element("86", b"V_MJPEG"), size)
    clusters = []
    for number, frame in enumerate(frames):
        block = _element("A3", b"\x81\0\0\x80", frame)
        clusters.append(_element("1F43B675", _number("E7", round(1000 * number / fps)), block))
    return header + _element("18538067", facts, _element("1654AE6B", _element("AE", *track)), *clusters)


def _element(kind: str, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return bytes.fromhex(kind) + (len(data) | 1 << 56).to_bytes(8, "big") + data


def _number(kind: str, value: int) -> bytes:
    return _element(kind, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))
