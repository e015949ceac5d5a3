"""The files in ``samples/``: the painter's data, and finished media in formats that no code here writes.

Pillow and PyAV made the media once, out of the painter's pictures and the sound of a bell.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("samples")


@lru_cache(maxsize=16)
def read_sample(name: str) -> bytes:
    """Return the content of a file in ``samples/``."""
    return (_FOLDER / name).read_bytes()


PAINTER: dict[str, dict[str, Any]] = json.loads(read_sample("painter.json"))
"""The tables of ``painter.json``: palettes, lands and silhouettes with the words that choose them, and glyphs.

Of a palette, sizes and heights are shares of the picture's height, the rest strengths from 0 to 1. Of a silhouette, the
height is a share of the picture's height, the distance from the sun a share of its width; parts are trapezoids: top,
bottom, left and right at the top, left and right at the bottom, in units of the silhouette's height.
"""
