"""Lengths and sizes as a model takes them. Pure."""

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
_SIZE = re.compile(r"\s*(\d{1,5})\s*[xX\N{MULTIPLICATION SIGN}]\s*(\d{1,5})\s*")
_SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,20})?)s")


def parse_size(text: object) -> tuple[int, int] | None:
    """Read ``WIDTHxHEIGHT``; None for what is no size."""
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    return size if all(size) else None


def parse_seconds(text: object) -> float | None:
    """Read seconds as the setting ``video_length`` takes them (``5s``); None for what is none."""
    found = _SECONDS.fullmatch(text) if isinstance(text, str) else None
    return float(found[1]) if found else None


def snapped_frames(model: Model | None, frames: float) -> int:
    """Return the number of frames nearest to ``frames`` that the model makes."""
    if model is None or "frames_steps" not in model.facts:
        return max(1, round(frames))
    least, step = int(model.facts["frames_minimum"]), int(model.facts["frames_steps"])
    first = int(model.facts.get("frames_offset", least))
    count = max(math.ceil((least - first) / step), math.floor((frames - first) / step + 0.5))
    return first + count * step


def frames_for(model: Model | None, seconds: float, fps: float | None = None) -> int:
    """Return how many frames of the model last nearest to ``seconds``, at its own frame rate or at ``fps``."""
    rate = fps or (model.fps if model is not None else FPS_DEFAULT)
    # the first frame starts at 0: Wan's 81 frames at 16 a second are its 5 seconds
    return snapped_frames(model, seconds * rate + (1 if _odd(model) else 0))


def seconds_for(model: Model | None, frames: int, fps: float | None = None) -> float:
    """Return how long so many frames last."""
    return frames / (fps or (model.fps if model is not None else FPS_DEFAULT))


def default_frames(model: Model | None) -> int:
    """Return the length that the program gives the model."""
    given = model.defaults.get("video_length") if model is not None else None
    return given if isinstance(given, int) else snapped_frames(model, LENGTH_DEFAULT)


def default_size(model: Model | None) -> tuple[int, int]:
    """Return the size that the program gives the model."""
    given = model.defaults.get("resolution") if model is not None else None
    return parse_size(given) or SIZE_DEFAULT


def snapped_size(model: Model | None, width: int, height: int) -> tuple[int, int]:
    """Return the size nearest to the one wanted that the model takes."""
    listed = [parse_size(each) for each in (model.facts.get("resolutions", ()) if model is not None else ())]
    sizes = [each for each in listed if each is not None]
    if sizes:
        return min(sizes, key=lambda size: _unlikeness(size, (width, height)))
    step = 32 if model is not None and model.family in _COARSE_FAMILIES else 16
    return _multiple(width, step), _multiple(height, step)


def fitted_size(model: Model | None, width: int, height: int) -> tuple[int, int]:
    """Return a size of the shape of ``width`` x ``height`` with about as many pixels as the model's default has.

    A smaller one stays as small.
    """
    across, down = default_size(model)
    factor = min(1.0, math.sqrt(across * down / (width * height)))
    return snapped_size(model, round(width * factor), round(height * factor))


def _odd(model: Model | None) -> bool:
    """Whether the model's lengths are one frame and then steps, as those of nearly all video models are."""
    return (
        model is not None and int(model.facts.get("frames_minimum", 0)) % int(model.facts.get("frames_steps", 2)) == 1
    )


def _multiple(value: int, step: int) -> int:
    return max(step, round(value / step) * step)


def _unlikeness(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    """How far two sizes are apart: their shapes count most, then their areas."""
    shape = abs(math.log(size[0] / size[1]) - math.log(wanted[0] / wanted[1]))
    area = abs(math.log(size[0] * size[1]) - math.log(wanted[0] * wanted[1]))
    return shape * 4.0 + area
