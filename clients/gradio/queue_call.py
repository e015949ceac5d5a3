"""One call of a function in a Gradio session, with its unread messages."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core.errors import ProtocolError
from ..core.json_fields import as_number
from ..core.scope import Scope
from .config import Dependency
from .errors import cancelled_on_server, make_function_error
from .http import GradioHTTP
from .messages import Completed, Failed, Message, Started, Yielded, parse_log, parse_progress, parse_queued
from .output_diffs import apply_diff, approx_size

_log = logging.getLogger(__name__)

MAX_WAITING = 1000
MAX_WAITING_BYTES = 256 * 1024 * 1024
"""Limits of unread messages: the newest are kept, and always the last one."""

MAX_VALUES_BYTES = 256 * 1024 * 1024
"""Limit of values that grow by diffs: a server must not fill our memory."""

LOOK_S = 1.0
"""Poll interval for the job's time limit; its end wakes the wait at once."""


class GradioCall:
    """A call that the server has accepted. Created by ``GradioSession.join``; read by one thread at a time."""

    def __init__(self, access: GradioHTTP, dependency: Dependency, event_id: str, changed: threading.Condition) -> None:
        self.dependency = dependency
        self.event_id = event_id
        self._changed = changed
        self._access = access
        self._inbox: deque[tuple[int, Message, int]] = deque()
        self._weight = 0
        self._values: list[Any] | None = None
        self._end: Completed | Failed | None = None

    @property
    def ended(self) -> bool:
        """True once the last message has arrived, read or not."""
        return self._end is not None

    def messages(self, scope: Scope) -> Iterator[Message]:
        """Yield the messages, from the first unread one to the last, ``Completed`` or ``Failed``."""
        while True:
            message = self.receive(scope)
            if message is None:
                return
            yield message

    def receive(self, scope: Scope, timeout_s: float | None = None) -> Message | None:
        """Return the next message; None after the last one, or if none arrives within ``timeout_s`` (None: wait for
        ever).
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            with self._changed:
                if self._inbox:
                    return self.pop()
                if self.ended:
                    return None
            left = LOOK_S if deadline is None else min(LOOK_S, deadline - time.monotonic())
            if left <= 0:
                return None
            wait_changed(self._changed, scope, left, lambda: bool(self._inbox) or self.ended)

    def result(self, scope: Scope) -> list[Any]:
        """Wait for the end and return the final values, updates unwrapped; unread messages are dropped.

        Raises ``GenerationError`` (the server's text; code ``no_reason`` if it gives none; ``cancelled_on_server``),
        ``OutOfMemory``, and ``StreamInterrupted`` if the connection was lost.
        """
        for _ in self.messages(scope):
            pass
        return get_values(self._access, self.dependency.label, self._end)

    # Called by the stream

    def head(self) -> int | None:
        """Return the serial number of the next message, None if there is none."""
        return self._inbox[0][0] if self._inbox else None

    def pop(self) -> Message:
        """Return the next message, which must have arrived."""
        _, message, weight = self._inbox.popleft()
        self._weight -= weight
        return message

    def take(self, serial: int, message: Mapping[str, Any]) -> None:
        """Handle a message of the server for this call; an invalid one ends this call only."""
        weight = 0
        try:
            parsed = self._read(message)
            if parsed is not None and not isinstance(parsed, (Completed, Failed)):
                weight = approx_size(parsed.raw if isinstance(parsed, Yielded) else message)
            if isinstance(parsed, Yielded) and weight > MAX_VALUES_BYTES:
                raise _too_large()
        except ProtocolError as error:
            parsed = Failed(self._access.http.clean(error))
        except Exception as error:  # noqa: BLE001 - the other calls of the session go on
            _log.exception("Reading a Gradio message failed unexpectedly")
            parsed = Failed(self._access.http.clean(_malformed(f"{type(error).__name__}: {error}")))
        if parsed is not None:
            self.put(serial, parsed, weight)

    def put(self, serial: int, parsed: Message, weight: int = 0) -> None:
        """Add a message of about ``weight`` bytes; none comes after the last one."""
        with self._changed:
            if isinstance(parsed, (Completed, Failed)):
                self._end = parsed
            self._inbox.append((serial, parsed, weight))
            self._weight += weight
            while len(self._inbox) > 1 and (len(self._inbox) > MAX_WAITING or self._weight > MAX_WAITING_BYTES):
                self.pop()
            self._changed.notify_all()

    def _read(self, message: Mapping[str, Any]) -> Message | None:
        kind = message.get("msg")
        if kind == "estimation":
            return parse_queued(message)
        if kind == "process_starts":
            return Started(as_number(message.get("eta")))
        if kind == "progress":
            return parse_progress(message)
        if kind == "log":
            return parse_log(message)
        if kind == "process_generating":
            return self._parse_yield(_get_output(message))
        if kind == "process_completed":
            return self._parse_completed(message, _get_output(message))
        return None

    def _parse_yield(self, output: Mapping[str, Any]) -> Message | None:
        data = output.get("data")
        if not isinstance(data, list):
            return None
        self._values = data if self._values is None else apply_diff(self._values, data)
        return Yielded(self._values)

    def _parse_completed(self, message: Mapping[str, Any], output: Mapping[str, Any]) -> Message:
        if message.get("success") is not True:
            title = output.get("title") or message.get("title")
            return Failed(make_function_error(self._access, self.dependency.label, output.get("error"), title))
        data = output.get("data")
        if data is not None and not isinstance(data, list):
            raise _malformed("the values are no list")
        return Completed(data, as_number(output.get("duration")))


def get_values(access: GradioHTTP, function: str, end: Completed | Failed | None) -> list[Any]:
    """Return the values of a call's last message, or raise its error."""
    if isinstance(end, Failed):
        raise end.error
    if end is None or end.cancelled:
        raise cancelled_on_server(access, function)
    return end.data


def wait_changed(changed: threading.Condition, scope: Scope, seconds: float, ready: Callable[[], bool]) -> None:
    """Wait for a change, ``seconds`` at most, and raise if ``scope`` has ended; its interrupter ends the wait."""

    def wake() -> None:
        with changed:
            changed.notify_all()

    with scope.interrupter.guard(wake), changed:
        if not ready() and not scope.interrupter.fired:
            changed.wait(seconds)
    scope.check()


def _get_output(message: Mapping[str, Any]) -> Mapping[str, Any]:
    output = message.get("output")
    if not isinstance(output, Mapping):
        raise _malformed("the output is no object")
    return output


def _too_large() -> ProtocolError:
    return ProtocolError(
        f"The server's output has grown to more than {MAX_VALUES_BYTES} bytes.",
        code="too_large",
        hint="Is this the address of the right server?",
    )


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(
        f"The server sent an invalid message: {what}.",
        code="bad_message",
        hint="Its Gradio may be too new for Movie Director.",
    )
