"""The typed messages of a running Gradio call.

A call's messages end with exactly one ``Completed`` or ``Failed``. Values are those of the outputs; ``data`` has
component updates unwrapped (None for an update without a value), ``raw`` has them unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import BackendError
from ..core.json_fields import as_int, as_number, as_text, get_objects
from .component_values import unwrap

_MAX_COUNT = 2**31 - 1


@dataclass(frozen=True)
class Queued:
    """The position in the queue: ``rank`` calls are ahead, of ``size`` waiting; ``eta_s`` is the server's estimate."""

    rank: int | None = None
    size: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True)
class Started:
    """The function is running; ``eta_s`` is the server's estimate of its duration."""

    eta_s: float | None = None


@dataclass(frozen=True)
class Bar:
    """One progress bar: ``index`` of ``length`` in ``unit``, or only a ``fraction``; missing values are None."""

    index: float | None = None
    length: float | None = None
    unit: str = ""
    desc: str = ""
    fraction: float | None = None


@dataclass(frozen=True)
class Progress:
    """The progress of the function; ``bars`` from the outermost to the innermost, at least one."""

    bars: tuple[Bar, ...]

    @property
    def innermost(self) -> Bar:
        """The fastest bar."""
        return self.bars[-1]

    @property
    def fraction(self) -> float | None:
        """The progress of all bars from 0 to 1, None if unknown. It may fall where a program has phases."""
        inner: float | None = None
        for bar in reversed(self.bars):
            share = _clamp(bar.fraction)
            if inner is not None and bar.length and bar.index is not None:
                share = _clamp((bar.index + inner) / bar.length)
            inner = inner if share is None else share
        return inner


@dataclass(frozen=True)
class Yielded:
    """A generator's values so far."""

    raw: list[Any]

    @property
    def data(self) -> list[Any]:
        """The values with updates unwrapped."""
        return [unwrap(each) for each in self.raw]


@dataclass(frozen=True)
class Log:
    """A log line for people: ``level`` is info, warning, error or success."""

    level: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Completed:
    """The function's final values; ``raw`` is None if the server has cancelled it."""

    raw: list[Any] | None
    duration_s: float | None = None

    @property
    def cancelled(self) -> bool:
        """True if the server has cancelled it."""
        return self.raw is None

    @property
    def data(self) -> list[Any]:
        """The values with updates unwrapped; empty if it was cancelled."""
        return [unwrap(each) for each in self.raw or ()]


@dataclass(frozen=True)
class Failed:
    """The function failed, or the connection to it was lost (``StreamInterrupted``)."""

    error: BackendError = field(repr=False)


Message = Queued | Started | Progress | Yielded | Log | Completed | Failed


def parse_queued(message: Mapping[str, Any]) -> Queued:
    """Parse an ``estimation``."""
    return Queued(_count(message.get("rank")), _count(message.get("queue_size")), as_number(message.get("rank_eta")))


def parse_progress(message: Mapping[str, Any]) -> Progress | None:
    """Parse a ``progress``; None if it has no bar."""
    bars = [_parse_bar(each) for each in get_objects(message.get("progress_data"))]
    return Progress(tuple(bars)) if bars else None


def parse_log(message: Mapping[str, Any]) -> Log:
    """Parse a ``log``."""
    return Log(as_text(message.get("level")) or "info", as_text(message.get("log")), as_text(message.get("title")))


def _parse_bar(entry: Mapping[str, Any]) -> Bar:
    index, length = as_number(entry.get("index")), as_number(entry.get("length"))
    fraction = as_number(entry.get("progress"))
    if fraction is None and index is not None and length:
        fraction = index / length
    return Bar(index, length, as_text(entry.get("unit")), as_text(entry.get("desc")), _clamp(fraction))


def _clamp(fraction: float | None) -> float | None:
    return None if fraction is None else max(0.0, min(fraction, 1.0))


def _count(value: Any) -> int | None:
    return as_int(value, least=0, most=_MAX_COUNT)
