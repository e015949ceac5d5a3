"""Changes the sample rate in pure Python: a polyphase filter of windowed sines, block by block.

With 16 input samples per output sample it costs about a microsecond each: 10 s of 48 kHz take half a second. The
interpreter switches threads meanwhile, so Blender's interface stays smooth.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

HALF_TAPS = 8
"""Input samples on each side that count, when not thinning out."""

MAX_PHASES = 1024
"""Filters kept for positions between two samples; rates that would need more take the nearest."""

_PASS = 0.94
_KAISER_BETA = 7.0

SumOfProducts = Callable[[Sequence[float], Sequence[float]], float]


def _sum_products(first: Sequence[float], second: Sequence[float]) -> float:
    return float(sum(map(operator.mul, first, second)))


_sum_of_products: SumOfProducts = getattr(math, "sumprod", _sum_products)  # Python 3.12 has it in C


class Resampler:
    """Changes the rate of one channel. ``feed`` takes samples and returns those that are ready."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        common = math.gcd(source_rate, target_rate)
        self._up, self._down = target_rate // common, source_rate // common
        thinning = max(1.0, self._down / self._up)
        self._half = HALF_TAPS * math.ceil(thinning)
        phases = min(self._up, MAX_PHASES)
        filters = [filter_taps(phase / phases, self._half, _PASS / thinning) for phase in range(phases)]
        self._filters = [filters[each * phases // self._up] for each in range(self._up)]
        self._kept: list[float] = [0.0] * (self._half - 1)
        self._position = 0  # of the next sample, in units of 1/up input samples from the start of what is kept
        self._received = self._made = 0

    def feed(self, samples: Sequence[float]) -> list[float]:
        """Return the output samples that are complete with these input samples."""
        self._received += len(samples)
        self._kept.extend(samples)
        return self._compute_ready(len(self._kept))

    def finish(self) -> list[float]:
        """Return the remaining samples; the total matches the length in seconds."""
        self._kept.extend([0.0] * (self._half + 1))
        wanted = round(self._received * self._up / self._down) - self._made
        return self._compute_ready(len(self._kept))[: max(0, wanted)]

    def _compute_ready(self, length: int) -> list[float]:
        up, down, width, filters, kept = self._up, self._down, 2 * self._half, self._filters, self._kept
        last = (length - width + 1) * up  # positions before it have all their input
        positions = range(self._position, last, down)
        made = [_sum_of_products(filters[at % up], kept[at // up : at // up + width]) for at in positions]
        self._advance(len(made), length)
        return made

    def _advance(self, made: int, length: int) -> None:
        """Drop the input that no later sample needs."""
        self._position += made * self._down
        done = min(self._position // self._up, length)
        del self._kept[:done]
        self._position -= done * self._up
        self._made += made


def filter_taps(fraction: float, half: int, cutoff: float) -> list[float]:
    """Return the weights of ``2 * half`` input samples for a point ``fraction`` of a sample after the middle one.

    ``cutoff`` is the highest frequency that passes, as a fraction of the input's.
    """
    taps = []
    for index in range(2 * half):
        distance = index - (half - 1) - fraction
        angle = math.pi * cutoff * distance
        sine = math.sin(angle) / angle if angle else 1.0
        taps.append(sine * _window(distance / half))
    whole = sum(taps)
    return [tap / whole for tap in taps]


def _window(at: float) -> float:
    """Return Kaiser's window at -1..1."""
    return _bessel(_KAISER_BETA * math.sqrt(max(0.0, 1 - at * at))) / _bessel(_KAISER_BETA)


def _bessel(x: float) -> float:
    """Return the modified Bessel function of order 0, by its series."""
    total = term = 1.0
    for k in range(1, 32):
        term *= (x / (2 * k)) ** 2
        total += term
    return total
