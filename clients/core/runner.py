"""Running a backend's jobs on background threads: a queue, a few workers (the *lane*), one dispatcher for listeners.

A ``JobRunner`` knows jobs and threads; what a job does is in the hooks of the client that ``provider`` returns. The
provider is called on a worker thread, so that making a client (imports, the demo server) never costs the main thread
anything.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Protocol

from .context import STAGE_QUEUED, CancelContext, JobContext, Recorder
from .errors import BackendError, JobCancelled, JobDetached, JobLost, JobNotFound, NetworkTimeout, ValidationError
from .events import Cancelled, Failed, Queued, Succeeded
from .interrupt import Interrupter
from .job import BackendCancel, Job, Result
from .options import ClientOptions
from .request import Request

_log = logging.getLogger(__name__)

POSITION_EVENTS = 64
"""How many waiting jobs hear of a new position when one leaves; ``status`` is exact for all."""

RECORD_VERSION = 1


def _nothing(_job: Job) -> None:
    """Prepare nothing."""


class Hooks(Protocol):
    """What a client gives to have its jobs run; all but the two ``can_`` are called on worker threads."""

    @property
    def server(self) -> str:
        """Which server this is; goes into records."""

    def can_rejoin(self) -> bool:
        """Whether a job that was sent can be found again on the server."""

    def can_detach(self) -> bool:
        """Whether a job that was sent may be let go of."""

    def run(self, job: JobContext) -> Result:
        """Submit the request and see it through."""

    def rejoin(self, job: JobContext) -> Result:
        """See a job through that may have been sent before."""

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Tell the backend to cancel the job, and wait until it is free."""


