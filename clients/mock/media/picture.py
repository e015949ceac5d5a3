"""Renders the demo's picture: a film still made from prompt and seed, or from an uploaded picture.

The caption shows the prompt, the top shows the seed and DEMO. Pure Python; 768 x 432 takes a fraction of a second, in
slices between which other threads run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .demo_landscape import Landscape, mix_colours
from .font import ROWS, glyph, text_width, wrap
from .jpeg import encode
from .pixels import Pause, Pixels, add_rows, grey_row, no_pause

LEVELS = 64
GRAIN = bytes(index % 7 for index in range(256))
INK = (240, 234, 220)
AMBER = (246, 184, 86)
PREVIEW_WIDTH = 128
"""Half of the width that previews are shown with."""
MIN_LETTERED = 96
"""Pictures narrower or lower than this have no room for letters."""


@dataclass(frozen=True)
class Picture:
    """One picture. ``base`` is the picture to build on, such as a camera view; ``denoise``: how far to change it."""

    text: str
    seed: int
    width: int
    height: int
    base: Pixels | None = None
    denoise: float = 1.0

    def render(self, pause: Pause = no_pause, *, letters: bool = True) -> Pixels:
        """Draw the picture; ``pause`` is called between slices."""
        landscape = Landscape(self.text, self.seed, self.width, self.height)
        rows = landscape.rows(pause) if self.base is None else self._graded(self.base, landscape, pause)
        rows = _lit(rows, landscape, pause)
        chance = random.Random(self.seed)
        for y, row in enumerate(rows):
            rows[y] = add_rows(row, grey_row(chance.randbytes(self.width).translate(GRAIN)))
            pause()
        if letters and self.has_room:
            self._write_letters(rows, pause)
        return Pixels.from_rows(self.width, rows)

    def _graded(self, base: Pixels, landscape: Landscape, pause: Pause) -> list[bytes]:
        """Return the base in the landscape's colours, with the landscape's sky as haze over it."""
        strength = max(0.0, min(1.0, self.denoise))
        haze = 0.10 + 0.22 * strength
        thin = bytes(int(value * haze) for value in range(256))
        palette = landscape.palette
        light = mix_colours(palette["sky"][2], palette["sun"], 0.5)
        tables = [_grade_table(*tones, strength, 1 - haze) for tones in zip(palette["land"], light, strict=True)]
        scaled = base.scaled(self.width, self.height, crop=True, pause=pause)
        rows = []
        for y, air in enumerate(landscape.rows(pause, land=False)):
            row = bytearray(scaled.row(y))
            for channel, table in enumerate(tables):
                row[channel::3] = row[channel::3].translate(table)
            rows.append(add_rows(bytes(row), air.translate(thin)))
        return rows

    # Letters

    @property
    def has_room(self) -> bool:
        """True if there is room for letters."""
        return min(self.width, self.height) >= MIN_LETTERED

    @property
    def _scale(self) -> int:
        """Pixels of a dot of the letters."""
        return max(1, round(min(self.width, self.height) / 240))

    def _caption(self) -> list[str]:
        return wrap(self.text.strip() or "(empty prompt)", self.width // self._scale - 16)

    def bars(self) -> tuple[int, int]:
        """Return the heights of the bars above and below, in pixels."""
        if not self.has_room:
            return 0, 0
        return 17 * self._scale, (len(self._caption()) * (ROWS + 3) + 10) * self._scale

    def _write_letters(self, rows: list[bytes], pause: Pause) -> None:
        """Draw the bars of a cinema frame, with DEMO, the seed and the prompt in them."""
        scale, (top, bottom) = self._scale, self.bars()
        shade = bytes(int(value * (0.10 if self.base is None else 0.22)) for value in range(256))
        out = {y: bytearray(rows[y].translate(shade)) for y in [*range(top), *range(self.height - bottom, self.height)]}
        pause()
        seed = f"seed {self.seed}"
        if text_width(f"DEMO {seed}") < self.width // scale - 16:
            _write(out, "DEMO", 8 * scale, 5 * scale, scale, AMBER)
        _write(out, seed, max(0, self.width - (8 + text_width(seed)) * scale), 5 * scale, scale, INK)
        for index, line in enumerate(self._caption()):
            left = (self.width - text_width(line) * scale) // 2
            _write(out, line, left, self.height - bottom + (6 + index * (ROWS + 3)) * scale, scale, INK)
            pause()
        for y, row in out.items():
            rows[y] = bytes(row)


def _write(
    rows: dict[int, bytearray], text: str, left: int, top: int, scale: int, colour: tuple[int, int, int]
) -> None:
    for character in text:
        shape, width = glyph(character)
        for line, bits in enumerate(shape):
            for column in range(width):
                start = 3 * (left + column * scale)
                if bits >> (width - 1 - column) & 1 and start + 3 * scale <= len(rows[0]):
                    for y in range(top + line * scale, top + (line + 1) * scale):
                        rows[y][start : start + 3 * scale] = bytes(colour) * scale
        left += (width + 1) * scale


# Light


def _grade_table(land: float, light: float, strength: float, dim: float) -> bytes:
    """Return a table that tints shadows and lights, with more contrast."""
    tones = [0.35 * at / 255 + 0.65 * (at / 255) ** 2 * (3 - 2 * at / 255) for at in range(256)]
    toned = [land * 0.9 + 6 + (light - land * 0.9 - 6) * tone for tone in tones]
    share = 0.35 + 0.5 * strength
    return bytes(int(min(248, max(0, at + (tone - at) * share)) * dim) for at, tone in enumerate(toned))


def _lit(rows: list[bytes], landscape: Landscape, pause: Pause) -> list[bytes]:
    """Apply the vignette and the spread of the sun's light, in small blocks."""
    width, height = landscape.width, landscape.height
    gains = [0.30 + 0.90 * level / (LEVELS - 1) for level in range(LEVELS)]
    tables = [bytes(min(248, int(value * gain)) for value in range(256)) for gain in gains]
    step = max(4, width // 64)
    chance = random.Random(width)
    lit = []
    for y, row in enumerate(rows):
        # Blocks begin elsewhere on each row, or their edges would show as lines.
        first = chance.randrange(step)
        v = 0.85 * (2 * y / height - 1) ** 2
        blocks = []
        for x in range(0, width + step, step):
            near = 1 - abs(x - landscape.sun_x) / width
            light = 0.93 + near * 0.10 - 0.34 * ((2 * x / width - 1) ** 2 + v) ** 1.35
            table = tables[int((LEVELS - 1) * max(0.0, min(1.0, light)))]
            blocks.append(row[3 * max(0, x - first) : 3 * max(0, x - first + step)].translate(table))
        lit.append(b"".join(blocks))
        pause()
    return lit


# Previews


class Sketch:
    """The way from noise to a picture, as a sampler's previews show it."""

    def __init__(self, picture: Pixels, seed: int) -> None:
        width = min(PREVIEW_WIDTH, picture.width)
        self._picture = picture.scaled(width, max(1, round(picture.height * width / picture.width)))
        self._chance = random.Random(seed)

    def at(self, fraction: float) -> bytes:
        """Return a JPEG of the state after ``fraction`` (0 to 1) of the steps: noisy and coarse first, then clear."""
        width, height = self._picture.width, self._picture.height
        keep, fade = (bytes(int(value * share) for value in range(256)) for share in (fraction, 1 - fraction))
        coarse = 2 if fraction < 0.9 and min(width, height) > 1 else 1
        picture = self._picture.scaled(width // coarse, height // coarse)
        rows = [picture.row(y) for y in range(picture.height)]
        rows = [add_rows(row.translate(keep), self._chance.randbytes(len(row)).translate(fade)) for row in rows]
        return encode(Pixels.from_rows(picture.width, rows).scaled(width, height))
