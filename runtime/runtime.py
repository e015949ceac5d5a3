"""The runtime: everything that an add-on, or another host, needs to have jobs done in the background."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..clients.core.client import DEMO_SERVER
from ..clients.core.errors import (
    APIError,
    BackendError,
    JobDetached,
    JobLost,
    JobNotFound,
    NetworkError,
    OfflineRefused,
    StorageError,
    ValidationError,
)
from ..clients.core.events import TERMINAL, Event, Failed, Queued, Succeeded
from ..clients.core.job import Job
from ..clients.core.model import JobStatus
from ..clients.core.request import nearest_names
from ..clients.core.runner import JobRunner
from ..clients.registry import BACKENDS, BackendInfo
from .client_cache import ClientCache, check_online, server_now, shutting_down
from .event_channel import EventChannel, JobEvent, MemoryFreed, ProbeFinished, Recovered
from .journal import JobJournal, JournalEntry
from .outputs import write_sidecars
from .settings import RuntimeSettings

if TYPE_CHECKING:
    from ..clients.audio import AudioCodec
    from ..clients.core.client import BaseAPIClient
    from ..clients.core.request import Request

_log = logging.getLogger(__name__)

KEEP_FINISHED = 1000

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class JobView:
    """A job as a list shows it."""

    id: str
    backend: str
    title: str
    status: JobStatus
    tag: Mapping[str, str]


@dataclass(frozen=True)
class _Entry:
    job: Job
    tag: Mapping[str, str]
    runner: JobRunner


class Runtime:
    """Jobs for all backends: a lane for each, one channel to the main thread, one journal.

    Made without I/O or threads. ``submit``, ``cancel``, ``probe``, ``free_memory``, ``configure`` and the queries may
    be called from Blender's main thread: they neither block nor do I/O. Clients and demo servers are made on worker
    threads. Sound files are read by ``codec`` (None: WAV alone).
    """

    def __init__(self, settings: RuntimeSettings, codec: AudioCodec | None = None) -> None:
        self.channel = EventChannel()
        self._settings = settings
        self._journal = JobJournal(settings.state_dir)
        self._lock = threading.Lock()
        self._runners: dict[BackendInfo, JobRunner] = {}  # a backend that is registered anew gets a new one
        self._entries: dict[str, _Entry] = {}
        self._unreported: set[str] = set()
        self._clients = ClientCache(self._journal, self._users, codec)
        self._open_queries: set[str] = set()
        self._background_tasks: list[threading.Thread] = []
        self._closed = False

    # For the main thread

    def configure(self, settings: RuntimeSettings) -> None:
        """Use other settings for the jobs to come; those under way keep theirs."""
        self._settings = settings
        with self._lock:
            for info, runner in self._runners.items():
                if info.name in settings.backends:  # it may have been taken out of the registry
                    runner.options = settings.options_for(info)

    def submit(
        self,
        backend: str,
        request: Request | Mapping[str, Any],
        *,
        priority: int = 0,
        tag: Mapping[str, str] | None = None,
    ) -> Job:
        """Queue a request in its backend's lane and return the job; ``tag`` comes back with its events, also after a
        crash.

        Raises ``ValidationError`` for what is wrong on its face, ``OfflineRefused`` when Blender's online access is
        off and the server is not on this machine.
        """
        info = self._info(backend)
        check_online(info, self._settings)
        runner = self._runner(info)
        return runner.submit(request, priority=priority, prepare=partial(self._follow, runner, dict(tag or {})))

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled; True if this call did it. ``JobNotFound`` for an unknown id."""
        return self._runner_of(job_id).cancel(job_id)

    def jobs(self) -> list[JobView]:
        """Return all jobs, the newest first."""
        with self._lock:
            entries = list(self._entries.values())
        return [
            JobView(entry.job.id, entry.job.backend, _title(entry), entry.job.status, entry.tag)
            for entry in reversed(entries)
        ]

    def job(self, job_id: str) -> Job:
        """Return the job; ``JobNotFound`` if it is unknown or forgotten."""
        return self._runner_of(job_id).job(job_id)

    def status(self, job_id: str) -> JobStatus:
        """Return the job's status; ``JobNotFound`` for an unknown id."""
        return self.job(job_id).status

    def tag(self, job_id: str) -> Mapping[str, str]:
        """Return the job's tag, empty for an unknown job."""
        entry = self._entries.get(job_id)
        return entry.tag if entry else {}

    def forget(self, job_id: str) -> None:
        """Drop an ended job from the list."""
        self._runner_of(job_id).forget(job_id)
        with self._lock:
            self._entries.pop(job_id, None)

    def probe(self, backend: str) -> str:
        """Begin a connection test and return its id; ``ProbeFinished`` comes through the channel."""
        info = self._info(backend)
        check_online(info, self._settings)
        probe_id = str(uuid.uuid4())
        self._open_queries.add(probe_id)
        self._start_task(lambda: self._probe(info, probe_id), f"probe-{backend}")
        return probe_id

    def free_memory(self, backend: str) -> None:
        """Have a backend's server give memory back; ``MemoryFreed`` comes through the channel. For backends that can
        (``frees_memory``).
        """
        info = self._info(backend)
        check_online(info, self._settings)
        query_id = str(uuid.uuid4())
        self._open_queries.add(query_id)
        self._start_task(lambda: self._free_memory(info, query_id), f"free-{backend}")

    def recover(self) -> None:
        """Re-join the unfinished jobs of sessions that have ended; ``Recovered`` comes through the channel."""
        self._start_task(self._recover, "recover")

    def active(self) -> bool:
        """Return True if anything is under way or waits in the channel."""
        if self._unreported or not self.channel.empty() or any(task.is_alive() for task in self._background_tasks):
            return True
        return any(runner.busy() for runner in self._runners.values())

    def close(self, *, detach: bool = True, timeout_s: float = 2.0) -> None:
        """End everything within ``timeout_s``; with ``detach``, jobs that can be resumed are left running on their
        servers.
        """
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._closed = True
            runners = list(self._runners.values())
        closing = [
            _started(partial(runner.close, detach=detach, timeout_s=timeout_s * 0.7), "close") for runner in runners
        ]
        _join(closing, deadline)
        self._clients.close(deadline)
        _join(self._background_tasks, deadline)
        self._journal.close()

    # Lanes

    def _info(self, backend: str) -> BackendInfo:
        info = BACKENDS.get(backend)
        if info is None or backend not in self._settings.backends:
            known = self._settings.backends
            near = nearest_names(backend, known)
            raise ValidationError(
                f"There is no backend {backend!r}.",
                code="unknown_backend",
                hint=f"Did you mean {' or '.join(near)}?" if near else f"Choose one of {', '.join(known)}.",
            )
        return info

    def _runner(self, info: BackendInfo) -> JobRunner:
        with self._lock:
            if self._closed:
                raise shutting_down()
            runner = self._runners.get(info)
            if runner is None:
                options = self._settings.options_for(info)
                runner = JobRunner(
                    info.name, lambda: self._client(info), info.requests, options, recorder=self._journal
                )
                self._runners[info] = runner
            return runner

    def _runner_of(self, job_id: str) -> JobRunner:
        entry = self._entries.get(job_id)
        if entry is None:
            raise JobNotFound(f"No job {job_id} is known.", hint="It was removed from the list.")
        return entry.runner

    def _follow(self, runner: JobRunner, tag: dict[str, str], job: Job) -> None:
        self._journal.set_tag(job.id, tag)
        with self._lock:
            self._entries[job.id] = _Entry(job, tag, runner)
            self._unreported.add(job.id)
            self._drop_oldest()
        job.add_listener(lambda event: self._forward(job, tag, event))

    def _drop_oldest(self) -> None:
        if len(self._entries) <= KEEP_FINISHED:
            return
        for job_id, entry in self._entries.items():
            if entry.job.done():
                del self._entries[job_id]
                return

    # On the dispatcher threads

    def _forward(self, job: Job, tag: Mapping[str, str], event: Event) -> None:
        try:
            self._keep(job, event)
        finally:
            self.channel.put(JobEvent(job, tag, event))
            if isinstance(event, TERMINAL):
                self._unreported.discard(job.id)

    def _keep(self, job: Job, event: Event) -> None:
        if isinstance(event, Queued):
            self._journal.record(job.record(), first=True)
        elif isinstance(event, Succeeded):
            write_sidecars(job, event.result)
        if isinstance(event, TERMINAL) and not _may_still_be_fetched(job, event):
            self._journal.ended(job.id, type(event).__name__.lower())

    # On the workers

    def _client(self, info: BackendInfo) -> BaseAPIClient:
        return self._clients.client(info, self._settings)

    def _users(self, backend: str) -> frozenset[str]:
        runners = [runner for info, runner in tuple(self._runners.items()) if info.name == backend]
        return frozenset(self._open_queries).union(*(runner.under_way() for runner in runners))

    def _probe(self, info: BackendInfo, probe_id: str) -> None:
        found, failure = self._query(probe_id, info, lambda client: client.probe())
        self.channel.put(ProbeFinished(probe_id, info.name, found, failure))

    def _free_memory(self, info: BackendInfo, query_id: str) -> None:
        _, failure = self._query(query_id, info, lambda client: client.free())  # type: ignore[attr-defined]
        self.channel.put(MemoryFreed(info.name, failure))

    def _query(
        self, query_id: str, info: BackendInfo, query: Callable[[BaseAPIClient], _Answer]
    ) -> tuple[_Answer | None, BackendError | None]:
        """Ask a backend's client and return the answer or the error."""
        try:
            return query(self._client(info)), None
        except BackendError as error:
            return None, error
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer must get one
            _log.exception("A request to %s failed unexpectedly", info.name)
            return None, BackendError(
                f"The request to {info.label} failed: {error!r}.", code="internal", backend=info.name
            )
        finally:
            self._open_queries.discard(query_id)

    def _recover(self) -> None:
        job_ids: list[str] = []
        elsewhere: dict[str, None] = {}
        try:
            self._journal.take_over()
            for entry in self._journal.unfinished():
                self._recover_entry(entry, job_ids, elsewhere)
        finally:
            self.channel.put(Recovered(tuple(job_ids), tuple(elsewhere)))

    def _recover_entry(self, entry: JournalEntry, job_ids: list[str], elsewhere: dict[str, None]) -> None:
        record = entry.record
        known = self._entries.get(record["id"])
        if known is not None and not known.job.done():
            return
        try:
            info = self._info(str(record["backend"]))
            server = record.get("server")
            if server == DEMO_SERVER:
                raise JobLost("Its demo server ended when its Blender was closed.")
            if server is not None and server != server_now(info, self._settings):
                elsewhere[str(server)] = None
                return
            runner = self._runner(info)
            job = runner.resume(record, prepare=partial(self._follow, runner, dict(entry.tag)), newest=True)
        except BackendError as error:
            _log.warning("A job of the journal can't be recovered: %s", error)
            self._journal.ended(record["id"], "unusable")
            return
        job_ids.append(job.id)

    def _start_task(self, work: Callable[[], None], name: str) -> None:
        self._background_tasks = [task for task in self._background_tasks if task.is_alive()]
        self._background_tasks.append(_started(work, name))


def _may_still_be_fetched(job: Job, event: Event) -> bool:
    """Return True if a job has failed in a way that leaves its result on the server, for a later session to fetch."""
    if not isinstance(event, Failed) or not job.may_have_been_sent:
        return False
    error = event.error
    on_the_way = isinstance(error, (NetworkError, APIError, StorageError, OfflineRefused, JobDetached))
    return on_the_way or error.code == "client_closed"


def _title(entry: _Entry) -> str:
    return entry.tag.get("title") or str(getattr(entry.job.request, "prompt", "") or type(entry.job.request).__name__)


def _started(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=f"movie-director-{name}", daemon=True)
    thread.start()
    return thread


def _join(threads: list[threading.Thread], deadline: float) -> None:
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
