"""The events of a ComfyUI run, from all their sources, and the commands that its state machine answers with. Pure.

``run_machine`` has the states; ``docs/comfyui-run.md`` draws them and lists the events of this module.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from ...core.errors import BackendError
from ..execution_errors import is_blocked_output
from ..server.event_socket import Down, Up
from ..server.job_lookup import LookupResult, ServerJobState
from ..server.messages import Message, NodeText, Preview
from .progress import Snapshot


class EventKind(enum.Enum):
    """The kinds of events; each value is its line in the documentation."""

    # The job's own worker
    FOLLOWED = "the server has accepted the prompt, or it was found there again"
    FETCHED = "the result has been fetched"
    # The clock. A deadline triggers a look-up first; its event follows unless the result cancels it.
    LOOKUP_DUE = "a poll interval or another deadline is over"
    SILENCE = "a running job sent no message for `stream_idle_timeout_s`, or no first one for `no_message_timeout_s`"
    STUCK = "the run has begun, but for `stuck_s` no node has"
    WORKER_IDLE = "for `idle_s` the server ran nothing though jobs wait"
    HELD_UP = "for `next_s` the job was the next in the queue, behind a prompt of somebody else"
    OUTAGE = "the server has not answered for `outage_s`"
    # The websocket
    SOCKET_UP = "the websocket is open"
    SOCKET_DOWN = "the websocket was lost"
    SOCKET_REFUSED = "the websocket could not be opened"
    # Its messages
    QUEUE_CHANGED = "message `status`"
    RUN_BEGUN = "message `execution_start` or `execution_cached`"
    NODE_STEP = "message `executing` (with a node), `progress`, `progress_state` or `executed`"
    UNNAMED_STEP = "one of these messages without a prompt id, as the server sends it after a reconnect"
    NODE_BLOCKED = "message `execution_error` of the type `ExecutionBlocked`: the run goes on without one output"
    RUN_ENDED = "message `execution_success`, `execution_error`, `execution_interrupted`, or `executing` of no node"
    PREVIEW = "binary message with a picture"
    NODE_TEXT = "binary message with a node's text"
    # Answers to look-ups
    PENDING = "answer: the job waits in the queue"
    PENDING_NEXT = "answer: the job is the next in the queue, and the server runs a prompt of somebody else"
    PENDING_IDLE = "answer: the job waits in the queue, and the server runs nothing"
    IN_PROGRESS = "answer: the job runs"
    FINISHED = "answer: the job has ended, with its outputs or its error"
    ABSENT = "answer: the server does not know the job"
    LOOKUP_FAILED = "no answer, or an error that may pass"
    LOOKUP_REFUSED = "an error that stays, such as a wrong key"
    # From one region of the machine to another
    CONTACT_LOST = "the websocket was lost, and not because it was renewed"
    JOB_GONE = "two look-ups in a row found the job nowhere"
    SERVER_RESTARTED = "the same after the contact was lost"


_NO_MESSAGE = Message("", {})
_NO_PREVIEW = Preview(b"", "")
_NO_RESULT = LookupResult(ServerJobState.ABSENT)


@dataclass(frozen=True)
class RunEvent:
    """One event; the fields that its kind does not need have their defaults."""

    kind: EventKind
    message: Message = _NO_MESSAGE
    preview: Preview = _NO_PREVIEW
    text: str = ""
    result: LookupResult = _NO_RESULT
    error: BackendError = field(default_factory=BackendError)


ENDS = {
    "execution_success": ServerJobState.SUCCEEDED,
    "execution_error": ServerJobState.FAILED,
    "execution_interrupted": ServerJobState.INTERRUPTED,
}
_BEGINS = frozenset({"execution_start", "execution_cached"})
_STEPS = frozenset({"executing", "progress", "progress_state", "executed"})
_ANSWERS = {
    ServerJobState.PENDING: EventKind.PENDING,
    ServerJobState.RUNNING: EventKind.IN_PROGRESS,
    ServerJobState.ABSENT: EventKind.ABSENT,
}


def event_for_item(item: object) -> RunEvent | None:
    """Return the event for an item of the job's inbox; None for messages about other things."""
    if isinstance(item, Up):
        return RunEvent(EventKind.SOCKET_UP)
    if isinstance(item, Down):
        return RunEvent(EventKind.SOCKET_DOWN if item.was_up else EventKind.SOCKET_REFUSED, error=item.error)
    if isinstance(item, Preview):
        return RunEvent(EventKind.PREVIEW, preview=item)
    if isinstance(item, NodeText):
        return RunEvent(EventKind.NODE_TEXT, text=item.text)
    kind = _message_kind(item) if isinstance(item, Message) else None
    return RunEvent(kind, message=item) if kind is not None and isinstance(item, Message) else None


def event_for_result(result: LookupResult, is_ours: Callable[[str], bool]) -> RunEvent:
    """Return the event for a look-up's result; ``is_ours`` returns True for ids of the client's own prompts."""
    kind = _ANSWERS.get(result.place, EventKind.FINISHED)
    if kind is EventKind.PENDING and result.idle:
        kind = EventKind.PENDING_IDLE
    elif kind is EventKind.PENDING and result.position == 0 and not any(map(is_ours, result.running)):
        kind = EventKind.PENDING_NEXT
    return RunEvent(kind, result=result)


def event_for_error(error: BackendError) -> RunEvent:
    """Return the event for a failed look-up."""
    return RunEvent(EventKind.LOOKUP_FAILED if error.retryable else EventKind.LOOKUP_REFUSED, error=error)


def _message_kind(message: Message) -> EventKind | None:
    kind, data = message.kind, message.data
    if kind == "status":
        return EventKind.QUEUE_CHANGED
    if kind == "execution_error" and is_blocked_output(data):
        return EventKind.NODE_BLOCKED
    if kind in ENDS:
        return EventKind.RUN_ENDED
    if kind not in _BEGINS | _STEPS:
        return None
    if not message.prompt_id:
        return EventKind.UNNAMED_STEP
    if kind == "executing" and data.get("node") is None:
        return EventKind.RUN_ENDED
    return EventKind.RUN_BEGUN if kind in _BEGINS else EventKind.NODE_STEP


# Commands


@dataclass(frozen=True)
class LookUp:
    """Look the job up; with ``position`` also its position in the queue."""

    position: bool


@dataclass(frozen=True)
class RenewSocket:
    """Close and reopen the websocket."""


@dataclass(frozen=True)
class Finish:
    """End the run with this result."""

    result: LookupResult


@dataclass(frozen=True)
class Fail:
    """Fail the job with this error."""

    error: BackendError


@dataclass(frozen=True)
class ReportQueued:
    """Report the number of jobs ahead."""

    position: int


@dataclass(frozen=True)
class ReportStarted:
    """Report that the server works on the job, and clear the message about waiting."""


@dataclass(frozen=True)
class ReportProgress:
    """Report the progress."""

    progress: Snapshot


@dataclass(frozen=True)
class ReportPreview:
    """Show a picture, or keep it if it is a result; it belongs to ``running_node`` unless it names another."""

    preview: Preview
    running_node: str


@dataclass(frozen=True)
class ReportReconnected:
    """Report that the websocket is open again."""


@dataclass(frozen=True)
class SetMessage:
    """Set the job's one-line message."""

    text: str


@dataclass(frozen=True)
class LogLine:
    """Add a line to the job's log."""

    text: str


Command = (
    LookUp
    | RenewSocket
    | Finish
    | Fail
    | ReportQueued
    | ReportStarted
    | ReportProgress
    | ReportPreview
    | ReportReconnected
    | SetMessage
    | LogLine
)
