"""The contexts of a job for a backend's hooks: one for its run, one for its cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from .errors import BackendError, JobCancelled, NetworkTimeout
from .events import Event, Logged, Previewed, Progressed, Queued, Reconnected, Started, Submitted, TextDelta
from .interrupt import Interrupter
from .job_internals import STAGE_ACCEPTED, STAGE_QUEUED, STAGE_SENT, JobInternals
from .model import JobState, Progress

if TYPE_CHECKING:
    from .options import ClientOptions
    from .request import Request

_WAKE = object()


class Recorder(Protocol):
    """Stores job records before a request leaves this machine; called on worker threads."""

    def record(self, record: Mapping[str, Any]) -> None:
        """Store the record so that it survives a crash."""


class JobContext:
    """A backend's view of one running job: reports events, waits until a cancel at most, keeps state for a resume.

    Methods that wait or check raise ``JobCancelled`` or ``JobDetached`` once another thread has ended the job, and
    ``NetworkTimeout`` (code ``job_timeout``) once its time is over. ``post`` may be called from any thread, the
    others from the worker's. A hook sets ``detachable`` to override ``BaseAPIClient.can_detach`` for this one job.
    """

    def __init__(self, job: JobInternals, options: ClientOptions, recorder: Recorder | None) -> None:
        self.job_id = job.id
        self.options = options
        self.interrupter = Interrupter()
        self.detachable: bool | None = None
        self._job = job
        self._recorder = recorder
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._stopped = threading.Event()
        self._stop_error: BackendError | None = None
        self._deadline: float | None = None
        self._fraction = 0.0

    @property
    def request(self) -> Request:
        """The typed request."""
        return self._job.request

    @property
    def backend_id(self) -> str | None:
        """The server's id of the job, None before ``submitted``."""
        return self._job.backend_id

    @property
    def output_dir(self) -> Path:
        """The folder for artifacts."""
        return self.options.output_dir

    @property
    def state(self) -> Mapping[str, Any]:
        """The state stored for a resume."""
        return self._job.state

    # Reporting events

    def sending(self, **state: Any) -> None:
        """Record, on disk before the return, that the backend may know the job from now on."""
        self.check()
        self._remember(STAGE_SENT, state)

    def not_sent(self, **state: Any) -> None:
        """Undo ``sending``: the backend has certainly rejected the job."""
        self._remember(STAGE_QUEUED, state)

    def submitted(self, backend_id: str, **state: Any) -> None:
        """Report that the backend has accepted the job under ``backend_id``."""
        self._job.backend_id = backend_id  # also for a job cancelled meanwhile: its cancel on the backend needs the id
        self._job.publish(Submitted(backend_id, **self._stamp()))
        self._remember(STAGE_ACCEPTED, state)

    def queued(self, position: int) -> None:
        """Report that ``position`` jobs of the backend come first; repeated positions are dropped."""
        status = self._job.status
        if status.started_at is None and status.queue_position != position:
            self._publish(Queued(position, **self._stamp()))

    def started(self) -> None:
        """Report that the backend works on the job."""
        if self._job.status.state is not JobState.RUNNING:
            self._publish(Started(**self._stamp()))

    def progress(
        self,
        fraction: float | None = None,
        *,
        estimated: bool = False,
        step: int | None = None,
        total_steps: int | None = None,
        stage: str = "",
        eta_s: float | None = None,
    ) -> None:
        """Report the progress; a lower fraction than before counts as the earlier one."""
        if fraction is not None:
            self._fraction = fraction = max(self._fraction, min(fraction, 1.0))
        progress = Progress(fraction, estimated, step, total_steps, stage, eta_s)
        if progress != self._job.status.progress:
            self._publish(Progressed(progress, **self._stamp()))

    def preview(self, data: bytes, media_type: str) -> None:
        """Report an encoded picture of the unfinished result."""
        self._publish(Previewed(data, media_type, **self._stamp()))

    def text(self, delta: str) -> None:
        """Report more of the answer's text."""
        self._publish(TextDelta(delta, **self._stamp()))

    def log(self, line: str) -> None:
        """Report a line of the backend's log, or a warning."""
        self._publish(Logged(line, **self._stamp()))

    def message(self, message: str) -> None:
        """Set the status's one-line message, such as ``Uploading cat.png``."""
        self._job.set_message(message)

    def reconnected(self) -> None:
        """Report that a lost connection is open again."""
        self._publish(Reconnected(**self._stamp()))

    # Waiting

    def check(self) -> None:
        """Raise if another thread has ended the job or its time is over."""
        if self._stop_error is not None:
            raise self._stop_error
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise NetworkTimeout(
                f"The job did not finish within its time limit of {self.options.job_timeout_s:g} s.",
                code="job_timeout",
                hint="Raise the job time-out in the preferences, or make the job smaller.",
            )

    def post(self, item: Any) -> None:
        """Put an item into the job's inbox."""
        self._inbox.put(item)

    def receive(self, timeout_s: float) -> Any:
        """Return the next item of the inbox, None if none comes within ``timeout_s``."""
        self.check()
        try:
            item = self._inbox.get(timeout=self._bounded(timeout_s))
        except Empty:
            item = _WAKE
        self.check()
        return None if item is _WAKE else item

    def sleep(self, seconds: float) -> None:
        """Wait ``seconds``, less if the job ends."""
        self.check()
        self._stopped.wait(self._bounded(seconds))
        self.check()

    # For the runner

    def begin(self) -> None:
        """Start the job's time limit."""
        if self.options.job_timeout_s is not None:
            self._deadline = time.monotonic() + self.options.job_timeout_s

    def stop(self, error: BackendError) -> None:
        """Make every wait and check of the worker raise ``error`` from now on."""
        self._stop_error = error
        self._stopped.set()
        self._inbox.put(_WAKE)

    def _bounded(self, seconds: float) -> float:
        if self._deadline is None:
            return seconds
        return max(0.0, min(seconds, self._deadline - time.monotonic()))

    def _publish(self, event: Event) -> None:
        self._job.publish(event)

    def _stamp(self) -> dict[str, Any]:
        return {"job_id": self.job_id, "at": time.time()}

    def _remember(self, stage: str, state: Mapping[str, Any]) -> None:
        self._job.stage = stage
        self._job.state.update(state)
        if self._recorder is not None:
            self._recorder.record(self._job.owner.record(self._job))


