"""Lengths and sizes that a model allows. Pure."""

from __future__ import annotations

import math
import re

from ..catalogue import FPS_DEFAULT, LENGTH_DEFAULT, SIZE_DEFAULT, Model

LONGEST_FRAMES = 737
"""The end of the program's own slider; sliding windows make longer videos of it."""

LONGEST_S = 86_400
SIDE_MOST = 65_536
"""Far beyond what any model makes: what is larger is a mistake, and would not fit a float in the end."""

_COARSE_FAMILIES = frozenset({"ltx2", "ltxv"})
_SIZE = re.compile(r"\A\s*(\d{1,5})\s*[xX\N{MULTIPLICATION SIGN}]\s*(\d{1,5})\s*")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,20})?)s")


def parse_size(text: object) -> tuple[int, int] | None:
    """Parse ``WIDTHxHEIGHT``; None for other texts."""
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    return size if all(size) else None


def parse_seconds(text: object) -> float | None:
    """Parse seconds in the form of the setting ``video_length`` (``5s``); None for other texts."""
    found = _SECONDS.fullmatch(text) if isinstance(text, str) else None
    return float(found[1]) if found else None


def snap_frames(model: Model | None, frames: float) -> int:
    """Return the allowed number of frames nearest to ``frames``."""
    if model is None or "frames_steps" not in model.facts:
        return max(1, round(frames))
    least, step = int(model.facts["frames_minimum"]), int(model.facts["frames_steps"])
    first = int(model.facts.get("frames_offset", least))
    count = max(math.ceil((least - first) / step), math.floor((frames - first) / step + 0.5))
    return first + count * step


def get_frames(model: Model | None, seconds: float, fps: float | None = None) -> int:
    """Return the allowed number of frames nearest to ``seconds``, at the model's frame rate or at ``fps``."""
    rate = fps or (model.fps if model is not None else FPS_DEFAULT)
    # the first frame starts at 0: Wan's 81 frames at 16 a second are its 5 seconds
    return snap_frames(model, seconds * rate + (1 if _has_odd_lengths(model) else 0))


def get_seconds(model: Model | None, frames: int, fps: float | None = None) -> float:
    """Return the duration of a number of frames."""
    return frames / (fps or (model.fps if model is not None else FPS_DEFAULT))


def default_frames(model: Model | None) -> int:
    """Return the model's default length."""
    default = model.defaults.get("video_length") if model is not None else None
    return default if isinstance(default, int) else snap_frames(model, LENGTH_DEFAULT)


def default_size(model: Model | None) -> tuple[int, int]:
    """Return the model's default size."""
    default = model.defaults.get("resolution") if model is not None else None
    return parse_size(default) or SIZE_DEFAULT


def snap_size(model: Model | None, width: int, height: int) -> tuple[int, int]:
    """Return the allowed size nearest to ``width`` x ``height``."""
    listed = [parse_size(each) for each in (model.facts.get("resolutions", ()) if model is not None else ())]
    sizes = [each for each in listed if each is not None]
    if sizes:
        return min(sizes, key=lambda size: _size_distance(size, (width, height)))
    step = 32 if model is not None and model.family in _COARSE_FAMILIES else 16
    return _round_to_multiple(width, step), _round_to_multiple(height, step)


def fit_size(model: Model | None, width: int, height: int) -> tuple[int, int]:
    """Return a size with the aspect ratio of ``width`` x ``height`` and about the pixels of the model's default size.

    A smaller one is kept.
    """
    across, down = default_size(model)
    factor = min(1.0, math.sqrt(across * down / (width * height)))
    return snap_size(model, round(width * factor), round(height * factor))


def _has_odd_lengths(model: Model | None) -> bool:
    """Return True if the model's lengths are one frame plus steps, as with nearly all video models."""
    return (
        model is not None and int(model.facts.get("frames_minimum", 0)) % int(model.facts.get("frames_steps", 2)) == 1
    )


def _round_to_multiple(value: int, step: int) -> int:
    return max(step, round(value / step) * step)


def _size_distance(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    """Return the distance of two sizes: mainly of their aspect ratios, then of their areas."""
    shape = abs(math.log(size[0] / size[1]) - math.log(wanted[0] / wanted[1]))
    area = abs(math.log(size[0] * size[1]) - math.log(wanted[0] * wanted[1]))
    return shape * 4.0 + area
