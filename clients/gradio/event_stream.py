"""A session's one event stream: opened while calls are under way, its messages given to the calls they are about.

Facts: the server closes the stream with ``close_stream`` when the last call has ended; calls made later open it again.
Two streams of one session would steal each other's messages. Dropping it cancels all calls of the session, and those
are then never counted as ended: later streams of that session get no ``close_stream``. While the server still takes an
old stream down, a new one fails with ``Session not found``; half a second is enough.
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
from ..http.json_decode import decode_json
from ..http.response import Response
from ..http.session import Scope, SessionScope
from ..http.sse import EventStreamParser, batches
from ..http.transport import Timeouts
from .config import GradioConfig
from .errors import interrupted
from .http import GradioHTTP
from .messages import Failed, Message
from .output_diffs import approx_size
from .queue_call import LOOK_S, GradioCall, wait_changed

_log = logging.getLogger(__name__)

MAX_EVENT_BYTES = 64 * 1024 * 1024
MAX_EARLY = 1000
MAX_EARLY_BYTES = 64 * 1024 * 1024
MAX_EMPTY_CLOSES = 3
"""A server that says so often that all calls have ended, when none of ours has, has lost them."""

TEAR_DOWN_S = 0.5
_LAST_WORDS = frozenset({"unexpected_error", "server_stopped"})
_HEADERS = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}


class _Broken(Exception):
    """The server has said that the stream is of no use any more."""

    def __init__(self, reason: str, *, gone: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.gone = gone


class EventStream:
    """Reads the stream on a daemon thread that runs only while calls are under way. Thread-safe.

    Where the server counts calls as open that are lost, it does not close the stream: then it stays until ``close``.
    ``resumed`` says that the session may have had a stream just now.
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
        self._pending: dict[str, GradioCall] = {}
        self._early: list[tuple[int, Mapping[str, Any]]] = []
        self._early_bytes = 0
        self._open_joins = 0
        self._serial = 0
        self._empty_closes = 0
        self._not_before = time.monotonic() + TEAR_DOWN_S if resumed else 0.0
        self._thread: threading.Thread | None = None

    @property
    def open(self) -> bool:
        """Whether the stream is open, or being opened."""
        return self._thread is not None

    @contextmanager
    def joining(self, scope: Scope) -> Iterator[None]:
        """While the block runs, messages of unknown calls are kept: one may be the call that is being sent.

        Raises ``BackendError`` (code ``client_closed``) after ``close``.
        """
        self._scope.check()
        pause_s = self._not_before - time.monotonic()
        if pause_s > 0:
            scope.sleep(pause_s)
        with self.changed:
            self._open_joins += 1
        try:
            yield
        finally:
            with self.changed:
                self._open_joins -= 1
                if not self._open_joins:
                    self._early.clear()
                    self._early_bytes = 0

    def add(self, call: GradioCall) -> GradioCall:
        """Have a call's messages given to it from now on, with those that were faster than the answer to its POST."""
        with self.changed:
            self._pending[call.event_id] = call
            for serial, message in self._early:
                if message.get("event_id") == call.event_id:
                    self._give(serial, message)
            if self._scope.interrupter.fired:
                self._lose("it is closed.", None, gone=False)
            elif self._thread is None and self._pending:
                self._thread = threading.Thread(target=self._run, name="movie-director-gradio-stream", daemon=True)
                self._thread.start()
        return call

    def follow(self, calls: Sequence[GradioCall], scope: Scope) -> Iterator[tuple[GradioCall, Message]]:
        """Yield the calls' messages in the order in which they have come, until all calls have ended."""
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
        """Drop the stream and end its thread within ``timeout_s``; calls under way end as ``Failed``."""
        self._scope.interrupter.fire()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    # On the stream's own thread

    def _run(self) -> None:
        while self._wanted():
            try:
                self._read()
            except _Broken as broken:
                self._lose(broken.reason, None, gone=broken.gone)
            except BackendError as error:
                self._lose(error.message, error, gone=False)
            except Exception as error:  # noqa: BLE001 - whoever waits for a call must not wait for ever
                _log.exception("Reading a Gradio stream failed unexpectedly")
                self._lose(f"{type(error).__name__}: {error}", None, gone=False)

    def _wanted(self) -> bool:
        with self.changed:
            if self._pending:
                return True
            self._thread = None
            return False

    def _read(self) -> None:
        """Read one stream to its end; ``_Broken`` if that comes while calls are under way."""
        closed = False
        with self._request() as response:
            try:
                for events in batches(response.available(), EventStreamParser(MAX_EVENT_BYTES)):
                    for event in events:
                        closed = self._take(decode_json(event.data)) or closed
                    if closed:
                        response.set_patience(TEAR_DOWN_S)
            except NetworkError:
                if not closed:
                    raise
        if not closed:
            raise _Broken("it ended before the job did.", gone=False)
        with self.changed:
            self._empty_closes += 1
            lost = self._empty_closes >= MAX_EMPTY_CLOSES and bool(self._pending)
        if lost:
            raise _Broken("the server closed it before the job ended.", gone=False)

    def _request(self) -> Response:
        times = self._access.http.timeouts
        patience = Timeouts(times.connect_s, times.first_byte_s, self._idle_timeout_s)
        return self._access.request("GET", self._path, scope=self._scope, headers=_HEADERS, timeouts=patience)

    def _take(self, message: Any) -> bool:
        """Take one message; whether it is the one that ends the stream."""
        if not isinstance(message, Mapping):
            return False
        kind = message.get("msg")
        if kind in _LAST_WORDS:
            said = message.get("message")
            words = said if isinstance(said, str) and said else "the server has stopped."
            raise _Broken(self._access.http.redact(words), gone=_is_gone(message, words))
        event_id = message.get("event_id")
        with self.changed:
            self._serial += 1
            if isinstance(event_id, str) and event_id in self._pending:
                self._give(self._serial, message)
            elif self._open_joins and len(self._early) < MAX_EARLY and self._early_bytes < MAX_EARLY_BYTES:
                self._early.append((self._serial, message))
                self._early_bytes += approx_size(message)
        return kind == "close_stream"

    def _give(self, serial: int, message: Mapping[str, Any]) -> None:
        call = self._pending.get(str(message.get("event_id")))
        if call is not None:
            call.take(serial, message)
            if call.ended:
                del self._pending[call.event_id]
                self._empty_closes = 0

    def _lose(self, reason: str, cause: BaseException | None, *, gone: bool) -> None:
        """End all calls: what they tell goes lost."""
        with self.changed:
            self._not_before = time.monotonic() + TEAR_DOWN_S
            calls = list(self._pending.values())
            self._pending.clear()
            for call in calls:
                error = interrupted(self._access, self._session_hash, reason, gone=gone)
                error.__cause__ = cause
                self._serial += 1
                call.put(self._serial, Failed(error))


def _is_gone(message: Mapping[str, Any], words: str) -> bool:
    """Whether the server does not know the session; before 6 only the words say so."""
    return message.get("session_not_found") is True or "not found" in words.lower()
