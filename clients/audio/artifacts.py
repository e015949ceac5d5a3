"""Converts a server's sound and publishes it in the output folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.model import Artifact
from ..files.names import safe_name
from ..files.part_file import part_path, publish_part
from ..files.storage_errors import prepare_folder
from .codec import AudioCodec, Conversion, go_on


def publish_sound(
    codec: AudioCodec,
    raw: Path,
    folder: Path,
    stem: str,
    *,
    source: str = "",
    rate: int | None = None,
    channels: int | None = None,
    check: Callable[[], None] = go_on,
) -> tuple[Artifact, Conversion]:
    """Convert a server's sound to a 16-bit WAV in ``folder``, named after ``stem``; return it with its loudness.

    It gets its name only once it is complete. ``raw`` stays. Raises the errors of ``AudioCodec.convert``.
    """
    name = safe_name(f"{stem}.wav")
    prepare_folder(folder)
    part = part_path(folder, name)
    try:
        conversion = codec.convert(raw, part, rate=rate, channels=channels, check=check)
        return publish_part(part, name, source or raw.name), conversion
    finally:
        part.unlink(missing_ok=True)
