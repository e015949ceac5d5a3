"""The demo's generated clip: a slow pan over the landscape of prompt and seed, lettered, with sound where asked.

A real MP4 that Blender's sequencer plays: JPEG frames, put together from macroblocks that are coded once, so that a
clip costs little more than its landscape. Pure Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from .jpeg_picture import MACROBLOCK, assembled, encode, macroblocks
from .mp4 import Sound, movie_file
from .picture import Picture
from .pixels import Breathe, Pixels, no_breath
from .sound import effect_samples

MAX_FRAMES = 1500
MAX_SIDE = 1920
WIDER = 1.25
RATE = 24_000
SHOWN = 2 * MACROBLOCK


@dataclass(frozen=True)
class Movie:
    """What to film. ``width`` and ``height`` (kept within 16 to 1920) are those of the file, ``frames`` how many there
    are (at most 1500), ``fps`` how many a second. ``base`` is the start image: the clip is then a view of it."""

    text: str
    seed: int
    width: int
    height: int
    frames: int
    fps: float
    sound: bool = False
    base: Pixels | None = None

    @property
    def seconds(self) -> float:
        return self.count / self.fps

    @property
    def count(self) -> int:
        return max(1, min(MAX_FRAMES, self.frames))

    @property
    def size(self) -> tuple[int, int]:
        """Even, as video is."""
        width, height = (max(SHOWN, min(MAX_SIDE, side)) // 2 * 2 for side in (self.width, self.height))
        return width, height

    def still(self, breathe: Breathe = no_breath) -> Pixels:
        """The first frame, at half its width and height."""
        width, height = self.size
        return Picture(self.text, self.seed, width // 2, height // 2, self.base).render(breathe)

    def file(self, *, comment: str = "", breathe: Breathe = no_breath) -> bytes:
        """The MP4. ``breathe`` is called between slices."""
        width, height = self.size
        frames = [assembled(width, height, rows) for rows in self._rows(width, height, breathe)]
        sound = None
        if self.sound:
            sound = Sound(effect_samples(self.text, self.seconds, rate=RATE, seed=self.seed), RATE)
        return movie_file(frames, width, height, self.fps, sound=sound, comment=comment)

    def _rows(self, width: int, height: int, breathe: Breathe) -> list[list[list[bytes]]]:
        """The macroblocks of each frame: bars that stand, between them a landscape that passes by."""
        lettered = Picture(self.text, self.seed, width // 2, height // 2, self.base)
        standing = macroblocks(lettered.render(breathe), breathe=breathe)
        top, bottom = lettered.bars()
        first, last = -(-top // MACROBLOCK), (height // 2 - bottom) // MACROBLOCK
        wide = Picture(self.text, self.seed, round(width / 2 * WIDER), height // 2, self.base)
        passing = macroblocks(wide.render(breathe, letters=False), breathe=breathe)
        across = len(standing[0])
        room = len(passing[0]) - across
        frames = []
        for number in range(self.count):
            at = round(room * number / max(1, self.count - 1))
            middle = [row[at : at + across] for row in passing[first:last]]
            frames.append([*standing[:first], *middle, *standing[max(first, last) :]])
        return frames


def preview(picture: Pixels, fraction: float) -> bytes:
    """A JPEG of a clip in the making: coarse first, sharp in the end."""
    coarse = max(1, round(16 * (1 - fraction)))
    small = picture.scaled(max(1, picture.width // coarse), max(1, picture.height // coarse))
    return encode(small.scaled(max(8, picture.width // 2), max(8, picture.height // 2)))
