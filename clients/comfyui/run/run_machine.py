"""The state machine of a ComfyUI run: three regions, one table each. Pure: events and a clock in, commands out.

``RunState`` is the progress of the job, ``ServerState`` the server by the last look-up, ``SocketState`` the websocket.
Messages make progress quick; only a look-up ends a job. ``docs/comfyui-run.md`` draws it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...core.errors import BackendError
from ...core.state_table import Region, Row, Table, each, go, ignore, stay
from ...http.redaction import Redact, redact_json
from ..execution_errors import first_line, history_cleared, removed_from_queue, server_restarted, worker_dead
from ..server.job_lookup import LookupResult, ServerJobState
from ..server.timings import Timings
from ..workflow.loading import title_of
from .progress import ProgressTracker
from .run_events import (
    ENDS,
    Command,
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
)
from .run_events import EventKind as E
from .run_states import RunState, ServerState, SocketState

AWAY_MESSAGE = "The connection to the server was lost; reconnecting"
HELD_UP_MESSAGE = (
    "Next in the queue, but the server is busy with another prompt. If nobody is waiting for it, stop it in ComfyUI; "
    "if it does not stop, restart ComfyUI."
)
STUCK_MESSAGE = "The job has started, but no node is running. If this continues, restart ComfyUI."


_LIVE = frozenset({SocketState.READY, SocketState.OPEN, SocketState.REOPENED})
_UNDER_WAY = frozenset({RunState.UNHEARD, RunState.STARTED, RunState.RUNNING})
_TIMEOUTS = {
    E.PENDING_NEXT: (E.HELD_UP,),
    E.PENDING_IDLE: (E.WORKER_IDLE,),
    E.IN_PROGRESS: (E.SILENCE, E.STUCK),
    E.LOOKUP_FAILED: (E.OUTAGE,),
}
"""Which deadlines an answer confirms, if they have passed: each verdict needs an answer that fits it."""


class RunMachine:
    """The machine of one run. ``idle_timeout_s`` is the allowed silence on the websocket while a node runs,
    ``outputs`` are the output nodes that will run (None: unknown).
    """

    def __init__(
        self,
        prompt: Mapping[str, Mapping[str, Any]],
        timings: Timings,
        idle_timeout_s: float,
        redact: Redact,
        clock: Callable[[], float],
        outputs: Iterable[str] | None = None,
    ) -> None:
        self._prompt = prompt
        self._timings = timings
        self._idle_timeout_s = idle_timeout_s
        self._redact = redact
        self._clock = clock
        self._run = Region(RUN_TABLE, RunState.CONNECTING)
        self._server = Region(SERVER_TABLE, ServerState.FOUND)
        self._socket = Region(SOCKET_TABLE, SocketState.CONNECTING)
        self._regions = (self._server, self._run, self._socket)
        self._deadlines: dict[E, float] = {}
        self._soon_s = timings.ask_soon_s
        self._tracker = ProgressTracker(prompt, outputs, clock)
        self._running_node = ""
        self._outputs: dict[str, Any] = {}
        self._end: LookupResult | None = None
        self._outage = BackendError()
        self._commands: list[Command] = []

    @property
    def run_state(self) -> RunState:
        """The progress of the job."""
        return self._run.state

    @property
    def server_state(self) -> ServerState:
        """The state of the server by the last look-up."""
        return self._server.state

    @property
    def socket_state(self) -> SocketState:
        """The state of the websocket."""
        return self._socket.state

    @property
    def live(self) -> bool:
        """True if messages can arrive."""
        return self._socket.state in _LIVE

    @property
    def next_lookup(self) -> float:
        """The clock time of the next look-up."""
        return self._deadlines.get(E.LOOKUP_DUE, math.inf)

    def expect(self, outputs: Iterable[str]) -> None:
        """Count the nodes for these outputs in the progress; call it before the first message."""
        self._tracker = ProgressTracker(self._prompt, outputs, self._clock)

    def on(self, event: RunEvent) -> list[Command]:
        """Handle an event in each region and return the resulting commands."""
        self._commands = []
        self._handle(event)
        for kind in _TIMEOUTS.get(event.kind, ()):
            if self._deadlines.get(kind, math.inf) <= self._clock():
                del self._deadlines[kind]
                self._handle(RunEvent(kind))
        return self._commands

    def _handle(self, event: RunEvent) -> None:
        for region in self._regions:
            if region.takes(event.kind):
                region.on(self, event.kind, event)

    def _do(self, *commands: Command) -> None:
        self._commands += commands

    # Deadlines

    def _plan_lookup(self, seconds: float) -> None:
        """Plan a look-up after some seconds; an earlier one stays."""
        self._deadlines[E.LOOKUP_DUE] = min(self.next_lookup, self._clock() + seconds)

    def _postpone_lookup(self, seconds: float) -> None:
        self._deadlines[E.LOOKUP_DUE] = self._clock() + seconds

    def _set_deadline(self, kind: E, seconds: float) -> None:
        self._deadlines[kind] = self._clock() + seconds
        self._plan_lookup(seconds)

    def _dismiss(self, *kinds: E) -> None:
        for kind in kinds:
            self._deadlines.pop(kind, None)

    def _poll_without_socket(self, _event: RunEvent) -> None:
        self._plan_lookup(self._timings.poll_without_socket_s)

    def _look_up(self, _event: RunEvent) -> None:
        now = self._clock()
        poll_s = self._timings.poll_with_socket_s if self.live else self._timings.poll_without_socket_s
        later = [at for kind, at in self._deadlines.items() if kind is not E.LOOKUP_DUE and at > now]
        self._deadlines[E.LOOKUP_DUE] = min([now + poll_s, *later])
        self._do(LookUp(position=self.run_state is RunState.QUEUED))

    # The run

    def _follow(self, _event: RunEvent) -> None:
        self._plan_lookup(self._timings.position_every_s if self.live else 0.0)

    def _plan_position(self, _event: RunEvent) -> None:
        self._plan_lookup(self._timings.position_every_s)

    def _wait_in_queue(self, event: RunEvent) -> None:
        self._dismiss(E.WORKER_IDLE, E.HELD_UP)
        self._report_position(event)

    def _wait_as_next(self, event: RunEvent) -> None:
        self._dismiss(E.WORKER_IDLE)
        self._report_position(event)
        if E.HELD_UP not in self._deadlines:
            self._set_deadline(E.HELD_UP, self._timings.next_s)

    def _watch_worker(self, event: RunEvent) -> None:
        """Watch for a dead worker: a server starts the next job at once, so one that runs nothing while jobs wait has
        lost its worker thread.
        """
        self._dismiss(E.HELD_UP)
        self._report_position(event)
        if E.WORKER_IDLE not in self._deadlines:
            self._set_deadline(E.WORKER_IDLE, self._timings.idle_s)
        self._plan_lookup(self._timings.poll_without_socket_s)

    def _report_position(self, event: RunEvent) -> None:
        if event.result.position is not None:
            self._do(ReportQueued(event.result.position))

    def _wait_for_first_message(self, _event: RunEvent) -> None:
        """Handle a running job without messages: on a websocket that was open all the time it has met a deaf one; else
        it may be in a long node.
        """
        all_received = self.socket_state is SocketState.OPEN
        self._set_deadline(E.SILENCE, self._timings.no_message_timeout_s if all_received else self._idle_timeout_s)
        self._do(ReportStarted())

    def _begin(self, event: RunEvent) -> None:
        self._set_deadline(E.STUCK, self._timings.stuck_s)
        self._begin_nodes(event)

    def _begin_nodes(self, event: RunEvent) -> None:
        self._do(ReportStarted())
        self._take_step(event)

    def _take_step(self, event: RunEvent) -> None:
        kind, data = event.message.kind, event.message.data
        self._set_deadline(E.SILENCE, self._idle_timeout_s)
        if kind == "executing":
            self._running_node = str(data.get("node"))
        if kind == "executed":
            self._outputs[str(data.get("node"))] = data.get("output")
        if self._tracker.take(kind, data):
            self._do(ReportProgress(self._tracker.snapshot()))

    def _keep_end(self, event: RunEvent) -> None:
        if event.message.kind in ENDS:
            self._end = LookupResult(ENDS[event.message.kind], end=event.message.data)
        self._dismiss(E.SILENCE)
        self._plan_lookup(0.0)

    def _look_again_soon(self, _event: RunEvent) -> None:
        self._postpone_lookup(self._soon_s)
        self._soon_s = min(self._soon_s * 2.0, self._timings.poll_without_socket_s)

    def _finish(self, event: RunEvent) -> None:
        self._do(ReportStarted(), Finish(event.result))

    def _finish_by_messages(self, event: RunEvent) -> None:
        """Finish a run that the history has lost after its last message: the messages suffice if they have its
        outputs.
        """
        end = self._end
        if end is not None and (self._outputs or end.place is not ServerJobState.SUCCEEDED):
            self._do(ReportStarted(), Finish(LookupResult(end.place, outputs=self._outputs, end=end.end)))
        elif event.kind is E.SERVER_RESTARTED:
            self._fail_restarted(event)
        else:
            self._fail_cleared(event)

    def _fail_removed(self, _event: RunEvent) -> None:
        self._do(Fail(removed_from_queue()))

    def _fail_cleared(self, _event: RunEvent) -> None:
        self._do(Fail(history_cleared()))

    def _fail_restarted(self, _event: RunEvent) -> None:
        self._do(Fail(server_restarted(self._stage())))

    def _fail_dead_worker(self, _event: RunEvent) -> None:
        self._do(Fail(worker_dead()))

    def _report_held_up(self, _event: RunEvent) -> None:
        self._do(SetMessage(HELD_UP_MESSAGE))

    def _log_stuck(self, _event: RunEvent) -> None:
        self._do(LogLine(STUCK_MESSAGE))

    def _log_blocked(self, event: RunEvent) -> None:
        data = event.message.data
        title = title_of(self._prompt, str(data.get("node_id", "")))
        self._do(
            LogLine(f"{title!r} was blocked: {first_line(redact_json(data.get('exception_message'), self._redact))}")
        )

    def _report_preview(self, event: RunEvent) -> None:
        self._do(ReportPreview(event.preview, self._running_node))

    def _report_text(self, event: RunEvent) -> None:
        self._do(SetMessage(self._redact(f"{self._stage()}: {event.text}".removeprefix(": "))))

    def _renew_if_deaf(self, _event: RunEvent) -> None:
        """Renew a websocket that was open all the time but did not deliver the last message."""
        if self.socket_state is SocketState.OPEN:
            self._do(RenewSocket())

    def _stage(self) -> str:
        return self._tracker.snapshot().stage

    # The server

    def _begin_outage(self, event: RunEvent) -> None:
        self._set_deadline(E.OUTAGE, self._timings.outage_s)
        self._tolerate_outage(event)

    def _tolerate_outage(self, event: RunEvent) -> None:
        self._outage = event.error
        self._do(SetMessage(AWAY_MESSAGE))
        self._plan_lookup(self._timings.poll_without_socket_s)

    def _end_outage(self, _event: RunEvent) -> None:
        self._dismiss(E.OUTAGE)
        self._do(SetMessage(""))

    def _end_outage_missing(self, event: RunEvent) -> None:
        self._end_outage(event)
        self._recheck(event)

    def _recheck(self, _event: RunEvent) -> None:
        self._postpone_lookup(self._timings.recheck_missing_s)

    def _report_gone(self, _event: RunEvent) -> None:
        self._handle(RunEvent(E.JOB_GONE))

    def _report_restart(self, _event: RunEvent) -> None:
        self._handle(RunEvent(E.SERVER_RESTARTED))

    def _fail_refused(self, event: RunEvent) -> None:
        self._do(Fail(event.error))

    def _fail_outage(self, _event: RunEvent) -> None:
        self._do(Fail(self._outage))

    # The websocket

    def _log_refused(self, event: RunEvent) -> None:
        self._do(LogLine(f"No live progress: {event.error.message}"))
        self._plan_lookup(self._timings.poll_without_socket_s)

    def _lose_socket(self, event: RunEvent) -> None:
        self._handle(RunEvent(E.CONTACT_LOST))
        self._poll_without_socket(event)

    def _reconnect(self, event: RunEvent) -> None:
        self._do(ReportReconnected())
        self._complete_renewal(event)

    def _complete_renewal(self, event: RunEvent) -> None:
        self._plan_lookup(0.0)
        self._watch_silence(event)

    def _watch_silence(self, _event: RunEvent) -> None:
        if self.run_state in _UNDER_WAY:
            self._set_deadline(E.SILENCE, self._idle_timeout_s)

    def _renew(self, _event: RunEvent) -> None:
        self._do(RenewSocket())


_M = RunMachine
_ANSWERS = (E.PENDING, E.PENDING_NEXT, E.PENDING_IDLE, E.IN_PROGRESS)
_MESSAGES = (E.QUEUE_CHANGED, E.RUN_BEGUN, E.NODE_STEP, E.UNNAMED_STEP, E.RUN_ENDED)
_TIMERS = (E.STUCK, E.WORKER_IDLE, E.HELD_UP)
_LOSSES = (E.JOB_GONE, E.SERVER_RESTARTED)
_SHOW: Row = {
    E.NODE_BLOCKED: stay(_M._log_blocked),
    E.PREVIEW: stay(_M._report_preview),
    E.NODE_TEXT: stay(_M._report_text),
}
_STEPS = each((E.RUN_BEGUN, E.NODE_STEP, E.UNNAMED_STEP), stay(_M._take_step))
_LOST: Row = {
    E.JOB_GONE: go(RunState.ENDED, _M._fail_cleared),
    E.SERVER_RESTARTED: go(RunState.ENDED, _M._fail_restarted),
}

RUN_TABLE: Table[RunState] = {
    RunState.CONNECTING: {
        E.FOLLOWED: go(RunState.QUEUED, _M._follow),
        E.RUN_BEGUN: go(RunState.STARTED, _M._begin),
        E.NODE_STEP: go(RunState.RUNNING, _M._begin_nodes),
        E.RUN_ENDED: go(RunState.ENDING, _M._keep_end),
        **_SHOW,
        **ignore(E.QUEUE_CHANGED, E.UNNAMED_STEP, E.LOOKUP_DUE, *_ANSWERS, E.FINISHED, *_LOSSES, *_TIMERS, E.FETCHED),
    },
    RunState.QUEUED: {
        E.QUEUE_CHANGED: stay(_M._plan_position),
        E.LOOKUP_DUE: stay(_M._look_up),
        E.PENDING: stay(_M._wait_in_queue),
        E.PENDING_NEXT: stay(_M._wait_as_next),
        E.PENDING_IDLE: stay(_M._watch_worker),
        E.HELD_UP: stay(_M._report_held_up),
        E.WORKER_IDLE: go(RunState.ENDED, _M._fail_dead_worker),
        E.IN_PROGRESS: go(RunState.UNHEARD, _M._wait_for_first_message),
        E.RUN_BEGUN: go(RunState.STARTED, _M._begin),
        E.NODE_STEP: go(RunState.RUNNING, _M._begin_nodes),
        E.RUN_ENDED: go(RunState.ENDING, _M._keep_end),
        E.FINISHED: go(RunState.COLLECTING, _M._finish),
        **_LOST,
        E.JOB_GONE: go(RunState.ENDED, _M._fail_removed),
        **_SHOW,
        **ignore(E.FOLLOWED, E.UNNAMED_STEP, E.STUCK, E.FETCHED),
    },
    RunState.UNHEARD: {
        E.LOOKUP_DUE: stay(_M._look_up),
        E.RUN_BEGUN: go(RunState.STARTED, _M._begin),
        E.NODE_STEP: go(RunState.RUNNING, _M._begin_nodes),
        E.UNNAMED_STEP: go(RunState.RUNNING, _M._begin_nodes),
        E.RUN_ENDED: go(RunState.ENDING, _M._keep_end),
        E.FINISHED: go(RunState.COLLECTING, _M._finish),
        **_LOST,
        **_SHOW,
        **ignore(E.FOLLOWED, E.QUEUE_CHANGED, *_ANSWERS, *_TIMERS, E.FETCHED),
    },
    RunState.STARTED: {
        E.FOLLOWED: stay(_M._follow),
        E.LOOKUP_DUE: stay(_M._look_up),
        E.RUN_BEGUN: stay(_M._take_step),
        E.NODE_STEP: go(RunState.RUNNING, _M._take_step),
        E.UNNAMED_STEP: go(RunState.RUNNING, _M._take_step),
        E.STUCK: stay(_M._log_stuck),
        E.RUN_ENDED: go(RunState.ENDING, _M._keep_end),
        E.FINISHED: go(RunState.COLLECTING, _M._finish),
        **_LOST,
        **_SHOW,
        **ignore(E.QUEUE_CHANGED, *_ANSWERS, E.WORKER_IDLE, E.HELD_UP, E.FETCHED),
    },
    RunState.RUNNING: {
        E.FOLLOWED: stay(_M._follow),
        E.LOOKUP_DUE: stay(_M._look_up),
        **_STEPS,
        E.RUN_ENDED: go(RunState.ENDING, _M._keep_end),
        E.FINISHED: go(RunState.COLLECTING, _M._finish),
        **_LOST,
        **_SHOW,
        **ignore(E.QUEUE_CHANGED, *_ANSWERS, *_TIMERS, E.FETCHED),
    },
    RunState.ENDING: {
        E.FOLLOWED: stay(_M._follow),
        E.LOOKUP_DUE: stay(_M._look_up),
        **_STEPS,
        **each(_ANSWERS, stay(_M._look_again_soon)),
        E.RUN_ENDED: stay(_M._keep_end),
        E.FINISHED: go(RunState.ENDED, _M._finish),
        E.JOB_GONE: go(RunState.ENDED, _M._finish_by_messages),
        E.SERVER_RESTARTED: go(RunState.ENDED, _M._finish_by_messages),
        **_SHOW,
        **ignore(E.QUEUE_CHANGED, *_TIMERS, E.FETCHED),
    },
    RunState.COLLECTING: {
        **_STEPS,
        E.RUN_ENDED: go(RunState.ENDED),
        E.FETCHED: go(RunState.ENDED, _M._renew_if_deaf),
        **_SHOW,
        **ignore(E.FOLLOWED, E.QUEUE_CHANGED, E.LOOKUP_DUE, *_ANSWERS, E.FINISHED, *_LOSSES, *_TIMERS),
    },
    RunState.ENDED: ignore(
        E.FOLLOWED, *_MESSAGES, *_SHOW, E.LOOKUP_DUE, *_ANSWERS, E.FINISHED, *_LOSSES, *_TIMERS, E.FETCHED
    ),
}

_FOUND = (*_ANSWERS, E.FINISHED)
_KNOWN = each(_FOUND, go(ServerState.FOUND))
_FAILURES: Row = {
    E.LOOKUP_FAILED: go(ServerState.AWAY, _M._begin_outage),
    E.LOOKUP_REFUSED: go(ServerState.GONE, _M._fail_refused),
}

SERVER_TABLE: Table[ServerState] = {
    ServerState.FOUND: {
        E.ABSENT: go(ServerState.MISSING, _M._recheck),
        E.CONTACT_LOST: go(ServerState.UNSURE),
        **_FAILURES,
        **ignore(*_FOUND, E.OUTAGE),
    },
    ServerState.UNSURE: {
        **_KNOWN,
        E.ABSENT: go(ServerState.RESTARTED, _M._recheck),
        **_FAILURES,
        **ignore(E.CONTACT_LOST, E.OUTAGE),
    },
    ServerState.AWAY: {
        **each(_FOUND, go(ServerState.FOUND, _M._end_outage)),
        E.ABSENT: go(ServerState.RESTARTED, _M._end_outage_missing),
        E.LOOKUP_FAILED: stay(_M._tolerate_outage),
        E.LOOKUP_REFUSED: go(ServerState.GONE, _M._fail_refused),
        E.OUTAGE: go(ServerState.GONE, _M._fail_outage),
        **ignore(E.CONTACT_LOST),
    },
    ServerState.MISSING: {
        **_KNOWN,
        E.ABSENT: go(ServerState.GONE, _M._report_gone),
        E.CONTACT_LOST: go(ServerState.RESTARTED),
        **_FAILURES,
        **ignore(E.OUTAGE),
    },
    ServerState.RESTARTED: {
        **_KNOWN,
        E.ABSENT: go(ServerState.GONE, _M._report_restart),
        **_FAILURES,
        **ignore(E.CONTACT_LOST, E.OUTAGE),
    },
    ServerState.GONE: ignore(*_FOUND, E.ABSENT, E.LOOKUP_FAILED, E.LOOKUP_REFUSED, E.CONTACT_LOST, E.OUTAGE),
}

_DOWN = (E.SOCKET_DOWN, E.SOCKET_REFUSED)

SOCKET_TABLE: Table[SocketState] = {
    SocketState.CONNECTING: {
        E.SOCKET_UP: go(SocketState.READY),
        E.SOCKET_REFUSED: go(SocketState.REFUSED, _M._log_refused),
        E.FOLLOWED: go(SocketState.LATE),
        **ignore(E.SOCKET_DOWN, E.SILENCE),
    },
    SocketState.READY: {
        **each(_DOWN, go(SocketState.CONNECTING)),
        E.FOLLOWED: go(SocketState.OPEN),
        **ignore(E.SOCKET_UP, E.SILENCE),
    },
    SocketState.LATE: {
        E.SOCKET_UP: go(SocketState.REOPENED, _M._watch_silence),
        **each(_DOWN, go(SocketState.REFUSED, _M._log_refused)),
        **ignore(E.FOLLOWED, E.SILENCE),
    },
    SocketState.REFUSED: {
        E.SOCKET_UP: go(SocketState.REOPENED, _M._watch_silence),
        **each(_DOWN, stay(_M._poll_without_socket)),
        **ignore(E.FOLLOWED, E.SILENCE),
    },
    SocketState.OPEN: {
        **each(_DOWN, go(SocketState.LOST, _M._lose_socket)),
        E.SILENCE: go(SocketState.RENEWING, _M._renew),
        **ignore(E.SOCKET_UP, E.FOLLOWED),
    },
    SocketState.LOST: {
        E.SOCKET_UP: go(SocketState.REOPENED, _M._reconnect),
        **each(_DOWN, stay(_M._poll_without_socket)),
        **ignore(E.FOLLOWED, E.SILENCE),
    },
    SocketState.RENEWING: {
        E.SOCKET_UP: go(SocketState.REOPENED, _M._complete_renewal),
        **each(_DOWN, stay(_M._poll_without_socket)),
        **ignore(E.FOLLOWED, E.SILENCE),
    },
    SocketState.REOPENED: {
        **each(_DOWN, go(SocketState.LOST, _M._lose_socket)),
        E.SILENCE: go(SocketState.RENEWING, _M._renew),
        **ignore(E.SOCKET_UP, E.FOLLOWED),
    },
}
