"""The demo's generated picture: a film still composed from prompt and seed, or built on the picture that was sent.

It looks like something and hides nothing: the prompt stands in the caption, the seed and the word DEMO at the top.
Pure Python; 768 x 432 takes a fraction of a second, in slices between which other threads run.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from .demo_landscape import Scene
from .demo_palettes import Colour
from .font import ROWS, glyph, plain, text_width, wrapped
from .jpeg import BLOCK, encode_blocks
from .pixels import Breathe, Pixels, add, average, grey_row, no_breath

LEVELS = 64
GRAIN = bytes(index % 7 for index in range(256))
INK = (240, 234, 220)
AMBER = (246, 184, 86)
PREVIEW_WIDTH = 512
MIN_LETTERED = 96
"""Pictures narrower or lower than this have no room for letters."""


@dataclass(frozen=True)
class Picture:
    """What to draw. ``base`` is the picture to build on (a camera view); ``denoise`` how far to leave it (0 to 1)."""

    text: str
    seed: int
    width: int
    height: int
    base: Pixels | None = None
    denoise: float = 1.0

    def render(self, breathe: Breathe = no_breath, *, letters: bool = True) -> Pixels:
        """Draws it. ``breathe`` is called between slices."""
        scene = Scene(self.text, self.seed, self.width, self.height)
        if self.base is None:
            rows = scene.rows(breathe)
        else:
            base = self.base.scaled(self.width, self.height, crop=True, breathe=breathe)
            rows = _hazed(_graded(base, scene, self.denoise), scene, self.denoise, breathe)
        rows = _lit(rows, scene, breathe)
        rows = _grained(rows, self.seed, self.width, breathe)
        if letters and self.has_room:
            rows = _lettered(rows, self, breathe)
        return Pixels.from_rows(self.width, rows)

    @property
    def has_room(self) -> bool:
        """Whether there is room for letters."""
        return min(self.width, self.height) >= MIN_LETTERED

    @property
    def scale(self) -> int:
        """Pixels of a dot of the letters."""
        return max(1, round(min(self.width, self.height) / 240))

    def lines(self) -> list[str]:
        """The prompt as it stands in the caption."""
        return wrapped(plain(self.text) or "(empty prompt)", (self.width - 16 * self.scale) // self.scale, 3)

    def bars(self) -> tuple[int, int]:
        """The heights of the bars above and below, in pixels."""
        if not self.has_room:
            return 0, 0
        return 17 * self.scale, len(self.lines()) * (ROWS + 3) * self.scale + 10 * self.scale


# Light


def _graded(base: Pixels, scene: Scene, denoise: float) -> list[bytes]:
    """The base in the scene's colours: shadows and lights tinted, more contrast, the more the further ``denoise``."""
    strength = 0.35 + 0.5 * max(0.0, min(1.0, denoise))
    tables = [_grade_table(scene, channel, strength) for channel in range(3)]
    rows = []
    for y in range(base.height):
        row = bytearray(base.row(y))
        for channel in range(3):
            row[channel::3] = row[channel::3].translate(tables[channel])
        rows.append(bytes(row))
    return rows


def _hazed(rows: list[bytes], scene: Scene, denoise: float, breathe: Breathe) -> list[bytes]:
    """The scene's sky as light in the air of the picture."""
    share = 0.10 + 0.22 * max(0.0, min(1.0, denoise))
    dim = bytes(int(value * (1 - share)) for value in range(256))
    thin = bytes(int(value * share) for value in range(256))
    air = scene.air(breathe)
    return [add(row.translate(dim), light.translate(thin)) for row, light in zip(rows, air, strict=True)]


def _grade_table(scene: Scene, channel: int, strength: float) -> bytes:
    shadow = scene.mood.near[channel] * 0.9 + 6
    light = (scene.mood.sky[2][channel] + scene.mood.sun[channel]) / 2
    values = []
    for value in range(256):
        tone = value / 255
        curve = tone * tone * (3 - 2 * tone)
        toned = shadow + (light - shadow) * (0.35 * tone + 0.65 * curve)
        values.append(int(min(248, max(0, value + (toned - value) * strength))))
    return bytes(values)


def _gain_tables(tint: Colour) -> list[list[bytes]]:
    """Per channel and level, a table that darkens (below the middle) or lights in the tint."""
    strongest = max(tint)
    tables = []
    for part in tint:
        lift = part / strongest
        gains = [0.30 + (0.75 + 0.18 * lift) * level / (LEVELS - 1) for level in range(LEVELS)]
        tables.append([bytes(min(248, int(value * gain)) for value in range(256)) for gain in gains])
    return tables