class CancelContext:
    """The argument of the hook that cancels on the backend: the job's ids and a bounded time.

    ``wait`` returns False once the time is over or the client is being closed, and the hook should then return at
    once. With ``check`` and ``sleep`` it is the scope of HTTP requests; those are still made while the client is
    being closed.
    """

    def __init__(self, job: JobInternals, drain_timeout_s: float, closing: threading.Event) -> None:
        self.job_id = job.id
        self.backend_id = job.backend_id
        self.request = job.request
        self.state: Mapping[str, Any] = job.state
        self.interrupter = Interrupter()
        self._closing = closing
        self._deadline = time.monotonic() + drain_timeout_s

    def remaining_s(self) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self._deadline - time.monotonic())

    def wait(self, seconds: float) -> bool:
        """Sleep up to ``seconds``; return False once the drain deadline has passed or the client is closing."""
        self._closing.wait(min(seconds, self.remaining_s()))
        return not self._closing.is_set() and self.remaining_s() > 0

    def check(self) -> None:
        """Raise ``JobCancelled`` once the time is over."""
        if self.remaining_s() <= 0 or self.interrupter.fired:
            raise JobCancelled("The time to stop the job on the server is over.")

    def sleep(self, seconds: float) -> None:
        """Wait between two tries of a request; raises as ``check`` does."""
        self.wait(seconds)
        self.check()
