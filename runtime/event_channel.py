"""The one way from the workers to the main thread."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..clients.core.errors import BackendError
from ..clients.core.event_log import LOG_LINES
from ..clients.core.events import Event, Logged, Previewed, Progressed, Queued, TextDelta
from ..clients.core.job import Job
from ..clients.core.model import ServerInfo

_NEWEST_WINS = (Progressed, Previewed, Queued)


@dataclass(frozen=True)
class JobEvent:
    """An event of a job, with the ``tag`` of its submission."""

    job: Job
    tag: Mapping[str, str]
    event: Event


@dataclass(frozen=True)
class ProbeFinished:
    """A connection test has ended, with ``info`` or with ``error``."""

    probe_id: str
    backend: str
    info: ServerInfo | None
    error: BackendError | None


@dataclass(frozen=True)
class MemoryFreed:
    """A server was asked to give memory back; ``error`` if it could not be."""

    backend: str
    error: BackendError | None


@dataclass(frozen=True)
class Recovered:
    """The journal was read: these jobs of an earlier session are being re-joined.

    ``elsewhere`` are the servers of jobs that stay in the journal because the settings name another server now.
    """

    job_ids: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()


ChannelItem: TypeAlias = JobEvent | ProbeFinished | MemoryFreed | Recovered


class EventChannel:
    """Workers put, the main thread drains. State changes keep their order and are all delivered.

    Of a job's progress, previews and queue positions only the newest waits; its text is joined; of log lines so many
    wait that a flood can't fill the memory (the job's own events have the last ones).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: OrderedDict[Hashable, ChannelItem] = OrderedDict()
        self._serial = 0
        self._lines = 0
        self._filled = threading.Event()

    def put(self, item: ChannelItem) -> None:
        """Add an item; any thread."""
        with self._lock:
            if isinstance(item, JobEvent) and isinstance(item.event, (*_NEWEST_WINS, TextDelta)):
                self._merge(item)
            elif isinstance(item, JobEvent) and isinstance(item.event, Logged):
                self._add_line(item)
            else:
                self._append(item)
        self._filled.set()

    def _append(self, item: ChannelItem) -> None:
        self._serial += 1
        self._items[self._serial] = item

    def _merge(self, item: JobEvent) -> None:
        key = (item.job.id, type(item.event))
        waiting = self._items.get(key)
        if isinstance(item.event, TextDelta) and isinstance(waiting, JobEvent) and isinstance(waiting.event, TextDelta):
            item = replace(item, event=replace(item.event, text=waiting.event.text + item.event.text))
        self._items[key] = item

    def _add_line(self, item: JobEvent) -> None:
        if self._lines < LOG_LINES:
            self._lines += 1
            self._append(item)

    def drain(self, budget_s: float = 0.004, limit: int | None = None) -> list[ChannelItem]:
        """Take what waits, for ``budget_s`` seconds or ``limit`` items at most; never blocks."""
        until = time.perf_counter() + budget_s
        drained: list[ChannelItem] = []
        while limit is None or len(drained) < limit:
            with self._lock:
                if not self._items:
                    self._filled.clear()
                    break
                item = self._items.popitem(last=False)[1]
                if isinstance(item, JobEvent) and isinstance(item.event, Logged):
                    self._lines -= 1
            drained.append(item)
            if time.perf_counter() >= until:
                break
        return drained

    def empty(self) -> bool:
        """Return True if nothing waits."""
        return not self._items

    def wait(self, timeout_s: float) -> bool:
        """Block until something waits; whether something does. For scripts and ``blender -b``, which have no timers."""
        return self._filled.wait(timeout_s)
