#!/usr/bin/env python3
"""Make this checkout importable as ``movie_director`` without installing it.

The checkout's folder is the package, but may have any name; ``build/src/movie_director`` is a link to it, and
``build/src`` is on the path of pytest, mypy and every test leg. (An editable install would tie an environment that all
checkouts share to one of them, and mypy does not see through setuptools' editable finder.)
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_PATH = ROOT / "build" / "src"


def ensure_link() -> Path:
    """Make the link unless it is there; return the folder to put on the path."""
    link = SOURCE_PATH / "movie_director"
    if not link.is_symlink() or link.resolve() != ROOT:
        SOURCE_PATH.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..", ".."), target_is_directory=True)
    return SOURCE_PATH


if __name__ == "__main__":
    print(ensure_link())
