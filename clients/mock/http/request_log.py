"""The requests that arrived at a mock server, for tests."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT_BODY = 1 << 20
KEPT_REQUESTS = 10_000


@dataclass(frozen=True)
class RecordedRequest:
    """One request as it arrived (or one text message from a client's websocket: ``method`` is ``"WS"``).

    ``path`` has the query and the server's path prefix, ``route`` neither, nor the ``/api`` of ComfyUI. ``body`` holds
    at most the first MiB; ``body_length`` is the true length. ``time`` is epoch seconds. Headers and body stay out of
    the repr: they may hold keys.
    """

    method: str
    path: str
    route: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    body_length: int
    time: float

    @property
    def json(self) -> Any:
        """The body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


Predicate = Callable[[RecordedRequest], bool]


class RequestLog:
    """A thread-safe, bounded list of the newest requests; iterating sees a snapshot."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[RecordedRequest] = deque(maxlen=KEPT_REQUESTS)

    def add(self, method: str, path: str, route: str, headers: Mapping[str, str], body: bytes) -> None:
        record = RecordedRequest(method, path, route, headers, bytes(body[:KEPT_BODY]), len(body), time.time())
        with self._changed:
            self._items.append(record)
            self._changed.notify_all()

    def clear(self) -> None:
        with self._changed:
            self._items.clear()

    def matching(self, what: str | Predicate) -> list[RecordedRequest]:
        """Return the requests that match ``what``: a predicate, or ``"POST /prompt"`` (method and route)."""
        predicate = _predicate(what)
        return [record for record in self if predicate(record)]

    def wait(self, what: str | Predicate, timeout: float) -> RecordedRequest:
        """Return the first request that matches ``what``; ``TimeoutError`` if none came within ``timeout`` seconds."""
        predicate = _predicate(what)
        found: list[RecordedRequest] = []

        def arrived() -> bool:
            found[:] = [record for record in self._items if predicate(record)][:1]
            return bool(found)

        with self._changed:
            if not self._changed.wait_for(arrived, timeout):
                raise TimeoutError(f"no such request within {timeout} s ({len(self._items)} others arrived)")
        return found[0]

    def __len__(self) -> int:
        with self._changed:
            return len(self._items)

    def __iter__(self) -> Iterator[RecordedRequest]:
        with self._changed:
            return iter(list(self._items))

    def __getitem__(self, index: int) -> RecordedRequest:
        with self._changed:
            return self._items[index]


def _predicate(what: str | Predicate) -> Predicate:
    if not isinstance(what, str):
        return what
    method, _, route = what.rpartition(" ")
    return lambda record: record.route == route and method in ("", record.method)
