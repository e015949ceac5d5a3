"""Files under way: written beside their place under a hidden name, and given their own once they are whole."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..core.model import Artifact
from .names import kind_and_type
from .storage_errors import storage_errors

PART_SUFFIX = ".part"
_HASHED_BYTES = 256 * 1024


def part_path(folder: Path, name: str) -> Path:
    """Return a path in ``folder`` that no file has, for writing the one that is to be called ``name``."""
    return folder / f".{name}.{os.getpid()}-{os.urandom(4).hex()}{PART_SUFFIX}"


def publish_part(part: Path, name: str, source: str, sha256: str = "") -> Artifact:
    """Give the finished ``part`` the name, or one like it that no file has, and return it as an artifact.

    ``source`` is the backend's own name for it, ``sha256`` the digest if it is known already. Raises ``StorageError``.
    """
    kind, media_type = kind_and_type(name)
    with storage_errors(part.parent):
        size = part.stat().st_size
        digest = sha256 or _digest_of(part)
        path = _give_name(part, part.parent, name)
    return Artifact(path, kind, media_type, size, digest, source)


def write_whole(path: Path, text: str, *, private: bool = False) -> None:
    """Write a text file that appears whole or not at all, over one of that name; ``OSError`` if that fails.

    ``private`` files can be read by their owner alone.
    """
    part = part_path(path.parent, path.name)
    try:
        part.touch(0o600 if private else 0o666, exist_ok=False)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _digest_of(part: Path) -> str:
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(_HASHED_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _give_name(part: Path, folder: Path, name: str) -> Path:
    """Rename without ever replacing a file, also where another process does the same; ``OSError`` if that fails."""
    stem, suffix = Path(name).stem, Path(name).suffix
    path, number = folder / name, 1
    while not _takes_name(part, path):
        number += 1
        path = folder / f"{stem}_{number}{suffix}"
    return path


def _takes_name(part: Path, path: Path) -> bool:
    """Give the file that name; False if another has it."""
    try:
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            _reserve_and_replace(part, path)
    except FileExistsError:
        return False
    return True


def _reserve_and_replace(part: Path, path: Path) -> None:
    path.open("xb").close()
    try:
        part.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise
