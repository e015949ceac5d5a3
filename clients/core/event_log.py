"""Keeps the events of one job: any number of readers follow them at their own speed, in bounded memory.

State changes are kept one by one; of progress and previews only the newest, of log lines the last ``LOG_LINES``. Text
is kept whole, and a late reader gets all unread text as one delta.
"""

from __future__ import annotations

import io
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from operator import itemgetter

from .events import TERMINAL, Event, Logged, Previewed, Progressed, Queued, Reconnected, TextDelta

LOG_LINES = 200

_NEWEST_WINS: tuple[type[Event], ...] = (Progressed, Previewed)
_COLLAPSED: tuple[type[Event], ...] = (Queued, Reconnected)
_Numbered = tuple[int, Event]
_number = itemgetter(0)


class EventLog:
    """The events of one job. Any thread may append and read; nothing here does I/O or waits while it holds the lock."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._changed = threading.Condition(threading.Lock())
        self._number = 0
        self._kept: list[_Numbered] = []
        self._newest: dict[type[Event], _Numbered] = {}
        self._lines: deque[_Numbered] = deque(maxlen=LOG_LINES)
        self._text = io.StringIO()
        self._text_length = 0
        self._text_first = 0
        self._text_at = 0.0
        self._ended = False
        self._wakers: tuple[Callable[[], None], ...] = ()

    def append(self, event: Event) -> bool:
        """Add an event and wake the readers; return False, without adding it, after the terminal event."""
        with self._changed:
            if self._ended:
                return False
            self._number += 1
            self._store(event)
            self._changed.notify_all()
            wakers = self._wakers
        for wake in wakers:
            wake()
        return True

    def _store(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self._store_text(event)
        elif isinstance(event, _NEWEST_WINS):
            self._newest[type(event)] = (self._number, event)
        elif isinstance(event, Logged):
            self._lines.append((self._number, event))
        else:
            if isinstance(event, _COLLAPSED) and self._kept and type(self._kept[-1][1]) is type(event):
                self._kept.pop()
            self._kept.append((self._number, event))
            self._ended = isinstance(event, TERMINAL)

    def _store_text(self, event: TextDelta) -> None:
        if not self._text_length:
            self._text_first = self._number
        self._text.seek(self._text_length)
        self._text.write(event.text)
        self._text_length += len(event.text)
        self._text_at = event.at

    def text(self) -> str:
        """Return all text received so far."""
        with self._changed:
            return self._text.getvalue()

    def add_waker(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call ``wake`` after each event, on the appending thread; return the function that removes the waker.

        ``wake`` must be quick.
        """
        with self._changed:
            self._wakers = (*self._wakers, wake)

        def remove() -> None:
            with self._changed:
                self._wakers = tuple(each for each in self._wakers if each is not wake)

        return remove

    def reader(self) -> EventReader:
        """Return a reader at the first event."""
        return EventReader(self)

    def wait(self, reader: EventReader, timeout_s: float | None) -> Event | None:
        """Wait for the reader's next event and return it; None after the last one or after ``timeout_s``."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while True:
                event = self._take(reader)
                if event is not None or reader.finished:
                    return event
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)

    def _take(self, reader: EventReader) -> Event | None:
        number, event = self._first_unseen(reader)
        behind = self._text_length - reader.text_seen
        if behind and (event is None or reader.text_seen or self._text_first < number):
            self._text.seek(reader.text_seen)
            reader.text_seen = self._text_length
            return TextDelta(self._text.read(behind), job_id=self._job_id, at=self._text_at)
        if event is not None:
            reader.number = number
            reader.finished = isinstance(event, TERMINAL)
        return event

    def _first_unseen(self, reader: EventReader) -> tuple[int, Event | None]:
        number: int = self._number + 1
        event: Event | None = None
        at = bisect_right(self._kept, reader.number, key=_number)
        if at < len(self._kept):
            number, event = self._kept[at]
        for newest in self._newest.values():
            if reader.number < newest[0] < number:
                number, event = newest
        if self._lines and self._lines[-1][0] > reader.number:
            line = next(each for each in self._lines if each[0] > reader.number)
            if line[0] < number:
                number, event = line
        return number, event


class EventReader:
    """One reader's place in an ``EventLog``: an iterator that waits for the next event and ends after the terminal
    one.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.number = 0
        self.text_seen = 0
        self.finished = False

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = None if self.finished else self._log.wait(self, None)
        if event is None:
            raise StopIteration
        return event

    def poll(self) -> Event | None:
        """Return the next event if there is one, without waiting."""
        return None if self.finished else self._log.wait(self, 0.0)
