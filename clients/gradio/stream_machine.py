"""The state machine of a session's event stream. Pure: events and a clock in, failed calls out.

Facts: the server closes the stream with ``close_stream`` when the last call has ended; later calls open it again.
Dropping it cancels all calls of the session, and those then never count as ended: later streams of that session get no
``close_stream``. While the server still tears an old stream down, a new one fails with ``Session not found``; half a
second is enough. ``docs/gradio.md`` draws the table.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ..core.state_table import Region, Table, each, go, ignore, stay

MAX_CLOSES = 3
"""Number of announced stream ends, with our call still pending, after which it counts as lost."""


class StreamState(enum.Enum):
    """The states: is there a stream, and are calls pending?"""

    IDLE = "no stream is open, no call is under way"
    READING = "the stream is open, or being opened; calls are under way"
    DRAINED = "the stream is open; all calls have ended"
    CLOSING = "the server has announced the end of the stream; calls are under way"
    ENDING = "the server has announced the end of the stream; all calls have ended"
    SETTLING = "the stream was lost; the server may still be taking it down, so the next call waits"
    CLOSED = "closed by the client, for good"


class StreamEventKind(enum.Enum):
    """The events of a stream; each value is its line in the documentation."""

    CALL_ACCEPTED = "the server has accepted a call"
    CALL_ENDED = "the last message of a call has come; others are under way"
    LAST_CALL_ENDED = "the last message of the only call under way has come"
    CLOSE_ANNOUNCED = "message `close_stream`"
    SERVER_STOPPED = "message `unexpected_error` or `server_stopped`"
    STREAM_ENDED = "the response has ended"
    STREAM_CUT = "the connection was cut, timed out or could not be made"
    READ_FAILED = "the stream can't be read: a malformed answer, or a defect of ours"
    CLOSED_TOO_OFTEN = "the announced end has come again and again, with the same calls under way"
    CLIENT_CLOSED = "the client closes the session"


E = StreamEventKind


@dataclass(frozen=True)
class StreamEvent:
    """One event; for events that end a stream, ``reason`` is for people, ``gone`` means that the server no longer
    knows the session, and ``cause`` is the error behind it.
    """

    kind: StreamEventKind
    reason: str = ""
    gone: bool = False
    cause: BaseException | None = None


class StreamMachine:
    """The machine of one stream. ``settle_s`` is the server's time to tear a lost stream down, ``resumed`` means that
    the session may have had a stream just before.
    """

    def __init__(self, settle_s: float, clock: Callable[[], float], *, resumed: bool) -> None:
        self._settle_s = settle_s
        self._clock = clock
        self._region = Region(STREAM_TABLE, StreamState.IDLE)
        self._settled_at = clock()
        self._closes = 0
        self._failure: StreamEvent | None = None
        if resumed:
            self._region.state = StreamState.SETTLING
            self._settled_at += settle_s

    @property
    def state(self) -> StreamState:
        """The current state."""
        return self._region.state

    @property
    def reading(self) -> bool:
        """True if there is a stream to read or open."""
        return self.state in _OPEN

    @property
    def announced(self) -> bool:
        """True if the server has announced the end of the stream."""
        return self.state in (StreamState.CLOSING, StreamState.ENDING)

    @property
    def pause_s(self) -> float:
        """The seconds that a new call must wait until the server has torn the lost stream down."""
        return max(0.0, self._settled_at - self._clock()) if self.state is StreamState.SETTLING else 0.0

    def on(self, event: StreamEvent) -> StreamEvent | None:
        """Handle an event; return the event with which every pending call fails, if they do."""
        self._failure = None
        if self.state is StreamState.CLOSING and event.kind in _ENDS:
            self._closes += 1
            if self._closes >= MAX_CLOSES:
                event = StreamEvent(E.CLOSED_TOO_OFTEN, "the server closed it before the job ended.")
        self._region.on(self, event.kind, event)
        return self._failure

    def _restart_count(self, _event: StreamEvent) -> None:
        self._closes = 0

    def _fail(self, event: StreamEvent) -> None:
        self._failure = event
        self._settle(event)

    def _settle(self, _event: StreamEvent) -> None:
        self._closes = 0
        self._settled_at = self._clock() + self._settle_s


_M = StreamMachine
_S = StreamState
_OPEN = frozenset({_S.READING, _S.DRAINED, _S.CLOSING, _S.ENDING})
_ENDS = (E.STREAM_ENDED, E.STREAM_CUT)
_CALLS = (E.CALL_ENDED, E.LAST_CALL_ENDED)
_LOSSES = (E.SERVER_STOPPED, E.READ_FAILED)

STREAM_TABLE: Table[StreamState] = {
    _S.IDLE: {
        E.CALL_ACCEPTED: go(_S.READING),
        E.CLIENT_CLOSED: go(_S.CLOSED),
        **ignore(*_CALLS, E.CLOSE_ANNOUNCED, *_ENDS, *_LOSSES, E.CLOSED_TOO_OFTEN),
    },
    _S.READING: {
        E.CALL_ENDED: stay(_M._restart_count),
        E.LAST_CALL_ENDED: go(_S.DRAINED, _M._restart_count),
        E.CLOSE_ANNOUNCED: go(_S.CLOSING),
        **each((*_ENDS, *_LOSSES), go(_S.SETTLING, _M._fail)),
        E.CLIENT_CLOSED: go(_S.CLOSED),
        **ignore(E.CALL_ACCEPTED, E.CLOSED_TOO_OFTEN),
    },
    _S.DRAINED: {
        E.CALL_ACCEPTED: go(_S.READING),
        E.CLOSE_ANNOUNCED: go(_S.ENDING),
        **each((*_ENDS, *_LOSSES), go(_S.SETTLING, _M._settle)),
        E.CLIENT_CLOSED: go(_S.CLOSED),
        **ignore(*_CALLS, E.CLOSED_TOO_OFTEN),
    },
    _S.CLOSING: {
        E.CALL_ENDED: stay(_M._restart_count),
        E.LAST_CALL_ENDED: go(_S.ENDING, _M._restart_count),
        **each(_ENDS, go(_S.READING)),
        **each((*_LOSSES, E.CLOSED_TOO_OFTEN), go(_S.SETTLING, _M._fail)),
        E.CLIENT_CLOSED: go(_S.CLOSED),
        **ignore(E.CALL_ACCEPTED, E.CLOSE_ANNOUNCED),
    },
    _S.ENDING: {
        E.CALL_ACCEPTED: go(_S.CLOSING),
        **each(_ENDS, go(_S.IDLE)),
        **each(_LOSSES, go(_S.SETTLING, _M._settle)),
        E.CLIENT_CLOSED: go(_S.CLOSED),
        **ignore(*_CALLS, E.CLOSE_ANNOUNCED, E.CLOSED_TOO_OFTEN),
    },
    _S.SETTLING: {
        E.CALL_ACCEPTED: go(_S.READING),
        E.CLIENT_CLOSED: go(_S.CLOSED),
        **ignore(*_CALLS, E.CLOSE_ANNOUNCED, *_ENDS, *_LOSSES, E.CLOSED_TOO_OFTEN),
    },
    _S.CLOSED: {
        **each((E.CALL_ACCEPTED, *_ENDS, *_LOSSES), stay(_M._fail)),
        **ignore(*_CALLS, E.CLOSE_ANNOUNCED, E.CLOSED_TOO_OFTEN, E.CLIENT_CLOSED),
    },
}
