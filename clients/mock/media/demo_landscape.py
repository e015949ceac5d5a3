"""Landscapes for demo pictures: what a prompt's words and a seed compose, as rows of pixels."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Sequence

from .demo_palettes import FIGURE_WORDS, LAND_WORDS, LANDMARKS, MOOD_WORDS, MOODS, Colour
from .demo_silhouettes import SHAPES, figure_spans
from .pixels import Breathe, average, doubled, masked

MAX_COARSE = 224


class Scene:
    """A landscape of ``width`` x ``height`` pixels for a text and a seed; the same for the same."""

    def __init__(self, text: str, seed: int, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._chance = random.Random(f"{seed}:{text}")
        words = set(re.findall(r"[a-z]+", text.lower()))
        self.mood = MOODS[self._named(MOOD_WORDS, words, ("sunset", "dawn", "day", "night", "storm"))]
        self.land = self._named(LAND_WORDS, words, ("hills", "water", "forest", "hills"))
        self.figure = bool(words & FIGURE_WORDS)
        self.landmark = next((name for name in LANDMARKS if words & LANDMARKS[name]), None)
        self.horizon = height * self._chance.uniform(0.56, 0.64)
        self.sun_x = width * self._chance.choice((0.27, 0.34, 0.66, 0.73))
        self.sun_y = self.horizon * self.mood.sun_height
        self.sun_radius = height * self.mood.sun_size

    def _named(self, table: dict[str, str], words: set[str], others: tuple[str, ...]) -> str:
        chosen = self._chance.choice(others)
        hits = {name: len(words & set(listed.split())) for name, listed in table.items()}
        best = max(hits, key=lambda name: hits[name])
        return best if hits[best] else chosen

    def rows(self, breathe: Breathe) -> list[bytes]:
        """The picture's rows."""
        rows = self._sky(breathe)
        self._stars(rows)
        self._sun(rows)
        if self.land == "water":
            self._ridges(rows, 2, 0.0, breathe)
            self._water(rows, breathe)
            self._ridges(rows, 1, 0.22, breathe)
        else:
            self._ridges(rows, 4, 0.0, breathe)
        return [bytes(row) for row in rows]

    def air(self, breathe: Breathe) -> list[bytes]:
        """The sky alone, over the whole height."""
        self.horizon = float(self.height)
        return [bytes(row) for row in self._sky(breathe)]

    # Sky

    def _sky(self, breathe: Breathe) -> list[bytearray]:
        """Gradient, glow and clouds, worked out coarsely and smoothed up: all of it is soft."""
        factor = 1
        while self.width / factor > MAX_COARSE:
            factor *= 2
        columns, lines = self.width // factor + 2, self.height // factor + 2
        clouds = _Noise(self._chance, 7, 9)
        coarse = []
        for line in range(lines):
            coarse.append(self._sky_row(line * factor, factor, columns, clouds))
            breathe()
        while factor > 1:
            coarse = [each for pair in zip(coarse, _between(coarse), strict=True) for each in pair]
            coarse = [doubled(row) for row in coarse]
            factor //= 2
            breathe()
        return [bytearray(row[: 3 * self.width]) for row in coarse[: self.height]]

    def _sky_row(self, y: int, step: int, columns: int, clouds: _Noise) -> bytes:
        mood = self.mood
        depth = min(1.0, y / self.horizon)
        base = _gradient(mood.sky, depth)
        reach = self.height * 0.55
        cover = mood.clouds * min(1.0, depth * 2.4) * max(0.0, 1.0 - depth * 0.55)
        dy = (y - self.sun_y) ** 2 * 1.7
        out = bytearray()
        cloud_line = clouds.line(depth * 5.2 + depth * depth * 4)
        for column in range(columns):
            x = column * step
            glow = mood.glow * math.exp(-math.sqrt((x - self.sun_x) ** 2 + dy) / reach * 2.6)
            density = max(0.0, cloud_line.at(x / self.width * 3.1) - 0.46) * 2.1 * cover
            red, green, blue = (part + (light - part) * glow * 0.92 for part, light in zip(base, mood.sun, strict=True))
            if density > 0:
                lit = 0.35 + 0.65 * glow
                cloud = [part * (0.62 + 0.38 * lit) for part in mood.cloud]
                red += (cloud[0] - red) * density
                green += (cloud[1] - green) * density
                blue += (cloud[2] - blue) * density
            out += bytes((int(min(red, 248)), int(min(green, 248)), int(min(blue, 248))))
        return bytes(out)

    def _stars(self, rows: list[bytearray]) -> None:
        for _ in range(self.mood.stars * self.width // 768):
            x = self._chance.randrange(self.width)
            y = int(self._chance.random() ** 1.4 * self.horizon)
            light = self._chance.choice((40, 60, 90, 150))
            pixel = slice(3 * x, 3 * x + 3)
            rows[y][pixel] = bytes(min(248, part + light) for part in rows[y][pixel])

    def _sun(self, rows: list[bytearray]) -> None:
        radius = self.sun_radius
        if radius <= 0:
            return
        for y in range(max(0, int(self.sun_y - radius)), min(self.height, int(self.sun_y + radius) + 2)):
            half = math.sqrt(max(0.0, radius**2 - (y - self.sun_y) ** 2))
            row = rows[y]
            for x in range(max(0, int(self.sun_x - half) - 1), min(self.width, int(self.sun_x + half) + 2)):
                edge = min(1.0, max(0.0, radius - math.hypot(x - self.sun_x, y - self.sun_y) + 0.5))
                pixel = slice(3 * x, 3 * x + 3)
                row[pixel] = _mixed(row[pixel], self.mood.sun, edge)

    # Land

    def _ridges(self, rows: list[bytearray], count: int, low: float, breathe: Breathe) -> None:
        """Ranges of land, the far ones in the haze, the near ones dark, mist at the foot of each."""
        haze = _gradient(self.mood.sky, 0.96)
        nearest = low > 0 or self.land != "water"
        for index in range(count):
            near = 0.22 + 0.78 * (index + 1) / count if not low else 1.0
            top = self.horizon + self.height * (low + 0.036 * index * (index + 1) / 2 - 0.02)
            heights = self._ridge(index, count, top, near)
            last = nearest and index == count - 1
            away = -1 if self.sun_x > self.width / 2 else 1
            if last and self.landmark is not None:
                SHAPES[self.landmark](heights, self.sun_x + away * self.width * 0.24, self.height * 0.2)
            colour = _mixed_colour(haze, self.mood.near, min(1.0, 0.18 + 0.82 * near**1.25))
            mist = _mixed_colour(colour, haze, 0.5 * (1 - near) + 0.16)
            self._fill(rows, heights, colour, mist, breathe)
            if last and self.figure:
                self._walk(rows, heights, self.sun_x + away * self.width * 0.08, colour)
            if self.land == "city" and index < count - 1:
                self._windows(rows, heights, near)

    def _ridge(self, index: int, count: int, top: float, near: float) -> list[float]:
        wild = {"hills": 0.16, "desert": 0.05, "forest": 0.09, "city": 0.04, "water": 0.12}[self.land]
        size = self.height * wild * (1.25 - 0.55 * near)
        noise = _Noise(self._chance, 1, 12).line(0.0)
        detail = 1 if self.land == "desert" else 4
        spread = 1.3 + 1.2 * (1 - near)
        heights = []
        for x in range(self.width):
            u = x / self.width * spread
            level = sum(noise.at(u * 3 * 2**octave + octave * 1.7) / 2**octave for octave in range(detail))
            heights.append(top - size * (level - 0.8))
        last = index == count - 1
        if self.land == "city" and not last:
            self._build(heights, near)
        elif self.land == "forest" or (self.land == "hills" and last):
            self._plant(heights, near)
        return heights

    def _walk(self, rows: list[bytearray], heights: list[float], middle: float, colour: Colour) -> None:
        """Someone on the nearest ridge, against the light; edges soft by a pixel."""
        tall = self.height * 0.15
        sole = heights[int(middle)] + tall * 0.03
        for y in range(max(0, int(sole - tall)), min(self.height, int(sole) + 1)):
            for begin, end in figure_spans(min(1.0, max(0.0, (y + 0.5 - sole + tall) / tall))):
                left, right = middle + begin * tall, middle + end * tall
                for x in range(max(0, int(left)), min(self.width, int(right) + 1)):
                    cover = min(x + 1.0, right) - max(float(x), left)
                    pixel = slice(3 * x, 3 * x + 3)
                    rows[y][pixel] = _mixed(rows[y][pixel], colour, min(1.0, max(0.0, cover)))

    def _build(self, heights: list[float], near: float) -> None:
        x = 0
        while x < self.width:
            wide = int(self._chance.uniform(0.018, 0.05) * self.width * (0.6 + near)) + 1
            tall = (
                self.height
                * self._chance.uniform(0.05, 0.30)
                * (0.9 - 0.25 * near)
                * self._chance.choice((0.5, 1, 1.2))
            )
            roof = min(heights[x : x + wide]) - tall
            for column in range(x, min(self.width, x + wide)):
                heights[column] = roof
            mast = x + wide // 2
            if self._chance.random() < 0.25 and mast < self.width:
                heights[mast] -= tall * 0.18
            x += wide + self._chance.choice((0, 0, 1, 2))

    def _plant(self, heights: list[float], near: float) -> None:
        size = self.height * (0.05 + 0.13 * near)
        ground = list(heights)
        for _ in range(int(self.width / size * (1.9 if self.land == "forest" else 0.5))):
            middle = self._chance.uniform(0, self.width)
            tall = size * self._chance.uniform(0.5, 1.1)
            half = tall * 0.21
            for x in range(max(0, int(middle - half)), min(self.width, int(middle + half) + 1)):
                out = abs(x - middle) / half
                jag = 0.10 * math.sin(out * 21) * out
                heights[x] = min(heights[x], ground[x] - tall * max(0.0, 1 - out**0.82 + jag))

    def _fill(
        self, rows: list[bytearray], heights: list[float], colour: Colour, mist: Colour, breathe: Breathe
    ) -> None:
        starts: dict[int, list[int]] = {}
        for x, level in enumerate(heights):
            starts.setdefault(max(0, math.ceil(level)), []).append(x)
        mask = bytearray(3 * self.width)
        first = min(starts)
        depth = max(1.0, self.height * 0.22)
        for y in range(first, self.height):
            for x in starts.get(y, ()):
                mask[3 * x : 3 * x + 3] = b"\xff\xff\xff"
            tone = _mixed_colour(colour, mist, min(1.0, (y - first) / depth))
            flat = bytes(int(part) for part in tone) * self.width
            self._edge(rows, y - 1, starts.get(y, ()), heights, tone)
            rows[y] = bytearray(masked(bytes(rows[y]), flat, int.from_bytes(mask, "little")))
            if y % 8 == 0:
                breathe()

    def _edge(self, rows: list[bytearray], y: int, columns: Iterable[int], heights: list[float], tone: Colour) -> None:
        """The half-covered pixels just above the edge."""
        row = rows[max(0, y)]
        for x in columns:
            pixel = slice(3 * x, 3 * x + 3)
            row[pixel] = _mixed(row[pixel], tone, min(1.0, max(0.0, y + 1 - heights[x])))

    def _windows(self, rows: list[bytearray], heights: list[float], near: float) -> None:
        light = bytes((250, 206, 120)) if self.mood is not MOODS["neon"] else bytes((255, 120, 190))
        gap = max(3, self.height // 110)
        share = 0.05 + 0.16 * near * (self.mood.near[2] < 40)
        for x in range(gap, self.width - gap, gap):
            for y in range(int(heights[x]) + gap, int(self.horizon + self.height * 0.08), gap + 1):
                if 0 <= y < self.height - 2 and self._chance.random() < share:
                    pixel = slice(3 * x, 3 * x + 3 * max(1, gap // 3))
                    for line in range(y, min(self.height, y + max(1, gap // 2))):
                        rows[line][pixel] = average(bytes(rows[line][pixel]), light * max(1, gap // 3))

    # Water

    def _water(self, rows: list[bytearray], breathe: Breathe) -> None:
        """The sky upside down, darker and rippled, with the light's path on it."""
        shore = max(1, int(self.horizon))
        still = [bytes(row) for row in rows[:shore]]
        dim = bytes(int(value * 0.74) for value in range(256))
        for y in range(shore, self.height):
            depth = (y - shore) / (self.height - shore)
            mirrored = shore - 1 - int((y - shore) * 1.1 + 2 * math.sin(y * 0.9))
            source = still[min(shore - 1, max(0, mirrored))]
            shift = 3 * int(3 * math.sin(y * 0.55) * (0.3 + depth) + 2 * math.sin(y * 0.21))
            row = bytearray((source[shift:] + source[:shift]).translate(dim))
            self._glitter(row, depth)
            rows[y] = row
            breathe()

    def _glitter(self, row: bytearray, depth: float) -> None:
        spread = self.width * (0.015 + 0.10 * depth)
        for _ in range(int(self.width * 0.02 * (0.4 + self.mood.glow))):
            x = int(self._chance.gauss(self.sun_x, spread))
            long = self._chance.randrange(2, 4 + int(self.width * 0.012))
            if 0 <= x < self.width - long:
                for column in range(x, x + long):
                    pixel = slice(3 * column, 3 * column + 3)
                    row[pixel] = _mixed(row[pixel], self.mood.sun, 0.5 * (1 - 0.6 * depth))


class _Line:
    """Smooth noise along one line, 0 to 1."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values = values

    def at(self, u: float) -> float:
        index = math.floor(u)
        part = u - index
        part = part * part * (3 - 2 * part)
        first, second = self._values[index % len(self._values)], self._values[(index + 1) % len(self._values)]
        return first + (second - first) * part


class _Noise:
    """A torus of random values, smooth between them; two octaves along a line."""

    def __init__(self, chance: random.Random, lines: int, columns: int) -> None:
        self._lines = [[chance.random() for _ in range(columns)] for _ in range(lines)]

    def line(self, v: float) -> _Line:
        index = math.floor(v)
        part = v - index
        part = part * part * (3 - 2 * part)
        first, second = self._lines[index % len(self._lines)], self._lines[(index + 1) % len(self._lines)]
        return _Line([a + (b - a) * part for a, b in zip(first, second, strict=True)])


def _between(rows: list[bytes]) -> list[bytes]:
    following = [*rows[1:], rows[-1]]
    return [average(first, second) for first, second in zip(rows, following, strict=True)]


def _gradient(stops: tuple[Colour, Colour, Colour], depth: float) -> Colour:
    if depth < 0.5:
        return _mixed_colour(stops[0], stops[1], depth * 2)
    return _mixed_colour(stops[1], stops[2], depth * 2 - 1)


def _mixed_colour(first: Colour, second: Colour, share: float) -> Colour:
    return (
        first[0] + (second[0] - first[0]) * share,
        first[1] + (second[1] - first[1]) * share,
        first[2] + (second[2] - first[2]) * share,
    )


def _mixed(pixel: bytes | bytearray, colour: Colour, share: float) -> bytes:
    return bytes(int(part + (light - part) * share) for part, light in zip(pixel, colour, strict=True))
