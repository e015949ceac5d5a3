"""Seeing one job through, from the server's queue to its end.

One loop on the job's worker: messages of the websocket tell how far it is and when to ask; what the server answers when
asked ends it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from ...core.context import JobContext
from ...core.errors import BackendError, GenerationError, JobLost
from ..execution_errors import first_line, is_blocked_output
from ..secrecy import Redact, redacted
from ..server.event_socket import Down, EventSocket, Up
from ..server.job_lookup import JobLookup, LookupResult, ServerJobState
from ..server.messages import Message, NodeText, Preview
from ..server.timings import Timings
from ..validation_errors import BACKEND
from ..workflow.loading import title_of
from .progress import ProgressTracker
from .websocket_outputs import SocketImages

_ENDS = {
    "execution_success": ServerJobState.SUCCEEDED,
    "execution_error": ServerJobState.FAILED,
    "execution_interrupted": ServerJobState.INTERRUPTED,
}
_RUNS = frozenset({"execution_start", "execution_cached", "executing", "progress", "progress_state", "executed"})


class RunMonitor:
    """Follows one prompt; used by one worker thread."""

    def __init__(
        self,
        job: JobContext,
        lookup: JobLookup,
        connection: EventSocket,
        timings: Timings,
        redact: Redact,
        prompt: Mapping[str, Mapping[str, Any]],
        targets: list[str] | None = None,
    ) -> None:
        self._job = job
        self._lookup = lookup
        self._connection = connection
        self._timings = timings
        self._redact = redact
        self._prompt = prompt
        self._tracker = ProgressTracker(prompt, targets)
        self._prompt_id = ""
        self._live = False
        self._was_live = False
        self._lost_touch = False
        self._heard_all = False
        self._started = False
        self._heard = False
        self._quiet_since: float | None = None
        self._renewing = False
        self._told_blind = False
        self._end: tuple[ServerJobState, Mapping[str, Any]] | None = None
        self._end_told = False
        self._ask_at = math.inf
        self._soon_s = timings.ask_soon_s
        self._absent = False
        self._idle_since: float | None = None
        self._began: float | None = None
        self._told_stuck = False
        self._away_since: float | None = None
        self._kept_outputs: dict[str, Any] = {}
        self._running_node = ""
        self.pictures = SocketImages(prompt, job.output_dir)

    def wait_for_socket(self) -> None:
        """Wait a little for the websocket, so that the job's first messages are not missed: until it is open, or can't
        be opened while the job waits for it.
        """
        until = time.monotonic() + self._timings.socket_wait_s
        down: Down | None = None
        settled = False
        while (item := self._job.receive(0.0 if settled else max(0.0, until - time.monotonic()))) is not None:
            if isinstance(item, (Up, Down)):
                down = item if isinstance(item, Down) else None
                settled = down is None or not down.was_up
                self._live = down is None
            else:
                self._take(item)
        self._was_live = self._heard_all = self._live
        if down is not None:
            self._take_down(down.error)

    def expect(self, outputs: list[str]) -> None:
        """Count in the progress what these output nodes need; before the run is followed."""
        self._tracker = ProgressTracker(self._prompt, outputs)

    def follow(self, prompt_id: str) -> LookupResult:
        """Return how the job ended; ``JobLost`` if the server no longer knows it."""
        self._prompt_id = prompt_id
        self._plan(self._timings.position_every_s if self._live else 0.0)
        while True:
            self._take(self._job.receive(max(0.0, self._ask_at - time.monotonic())))
            if time.monotonic() >= self._ask_at:
                found = self._ask()
                if found is not None:
                    return found

    def take_rest(self) -> None:
        """Take what has come since the end was found out; for pictures that may still be on their way wait a little."""
        waits = self.pictures.expected and self._live and not self._lost_touch
        until = time.monotonic() + (self._timings.socket_wait_s if waits else 0.0)
        while not self._end_told and (left := until - time.monotonic()) > 0:
            self._take(self._job.receive(left))
        while (item := self._job.receive(0.0)) is not None:
            self._take(item)

    def finish(self) -> None:
        """Look whether the job's end was also told; if it was not although the websocket was open all the time, it has
        gone deaf and is renewed.
        """
        self.take_rest()
        if self._heard_all and not self._end_told:
            self._renew()

    # Messages

    def _take(self, item: Any) -> None:
        if isinstance(item, Message):
            self._take_message(item)
        elif isinstance(item, Preview):
            self.pictures.take(item, self._running_node)
            self._job.preview(item.data, item.media_type)
        elif isinstance(item, NodeText):
            self._job.message(self._redact(f"{self._stage()}: {item.text}".removeprefix(": ")))
        elif isinstance(item, Up):
            self._take_up()
        elif isinstance(item, Down):
            self._take_down(item.error)

    def _take_up(self) -> None:
        if self._was_live and not self._live:
            if not self._renewing:
                self._job.reconnected()
            self._plan(0.0)
        self._renewing = False
        self._live = self._was_live = True

    def _take_down(self, error: BackendError) -> None:
        if self._was_live:
            self._lost_touch = self._lost_touch or not self._renewing
        elif not self._told_blind:
            self._told_blind = True
            self._job.log(f"No live progress: {error.message}")
        self._live = self._heard_all = False
        self._plan(self._timings.poll_without_socket_s)

    def _take_message(self, message: Message) -> None:
        kind, data = message.kind, message.data
        if kind == "status":
            if not self._started:
                self._plan(self._timings.position_every_s)
        elif kind == "execution_error" and is_blocked_output(data):
            title = title_of(self._prompt, str(data.get("node_id", "")))
            words = first_line(redacted(data.get("exception_message"), self._redact))
            self._job.log(f"{title!r} was blocked: {words}")
        elif kind in _ENDS:
            self._end = (_ENDS[kind], data)
            self._take_end()
        elif kind == "executing" and data.get("node") is None:
            self._take_end()
        elif kind in _RUNS and (message.prompt_id or self._started):
            self._take_step(kind, data)

    def _take_end(self) -> None:
        self._end_told = self._heard = True
        self._plan(0.0)

    def _take_step(self, kind: str, data: Mapping[str, Any]) -> None:
        self._heard = True
        self._quiet_since = time.monotonic()
        self._start()
        if kind == "executing":
            self._running_node = str(data.get("node"))
        if kind == "executed":
            self._kept_outputs[str(data.get("node"))] = data.get("output")
        if self._tracker.take(kind, data):
            now = self._tracker.snapshot()
            self._job.progress(
                now.fraction, step=now.step, total_steps=now.total_steps, stage=now.stage, eta_s=now.eta_s
            )

    def _stage(self) -> str:
        return self._tracker.snapshot().stage

    def _start(self) -> None:
        self._started = True
        self._job.started()

    # Asking

    def _plan(self, seconds: float) -> None:
        """Ask after so many seconds, or when it was planned before, if that is sooner."""
        self._ask_at = min(self._ask_at, time.monotonic() + seconds)

    def _ask(self) -> LookupResult | None:
        """Ask where the job is; the finding if it has ended."""
        self._ask_at = time.monotonic() + (
            self._timings.poll_with_socket_s if self._live else self._timings.poll_without_socket_s
        )
        try:
            found = self._lookup.ask(self._prompt_id, self._job, position=not self._started)
        except BackendError as error:
            self._bear(error)
            return None
        if self._away_since is not None:
            self._away_since = None
            self._job.message("")
        if found.place.ended:
            self._start()
            return found
        if found.place is ServerJobState.ABSENT:
            return self._missing()
        self._absent = False
        self._take_place(found)
        if self._end_told:
            self._ask_at = time.monotonic() + self._soon_s
            self._soon_s = min(self._soon_s * 2.0, self._timings.poll_without_socket_s)
        return None

    def _take_place(self, found: LookupResult) -> None:
        if found.place is ServerJobState.RUNNING:
            self._start()
            self._watch_socket()
            self._watch_run()
            return
        if found.position is not None:
            self._job.queued(found.position)
        self._watch_worker(found.idle)

    def _watch_socket(self) -> None:
        """Open the websocket anew if it has been silent for too long while the job runs by the server's word.

        A job that was never heard of must have gone past a deaf socket; one that was may sit in a long node: the
        idle time-out of the options counts then.
        """
        if not self._live:
            return
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        idle_s = (
            self._job.options.stream_idle_timeout_s
            if self._heard or self._lost_touch
            else self._timings.no_message_timeout_s
        )
        if now - self._quiet_since >= idle_s:
            self._quiet_since = now
            self._heard = True
            self._renew()
        self._plan(idle_s)

    def _renew(self) -> None:
        self._renewing = True
        self._connection.renew()

    def _watch_run(self) -> None:
        """Say it if a job that has begun gets to no node: the server's worker thread may have died of it."""
        now = time.monotonic()
        self._began = self._began or now
        if self._heard and not self._stage() and not self._told_stuck and now - self._began >= self._timings.stuck_s:
            self._told_stuck = True
            self._job.log("The job has begun but no node runs. If that stays so, restart ComfyUI.")

    def _watch_worker(self, idle: bool) -> None:
        """A server takes the next job at once; one that runs nothing while jobs wait has lost its worker thread."""
        if not idle:
            self._idle_since = None
            return
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        if now - self._idle_since >= self._timings.idle_s:
            raise GenerationError(
                "The ComfyUI server accepts jobs but no longer runs them.",
                code="worker_dead",
                backend=BACKEND,
                hint="Restart ComfyUI, then send the job again.",
                retryable=True,
            )
        self._plan(self._timings.poll_without_socket_s)

    def _bear(self, error: BackendError) -> None:
        """Go on asking while the server is away, unless it is away for too long or says something that stays true."""
        self._job.check()
        if not error.retryable:
            raise error
        now = time.monotonic()
        self._lost_touch = True
        self._away_since = self._away_since or now
        if now - self._away_since >= self._timings.outage_s:
            raise error
        self._job.message("The connection to the server is lost; trying again")
        self._plan(self._timings.poll_without_socket_s)

    def _missing(self) -> LookupResult | None:
        """The server does not know the job: look once more, then it is lost, unless its whole end had been told."""
        if not self._absent:
            self._absent = True
            self._ask_at = time.monotonic() + self._timings.recheck_missing_s
            return None
        if self._end is not None and (self._kept_outputs or self._end[0] is not ServerJobState.SUCCEEDED):
            place, data = self._end
            return LookupResult(place, outputs=self._kept_outputs, end=data, prompt_id=self._prompt_id)
        if self._lost_touch:
            during = f" during {stage!r}" if (stage := self._stage()) else ""
            raise job_lost(
                f"The ComfyUI server crashed or was restarted{during} and has lost the job.",
                hint="Send it again. If that happens every time, the server runs out of memory: make the job smaller.",
            )
        if self._started:
            raise job_lost("The ComfyUI server no longer knows the job: its history was cleared.")
        raise job_lost("The job was removed from the ComfyUI server's queue.", code="removed")


def job_lost(message: str, code: str | None = None, hint: str = "Send it again.") -> JobLost:
    """Return the error for a job that is not on the server any more."""
    return JobLost(message, code=code, backend=BACKEND, hint=hint, retryable=True)
