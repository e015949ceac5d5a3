"""Silhouettes that stand on the ground of a demo scene, as changes of the ground's height."""

from __future__ import annotations

import math
from collections.abc import Callable


def _lift(heights: list[float], middle: float, tall: float, half: float, outline: Callable[[float], float]) -> None:
    """Lifts the ground to ``outline``: height over distance from the middle, both in units of ``tall``."""
    columns = range(max(0, int(middle - tall * half)), min(len(heights), int(middle + tall * half) + 1))
    ground = max(heights[columns.start : columns.stop], default=0.0)
    for x in columns:
        top = outline(abs(x - middle) / tall)
        if top > 0:
            heights[x] = min(heights[x], ground - tall * top)


def figure_spans(v: float) -> list[tuple[float, float]]:
    """A walking figure seen from behind at ``v`` of its height (0 top, 1 sole): where it begins and ends, from the
    middle, in units of its height."""
    if v < 0.15:
        half = 0.064 * math.sqrt(max(0.0, 1 - ((v - 0.075) / 0.075) ** 2))
        return [(-half, half)]
    if v < 0.54:
        shoulder = 0.038 + 0.092 * min(1.0, max(0.0, (v - 0.16) / 0.05))
        half = shoulder - 0.045 * max(0.0, v - 0.22)
        return [(-half, half)]
    stride = (v - 0.54) / 0.46
    thick = 0.062 - 0.026 * stride
    return [
        (-0.055 - 0.07 * stride - thick, -0.055 - 0.07 * stride + thick),
        (0.05 - thick, 0.05 + 0.02 * stride + thick),
    ]


def _lighthouse(heights: list[float], middle: float, tall: float) -> None:
    def outline(out: float) -> float:
        if out < 0.035:
            return 1.0 - out * 1.6
        return 0.82 if out < 0.07 else 0.74 - (out - 0.07) * 16

    _lift(heights, middle, tall, 0.12, outline)


def _castle(heights: list[float], middle: float, tall: float) -> None:
    for offset, size, half in ((0.0, 1.0, 0.10), (-0.34, 0.72, 0.08), (0.34, 0.78, 0.08), (0.0, 0.5, 0.42)):
        teeth = 0.05 / size

        def outline(out: float, half: float = half / size, teeth: float = teeth) -> float:
            if out > half:
                return 0.0
            return 1.0 - (teeth if int(out / half * 5) % 2 else 0.0)

        _lift(heights, middle + offset * tall, tall * size, half / size, outline)


def _house(heights: list[float], middle: float, tall: float) -> None:
    def outline(out: float) -> float:
        return 0.58 - out * 0.62 if out < 0.42 else 0.0

    _lift(heights, middle, tall, 0.42, outline)
    _lift(heights, middle + tall * 0.2, tall, 0.03, lambda _: 0.62)


SHAPES = {"lighthouse": _lighthouse, "castle": _castle, "house": _house}
"""Drawers by name; each is given the heights by column, the column of its middle, and its own height."""
