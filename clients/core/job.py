"""A job as its user sees it: one request on its way through a backend, its state, its events and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import BackendError, JobCancelled, WaitTimeout
from .job_internals import STAGE_QUEUED, Listener
from .model import JobState, JobStatus, Result

if TYPE_CHECKING:
    from .event_log import EventReader
    from .job_internals import JobInternals
    from .request import Request


class Job:
    """One submitted request, with the methods of ``concurrent.futures.Future``; but a running job can be cancelled.

    ``id`` never changes, and is sent if the protocol lets the client choose an id; ``backend_id`` is the server's own
    id, None before the server accepted the job. Thread-safe.
    """

    def __init__(self, internals: JobInternals) -> None:
        self._internals = internals
        self.id = internals.id
        self.backend = internals.backend
        self.request: Request = internals.request

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.backend} {self._internals.status.state.value}>"

    @property
    def backend_id(self) -> str | None:
        """The server's id of the job, None before the server accepted it."""
        return self._internals.backend_id

    @property
    def status(self) -> JobStatus:
        """A snapshot, from memory."""
        status = self._internals.status
        if status.state is not JobState.QUEUED:
            return status
        position = self._internals.owner.queue_position(self.id)
        return status if position is None else replace(status, queue_position=position)

    @property
    def may_have_been_sent(self) -> bool:
        """False while the request has not left this machine."""
        return self._internals.stage != STAGE_QUEUED

    def done(self) -> bool:
        """Return True once the job has ended, however."""
        return self._internals.status.state.ended

    def running(self) -> bool:
        """Return True while the backend works on the job."""
        return self._internals.status.state is JobState.RUNNING

    def cancelled(self) -> bool:
        """Return True if the job was cancelled."""
        return self._internals.status.state is JobState.CANCELLED

    def cancel(self) -> bool:
        """End the job as cancelled, at once and without I/O; True if this call did it."""
        if self.done():
            return False
        return self._internals.owner.cancel(self.id)

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the result, ``timeout`` seconds at most.

        Raises the job's error, ``JobCancelled``, or ``WaitTimeout`` (the job goes on).
        """
        error = self.exception(timeout)
        if error is not None:
            raise error
        assert self._internals.result is not None
        return self._internals.result

    def exception(self, timeout: float | None = None) -> BackendError | None:
        """Wait for the end and return the job's error, None if it succeeded.

        Raises ``JobCancelled`` for a cancelled job and ``WaitTimeout`` when ``timeout`` seconds are over.
        """
        if not self._internals.ended.wait(timeout):
            raise WaitTimeout(
                f"The job did not finish within {timeout:g} s.",
                hint="It is still running; wait longer or cancel it.",
                backend=self.backend,
            )
        if self.cancelled():
            raise JobCancelled("The job was cancelled.", backend=self.backend)
        return self._internals.status.error

    def events(self) -> EventReader:
        """Return an iterator over the job's events, from the first to the terminal one, that waits for the next.

        A reader who comes late or is slow gets past text joined into one delta, the newest progress and preview, and
        the last 200 log lines.
        """
        return self._internals.log.reader()

    def add_listener(self, fn: Listener) -> Callable[[], None]:
        """Call ``fn(event)`` for each event, past ones included, on the client's dispatcher thread.

        Return the function that ends that.
        """
        return self._internals.add_listener(fn)

    def add_done_callback(self, fn: Callable[[Job], None]) -> None:
        """Call ``fn(job)`` on the client's dispatcher thread when the job has ended, soon if it has already."""
        self._internals.add_done_callback(partial(fn, self))

    def add_waker(self, fn: Callable[[], None]) -> Callable[[], None]:
        """Call ``fn()`` on the thread that adds an event, after each; return the function that ends that.

        For event loops: ``fn`` must return at once.
        """
        return self._internals.log.add_waker(fn)

    def record(self) -> dict[str, Any]:
        """Return JSON-ready data without secrets: all that ``resume`` needs, also in another process."""
        return self._internals.owner.record(self._internals)
