"""Where a result goes in the film: its frames, channel and name, and the strip that it replaces. No ``bpy`` here.

The film is seen through ``Timeline``: ``placing/timeline.py`` implements it for a scene, tests for a list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...clients.core.errors import StorageError
from .listed_shot import ListedShot

MAX_CHANNEL = 128
MAX_FRAMES = 100_000
"""Room that is looked for where a strip's length in frames is not known yet."""


@dataclass(frozen=True)
class StripInfo:
    """A strip of a timeline: ``start`` is its first frame, ``end`` the frame after its last, ``key`` its handle.

    ``placeholder`` marks a strip that stands for a shot without a result.
    """

    key: Any
    start: int
    end: int
    channel: int
    shot: ListedShot | None = None
    placeholder: bool = False


class Timeline(Protocol):
    """A film's strips, as far as placing needs to know them."""

    @property
    def name(self) -> str:
        """The name that users know the film's scene by."""

    def strips(self) -> Sequence[StripInfo]:
        """Return the strips that are there now."""

    def locked_channels(self) -> Collection[int]:
        """Return the numbers of the channels that the user has locked."""


@dataclass(frozen=True)
class StripPlan:
    """Where a new strip goes. ``length`` 0: as long as its file. ``channel`` 0: any free one.

    ``shot`` is the shot that the strip will show, ``replaces`` the handle of the strip that it takes the place of.
    """

    start: int
    length: int
    channel: int = 0
    shot: ListedShot | None = None
    replaces: Any = None


def plan_strip(timeline: Timeline, shot_id: str, start: int, length: int) -> StripPlan:
    """Return the plan of a result for a shot: in its placeholder's place, else at ``start``.

    A shot that has a result keeps it, and a placeholder on a locked channel stays: the new strip goes to a free channel
    at the same frames. A shot that is not in the film any more, or an empty ``shot_id``, gives the plan of ``start``
    and ``length``.
    """
    strips = [strip for strip in timeline.strips() if shot_id and strip.shot and strip.shot.id == shot_id]
    if not strips:
        return StripPlan(start, length)
    strip = next((each for each in strips if each.placeholder), strips[0])
    span = strip.end - strip.start
    if strip.placeholder and strip.channel not in timeline.locked_channels():
        return StripPlan(strip.start, span, strip.channel, strip.shot, strip.key)
    return StripPlan(strip.start, span, 0, strip.shot)


def choose_channel(timeline: Timeline, start: int, end: int, wanted: int = 0, ignored: Sequence[Any] = ()) -> int:
    """Return channel ``wanted`` if it is unlocked and empty in [start, end), else the result of ``free_channel``."""
    blocked = _taken_channels(timeline.strips(), start, end, ignored) | set(timeline.locked_channels())
    if 0 < wanted <= MAX_CHANNEL and wanted not in blocked:
        return wanted
    return free_channel(timeline, start, end, ignored)


def free_channel(timeline: Timeline, start: int, end: int, ignored: Sequence[Any] = ()) -> int:
    """Return a channel with nothing in [start, end): the lowest above all strips there, so that the new one is seen.

    Strips whose handles are ``ignored`` do not count. Where no room is left on top, the highest free one below. Locked
    channels are left alone. Raises ``StorageError`` (code ``channels_full``) if all 128 are taken.
    """
    taken = _taken_channels(timeline.strips(), start, end, ignored)
    locked = timeline.locked_channels()
    top = max(taken, default=0)
    for channel in (*range(top + 1, MAX_CHANNEL + 1), *range(top, 0, -1)):
        if channel not in taken and channel not in locked:
            return channel
    raise StorageError(
        f"All {MAX_CHANNEL} channels of '{timeline.name}' are taken or locked at frames {start} to {end - 1}.",
        code="channels_full",
        hint="Move the playhead or free a channel, then place the result from the list of jobs.",
    )


def _taken_channels(strips: Iterable[StripInfo], start: int, end: int, ignored: Sequence[Any]) -> set[int]:
    return {strip.channel for strip in strips if strip.start < end and start < strip.end and strip.key not in ignored}
