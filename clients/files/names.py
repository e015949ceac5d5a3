"""File names from servers, made safe; kinds and media types by extension; signatures checked."""

from __future__ import annotations

import re
from pathlib import Path

_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = re.compile(r"^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\xb9\xb2\xb3])\s*(\.|$)", re.IGNORECASE)
MAX_NAME_BYTES = 120

_TYPES: dict[str, tuple[str, str]] = {
    ".png": ("image", "image/png"),
    ".jpg": ("image", "image/jpeg"),
    ".jpeg": ("image", "image/jpeg"),
    ".webp": ("image", "image/webp"),
    ".gif": ("image", "image/gif"),
    ".bmp": ("image", "image/bmp"),
    ".tif": ("image", "image/tiff"),
    ".tiff": ("image", "image/tiff"),
    ".exr": ("image", "image/x-exr"),
    ".mp4": ("video", "video/mp4"),
    ".webm": ("video", "video/webm"),
    ".mkv": ("video", "video/x-matroska"),
    ".mov": ("video", "video/quicktime"),
    ".avi": ("video", "video/x-msvideo"),
    ".wav": ("audio", "audio/wav"),
    ".flac": ("audio", "audio/flac"),
    ".mp3": ("audio", "audio/mpeg"),
    ".ogg": ("audio", "audio/ogg"),
    ".opus": ("audio", "audio/ogg"),
    ".m4a": ("audio", "audio/mp4"),
    ".txt": ("text", "text/plain"),
    ".json": ("text", "application/json"),
    ".csv": ("text", "text/csv"),
    ".srt": ("text", "application/x-subrip"),
    ".glb": ("model", "model/gltf-binary"),
    ".gltf": ("model", "model/gltf+json"),
    ".obj": ("model", "model/obj"),
    ".ply": ("model", "model/ply"),
    ".stl": ("model", "model/stl"),
    ".fbx": ("model", "model/fbx"),
}

_SIGNATURES: dict[str, tuple[tuple[int, bytes], ...]] = {
    "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "image/jpeg": ((0, b"\xff\xd8\xff"),),
    "image/webp": ((0, b"RIFF"), (8, b"WEBP")),
    "image/gif": ((0, b"GIF8"),),
    "image/x-exr": ((0, b"\x76\x2f\x31\x01"),),
    "video/mp4": ((4, b"ftyp"),),
    "video/webm": ((0, b"\x1a\x45\xdf\xa3"),),
    "video/x-matroska": ((0, b"\x1a\x45\xdf\xa3"),),
    "audio/wav": ((0, b"RIFF"), (8, b"WAVE")),
    "audio/flac": ((0, b"fLaC"),),
    "audio/ogg": ((0, b"OggS"),),
    "model/gltf-binary": ((0, b"glTF"),),
}
_PNG_END = b"IEND\xaeB`\x82"


def safe_name(name: str, fallback: str = "result") -> str:
    """Return a name that stays a plain file in its folder on every system, from whatever a server sent.

    At most ``MAX_NAME_BYTES`` bytes of UTF-8; the extension is kept; ``fallback`` where nothing usable is left.
    """
    base = re.split(r"[/\\]", name.encode("utf-8", "ignore").decode())[-1]
    base = "".join(each if each.isprintable() and each not in _FORBIDDEN else "_" for each in base).strip(". ")
    if _RESERVED.match(base):
        base = f"_{base}"
    stem, suffix = Path(base).stem, Path(base).suffix[:16].rstrip(". ")
    room = MAX_NAME_BYTES - len(suffix.encode())
    return f"{stem.encode()[:room].decode('utf-8', 'ignore').rstrip()}{suffix}" or fallback


def kind_and_type(name: str) -> tuple[str, str]:
    """Return an artifact's kind and media type by the extension of its name."""
    return _TYPES.get(Path(name).suffix.lower(), ("other", "application/octet-stream"))


def signature_problem(path: Path, media_type: str) -> str:
    """Return what shows that the file is not whole or not of its type, empty if nothing does."""
    size = path.stat().st_size
    if size == 0:
        return "it is empty"
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(max(0, size - len(_PNG_END)))
        tail = file.read()
    if any(head[at : at + len(mark)] != mark for at, mark in _SIGNATURES.get(media_type, ())):
        return f"it is no {media_type}"
    if media_type == "image/png" and tail != _PNG_END:
        return "it is incomplete"
    return ""
