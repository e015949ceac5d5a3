"""Combines WanGP's phases, steps, windows, samples and prompts into one fraction. Pure, except for the clock.

Facts: steps restart in each sample, window and phase; texts read ``Prompt 1/2, Sample 1/3, Sliding Window 2/4 -
Denoising | 12.3s / 1m 40s``; steps are skipped, so only the numbers count. A phase without steps has index 0 or none.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..core.foreign_text import cut_middle

_PLACE = re.compile(r"(Prompt|Sample|Sliding Window)\s+(\d{1,6})/(\d{1,6})")
_DURATION = re.compile(r"\A(?:(\d{1,9})h\s*)?(?:(\d{1,9})m\s*)?(?:(\d{1,9}(?:\.\d{1,20})?)s)?")
_MAX_TEXT = 2000
_LEVELS = ("Prompt", "Sample", "Sliding Window")

_STEPS_FROM, _STEPS_TO = 0.05, 0.9
_POST = 0.95
USUAL_S = 180.0
"""Assumed duration of a job on an unknown server."""
_ESTIMATE_MOST = 0.9


@dataclass(frozen=True)
class Phase:
    """A parsed status text: the name of the phase, its position in samples and windows, and the seconds left."""

    name: str
    done: float = 0.0
    share: float = 1.0
    eta_s: float | None = None


def parse_phase(text: str) -> Phase:
    """Parse a status text; a text of another form becomes the name of the phase."""
    label, bar, times = cut_middle(text, _MAX_TEXT).partition("|")
    places = {found[1]: (int(found[2]), int(found[3])) for found in _PLACE.finditer(label)}
    name = label.rpartition(" - ")[2].strip() if places else label.strip()
    done, share = 0.0, 1.0
    for level in _LEVELS:
        number, count = places.get(level, (1, 1))
        if 1 <= number <= count:
            share /= count
            done += (number - 1) * share
    return Phase(name, done, share, _parse_seconds_left(times) if bar else None)


def get_fraction(phase: Phase, index: float | None, length: float | None) -> float:
    """Return the fraction of the whole job at a step of a phase."""
    inner = 0.0
    if index is not None and length and length > 0:
        inner = _STEPS_FROM + (_STEPS_TO - _STEPS_FROM) * min(max(index / length, 0.0), 1.0)
    elif "decod" in phase.name.lower():
        inner = _STEPS_TO
    elif not re.search(r"encod|load|denois|prompt", phase.name, re.IGNORECASE):
        inner = _POST
    return phase.done + phase.share * inner


class Estimate:
    """Progress by the clock alone, for jobs without messages: it slows down and never reaches the end."""

    def __init__(self, usual_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._usual_s = usual_s
        self._clock = clock
        self._began = clock()

    def fraction(self) -> float:
        """Return the current estimate."""
        return _ESTIMATE_MOST * (1.0 - math.exp(-self.elapsed_s() / self._usual_s))

    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._began


def _parse_seconds_left(text: str) -> float | None:
    elapsed, _, total = text.partition("/")
    begun, whole = _parse_seconds(elapsed), _parse_seconds(total)
    return max(0.0, whole - begun) if begun is not None and whole is not None else None


def _parse_seconds(text: str) -> float | None:
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    return int(found[1] or 0) * 3600.0 + int(found[2] or 0) * 60.0 + float(found[3] or 0.0)
