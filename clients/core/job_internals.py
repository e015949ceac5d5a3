"""The internal side of a job: the state that the runner and the backend's hooks write.

The user's side of the same job is ``Job``, which only reads.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from .event_log import EventLog, EventReader
from .events import Cancelled, Event, Failed, Progressed, Queued, Started, Succeeded
from .model import BackendCancel, JobState, JobStatus, Result

if TYPE_CHECKING:
    from .request import Request

_log = logging.getLogger(__name__)

Listener = Callable[[Event], None]

STAGE_QUEUED = "queued"
"""The request has not left this machine."""
STAGE_SENT = "sent"
"""The request may have reached the server."""
STAGE_ACCEPTED = "accepted"
"""The server has accepted the request."""


class JobOwner(Protocol):
    """The runner's interface for its jobs."""

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled."""

    def record(self, job: JobInternals) -> dict[str, Any]:
        """Return the job's record for ``resume``."""

    def queue_position(self, job_id: str) -> int | None:
        """Return the job's place in the client's own queue, None if it is not waiting there."""

    def dispatch(self, job: JobInternals) -> None:
        """Have the job's listeners called on the dispatcher thread."""


class JobInternals:
    """The state of one job. Thread-safe; no method does I/O or waits.

    ``stage`` is one of the ``STAGE_`` names, ``state`` the data that a backend's hooks store for a resume, ``server``
    the name in records of the server that the job was sent to.
    """

    def __init__(self, job_id: str, backend: str, request: Request, owner: JobOwner) -> None:
        self.id = job_id
        self.backend = backend
        self.request = request
        self.owner = owner
        self.backend_id: str | None = None
        self.stage = STAGE_QUEUED
        self.server: str | None = None
        self.state: dict[str, Any] = {}
        self.status = JobStatus(JobState.QUEUED, submitted_at=time.time())
        self.result: Result | None = None
        self.ended = threading.Event()
        self.log = EventLog(job_id)
        self._lock = threading.Lock()
        self._listeners: dict[object, tuple[Listener, EventReader]] = {}
        self._done_callbacks: list[Callable[[], None]] = []
        self._dispatch_pending = False

    def publish(self, event: Event) -> None:
        """Add an event to the status and the log; drop the event if the job has ended."""
        with self._lock:
            if self.status.state.ended:
                return
            self.status = self._status_after(event)
            self.log.append(event)
        self._request_dispatch()

    def set_message(self, message: str) -> None:
        """Set the status's one-line message unless the job has ended."""
        with self._lock:
            if not self.status.state.ended:
                self.status = replace(self.status, message=message)

    def set_backend_cancel(self, outcome: BackendCancel) -> None:
        """Record the outcome of the cancel on the backend."""
        with self._lock:
            self.status = replace(self.status, backend_cancel=outcome)

    def end(self, event: Succeeded | Failed | Cancelled, backend_cancel: BackendCancel | None = None) -> bool:
        """End the job with its terminal event; return False if it had ended before."""
        with self._lock:
            if self.status.state.ended:
                return False
            self.status = self._status_at_end(event, backend_cancel)
            if isinstance(event, Succeeded):
                self.result = event.result
            self.ended.set()
            self.log.append(event)
        self._request_dispatch()
        return True

    def add_listener(self, fn: Listener) -> Callable[[], None]:
        """Call ``fn`` for each event, past ones included; return the function that removes the listener."""
        key = object()
        with self._lock:
            self._listeners[key] = (fn, self.log.reader())
        self._request_dispatch()

        def unsubscribe() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return unsubscribe

    def add_done_callback(self, fn: Callable[[], None]) -> None:
        """Call ``fn`` once the job has ended."""
        with self._lock:
            self._done_callbacks.append(fn)
        self._request_dispatch()

    def dispatch(self) -> None:
        """Call listeners with their unread events, then the done callbacks; runs on the dispatcher thread."""
        with self._lock:
            # Clear the flag before reading the state: a job that ends in between must schedule another dispatch.
            self._dispatch_pending = False
            ended = self.status.state.ended
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
            _call(callback)

    def _request_dispatch(self) -> None:
        with self._lock:
            if self._dispatch_pending or not (self._listeners or self._done_callbacks):
                return
            self._dispatch_pending = True
        self.owner.dispatch(self)

    def _status_after(self, event: Event) -> JobStatus:
        status = self.status
        if isinstance(event, Progressed):
            return replace(status, progress=event.progress, message=event.progress.stage or status.message)
        if isinstance(event, Queued) and status.state is JobState.QUEUED:
            return replace(status, queue_position=event.position)
        if isinstance(event, Started):
            return replace(status, state=JobState.RUNNING, started_at=event.at, queue_position=None)
        return status

    def _status_at_end(self, event: Succeeded | Failed | Cancelled, backend_cancel: BackendCancel | None) -> JobStatus:
        ended = replace(self.status, finished_at=event.at, queue_position=None, message="")
        if isinstance(event, Succeeded):
            whole = replace(ended.progress, fraction=1.0, eta_s=0.0) if ended.progress else None
            return replace(ended, state=JobState.SUCCEEDED, progress=whole)
        if isinstance(event, Failed):
            return replace(ended, state=JobState.FAILED, error=event.error, message=event.error.message)
        return replace(ended, state=JobState.CANCELLED, backend_cancel=backend_cancel)


def _call(fn: Callable[..., None], *arguments: Any) -> None:
    try:
        fn(*arguments)
    except BaseException:  # noqa: BLE001 - a caller's code must not end the dispatcher
        _log.exception("A listener of a job failed; the others go on")
