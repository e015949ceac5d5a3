"""Silhouettes that stand on the ground of a demo scene, as changes of the ground's height."""

import math
from collections.abc import Callable


def lift(heights: list[float], middle: float, tall: float, half: float, outline: Callable[[float], float]) -> None:
    """Lifts the ground to ``outline``: height over distance from the middle, both in units of ``tall``."""
    columns = range(max(0, int(middle - tall * half)), min(len(heights), int(middle + tall * half) + 1))
    ground = max(heights[columns.start : columns.stop], default=0.0)
    for x in columns:
        top = outline(abs(x - middle) / tall)
        if top > 0:
            heights[x] = min(heights[x], ground - tall * top)


def _lighthouse(heights: list[float], middle: float, tall: float) -> None:
    def outline(out: float) -> float:
        if out < 0.035:
            return 1.0 - out * 1.6
        return 0.82 if out < 0.07 else 0.74 - (out - 0.07) * 16

    lift(heights, middle, tall, 0.12, outline)


def _castle(heights: list[float], middle: float, tall: float) -> None:
    for offset, size, half in ((0.0, 1.0, 0.10), (-0.34, 0.72, 0.08), (0.34, 0.78, 0.08), (0.0, 0.5, 0.42)):
        teeth = 0.05 / size

        def outline(out: float, half: float = half / size, teeth: float = teeth) -> float:
            if out > half:
                return 0.0
            return 1.0 - (teeth if int(out / half * 5) % 2 else 0.0)

        lift(heights, middle + offset * tall, tall * size, half / size, outline)


def _house(heights: list[float], middle: float, tall: float) -> None:
    def outline(out: float) -> float:
        return 0.58 - out * 0.62 if out < 0.42 else 0.0

    lift(heights, middle, tall, 0.42, outline)
    lift(heights, middle + tall * 0.2, tall, 0.03, lambda _: 0.62)


SHAPES = {"lighthouse": _lighthouse, "castle": _castle, "house": _house}
