"""Monitors one job from the server's queue to its end, on the job's worker: the I/O around ``RunMachine``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ...core.context import JobContext
from ...core.errors import BackendError
from ...http.redaction import Redact
from ..server.event_socket import EventSocket
from ..server.job_lookup import JobLookup, LookupResult
from ..server.timings import Timings
from .run_events import (
    Command,
    EventKind,
    Fail,
    Finish,
    LogLine,
    LookUp,
    RenewSocket,
    ReportPreview,
    ReportProgress,
    ReportQueued,
    ReportReconnected,
    ReportStarted,
    RunEvent,
    SetMessage,
    event_for_error,
    event_for_item,
    event_for_result,
)
from .run_machine import RunMachine
from .run_states import RunState, SocketState
from .websocket_outputs import SocketImages


class RunMonitor:
    """Turns the job's inbox, look-ups and the clock into events, and carries out the machine's commands.

    Used by one worker thread. ``pictures`` are the run's outputs over the websocket.
    """

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
        self._machine = RunMachine(
            prompt, timings, job.options.stream_idle_timeout_s, redact, time.monotonic, outputs=targets
        )
        self._prompt_id = ""
        self._result: LookupResult | None = None
        self.pictures = SocketImages(prompt, job.output_dir)

    def wait_for_socket(self) -> None:
        """Wait until the websocket is open, ``socket_wait_s`` at most or until it fails, so that the first messages
        are not missed.
        """
        until = time.monotonic() + self._timings.socket_wait_s
        while True:
            waits = self._machine.socket_state is SocketState.CONNECTING
            item = self._job.receive(max(0.0, until - time.monotonic()) if waits else 0.0)
            if item is None:
                return
            self._take(item)

    def expect(self, outputs: list[str]) -> None:
        """Count the nodes for these outputs in the progress; call it before ``follow``."""
        self._machine.expect(outputs)

    def follow(self, prompt_id: str) -> LookupResult:
        """Return the job's end; raises ``JobLost`` if the server no longer knows the job, and the network error of a
        long outage.
        """
        self._prompt_id = prompt_id
        self._dispatch(RunEvent(EventKind.FOLLOWED))
        while self._result is None:
            self._take(self._job.receive(max(0.0, self._machine.next_lookup - time.monotonic())))
            if time.monotonic() >= self._machine.next_lookup:
                self._dispatch(RunEvent(EventKind.LOOKUP_DUE))
        return self._result

    def collect(self) -> None:
        """Handle pending messages; wait briefly for the last one if pictures may still arrive."""
        waits = self.pictures.expected and self._machine.live
        until = time.monotonic() + (self._timings.socket_wait_s if waits else 0.0)
        while self._machine.run_state is RunState.COLLECTING and (left := until - time.monotonic()) > 0:
            self._take(self._job.receive(left))
        self._drain()

    def finish(self) -> None:
        """Report that the result was fetched: a websocket without messages is then renewed."""
        self._drain()
        self._dispatch(RunEvent(EventKind.FETCHED))

    def _drain(self) -> None:
        while (item := self._job.receive(0.0)) is not None:
            self._take(item)

    def _take(self, item: object) -> None:
        event = event_for_item(item)
        if event is not None:
            self._dispatch(event)

    def _dispatch(self, event: RunEvent) -> None:
        for command in self._machine.on(event):
            self._execute(command)

    def _execute(self, command: Command) -> None:
        match command:
            case LookUp(position):
                self._look_up(position=position)
            case RenewSocket():
                self._connection.renew()
            case Finish(result):
                self._result = result
            case Fail(error):
                raise error
            case ReportQueued(position):
                self._job.queued(position)
            case ReportStarted():
                self._job.started()
                self._job.message("")
            case ReportReconnected():
                self._job.reconnected()
            case SetMessage(text):
                self._job.message(text)
            case LogLine(text):
                self._job.log(text)
            case ReportPreview(preview, running_node):
                self.pictures.take(preview, running_node)
                self._job.preview(preview.data, preview.media_type)
            case ReportProgress(now):
                self._job.progress(
                    now.fraction, step=now.step, total_steps=now.total_steps, stage=now.stage, eta_s=now.eta_s
                )

    def _look_up(self, *, position: bool) -> None:
        try:
            result = self._lookup.ask(self._prompt_id, self._job, position=position)
            event = event_for_result(result, self._connection.serves)
        except BackendError as error:
            self._job.check()
            event = event_for_error(error)
        self._dispatch(event)