def _lit(rows: list[bytes], scene: Scene, breathe: Breathe) -> list[bytes]:
    """Vignette and the spread of the scene's light, in small blocks."""
    tables = _gain_tables(scene.mood.sun)
    step = max(4, scene.width // 64)
    centre_x, centre_y = scene.width / 2, scene.height / 2
    falloff = []
    for x in range(0, scene.width + step, step):
        u = (x - centre_x) / centre_x
        near = 1 - abs(x - scene.sun_x) / scene.width
        falloff.append((u * u, near * 0.10))
    lit = []
    chance = random.Random(scene.width)
    for y, row in enumerate(rows):
        # Blocks begin elsewhere on each row, or their edges would show as lines.
        first = chance.randrange(step)
        v = ((y - centre_y) / centre_y) ** 2
        levels = [
            int((LEVELS - 1) * max(0.0, min(1.0, 0.93 + glow - 0.34 * (u + 0.85 * v) ** 1.35))) for u, glow in falloff
        ]
        out = bytearray(len(row))
        for channel in range(3):
            plane = row[channel::3]
            parts = [
                plane[max(0, index * step - first) : (index + 1) * step - first].translate(tables[channel][level])
                for index, level in enumerate(levels)
            ]
            out[channel::3] = b"".join(parts)
        lit.append(bytes(out))
        if y % 8 == 0:
            breathe()
    return lit


def _grained(rows: list[bytes], seed: int, width: int, breathe: Breathe) -> list[bytes]:
    chance = random.Random(seed)
    grained = []
    for y, row in enumerate(rows):
        grained.append(add(row, grey_row(chance.randbytes(width).translate(GRAIN))))
        if y % 8 == 0:
            breathe()
    return grained


# Letters


def _lettered(rows: list[bytes], picture: Picture, breathe: Breathe) -> list[bytes]:
    """Bars above and below, as of a cinema frame, with the seed, the word DEMO and the prompt in them."""
    scale, lines = picture.scale, picture.lines()
    margin = 8 * scale
    room = (picture.width - 2 * margin) // scale
    line_height = (ROWS + 3) * scale
    top, bottom = picture.bars()
    shade = bytes(int(value * (0.10 if picture.base is None else 0.22)) for value in range(256))
    out = [bytearray(row) for row in rows]
    for y in [*range(top), *range(picture.height - bottom, picture.height)]:
        out[y] = out[y].translate(shade)
    breathe()
    seed = f"seed {picture.seed}"
    if text_width(f"DEMO {seed}") < room:
        _write(out, "DEMO", margin, 5 * scale, scale, AMBER)
    _write(out, seed, max(0, picture.width - margin - text_width(seed) * scale), 5 * scale, scale, INK)
    for index, line in enumerate(lines):
        left = (picture.width - text_width(line) * scale) // 2
        _write(out, line, left, picture.height - bottom + 6 * scale + index * line_height, scale, INK)
        breathe()
    return [bytes(row) for row in out]


def _write(rows: list[bytearray], text: str, left: int, top: int, scale: int, colour: tuple[int, int, int]) -> None:
    """Draws one line of text."""
    for character in text:
        shape, width = glyph(character)
        size = scale
        grid = [[bool(bits >> (width - 1 - column) & 1) for column in range(width)] for bits in shape]
        while size % 2 == 0:
            grid = _smoother(grid)
            size //= 2
        ink = bytes(colour) * size
        for line, cells in enumerate(grid):
            for column, inked in enumerate(cells):
                start = 3 * (left + column * size)
                if inked and start + 3 * size <= len(rows[0]):
                    for y in range(top + line * size, top + (line + 1) * size):
                        rows[y][start : start + 3 * size] = ink
        left += (width + 1) * scale


def _smoother(grid: list[list[bool]]) -> list[list[bool]]:
    """A glyph twice as large, the inner corners of its steps filled."""
    height, width = len(grid), len(grid[0])
    empty = [False] * (width + 2)
    padded = [empty, *([False, *row, False] for row in grid), empty]
    out = [[False] * (2 * width) for _ in range(2 * height)]
    for y in range(height):
        for x in range(width):
            centre = padded[y + 1][x + 1]
            up, down, left, right = padded[y][x + 1], padded[y + 2][x + 1], padded[y + 1][x], padded[y + 1][x + 2]
            for dy, vertical, other in ((0, up, down), (1, down, up)):
                for dx, beside, far in ((0, left, right), (1, right, left)):
                    filled = beside and vertical and not other and not far
                    out[2 * y + dy][2 * x + dx] = centre or filled
    return out


# Previews


class Sketch:
    """The way from noise to a picture, as a sampler's previews show it: one colour for each 8 x 8 pixels."""

    def __init__(self, picture: Pixels, seed: int) -> None:
        columns = -(-min(PREVIEW_WIDTH, picture.width) // BLOCK)
        rows = max(1, round(picture.height * columns / picture.width))
        self._chance = random.Random(seed)
        self._small = picture.scaled(columns, rows)

    def at(self, fraction: float) -> bytes:
        """A JPEG of the state after ``fraction`` (0 to 1) of the steps: noisy, then clear."""
        rows = [self._small.row(y) for y in range(self._small.height)]
        for _ in range(math.floor((1 - fraction) * 4)):
            rows = [average(row, self._chance.randbytes(len(row))) for row in rows]
        return encode_blocks(Pixels.from_rows(self._small.width, rows))
