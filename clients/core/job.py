"""A job: one request on its way through a backend, its state, its events and its result."""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from .errors import BackendError, JobCancelled, WaitTimeout
from .event_log import EventLog, EventReader
from .events import Cancelled, Event, Failed, Progressed, Queued, Started, Succeeded

if TYPE_CHECKING:
    from .request import Request

_log = logging.getLogger(__name__)

Listener = Callable[[Event], None]


class JobState(enum.Enum):
    """Where a job stands. The last three are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to a job in this state."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class BackendCancel(enum.StrEnum):
    """What became of telling the backend to cancel."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """How far a job is: ``fraction`` 0..1 never falls, ``estimated`` marks a guess by time; ``eta_s`` in seconds."""

    fraction: float | None = None
    estimated: bool = False
    step: int | None = None
    total_steps: int | None = None
    stage: str = ""
    eta_s: float | None = None


@dataclass(frozen=True)
class JobStatus:
    """A snapshot of a job. Times are epoch seconds; ``queue_position`` 0 is next, None once running."""

    state: JobState
    progress: Progress | None = None
    queue_position: int | None = None
    message: str = ""
    submitted_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    error: BackendError | None = None
    backend_cancel: BackendCancel | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON-ready data."""
        return {
            "state": self.state.value,
            "progress": asdict(self.progress) if self.progress else None,
            "queue_position": self.queue_position,
            "message": self.message,
            "submitted_at": self.submitted_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "error": self.error.to_dict() if self.error else None,
            "backend_cancel": self.backend_cancel.value if self.backend_cancel else None,
        }


@dataclass(frozen=True)
class Artifact:
    """A complete file inside ``output_dir``: ``size`` in bytes, ``source`` is the backend's own name for it.

    ``kind`` is ``image``, ``video``, ``audio``, ``text``, ``model`` or ``other``.
    """

    path: Path
    kind: str
    media_type: str
    size: int
    sha256: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the artifact as JSON-ready data."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True)
