"""What a call of a Gradio function tells while it runs, typed.

A call's messages end with exactly one ``Completed`` or ``Failed``. Values are those of the outputs; ``data`` has
component updates unwrapped (None where the update leaves the value as it was), ``raw`` has them as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import BackendError
from ..core.json_fields import as_int, as_number, as_text, get_objects
from .component_values import unwrapped

_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True)
class Queued:
    """The place in the queue: ``rank`` calls come first, of ``size`` that wait; ``eta_s`` is the server's guess."""

    rank: int | None = None
    size: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True)
class Started:
    """The function runs now; ``eta_s`` is the server's guess at how long it will."""

    eta_s: float | None = None


@dataclass(frozen=True)
class Bar:
    """One progress bar: ``index`` of ``length`` in ``unit``, or its ``fraction`` alone; what the server leaves open is
    None.
    """

    index: float | None = None
    length: float | None = None
    unit: str = ""
    desc: str = ""
    fraction: float | None = None


@dataclass(frozen=True)
class Progress:
    """How far the function is; ``bars`` from the outermost to the innermost, at least one."""

    bars: tuple[Bar, ...]

    @property
    def innermost(self) -> Bar:
        """The bar that moves fastest."""
        return self.bars[-1]

    @property
    def fraction(self) -> float | None:
        """All bars in one number from 0 to 1, None if that can't be told. It may fall where a program has phases."""
        inner: float | None = None
        for bar in reversed(self.bars):
            share = _clamped(bar.fraction)
            if inner is not None and bar.length and bar.index is not None:
                share = _clamped((bar.index + inner) / bar.length)
            inner = inner if share is None else share
        return inner


@dataclass(frozen=True)
class Yielded:
    """A generator's values so far."""

    raw: list[Any]

    @property
    def data(self) -> list[Any]:
        """The values without updates around them."""
        return [unwrapped(each) for each in self.raw]


@dataclass(frozen=True)
class Log:
    """A line for people: ``level`` is info, warning, error or success."""

    level: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Completed:
    """The function's final values; ``raw`` is None if the server has cancelled it, which leaves no values."""

    raw: list[Any] | None
    duration_s: float | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled on the server."""
        return self.raw is None

    @property
    def data(self) -> list[Any]:
        """The values without updates around them; empty if it was cancelled."""
        return [unwrapped(each) for each in self.raw or ()]


@dataclass(frozen=True)
class Failed:
    """The function failed, or the connection to it was lost (``StreamInterrupted``)."""

    error: BackendError = field(repr=False)


Message = Queued | Started | Progress | Yielded | Log | Completed | Failed


def queued_of(message: Mapping[str, Any]) -> Queued:
    """Read an ``estimation``."""
    return Queued(_count(message.get("rank")), _count(message.get("queue_size")), as_number(message.get("rank_eta")))


def progress_of(message: Mapping[str, Any]) -> Progress | None:
    """Read a ``progress``; None if it has no bar."""
    bars = [_bar(each) for each in get_objects(message.get("progress_data"))]
    return Progress(tuple(bars)) if bars else None


def log_of(message: Mapping[str, Any]) -> Log:
    """Read a ``log``."""
    return Log(as_text(message.get("level")) or "info", as_text(message.get("log")), as_text(message.get("title")))


def _bar(entry: Mapping[str, Any]) -> Bar:
    index, length = as_number(entry.get("index")), as_number(entry.get("length"))
    fraction = as_number(entry.get("progress"))
    if fraction is None and index is not None and length:
        fraction = index / length
    return Bar(index, length, as_text(entry.get("unit")), as_text(entry.get("desc")), _clamped(fraction))


def _clamped(fraction: float | None) -> float | None:
    return None if fraction is None else max(0.0, min(fraction, 1.0))


def _count(value: Any) -> int | None:
    return as_int(value, least=0, most=_MAX_COUNT)
