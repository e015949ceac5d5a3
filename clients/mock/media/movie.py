"""The demo's generated clip: a slow pan over the landscape of prompt and seed, lettered, with sound on request.

A real MP4 that Blender's sequencer plays: JPEG frames, assembled from macroblocks that are coded once, so that a clip
costs little more than its landscape. Pure Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from .jpeg import MACROBLOCK, assemble, encode_macroblocks
from .mp4 import Sound, make_mp4
from .picture import Picture
from .pixels import Pixels
from .sound import effect_samples

MAX_FRAMES = 1500
MAX_SIDE = 1920
WIDER = 1.25
RATE = 24_000
SHOWN = 2 * MACROBLOCK


@dataclass(frozen=True)
class Movie:
    """One clip. ``width`` and ``height`` (kept within 16 to 1920) are those of the file, ``frames`` the number of
    frames (at most 1500), ``fps`` their rate. ``base`` is the start image: the clip is then a view of it."""

    text: str
    seed: int
    width: int
    height: int
    frames: int
    fps: float
    sound: bool = False
    base: Pixels | None = None

    @property
    def _half_size(self) -> tuple[int, int]:
        """Half of the file's size, which is even, as video is."""
        width, height = (max(SHOWN, min(MAX_SIDE, side)) // 2 for side in (self.width, self.height))
        return width, height

    def still(self) -> Pixels:
        """Draw the first frame, at half its width and height."""
        return Picture(self.text, self.seed, *self._half_size, self.base).render()

    def file(self, *, comment: str = "") -> bytes:
        """Make the MP4; ``comment`` becomes its comment tag."""
        width, height = (2 * side for side in self._half_size)
        frames = [assemble(width, height, rows) for rows in self._pan()]
        samples = effect_samples(self.text, len(frames) / self.fps, rate=RATE, seed=self.seed) if self.sound else None
        sound = None if samples is None else Sound(samples, RATE)
        return make_mp4(frames, width, height, self.fps, sound=sound, comment=comment)

    def _pan(self) -> list[list[list[bytes]]]:
        """Return the macroblocks of each frame: bars that stand, between them a landscape that passes by."""
        width, height = self._half_size
        lettered = Picture(self.text, self.seed, width, height, self.base)
        standing = encode_macroblocks(lettered.render())
        top, bottom = lettered.bars()
        first, last = -(-top // MACROBLOCK), (height - bottom) // MACROBLOCK
        wide = Picture(self.text, self.seed, round(width * WIDER), height, self.base)
        passing = encode_macroblocks(wide.render(letters=False))
        across, count = len(standing[0]), max(1, min(MAX_FRAMES, self.frames))
        frames = []
        for number in range(count):
            at = round((len(passing[0]) - across) * number / max(1, count - 1))
            middle = [row[at : at + across] for row in passing[first:last]]
            frames.append([*standing[:first], *middle, *standing[max(first, last) :]])
        return frames
