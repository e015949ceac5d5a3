"""Server-sent events: the parser of the ``text/event-stream`` format (WHATWG HTML, section 9.2.6).

Bytes may be split anywhere, also inside a character or between CR and LF. Lines are cut from the bytes and decoded one
by one, so nothing is scanned twice and most events cost one ``splitlines`` and one ``decode``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..core.errors import ProtocolError
from ..core.json_fields import parse_int

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""An event, or a line of one, that is longer ends the stream: a server must not fill our memory."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: ``data`` without its last line end, ``event`` its type, ``id`` the last id the stream has named."""

    data: str
    event: str = "message"
    id: str = ""


class EventStreamParser:
    """Turns bytes into events; one stream's, not thread-safe.

    ``retry_ms`` is the pause before a reconnect that the server asked for, None if it asked for none. Raises
    ``ProtocolError`` (code ``too_large``) for an event of more than ``max_event_bytes``.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.retry_ms: int | None = None
        self._limit = max_event_bytes
        self._tail: list[bytes] = []
        self._tail_length = 0
        self._data: list[str] = []
        self._data_length = 0
        self._event = ""
        self._id = ""
        self._after_cr = False
        self._at_start = True

    @property
    def unfinished(self) -> bool:
        """True if the bytes so far end within an event, which is dropped if no more come."""
        return bool(self._tail or self._data)

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Take the next bytes and return the events that they complete."""
        if self._at_start:
            data = self._without_bom(data)
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        lines = data.splitlines()
        last = data[-1:]
        self._after_cr = last == b"\r"
        unended = lines.pop() if last not in (b"\n", b"\r") else b""
        if lines and self._tail:
            self._tail.append(lines[0])
            lines[0] = b"".join(self._tail)
            self._tail.clear()
            self._tail_length = 0
        events = self._take_lines(lines)
        if unended:
            self._tail.append(unended)
            self._tail_length += len(unended)
            self._check_size()
        return events

    def _without_bom(self, data: bytes) -> bytes:
        data = b"".join((*self._tail, data))
        self._tail.clear()
        self._tail_length = 0
        if len(data) < len(_BOM) and _BOM.startswith(data):
            if data:
                self._tail.append(data)
            return b""
        self._at_start = False
        return data.removeprefix(_BOM)

    def _take_lines(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(ServerSentEvent("\n".join(self._data), self._event or "message", self._id))
                    self._data = []
                    self._data_length = 0
                self._event = ""
            elif line.startswith(b"data:"):
                self._data.append(line[6 if line[5:6] == b" " else 5 :].decode("utf-8", "replace"))
                self._data_length += len(line)
                self._check_size()
            else:
                self._take_field(line)
        return events

    def _take_field(self, line: bytes) -> None:
        raw_name, _, raw_value = line.partition(b":")
        value = raw_value.removeprefix(b" ").decode("utf-8", "replace")
        if raw_name == b"data":
            self._data.append("")
        elif raw_name == b"event":
            self._event = value
        elif raw_name == b"id" and "\0" not in value:
            self._id = value
        elif raw_name == b"retry":
            self.retry_ms = self.retry_ms if (pause_ms := parse_int(value)) is None else pause_ms

    def _check_size(self) -> None:
        if self._data_length + self._tail_length > self._limit:
            raise ProtocolError(
                f"The server sent an event of more than {self._limit} bytes.",
                code="too_large",
                hint="Is this the address of the right server?",
            )


def batches(chunks: Iterable[bytes], parser: EventStreamParser) -> Iterator[list[ServerSentEvent]]:
    """Yield the events that came together, as soon as they have: one list for each chunk that completes any."""
    for chunk in chunks:
        events = parser.feed(chunk)
        if events:
            yield events
