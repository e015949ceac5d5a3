"""The events of a job, immutable: any number of state events, then exactly one terminal event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from .errors import BackendError
    from .model import Progress, Result


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of the job ``job_id`` at the time ``at`` (epoch seconds)."""

    job_id: str
    at: float


@dataclass(frozen=True)
class Queued(Event):
    """The job waits; ``position`` 0 is next. Sent again at each new position."""

    position: int


@dataclass(frozen=True)
class Submitted(Event):
    """The backend has accepted the job under ``backend_id``."""

    backend_id: str


@dataclass(frozen=True)
class Started(Event):
    """The backend works on the job."""


@dataclass(frozen=True)
class Progressed(Event):
    """The job has progressed."""

    progress: Progress


@dataclass(frozen=True)
class Previewed(Event):
    """A picture of the unfinished result: encoded ``data`` of ``media_type``."""

    data: bytes
    media_type: str


@dataclass(frozen=True)
class TextDelta(Event):
    """More of the answer's text."""

    text: str


@dataclass(frozen=True)
class Logged(Event):
    """A line of the backend's log, or a warning of the client."""

    line: str


@dataclass(frozen=True)
class Reconnected(Event):
    """The connection had been lost in mid-job and is back."""


@dataclass(frozen=True)
class Succeeded(Event):
    """The job is done."""

    result: Result


@dataclass(frozen=True)
class Failed(Event):
    """The job ended with ``error``."""

    error: BackendError


@dataclass(frozen=True)
class Cancelled(Event):
    """The job was cancelled here."""


TerminalEvent: TypeAlias = Succeeded | Failed | Cancelled
TERMINAL: tuple[type[Event], ...] = (Succeeded, Failed, Cancelled)
