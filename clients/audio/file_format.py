"""Detects sound formats by their first bytes: media types and names from servers and users are often wrong."""

from __future__ import annotations

from pathlib import Path

from ..files.input_file import read_start

HEAD_BYTES = 64

WAV, FLAC, OGG, MP3, MP4, WEBM, AIFF, AAC = "wav", "flac", "ogg", "mp3", "mp4", "webm", "aiff", "aac"
RF64, AVI, AC3, WMA, CAF, AU = "rf64", "avi", "ac3", "wma", "caf", "au"
PAGE, UNKNOWN = "page", "unknown"

SUFFIXES = {kind: f".{kind}" for kind in (WAV, FLAC, OGG, MP3, MP4, WEBM, AIFF, AAC, AVI, AC3, WMA, CAF, AU)}
SUFFIXES[RF64] = ".wav"
"""The file name extension of each kind of sound."""

_MARKS = (
    (0, b"fLaC", FLAC),
    (0, b"OggS", OGG),
    (0, b"ID3", MP3),
    (4, b"ftyp", MP4),
    (0, b"\x1a\x45\xdf\xa3", WEBM),
    (0, b"caff", CAF),
    (0, b".snd", AU),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WMA),
    (0, b"\x0b\x77", AC3),
)
_RIFF_FORMS = {(b"RIFF", b"WAVE"): WAV, (b"RIFF", b"AVI "): AVI, (b"RF64", b"WAVE"): RF64, (b"BW64", b"WAVE"): RF64}


def kind_of(head: bytes) -> str:
    """Return the format of a file that begins with ``head`` (``HEAD_BYTES`` are enough): a key of ``SUFFIXES``,
    ``page`` for JSON or a web page (an error's text in place of a sound), or ``unknown``.

    ``mp4`` is also M4A, ``webm`` also Matroska, ``ogg`` also Opus, ``wma`` also WMV, ``rf64`` WAV of more than 4 GiB.
    Unknown files are never decoded: a decoder would treat a text as a list of files to open.
    """
    form = _RIFF_FORMS.get((head[:4], head[8:12]))
    if form is not None:
        return form
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return AIFF
    for at, mark, kind in _MARKS:
        if head[at : at + len(mark)] == mark:
            return kind
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return AAC if head[1] & 0x06 == 0 else MP3
    return PAGE if head.lstrip()[:1] in (b"{", b"<") else UNKNOWN


def detect_file_kind(path: Path) -> str:
    """Return the format of a file; ``StorageError`` (code ``missing_file`` or another) if it can't be read."""
    return kind_of(read_start(path, HEAD_BYTES))