class Result:
    """What a job made. ``metadata`` is what is needed to make it again; ``problems`` are errors of parts beside it."""

    artifacts: tuple[Artifact, ...] = ()
    text: str | None = None
    data: Any = None
    usage: dict[str, Any] | None = None
    problems: tuple[BackendError, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready data."""
        return {
            "artifacts": [artifact.to_dict() for artifact in self.artifacts],
            "text": self.text,
            "data": self.data,
            "usage": self.usage,
            "problems": [problem.to_dict() for problem in self.problems],
            "metadata": self.metadata,
        }


class JobOwner(Protocol):
    """What a job needs of the runner that made it."""

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled."""

    def record(self, job: Job) -> dict[str, Any]:
        """Return what ``resume`` needs."""

    def queue_position(self, job: Job) -> int | None:
        """Return the job's place in the client's own queue, None if it is not waiting there."""

    def dispatch(self, job: Job) -> None:
        """Have the job's listeners called."""


class Job:
    """One request under way, with the manners of ``concurrent.futures.Future``; but a running job can be cancelled.

    ``id`` never changes; ``backend_id`` is what the server minted, None until it has. Every member may be used from
    any thread.
    """

    def __init__(self, job_id: str, backend: str, request: Request, owner: JobOwner) -> None:
        self.id = job_id
        self.backend = backend
        self.request = request
        self.backend_id: str | None = None
        self._owner = owner
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._status = JobStatus(JobState.QUEUED, submitted_at=time.time())
        self._result: Result | None = None
        self._log = EventLog(job_id)
        self._listeners: dict[object, tuple[Listener, EventReader]] = {}
        self._done_callbacks: list[Callable[[Job], None]] = []
        self._dispatch_pending = False
        self._stage = "queued"
        self._server: str | None = None
        self._state: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.backend} {self._status.state.value}>"

    @property
    def status(self) -> JobStatus:
        """A snapshot, from memory."""
        status = self._status
        if status.state is not JobState.QUEUED:
            return status
        position = self._owner.queue_position(self)
        return status if position is None else replace(status, queue_position=position)

    def done(self) -> bool:
        """Whether the job has ended, however."""
        return self._status.state.ended

    def running(self) -> bool:
        """Whether the backend works on it."""
        return self._status.state is JobState.RUNNING

    def cancelled(self) -> bool:
        """Whether it ended by being cancelled."""
        return self._status.state is JobState.CANCELLED

    def cancel(self) -> bool:
        """End the job as cancelled, at once and without I/O; True if this call did it."""
        if self.done():
            return False
        return self._owner.cancel(self.id)

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the result, ``timeout`` seconds at most.

        Raises the job's error, ``JobCancelled``, or ``WaitTimeout`` (the job goes on).
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        assert self._result is not None
        return self._result

    def exception(self, timeout: float | None = None) -> BackendError | None:
        """Wait for the end and return the job's error, None if it succeeded.

        Raises ``JobCancelled`` for a cancelled job and ``WaitTimeout`` when ``timeout`` seconds are over.
        """
        if not self._ended.wait(timeout):
            raise WaitTimeout(
                f"The job was not done within {timeout:g} s.",
                hint="It goes on; wait longer or cancel it.",
                backend=self.backend,
            )
        if self.cancelled():
            raise JobCancelled("The job was cancelled.", backend=self.backend)
        return self._status.error

    def events(self) -> EventReader:
        """Return an iterator over the job's events, from the first to the terminal one, that waits for the next.

        A reader who comes late or is slow gets past text joined into one delta, the newest progress and preview, and
        the last 200 log lines.
        """
        return self._log.reader()

    def add_listener(self, fn: Listener) -> Callable[[], None]:
        """Call ``fn(event)`` for each event, past ones included, on the client's dispatcher thread; returns what ends
        that.
        """
        key = object()
        with self._lock:
            self._listeners[key] = (fn, self._log.reader())
        self._request_dispatch()

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return unsubscribe

    def add_done_callback(self, fn: Callable[[Job], None]) -> None:
        """Call ``fn(job)`` on the client's dispatcher thread when the job has ended, soon if it has already."""
        with self._lock:
            self._done_callbacks.append(fn)
        self._request_dispatch()

    def record(self) -> dict[str, Any]:
        """Return JSON-ready data without secrets: all that ``resume`` needs, also in another process."""
        return self._owner.record(self)

    # What follows is for the runner alone.

    def _publish(self, event: Event) -> None:
        """Take an event into the status and the log; whatever comes after the end belongs to no job and is dropped."""
        with self._lock:
            if self._status.state.ended:
                return
            self._status = self._status_after(event)
            self._log.append(event)
        self._request_dispatch()

    def _status_after(self, event: Event) -> JobStatus:
        status = self._status
        if isinstance(event, Progressed):
            return replace(status, progress=event.progress, message=event.progress.stage or status.message)
        if isinstance(event, Queued) and status.state is JobState.QUEUED:
            return replace(status, queue_position=event.position)
        if isinstance(event, Started):
            return replace(status, state=JobState.RUNNING, started_at=event.at, queue_position=None)
        return status

    def _set_message(self, message: str) -> None:
        with self._lock:
            if not self._status.state.ended:
                self._status = replace(self._status, message=message)

    def _set_backend_cancel(self, outcome: BackendCancel) -> None:
        with self._lock:
            self._status = replace(self._status, backend_cancel=outcome)

    def _end(self, event: Succeeded | Failed | Cancelled, backend_cancel: BackendCancel | None = None) -> bool:
        """End the job; False if it had ended."""
        with self._lock:
            if self._status.state.ended:
                return False
            self._status = self._status_at_end(event, backend_cancel)
            if isinstance(event, Succeeded):
                self._result = event.result
            self._ended.set()
            self._log.append(event)
        self._request_dispatch()
        return True

    def _status_at_end(self, event: Succeeded | Failed | Cancelled, backend_cancel: BackendCancel | None) -> JobStatus:
        ended = replace(self._status, finished_at=event.at, queue_position=None, message="")
        if isinstance(event, Succeeded):
            whole = replace(ended.progress, fraction=1.0, eta_s=0.0) if ended.progress else None
            return replace(ended, state=JobState.SUCCEEDED, progress=whole)
        if isinstance(event, Failed):
            return replace(ended, state=JobState.FAILED, error=event.error, message=event.error.message)
        return replace(ended, state=JobState.CANCELLED, backend_cancel=backend_cancel)

    def _request_dispatch(self) -> None:
        with self._lock:
            if self._dispatch_pending or not (self._listeners or self._done_callbacks):
                return
            self._dispatch_pending = True
        self._owner.dispatch(self)

    def _dispatch(self) -> None:
        """Call listeners with what they have not seen, then the done callbacks; on the dispatcher thread."""
        with self._lock:
            # in this order, or a job that ends in between is never looked at again
            self._dispatch_pending = False
            ended = self.done()
            listeners = list(self._listeners.items())
        for key, (fn, reader) in listeners:
            while key in self._listeners and (event := reader.poll()) is not None:
                _call(fn, event)
            if reader.finished:
                self._listeners.pop(key, None)
        if not ended:
            return
        with self._lock:
            callbacks, self._done_callbacks = self._done_callbacks, []
        for callback in callbacks:
            _call(callback, self)


def _call(fn: Callable[[Any], None], argument: Any) -> None:
    try:
        fn(argument)
    except BaseException:  # noqa: BLE001 - a caller's code must not end the dispatcher
        _log.exception("A listener of a job failed; the others go on")
