"""Follows a job on WanGP's web page: progress, status lines and previews, until its end."""

from __future__ import annotations

import time

from ...core.context import JobContext
from ...core.errors import BackendError, StreamInterrupted
from ...gradio.component_values import is_update
from ...gradio.messages import Completed, Failed, Log, Message, Progress, Queued, Started, Yielded
from ...gradio.queue_call import GradioCall
from ...gradio.session import GradioSession
from ..errors import BACKEND
from ..previews import parse_preview
from ..progress import USUAL_S, Estimate, get_fraction, parse_phase
from ..timings import Timings
from .queue_functions import Chain

_LOOK_S = 0.2
_MAX_LINE = 500
_MAX_STEPS = 2**31 - 1
_HANGS = (
    "WanGP is busy with another session, or its status display hangs. "
    "The job continues; restart WanGP if its progress does not return."
)


class RunMonitor:
    """Follows one job; used by one worker thread. ``usual_s`` is the duration of an earlier job, None if there was
    none.
    """

    def __init__(
        self, job: JobContext, session: GradioSession, chain: Chain, timings: Timings, usual_s: float | None
    ) -> None:
        self._job = job
        self._session = session
        self._chain = chain
        self._timings = timings
        self._estimate = Estimate(usual_s or USUAL_S)
        self._heard_at = time.monotonic()
        self._has_progress = False
        self._told_silence = False
        self._preview_mark: object = None
        self._status_line = ""
        self._status_runs = False
        self._renew_at = 0.0
        self._check_at = 0.0

    def follow(self, process: GradioCall, status: GradioCall | None) -> str:
        """Wait for the end and return the last status line; raises the error of ``process``."""
        while True:
            message = process.receive(self._job, _LOOK_S)
            self._drain(status)
            if message is not None:
                self._take_process(message)
            elif process.ended:
                break
            status = self._renew_status(status)
            self._check_stream()
            self._estimate_progress()
        self._await_status(status)
        process.result(self._job)
        return self._status_line

    def _drain(self, status: GradioCall | None) -> None:
        while status is not None and (message := status.receive(self._job, 0.0)) is not None:
            self._take_status(message)

    def _renew_status(self, status: GradioCall | None) -> GradioCall | None:
        """Call the status again if it has ended before the job: it may have looked before the job began."""
        if status is None or not status.ended or time.monotonic() < self._renew_at:
            return status
        self._renew_at = time.monotonic() + self._timings.status_again_s
        try:
            return self._session.join(self._chain.status, [None], scope=self._job)
        except BackendError:
            self._job.check()
            return None

    def _await_status(self, status: GradioCall | None) -> None:
        """Wait for the end of the status call, if it began: the stream must not be dropped while it runs."""
        until = time.monotonic() + self._timings.status_s
        while status is not None and self._status_runs and (left := until - time.monotonic()) > 0:
            message = status.receive(self._job, left)
            if message is None:
                break
            self._take_status(message)

    # Messages

    def _take_process(self, message: Message) -> None:
        if isinstance(message, Queued) and message.rank is not None:
            self._job.queued(message.rank)
        elif isinstance(message, Started):
            self._job.started()
        elif isinstance(message, Yielded):
            self._job.started()
            self._take_yield(message)
        elif isinstance(message, Log):
            self._job.log(message.text[:_MAX_LINE])

    def _take_yield(self, message: Yielded) -> None:
        place = self._chain.preview_output
        mark = message.raw[place] if place < len(message.raw) else None
        changed = mark != self._preview_mark and not is_update(mark)
        first, self._preview_mark = self._preview_mark is None, mark
        if changed and not first and self._chain.preview is not None:
            self._heard_at = time.monotonic()
            self._show_preview(self._chain.preview)

    def _show_preview(self, function: int) -> None:
        """Fetch the preview; with a short time-out."""
        until = time.monotonic() + self._timings.preview_s
        try:
            call = self._session.join(function, [None], scope=self._job)
            while not call.ended and (left := until - time.monotonic()) > 0:
                call.receive(self._job, left)
            outputs = call.result(self._job) if call.ended else []
        except BackendError:
            self._job.check()
            return
        found = parse_preview(outputs[0]) if outputs else None
        if found is not None:
            self._job.preview(*found)

    def _take_status(self, message: Message) -> None:
        if isinstance(message, (Completed, Failed, Queued, Started)):
            self._status_runs = self._status_runs or isinstance(message, Started)
            return
        self._heard_at = time.monotonic()
        if isinstance(message, Progress):
            self._take_progress(message)
        elif isinstance(message, Yielded):
            self._take_line(message.data[0] if message.data else None)

    def _take_progress(self, message: Progress) -> None:
        bar = message.innermost
        phase = parse_phase(bar.desc[:_MAX_LINE])
        self._has_progress = True
        self._job.progress(
            get_fraction(phase, bar.index, bar.length),
            step=_count(bar.index),
            total_steps=_count(bar.length),
            stage=phase.name,
            eta_s=phase.eta_s,
        )

    def _take_line(self, line: object) -> None:
        if isinstance(line, str) and line.strip() and line != self._status_line:
            self._status_line = line.strip()[:_MAX_LINE]
            self._job.message(self._status_line)
            self._job.log(self._status_line)

    # Silence

    def _check_stream(self) -> None:
        """Raise ``StreamInterrupted`` if the stream is dead: no heartbeat comes although the server answers. One that
        does not answer may be loading a model, which holds up its heartbeats too.
        """
        if self._session.silent_s < self._timings.heartbeat_s or time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + self._timings.heartbeat_s
        try:
            self._session.run(self._chain.gallery, [None], scope=self._job, timeout_s=self._timings.gallery_timeout_s)
        except BackendError:
            self._job.check()
            return
        raise StreamInterrupted(
            "The connection to the running job was lost: no sign of life came over it.", backend=BACKEND
        )

    def _estimate_progress(self) -> None:
        """Estimate the progress of a job without messages: the server has one status for all sessions."""
        if self._has_progress or time.monotonic() - self._heard_at < self._timings.silence_s:
            return
        if not self._told_silence:
            self._told_silence = True
            self._job.log(_HANGS)
            self._job.message(_HANGS)
        self._job.progress(round(self._estimate.fraction(), 2), estimated=True, stage="Generating")


def _count(steps: float | None) -> int | None:
    return None if steps is None else int(max(0, min(steps, _MAX_STEPS)))
