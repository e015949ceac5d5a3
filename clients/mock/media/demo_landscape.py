"""Paints landscapes for the demo's pictures: a prompt and a seed determine the rows of pixels."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .pixels import Pause, average, double_row, merge_rows
from .samples import PAINTER

MAX_COARSE = 224
"""Columns of the sky that are computed; it is soft, so that the rest is interpolated."""
STARLIGHT, WINDOW_LIGHT = (248.0, 248.0, 248.0), (250.0, 206.0, 120.0)

Heights = list[float]
Colour = tuple[float, float, float]


class Landscape:
    """A landscape of ``width`` x ``height`` pixels; the same text and seed give the same one."""

    def __init__(self, text: str, seed: int, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._chance = random.Random(f"{seed}:{text}")
        words = set(re.findall(r"[a-z]+", text.lower()))
        palette = self._choose("palettes", words, ("sunset", "dawn", "day", "night", "storm"))
        self.palette = {key: _parse(value) for key, value in PAINTER["palettes"][palette].items() if key != "words"}
        self._land = self._choose("lands", words, ("hills", "water", "forest", "hills"))
        self._silhouettes = [each for each in PAINTER["silhouettes"].values() if words & set(each["words"].split())]
        self._horizon = height * self._chance.uniform(0.56, 0.64)
        self.sun_x = width * self._chance.choice((0.27, 0.34, 0.66, 0.73))
        self._sun_y = self._horizon * self.palette["sun_height"]

    def _choose(self, table: str, words: set[str], otherwise: tuple[str, ...]) -> str:
        chosen = self._chance.choice(otherwise)
        hits = {name: len(words & set(entry["words"].split())) for name, entry in PAINTER[table].items()}
        best = max(hits, key=lambda name: hits[name])
        return best if hits[best] else chosen

    def rows(self, pause: Pause, *, land: bool = True) -> list[bytes]:
        """Paint the picture, or the sky alone over its whole height; ``pause`` is called between slices."""
        if not land:
            self._horizon = float(self.height)
            return [bytes(row) for row in self._paint_sky(pause)]
        rows = self._paint_sky(pause)
        self._paint_stars(rows)
        self._paint_sun(rows)
        if self._land == "water":
            self._paint_ridges(rows, 2, 0.0, pause)
            self._paint_water(rows, pause)
            self._paint_ridges(rows, 1, 0.22, pause)
        else:
            self._paint_ridges(rows, 4, 0.0, pause)
        return [bytes(row) for row in rows]

    # Sky

    def _paint_sky(self, pause: Pause) -> list[bytearray]:
        factor = 1
        while self.width / factor > MAX_COARSE:
            factor *= 2
        noise = [_smooth([self._chance.random() for _ in range(7)]) for _ in range(9)]
        coarse = []
        for line in range(self.height // factor + 2):
            coarse.append(self._sky_row(line * factor, factor, noise))
            pause()
        while factor > 1:
            pairs = zip(coarse, [*coarse[1:], coarse[-1]], strict=True)
            coarse = [double_row(row) for upper, lower in pairs for row in (upper, average(upper, lower))]
            factor //= 2
            pause()
        return [bytearray(row[: 3 * self.width]) for row in coarse[: self.height]]

    def _sky_row(self, y: int, step: int, noise: list[Callable[[float], float]]) -> bytes:
        """Compute gradient, glow and clouds of every ``step``-th pixel."""
        depth = min(1.0, y / self._horizon)
        base = self._sky_colour(depth)
        cover = self.palette["clouds"] * min(1.0, depth * 2.4) * max(0.0, 1.0 - depth * 0.55)
        clouds = _smooth([column(depth * 5.2 + depth * depth * 4) for column in noise])
        dy = (y - self._sun_y) ** 2 * 1.7
        out = bytearray()
        for x in range(0, (self.width // step + 2) * step, step):
            distance = math.sqrt((x - self.sun_x) ** 2 + dy) / (self.height * 0.55)
            glow = self.palette["glow"] * math.exp(-distance * 2.6)
            colour = mix_colours(base, self.palette["sun"], glow * 0.92)
            density = max(0.0, clouds(x / self.width * 3.1) - 0.46) * 2.1 * cover
            if density > 0:
                lit = 0.62 + 0.38 * (0.35 + 0.65 * glow)
                colour = mix_colours(colour, mix_colours((0, 0, 0), self.palette["cloud"], lit), density)
            out += bytes([int(min(part, 248)) for part in colour])
        return bytes(out)

    def _sky_colour(self, depth: float) -> Colour:
        top, middle, low = self.palette["sky"]
        return mix_colours(top, middle, depth * 2) if depth < 0.5 else mix_colours(middle, low, depth * 2 - 1)

    def _paint_stars(self, rows: list[bytearray]) -> None:
        for _ in range(self.palette["stars"] * self.width // 768):
            x = self._chance.randrange(self.width)
            _blend(
                rows[int(self._chance.random() ** 1.4 * self._horizon)], x, STARLIGHT, self._chance.uniform(0.15, 0.6)
            )

    def _paint_sun(self, rows: list[bytearray]) -> None:
        radius = self.height * self.palette["sun_size"]
        if not radius:
            return
        for y in range(max(0, int(self._sun_y - radius)), min(self.height, int(self._sun_y + radius) + 2)):
            for x in range(max(0, int(self.sun_x - radius)), min(self.width, int(self.sun_x + radius) + 2)):
                edge = radius - math.hypot(x - self.sun_x, y - self._sun_y) + 0.5
                if edge > 0:
                    _blend(rows[y], x, self.palette["sun"], min(1.0, edge))

    # Land

    def _paint_ridges(self, rows: list[bytearray], count: int, low: float, pause: Pause) -> None:
        """Paint ranges of land, the far ones in the haze, the near ones dark, with mist at the foot of each."""
        haze = self._sky_colour(0.96)
        for index in range(count):
            near = 1.0 if low else 0.22 + 0.78 * (index + 1) / count
            front = index == count - 1 and (low > 0 or self._land != "water")
            heights = self._ridge(index == count - 1, near)
            top = self._horizon + self.height * (low + 0.036 * index * (index + 1) / 2 - 0.02)
            heights = [top + height for height in heights]
            colour = mix_colours(haze, self.palette["land"], min(1.0, 0.18 + 0.82 * near**1.25))
            mist = mix_colours(colour, haze, 0.5 * (1 - near) + 0.16)
            self._fill(rows, heights, colour, mist, pause)
            if front:
                self._paint_silhouettes(rows, heights, colour, mist)
            elif self._land == "city":
                self._paint_windows(rows, heights, near)

    def _ridge(self, last: bool, near: float) -> Heights:
        """Return the outline of a range, relative to its top: hills, with buildings or trees."""
        size = self.height * PAINTER["lands"][self._land]["roughness"] * (1.25 - 0.55 * near)
        noise = _smooth([self._chance.random() for _ in range(12)])
        octaves = range(1 if self._land == "desert" else 4)
        spread = (1.3 + 1.2 * (1 - near)) * 3 / self.width
        heights = [
            size * (0.8 - sum(noise(x * spread * 2**octave + octave * 1.7) / 2**octave for octave in octaves))
            for x in range(self.width)
        ]
        if self._land == "city" and not last:
            self._add_buildings(heights, near)
        elif self._land == "forest" or (self._land == "hills" and last):
            self._add_trees(heights, near)
        return heights

    def _add_buildings(self, heights: Heights, near: float) -> None:
        x = 0
        while x < self.width:
            wide = int(self._chance.uniform(0.018, 0.05) * self.width * (0.6 + near)) + 1
            tall = self.height * self._chance.uniform(0.05, 0.30) * (0.9 - 0.25 * near)
            tall *= self._chance.choice((0.5, 1, 1.2))
            columns = range(x, min(self.width, x + wide))
            heights[x : x + wide] = [min(heights[column] for column in columns) - tall] * len(columns)
            if self._chance.random() < 0.25:
                heights[columns[len(columns) // 2]] -= tall * 0.18
            x += wide + self._chance.choice((0, 0, 1, 2))

    def _add_trees(self, heights: Heights, near: float) -> None:
        size = self.height * (0.05 + 0.13 * near)
        ground = list(heights)
        for _ in range(int(self.width / size * (1.9 if self._land == "forest" else 0.5))):
            middle = self._chance.uniform(0, self.width)
            tall = size * self._chance.uniform(0.5, 1.1)
            half = tall * 0.21
            for x in range(max(0, int(middle - half)), min(self.width, int(middle + half) + 1)):
                out = abs(x - middle) / half
                top = max(0.0, 1 - out**0.82 + 0.10 * math.sin(out * 21) * out)
                heights[x] = min(heights[x], ground[x] - tall * top)

    def _paint_silhouettes(self, rows: list[bytearray], heights: Heights, colour: Colour, mist: Colour) -> None:
        """Paint silhouettes on the ground, away from the sun; edges are soft by a pixel."""
        away = -1 if self.sun_x > self.width / 2 else 1
        for shape in self._silhouettes:
            tall, middle = self.height * shape["height"], self.sun_x + away * self.width * shape["distance"]
            base = max(heights[max(0, int(middle - tall * 0.1)) : int(middle + tall * 0.1) + 1]) + 1
            for top, bottom, *sides in shape["parts"]:
                for y in range(int(base - tall * (1 - top)), min(self.height, int(base - tall * (1 - bottom)))):
                    tone = mix_colours(colour, mist, max(0.0, y - min(heights)) / (self.height * 0.22))
                    at = ((y + 0.5 - base) / tall + 1 - top) / (bottom - top)
                    left = middle + tall * (sides[0] + (sides[2] - sides[0]) * at)
                    right = middle + tall * (sides[1] + (sides[3] - sides[1]) * at)
                    for x in range(max(0, int(left)), min(self.width, int(right) + 1)):
                        cover = min(x + 1.0, right) - max(float(x), left)
                        _blend(rows[y], x, tone, min(1.0, max(0.0, cover)))

    def _fill(self, rows: list[bytearray], heights: Heights, colour: Colour, mist: Colour, pause: Pause) -> None:
        """Fill the picture below an outline, with half-covered pixels at its edge."""
        starts: dict[int, list[int]] = {}
        for x, level in enumerate(heights):
            starts.setdefault(max(0, math.ceil(level)), []).append(x)
        mask = bytearray(3 * self.width)
        first = min(starts)
        for y in range(first, self.height):
            tone = mix_colours(colour, mist, min(1.0, (y - first) / (self.height * 0.22)))
            for x in starts.get(y, ()):
                mask[3 * x : 3 * x + 3] = b"\xff\xff\xff"
                _blend(rows[max(0, y - 1)], x, tone, min(1.0, max(0.0, y - heights[x])))
            flat = bytes([int(part) for part in tone]) * self.width
            rows[y] = bytearray(merge_rows(bytes(rows[y]), flat, bytes(mask)))
            if y % 8 == 0:
                pause()

    def _paint_windows(self, rows: list[bytearray], heights: Heights, near: float) -> None:
        gap = max(3, self.height // 110)
        share = 0.05 + 0.16 * near * (self.palette["land"][2] < 40)
        for x in range(gap, self.width - gap, gap):
            for y in range(int(heights[x]) + gap, int(self._horizon + self.height * 0.08), gap + 1):
                if 0 <= y < self.height - 2 and self._chance.random() < share:
                    for line in rows[y : y + max(1, gap // 2)]:
                        _blend(line, x, WINDOW_LIGHT, 0.5)

    # Water

    def _paint_water(self, rows: list[bytearray], pause: Pause) -> None:
        """Paint the sky upside down, darker and rippled, with the path of the sun's light on it."""
        shore = max(1, int(self._horizon))
        still = [bytes(row) for row in rows[:shore]]
        dim = bytes(int(value * 0.74) for value in range(256))
        for y in range(shore, self.height):
            depth = (y - shore) / (self.height - shore)
            mirrored = shore - 1 - int((y - shore) * 1.1 + 2 * math.sin(y * 0.9))
            source = still[min(shore - 1, max(0, mirrored))]
            shift = 3 * int(3 * math.sin(y * 0.55) * (0.3 + depth) + 2 * math.sin(y * 0.21))
            rows[y] = bytearray((source[shift:] + source[:shift]).translate(dim))
            for _ in range(int(self.width * 0.02 * (0.4 + self.palette["glow"]))):
                x = int(self._chance.gauss(self.sun_x, self.width * (0.015 + 0.10 * depth)))
                for column in range(x, x + self._chance.randrange(2, 4 + int(self.width * 0.012))):
                    if 0 <= column < self.width:
                        _blend(rows[y], column, self.palette["sun"], 0.5 * (1 - 0.6 * depth))
            pause()


def _parse(value: Any) -> Any:
    """Parse a palette's value: colours are hexadecimal, shares and strengths are numbers."""
    if isinstance(value, list):
        return [_parse(each) for each in value]
    return tuple(bytes.fromhex(value)) if isinstance(value, str) else value


def mix_colours(first: Colour, second: Colour, share: float) -> Colour:
    """Mix ``share`` of the second colour into the first."""
    a, b, c = first
    return a + (second[0] - a) * share, b + (second[1] - b) * share, c + (second[2] - c) * share


def _smooth(values: Sequence[float]) -> Callable[[float], float]:
    """Return smooth noise along a line: ``values``, repeated from the start, with interpolation between them."""

    def at(position: float) -> float:
        index = math.floor(position)
        part = position - index
        part = part * part * (3 - 2 * part)
        first, second = values[index % len(values)], values[(index + 1) % len(values)]
        return first + (second - first) * part

    return at


def _blend(row: bytearray, x: int, colour: Iterable[float], share: float) -> None:
    pixel = slice(3 * x, 3 * x + 3)
    row[pixel] = bytes([int(part + (light - part) * share) for part, light in zip(row[pixel], colour, strict=True)])
