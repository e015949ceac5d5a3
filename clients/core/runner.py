"""Runs a backend's jobs on background threads.

A ``JobRunner`` joins three parts: the lane with its workers (``lane``), the threads that call listeners and break off
blocking calls (``dispatcher``), and the records of jobs (``records``). What a job does is in the hooks of the client
that ``provider`` returns. The provider is called on a worker thread, so that making a client (imports, the demo server)
never costs the main thread anything.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .context import CancelContext, JobContext, Recorder
from .dispatcher import Dispatcher
from .errors import BackendError, JobCancelled, JobDetached, JobLost, JobNotFound, NetworkTimeout, ValidationError
from .events import Cancelled, Failed, Queued, Succeeded
from .hooks import Hooks
from .job import Job
from .job_internals import STAGE_QUEUED, JobInternals
from .lane import Lane, LaneEntry
from .model import BackendCancel, JobState, Result
from .options import ClientOptions
from .records import make_record, parse_record
from .request import Request

_log = logging.getLogger(__name__)


def _ignore(_job: Job) -> None:
    """Do nothing with a job before it is queued."""


class JobRunner:
    """The jobs of one backend. Thread-safe; starts its threads with the first job and ends them in ``close``."""

    def __init__(
        self,
        backend: str,
        provider: Callable[[], Hooks],
        request_types: tuple[type[Request], ...],
        options: ClientOptions,
        recorder: Recorder | None = None,
    ) -> None:
        self.backend = backend
        self.options = options
        self._provider = provider
        self._request_types = request_types
        self._recorder = recorder
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._finished: dict[str, None] = {}
        self._resuming = threading.Lock()
        self._dispatcher = Dispatcher(self._start_thread)
        self._lane = Lane(backend, self._process, self._retire, lambda: self.options.max_workers, self._start_thread)

    # Jobs in

    def submit(
        self,
        request: Request | Mapping[str, Any],
        *,
        priority: int = 0,
        prepare: Callable[[Job], None] = _ignore,
    ) -> Job:
        """Queue a request, before those of lower ``priority``, and return its job at once.

        ``prepare`` gets the job before any worker does. Raises ``ValidationError`` for an invalid request and
        ``BackendError`` (code ``client_closed``) after ``close``.
        """
        typed = self.typed(request)
        typed.validate()
        internals = JobInternals(str(uuid.uuid4()), self.backend, typed.copied(), self)
        job = Job(internals)
        prepare(job)
        return self._enqueue(job, internals, priority, rejoin=False)

    def typed(self, request: Request | Mapping[str, Any]) -> Request:
        """Return the typed request; a mapping of its fields is converted."""
        if isinstance(request, self._request_types):
            return request
        if not isinstance(request, Mapping):
            names = " or ".join(each.__name__ for each in self._request_types)
            raise ValidationError(
                f"{self.backend} takes a {names}, or a mapping of its fields, not a {type(request).__name__}.",
                backend=self.backend,
                hint=f"Make a {names}.",
            )
        errors: list[ValidationError] = []
        for each in self._request_types:
            try:
                return each.from_dict(request)
            except ValidationError as error:
                errors.append(error)
        raise min(errors, key=lambda error: len(error.problems))

    def resume(
        self,
        record: Mapping[str, Any],
        *,
        priority: int = 0,
        prepare: Callable[[Job], None] = _ignore,
        newest: bool = False,
    ) -> Job:
        """Return a job that re-joins the one of ``record``; the same job if it still runs here.

        A record with the stage ``queued`` may be older than the sending of the job: the job is looked up on the server
        first, unless the caller knows that the record is the ``newest``.
        """
        internals = parse_record(record, self.backend, self._request_types, self)
        with self._resuming:
            with self._lock:
                known = self._jobs.get(internals.id)
            if known is not None and not known.done():
                return known
            job = Job(internals)
            prepare(job)
            return self._enqueue(job, internals, priority, rejoin=not (newest and internals.stage == STAGE_QUEUED))

    def _enqueue(self, job: Job, internals: JobInternals, priority: int, *, rejoin: bool) -> Job:
        if self._lane.closing.is_set():
            raise self._closed_error()
        context = JobContext(internals, self.options, self._recorder)
        entry = self._lane.make_entry(internals, context, priority, rejoin=rejoin)
        # Publish the position before any worker can see the job, so that Queued is the first event.
        internals.publish(Queued(self._lane.position_for(entry), job_id=job.id, at=time.time()))
        with self._lock:
            if not self._lane.add(entry):
                raise self._closed_error()
            self._jobs[job.id] = job
            self._finished.pop(job.id, None)
        return job

    def _closed_error(self) -> BackendError:
        return BackendError(
            "This client is closed.", code="client_closed", backend=self.backend, hint="Create a new client."
        )

    # Lookups and cancelling

    def job(self, job_id: str) -> Job:
        """Return the job; ``JobNotFound`` if it is unknown or forgotten."""
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFound(
                f"No job {job_id} exists in this client.",
                backend=self.backend,
                hint="It was removed, or belongs to another client.",
            )
        return job

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled, without I/O; its worker cancels it on the backend. True if this call ended it."""
        self.job(job_id)
        entry = self._lane.entry(job_id)
        return entry is not None and self._cancel(entry)

    def _cancel(self, entry: LaneEntry) -> bool:
        not_started = self._lane.remove_if_not_started(entry)
        outcome = BackendCancel.CONFIRMED if not_started else BackendCancel.PENDING
        ended_here = entry.job.end(Cancelled(job_id=entry.job.id, at=time.time()), outcome)
        if ended_here:
            entry.context.stop(JobCancelled("The job was cancelled.", backend=self.backend))
            self._dispatcher.interrupt(entry.context.interrupter)
        if not_started:
            # Also if another thread has ended the job: no worker will see the entry any more.
            entry.job.set_backend_cancel(BackendCancel.CONFIRMED)
            self._retire(entry)
            self._lane.announce_positions()
        return ended_here

    def forget(self, job_id: str) -> None:
        """Drop an ended job from memory; raises ``ValidationError`` for a job that has not ended."""
        job = self.job(job_id)
        if not job.done():
            raise ValidationError(
                "The job is still running.", code="job_active", backend=self.backend, hint="Cancel it first."
            )
        with self._lock:
            self._jobs.pop(job_id, None)
            self._finished.pop(job_id, None)

    def busy(self) -> bool:
        """Return True while any job waits, runs, or keeps its lane while its cancel is on its way."""
        return self._lane.busy()

    def under_way(self) -> frozenset[str]:
        """Return the ids of the jobs that wait, run, or keep their lane."""
        return self._lane.job_ids()

    # The job's owner

    def record(self, job: JobInternals) -> dict[str, Any]:
        """Return the job's record for ``resume``, JSON-ready."""
        return make_record(job)

    def queue_position(self, job_id: str) -> int | None:
        """Return the number of this lane's jobs before the job, None if it does not wait here."""
        return self._lane.position(job_id)

    def dispatch(self, job: JobInternals) -> None:
        """Have the job's listeners called on the dispatcher thread."""
        self._dispatcher.dispatch(job)

    # One job, on a worker

    def _start_thread(self, target: Callable[[], None], role: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"movie-director-{self.backend}-{role}", daemon=True)
        thread.start()
        return thread

    def _process(self, entry: LaneEntry) -> None:
        job = entry.job
        timed_out = not job.status.state.ended and self._run(entry)
        if job.status.state is JobState.CANCELLED or timed_out:
            self._cancel_on_backend(entry)

    def _run(self, entry: LaneEntry) -> bool:
        """Run the job to its end; return True if it ended because its own time was over."""
        job = entry.job
        try:
            with self._time_limit(entry.context):
                hooks = entry.hooks = self._provider()
                job.server = hooks.server
                result = self._rejoin(entry, hooks) if entry.rejoin else hooks.run(entry.context)
            for problem in result.problems:
                hooks.redact_error(problem)
            event = Succeeded(result, job_id=job.id, at=time.time())
        except BaseException as error:  # noqa: BLE001 - MemoryError and SystemExit end the job, not the worker
            failure = self._as_backend_error(error, entry.hooks)
            ended = job.end(Failed(failure, job_id=job.id, at=time.time()))
            return ended and isinstance(failure, NetworkTimeout) and failure.code == "job_timeout"
        job.end(event)
        return False

    @contextmanager
    def _time_limit(self, context: JobContext) -> Iterator[None]:
        """Start the job's time limit, and abort blocking calls at its end; waits check the limit themselves."""
        context.begin()
        limit = context.options.job_timeout_s
        if limit is None:
            yield
            return
        timer = threading.Timer(limit, context.interrupter.fire)
        timer.name, timer.daemon = f"movie-director-{self.backend}-time-limit", True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def _rejoin(self, entry: LaneEntry, hooks: Hooks) -> Result:
        """Look the job up on the server; send it only if neither its record nor the server shows an earlier sending."""
        try:
            return hooks.rejoin(entry.context)
        except JobLost:
            if entry.job.stage != STAGE_QUEUED or not hooks.can_rejoin():
                raise
        return hooks.run(entry.context)

    def _as_backend_error(self, error: BaseException, hooks: Hooks | None) -> BackendError:
        """Return the error that ended a job, typed and without the client's keys; log a defect."""
        if isinstance(error, BackendError):
            failure = error
            failure.backend = failure.backend or self.backend
        else:
            failure = self._defect(error, hooks)
        if hooks is not None:
            hooks.redact_error(failure)
        return failure

    def _defect(self, error: BaseException, hooks: Hooks | None) -> BackendError:
        """Log an untyped exception, and return a typed error for it."""
        traces = "".join(traceback.format_exception(error))
        _log.error("A %s job failed unexpectedly\n%s", self.backend, hooks.redact(traces) if hooks else traces)
        failure = BackendError(
            f"Movie Director has an internal error: {_describe(error)}",
            code="internal",
            backend=self.backend,
            hint="Please report this with the text in the system console.",
        )
        failure.__cause__ = error
        return failure

    def _cancel_on_backend(self, entry: LaneEntry) -> None:
        job = entry.job
        if job.stage == STAGE_QUEUED and not entry.rejoin:
            job.set_backend_cancel(BackendCancel.CONFIRMED)
            return
        context = CancelContext(job, self.options.drain_timeout_s, self._lane.closing)
        entry.draining = context.interrupter
        try:
            hooks = entry.hooks or self._provider()
            outcome = hooks.cancel_on_backend(context)
        except BaseException as error:  # noqa: BLE001 - a cancel that fails must not end the worker
            _log.warning("%s could not be asked to cancel job %s: %s", self.backend, job.id, error)
            outcome = BackendCancel.FAILED
        job.set_backend_cancel(outcome)

    def _retire(self, entry: LaneEntry) -> None:
        if not self._lane.retire(entry):
            return
        with self._lock:
            if entry.job.id in self._jobs:
                self._finished[entry.job.id] = None
            while len(self._finished) > self.options.keep_finished:
                oldest = next(iter(self._finished))
                del self._finished[oldest]
                self._jobs.pop(oldest, None)

    # The end

    def close(self, *, detach: bool, timeout_s: float) -> None:
        """End all jobs (see ``BaseAPIClient.close``) and join every thread within ``timeout_s``.

        Later calls do nothing.
        """
        deadline = time.monotonic() + timeout_s
        entries = self._lane.close()
        if entries is None:
            return
        for entry in entries:
            if not (detach and self._detach(entry)):
                self._cancel(entry)  # by its entry: a job that still drains may have been forgotten
        _join(self._lane.workers, deadline - timeout_s / 4)
        for entry in entries:
            entry.context.interrupter.fire()
            if entry.draining is not None:
                entry.draining.fire()
        _join(self._lane.workers, deadline)
        _join(self._dispatcher.close(), deadline)

    def _detach(self, entry: LaneEntry) -> bool:
        """Leave a job running on the server if it can be found again; else return False."""
        hooks = entry.hooks
        able = entry.context.detachable
        if able is None:
            able = hooks is None or hooks.can_detach()
        if entry.job.stage == STAGE_QUEUED or not able:
            return False
        error = JobDetached(
            "The job was left running on the server.",
            backend=self.backend,
            hint="Resume it from its record to fetch the result.",
        )
        entry.job.end(Failed(error, job_id=entry.job.id, at=time.time()))
        entry.context.stop(error)
        self._dispatcher.interrupt(entry.context.interrupter)
        return True


def _join(threads: list[threading.Thread], deadline: float) -> None:
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))


def _describe(error: BaseException) -> str:
    """Return type and text of an exception, the type alone if its text can't be made."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - foreign code
        return type(error).__name__
