"""A session's event stream: open while calls are pending; its messages are dispatched to their calls.

``stream_machine`` has its states; this is the I/O around it. Two streams of one session would steal each other's
messages.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from ..core.errors import BackendError, NetworkError
from ..core.interrupt import Interrupter
from ..core.scope import Scope, SessionScope
from ..http.json_decode import decode_json
from ..http.response import Response
from ..http.sse import EventStreamParser, batches
from ..http.transport import Timeouts
from .config import GradioConfig
from .errors import make_stream_error
from .http import GradioHTTP
from .messages import Failed, Message
from .output_diffs import approx_size
from .queue_call import LOOK_S, GradioCall, wait_changed
from .stream_machine import StreamEvent, StreamEventKind, StreamMachine

_log = logging.getLogger(__name__)

MAX_EVENT_BYTES = 64 * 1024 * 1024
MAX_EARLY = 1000
MAX_EARLY_BYTES = 64 * 1024 * 1024
TEAR_DOWN_S = 0.5
_LAST_WORDS = frozenset({"unexpected_error", "server_stopped"})
_HEADERS = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}


class _Early:
    """Messages of unknown calls: one of them may be the call that is being sent. Bounded."""

    def __init__(self) -> None:
        self._messages: list[tuple[int, Mapping[str, Any]]] = []
        self._bytes = 0
        self._joins = 0

    def __len__(self) -> int:
        return len(self._messages)

    def begin(self) -> None:
        """Keep messages from now on, until ``end`` was called as often as ``begin``."""
        self._joins += 1

    def end(self) -> None:
        """Drop the messages once no call is being sent."""
        self._joins -= 1
        if not self._joins:
            self._messages.clear()
            self._bytes = 0

    def keep(self, serial: int, message: Mapping[str, Any]) -> None:
        """Keep a message while a call is being sent, within the bounds."""
        if self._joins and len(self._messages) < MAX_EARLY and self._bytes < MAX_EARLY_BYTES:
            self._messages.append((serial, message))
            self._bytes += approx_size(message)

    def of(self, event_id: str) -> list[tuple[int, Mapping[str, Any]]]:
        """Return the messages of one call."""
        return [each for each in self._messages if each[1].get("event_id") == event_id]


class EventStream:
    """Reads the stream on a daemon thread that runs only while there is one. Thread-safe.

    A server that counts lost calls as pending does not close the stream: then it stays open until ``close``.
    ``resumed`` means that the session may have had a stream just before.
    """

    def __init__(
        self, access: GradioHTTP, config: GradioConfig, session_hash: str, *, idle_timeout_s: float, resumed: bool
    ) -> None:
        self.changed = threading.Condition()
        self._access = access
        self._path = config.path(f"/queue/data?session_hash={quote(session_hash, safe='')}")
        self._session_hash = session_hash
        self._idle_timeout_s = idle_timeout_s
        self._scope = SessionScope(Interrupter())
        self._machine = StreamMachine(TEAR_DOWN_S, time.monotonic, resumed=resumed)
        self._pending: dict[str, GradioCall] = {}
        self._early = _Early()
        self._serial = 0
        self._received_at = time.monotonic()
        self._thread: threading.Thread | None = None

    @property
    def open(self) -> bool:
        """True if the stream is open or being opened."""
        return self._thread is not None

    @property
    def silent_s(self) -> float:
        """For how many seconds the stream has brought nothing, no heartbeat either; 0 while none is open."""
        return time.monotonic() - self._received_at if self._machine.reading else 0.0

    @contextmanager
    def joining(self, scope: Scope) -> Iterator[None]:
        """Keep messages of unknown calls during the block: one may be the call that is being sent.

        Raises ``BackendError`` (code ``client_closed``) after ``close``.
        """
        self._scope.check()
        pause_s = self._machine.pause_s
        if pause_s > 0:
            scope.sleep(pause_s)
        with self.changed:
            self._early.begin()
        try:
            yield
        finally:
            with self.changed:
                self._early.end()

    def add(self, call: GradioCall) -> GradioCall:
        """Register a call for its messages, including those that arrived before the response to its POST."""
        with self.changed:
            for serial, message in self._early.of(call.event_id):
                call.take(serial, message)
            if not call.ended:
                self._pending[call.event_id] = call
                self._handle(StreamEvent(StreamEventKind.CALL_ACCEPTED, "it is closed."))
            if self._machine.reading and self._thread is None:
                self._received_at = time.monotonic()
                self._thread = threading.Thread(target=self._run, name="movie-director-gradio-stream", daemon=True)
                self._thread.start()
        return call

    def follow(self, calls: Sequence[GradioCall], scope: Scope) -> Iterator[tuple[GradioCall, Message]]:
        """Yield the calls' messages in the order of arrival, until all calls have ended."""
        while True:
            with self.changed:
                waiting = [each for each in calls if each.head() is not None]
                first = min(waiting, key=lambda each: each.head() or 0, default=None)
                message = first.pop() if first is not None else None
            if first is not None and message is not None:
                yield first, message
            elif all(each.ended for each in calls):
                return
            else:
                wait_changed(self.changed, scope, LOOK_S, lambda: any(each.head() is not None for each in calls))

    def close(self, timeout_s: float) -> None:
        """Drop the stream and end its thread within ``timeout_s``; pending calls end as ``Failed``."""
        with self.changed:
            self._handle(StreamEvent(StreamEventKind.CLIENT_CLOSED))
        self._scope.interrupter.fire()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def _handle(self, event: StreamEvent) -> None:
        """Pass an event to the machine; fail every pending call if its messages can no longer arrive."""
        failure = self._machine.on(event)
        if failure is None:
            return
        calls = list(self._pending.values())
        self._pending.clear()
        for call in calls:
            error = make_stream_error(self._access, self._session_hash, failure.reason, gone=failure.gone)
            error.__cause__ = failure.cause
            self._serial += 1
            call.put(self._serial, Failed(error))

    # On the stream's own thread

    def _run(self) -> None:
        while True:
            event = self._read()
            with self.changed:
                self._handle(event)
                if not self._machine.reading:
                    self._thread = None
                    return

    def _read(self) -> StreamEvent:
        """Read one stream to its end and return the event that ended it."""
        try:
            with self._request() as response:
                return self._read_messages(response)
        except NetworkError as error:
            return StreamEvent(StreamEventKind.STREAM_CUT, error.message, cause=error)
        except BackendError as error:
            return StreamEvent(StreamEventKind.READ_FAILED, error.message, cause=error)
        except Exception as error:  # noqa: BLE001 - whoever waits for a call must not wait for ever
            _log.exception("Reading a Gradio stream failed unexpectedly")
            return StreamEvent(StreamEventKind.READ_FAILED, f"{type(error).__name__}: {error}")

    def _request(self) -> Response:
        times = self._access.http.timeouts
        patience = Timeouts(times.connect_s, times.first_byte_s, self._idle_timeout_s)
        return self._access.request(
            "GET", self._path, scope=self._scope, headers=_HEADERS, timeouts=patience, stream=True
        )

    def _read_messages(self, response: Response) -> StreamEvent:
        for events in batches(response.available(), EventStreamParser(MAX_EVENT_BYTES)):
            self._received_at = time.monotonic()
            for event in events:
                message = decode_json(event.data)
                if not isinstance(message, Mapping):
                    continue
                if message.get("msg") in _LAST_WORDS:
                    return self._make_stopped_event(message)
                self._dispatch(message)
            if self._machine.announced:
                response.set_patience(TEAR_DOWN_S)
        return StreamEvent(StreamEventKind.STREAM_ENDED, "it ended before the job did.")

    def _dispatch(self, message: Mapping[str, Any]) -> None:
        event_id = message.get("event_id")
        with self.changed:
            self._serial += 1
            call = self._pending.get(event_id) if isinstance(event_id, str) else None
            if call is not None:
                self._deliver(call, message)
            else:
                self._early.keep(self._serial, message)
            if message.get("msg") == "close_stream":
                self._handle(StreamEvent(StreamEventKind.CLOSE_ANNOUNCED))

    def _deliver(self, call: GradioCall, message: Mapping[str, Any]) -> None:
        call.take(self._serial, message)
        if call.ended:
            del self._pending[call.event_id]
            last = not self._pending
            self._handle(StreamEvent(StreamEventKind.LAST_CALL_ENDED if last else StreamEventKind.CALL_ENDED))

    def _make_stopped_event(self, message: Mapping[str, Any]) -> StreamEvent:
        text = message.get("message")
        reason = text if isinstance(text, str) and text else "the server has stopped."
        gone = message.get("session_not_found") is True or "not found" in reason.lower()  # only the text before 6
        return StreamEvent(StreamEventKind.SERVER_STOPPED, self._access.http.redact(reason), gone=gone)