@dataclass(order=True)
class _Entry:
    rank: tuple[int, int]
    job: Job = field(compare=False)
    context: JobContext = field(compare=False)
    rejoin: bool = field(compare=False)
    hooks: Hooks | None = field(default=None, compare=False)
    draining: Interrupter | None = field(default=None, compare=False)


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
        self._lane = threading.Condition(threading.Lock())
        self._waiting: list[_Entry] = []
        self._entries: dict[str, _Entry] = {}
        self._jobs: dict[str, Job] = {}
        self._finished: dict[str, None] = {}
        self._serial = 0
        self._idle_workers = 0
        self._running = 0
        self._workers: list[threading.Thread] = []
        self._helpers: list[threading.Thread] = []
        self._news: SimpleQueue[Job | None] = SimpleQueue()
        self._interrupts: SimpleQueue[Interrupter | None] = SimpleQueue()
        self._closing = threading.Event()
        self._dispatcher_ended = False
        self._resuming = threading.Lock()

    # Jobs in

    def submit(
        self,
        request: Request | Mapping[str, Any],
        *,
        priority: int = 0,
        prepare: Callable[[Job], None] = _nothing,
    ) -> Job:
        """Take a request, of higher ``priority`` before others, and return its job at once.

        ``prepare`` gets the job before any worker does.
        """
        typed = self.typed(request)
        typed.validate()
        typed = typed.copied()
        job = Job(str(uuid.uuid4()), self.backend, typed, self)
        prepare(job)
        return self._enqueue(job, priority, rejoin=False)

    def typed(self, request: Request | Mapping[str, Any]) -> Request:
        """Return the typed request, made of a mapping of its fields if need be."""
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
        prepare: Callable[[Job], None] = _nothing,
        newest: bool = False,
    ) -> Job:
        """Return a job that re-joins the one of ``record``; the same job if it is still under way here.

        A record that says ``queued`` may have been taken before the job was sent: so the server is asked first, unless
        the caller knows the record to be the ``newest``.
        """
        job = self._job_of(record)
        with self._resuming:
            with self._lane:
                known = self._jobs.get(job.id)
            if known is not None and not known.done():
                return known
            prepare(job)
            return self._enqueue(job, priority, rejoin=not (newest and job._stage == STAGE_QUEUED))

    def _job_of(self, record: Mapping[str, Any]) -> Job:
        try:
            if record["version"] != RECORD_VERSION or record["backend"] != self.backend:
                raise ValueError(f"version {record['version']!r} of backend {record['backend']!r}")
            request = self._typed_by_name(str(record["request_type"]), record["request"])
            job = Job(str(record["id"]), self.backend, request, self)
            job.backend_id = record["backend_id"]
            job._stage = str(record["stage"])
            job._state = dict(record["state"])
            job._server = record.get("server")
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(
                f"This is no record of a {self.backend} job: {error!r}.",
                code="invalid_record",
                backend=self.backend,
                hint="Pass on what Job.record() returned, unchanged.",
            ) from error
        return job

    def _typed_by_name(self, name: str, fields: Mapping[str, Any]) -> Request:
        for each in self._request_types:
            if each.__name__ == name:
                return each.from_dict(fields)
        raise ValueError(f"request type {name!r}")

    def _enqueue(self, job: Job, priority: int, *, rejoin: bool) -> Job:
        context = JobContext(job, self.options, self._recorder)
        with self._lane:
            self._refuse_if_closed()
            self._serial += 1
            entry = _Entry((-priority, self._serial), job, context, rejoin)
            position = bisect_left(self._waiting, entry)
        # before any worker can see the job, so that it is the first event
        job._publish(Queued(position, job_id=job.id, at=time.time()))
        with self._lane:
            self._refuse_if_closed()
            insort(self._waiting, entry)
            self._jobs[job.id] = job
            self._entries[job.id] = entry
            self._finished.pop(job.id, None)
            self._start_worker_if_needed()
            self._lane.notify()
        return job

    def _refuse_if_closed(self) -> None:
        if self._closing.is_set():
            raise BackendError(
                "This client is closed.", code="client_closed", backend=self.backend, hint="Make a new client."
            )

    # Asking and cancelling

    def job(self, job_id: str) -> Job:
        """Return the job; ``JobNotFound`` if it is unknown or forgotten."""
        with self._lane:
            job = self._jobs.get(job_id)
        if job is None:
            raise JobNotFound(
                f"No job {job_id} is known here.",
                backend=self.backend,
                hint="It was forgotten, or belongs to another client.",
            )
        return job

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled without I/O; its worker tells the backend. True if this call ended it."""
        self.job(job_id)
        with self._lane:
            entry = self._entries.get(job_id)
        return entry is not None and self._cancel(entry)

    def _cancel(self, entry: _Entry) -> bool:
        with self._lane:
            untouched = self._drop_if_untouched(entry)
        outcome = BackendCancel.CONFIRMED if untouched else BackendCancel.PENDING
        if not entry.job._end(Cancelled(job_id=entry.job.id, at=time.time()), outcome):
            return False
        entry.context.stop(JobCancelled("The job was cancelled.", backend=self.backend))
        self._interrupts.put(entry.context.interrupter)
        if untouched:
            self._retire(entry)
            self._announce_positions()
        return True

    def _drop_if_untouched(self, entry: _Entry) -> bool:
        """Take a job out of the lane that the backend can't know of; the lane's lock is held."""
        at = bisect_left(self._waiting, entry)
        waits = at < len(self._waiting) and self._waiting[at] is entry
        if waits and not entry.rejoin:
            del self._waiting[at]
            return True
        return False

    def forget(self, job_id: str) -> None:
        """Drop an ended job from memory; one that is under way raises ``ValidationError``."""
        job = self.job(job_id)
        if not job.done():
            raise ValidationError(
                "The job is still under way.", code="job_active", backend=self.backend, hint="Cancel it first."
            )
        with self._lane:
            self._jobs.pop(job_id, None)
            self._finished.pop(job_id, None)

    def busy(self) -> bool:
        """Whether any job waits, runs, or keeps its lane while its cancel is on its way."""
        return bool(self._entries)

    def under_way(self) -> frozenset[str]:
        """Return the ids of the jobs that wait, run, or keep their lane."""
        with self._lane:
            return frozenset(self._entries)

    # The job's owner

    def record(self, job: Job) -> dict[str, Any]:
        """Return what ``resume`` needs of the job, JSON-ready."""
        return {
            "version": RECORD_VERSION,
            "id": job.id,
            "backend": self.backend,
            "backend_id": job.backend_id,
            "stage": job._stage,
            "server": job._server,
            "state": dict(job._state),
            "request_type": type(job.request).__name__,
            "request": job.request.to_dict(),
            "submitted_at": job._status.submitted_at,
        }

    def queue_position(self, job: Job) -> int | None:
        """Return how many jobs of this lane come before the job, None if it does not wait here."""
        with self._lane:
            entry = self._entries.get(job.id)
            if entry is None:
                return None
            at = bisect_left(self._waiting, entry)
            waits = at < len(self._waiting) and self._waiting[at] is entry
        return at if waits else None

    def dispatch(self, job: Job) -> None:
        """Have the job's listeners called on the dispatcher thread."""
        with self._lane:
            if not self._dispatcher_ended:
                self._news.put(job)
                return
        self._thread(job._dispatch, "late-dispatcher")

    # Threads

    def _start_worker_if_needed(self) -> None:
        if self._idle_workers >= len(self._waiting) or len(self._workers) >= self.options.max_workers:
            return
        self._workers.append(self._thread(self._work, f"worker-{len(self._workers)}"))

    def _thread(self, target: Callable[[], None], role: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=f"movie-director-{self.backend}-{role}", daemon=True)
        thread.start()
        return thread

    def _ensure_helpers(self) -> None:
        with self._lane:
            if not self._helpers:
                self._helpers = [
                    self._thread(self._dispatch_news, "dispatcher"),
                    self._thread(self._interrupt_calls, "interrupter"),
                ]

    def _dispatch_news(self) -> None:
        while (job := self._news.get()) is not None:
            job._dispatch()
        with self._lane:
            self._dispatcher_ended = True
        while not self._news.empty():
            last = self._news.get()
            if last is not None:
                last._dispatch()

    def _interrupt_calls(self) -> None:
        while (interrupter := self._interrupts.get()) is not None:
            interrupter.fire()

    def _work(self) -> None:
        self._ensure_helpers()
        while (entry := self._next()) is not None:
            self._announce_positions()
            try:
                self._process(entry)
            except BaseException:  # noqa: BLE001 - whatever a job raises, its lane goes on
                _log.exception("Ending a %s job failed", self.backend)
            finally:
                with self._lane:
                    self._running -= 1
                self._retire(entry)

    def _next(self) -> _Entry | None:
        with self._lane:
            self._idle_workers += 1
            try:
                while not self._may_begin():
                    self._lane.wait()
                if not self._waiting:
                    return None
                self._running += 1
                return self._waiting.pop(0)
            finally:
                self._idle_workers -= 1

    def _may_begin(self) -> bool:
        """Whether a worker has something to do now; the lane may have been made narrower since its workers began."""
        if self._closing.is_set():
            return True
        return bool(self._waiting) and self._running < self.options.max_workers

    def _announce_positions(self) -> None:
        with self._lane:
            first = self._waiting[:POSITION_EVENTS]
        for position, entry in enumerate(first):
            entry.context.queued(position)

    # One job

    def _process(self, entry: _Entry) -> None:
        job = entry.job
        timed_out = not job.done() and self._run(entry)
        if job.cancelled() or timed_out:
            self._tell_backend(entry)

    def _run(self, entry: _Entry) -> bool:
        """Run the job to its end; whether it ended because its own time was over."""
        job, event = entry.job, None
        try:
            with self._time_limit(entry.context):
                hooks = entry.hooks = self._provider()
                job._server = hooks.server
                result = self._rejoin(entry, hooks) if entry.rejoin else hooks.run(entry.context)
            event = Succeeded(result, job_id=job.id, at=time.time())
        except BaseException as error:  # noqa: BLE001 - MemoryError and SystemExit end the job, not the worker
            failure = self._as_backend_error(error)
            ended = job._end(Failed(failure, job_id=job.id, at=time.time()))
            return ended and isinstance(failure, NetworkTimeout) and failure.code == "job_timeout"
        job._end(event)
        return False

    @contextmanager
    def _time_limit(self, context: JobContext) -> Iterator[None]:
        """Have a job's time begin, and whatever blocks broken off when it is over: what waits notices by itself."""
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

    def _rejoin(self, entry: _Entry, hooks: Hooks) -> Result:
        """Look for the job on the server; send it only if its record says that it was not, and the server does too."""
        try:
            return hooks.rejoin(entry.context)
        except JobLost:
            if entry.job._stage != STAGE_QUEUED or not hooks.can_rejoin():
                raise
        return hooks.run(entry.context)

    def _as_backend_error(self, error: BaseException) -> BackendError:
        if isinstance(error, BackendError):
            error.backend = error.backend or self.backend
            return error
        _log.error("A %s job failed unexpectedly", self.backend, exc_info=error)
        failure = BackendError(
            f"Movie Director failed on its own: {type(error).__name__}: {error}",
            code="internal",
            backend=self.backend,
            hint="Please report this with the lines of the system console.",
        )
        failure.__cause__ = error
        return failure

    def _tell_backend(self, entry: _Entry) -> None:
        job = entry.job
        if job._stage == STAGE_QUEUED and not entry.rejoin:
            job._set_backend_cancel(BackendCancel.CONFIRMED)
            return
        context = CancelContext(job, self.options.drain_timeout_s, self._closing)
        entry.draining = context.interrupter
        try:
            hooks = entry.hooks or self._provider()
            outcome = hooks.cancel_on_backend(context)
        except BaseException as error:  # noqa: BLE001 - see _work
            _log.warning("Telling %s to cancel job %s failed: %s", self.backend, job.id, error)
            outcome = BackendCancel.FAILED
        job._set_backend_cancel(outcome)

    def _retire(self, entry: _Entry) -> None:
        with self._lane:
            self._entries.pop(entry.job.id, None)
            if entry.job.id in self._jobs:
                self._finished[entry.job.id] = None
            while len(self._finished) > self.options.keep_finished:
                oldest = next(iter(self._finished))
                del self._finished[oldest]
                self._jobs.pop(oldest, None)
            self._lane.notify_all()

    # The end

    def close(self, *, detach: bool, timeout_s: float) -> None:
        """End all jobs (see ``BaseAPIClient.close``) and join every thread within ``timeout_s``; later calls do
        nothing.
        """
        deadline = time.monotonic() + timeout_s
        with self._lane:
            if self._closing.is_set():
                return
            self._closing.set()
            entries = list(self._entries.values())
            self._lane.notify_all()
        for entry in entries:
            if not (detach and self._detach(entry)):
                self._cancel(entry)  # by its entry: a job that still drains may have been forgotten
        self._join(self._workers, deadline - timeout_s / 4)
        for entry in entries:
            entry.context.interrupter.fire()
            if entry.draining is not None:
                entry.draining.fire()
        self._join(self._workers, deadline)
        self._news.put(None)
        self._interrupts.put(None)
        self._join(self._helpers, deadline)

    def _detach(self, entry: _Entry) -> bool:
        """Let go of a job that can be found again; False if it can't."""
        hooks = entry.hooks
        sent = entry.job._stage != STAGE_QUEUED
        able = entry.context.detachable
        if able is None:
            able = hooks is None or hooks.can_detach()
        if not sent or not able:
            return False
        error = JobDetached(
            "The job was left running on the server.",
            backend=self.backend,
            hint="Resume it from its record to fetch the result.",
        )
        entry.job._end(Failed(error, job_id=entry.job.id, at=time.time()))
        entry.context.stop(error)
        self._interrupts.put(entry.context.interrupter)
        return True

    def _join(self, threads: list[threading.Thread], deadline: float) -> None:
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
