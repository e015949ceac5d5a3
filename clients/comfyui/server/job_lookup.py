"""What the server says of a job when asked. Messages that it pushes only make the asking quick; this decides.

Facts: moves between queue and history are atomic on the server, so a job that is asked for in the queue first and in
the history second is never in neither, unless the server does not know it. The jobs API (from 0.6 on) answers both at
once.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...core.json_fields import as_list, as_number, as_object, get_member, get_texts
from ...core.scope import Scope
from .api import ComfyAPI

MARKER = "movie_director"
"""The key of ``extra_data`` under which a prompt carries the id of its job, for servers that mint their own ids."""

MARKED_HISTORY_ITEMS = 100


class ServerJobState(enum.Enum):
    """Where a job is on the server."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    ABSENT = "absent"

    @property
    def ended(self) -> bool:
        """Whether the job is done, however it ended."""
        return self in (ServerJobState.SUCCEEDED, ServerJobState.FAILED, ServerJobState.INTERRUPTED)


_JOB_PLACES = {
    "completed": ServerJobState.SUCCEEDED,
    "failed": ServerJobState.FAILED,
    "cancelled": ServerJobState.INTERRUPTED,
}


@dataclass(frozen=True)
class LookupResult:
    """The answer: ``position`` of a waiting job (0 is next), ``running`` the ids of the prompts that run before it,
    ``idle`` if nothing runs though jobs wait; for an ended one its ``outputs`` and the data of the message that it
    ended with. ``prompt`` and ``targets`` where the answer has them.
    """

    place: ServerJobState
    position: int | None = None
    idle: bool = False
    outputs: Any = None
    end: Mapping[str, Any] | None = None
    prompt: Mapping[str, Any] | None = None
    targets: list[str] | None = None
    prompt_id: str = ""
    running: tuple[str, ...] = ()


class JobLookup:
    """Asks one server. Thread-safe; remembers only whether the server has the jobs API."""

    def __init__(self, api: ComfyAPI) -> None:
        self._api = api
        self._has_jobs: bool | None = None

    def ask(self, prompt_id: str, scope: Scope | None = None, *, position: bool = False) -> LookupResult:
        """Return where the job is; with ``position`` also how many wait before it."""
        if self._has_jobs is not False:
            self._has_jobs, job = self._api.job(prompt_id, scope)
            if self._has_jobs:
                return self._of_job(prompt_id, job, scope, position=position)
        return self.locate(prompt_id, scope)

    def locate(self, prompt_id: str, scope: Scope | None = None, *, job_id: str = "") -> LookupResult:
        """Look in the queue, then in the history, as all releases allow; with ``job_id`` also for a prompt that has
        another id and carries this job's mark.
        """
        running, pending = self._api.queue(scope)
        found = _in_queue(running, pending, prompt_id, job_id)
        if found is not None:
            return found
        entry = self._api.history(prompt_id, scope)
        if entry is None and job_id:
            prompt_id, entry = self._marked(job_id, scope)
        return parse_history_entry(entry, prompt_id) if entry is not None else LookupResult(ServerJobState.ABSENT)

    def _marked(self, job_id: str, scope: Scope | None) -> tuple[str, Mapping[str, Any] | None]:
        for prompt_id, entry in self._api.latest_history(MARKED_HISTORY_ITEMS, scope).items():
            if job_marked(as_list(get_member(entry, "prompt"))) == job_id:
                return prompt_id, entry
        return "", None

    def _of_job(
        self, prompt_id: str, job: Mapping[str, Any] | None, scope: Scope | None, *, position: bool
    ) -> LookupResult:
        if job is None:
            return LookupResult(ServerJobState.ABSENT)
        status = job.get("status")
        if status == "pending":
            return _ranked(prompt_id, self._api.open_jobs(scope)) if position else LookupResult(ServerJobState.PENDING)
        if status == "in_progress":
            return LookupResult(ServerJobState.RUNNING, prompt_id=prompt_id)
        prompt = get_member(job, "workflow", "prompt")
        extra = [0, prompt_id, prompt] if isinstance(prompt, Mapping) else None
        entry = {"outputs": job.get("outputs"), "status": job.get("execution_status"), "prompt": extra}
        finding = parse_history_entry(entry, prompt_id)
        place = _JOB_PLACES.get(str(status), finding.place)
        return replace(
            finding, place=ServerJobState.INTERRUPTED if finding.place is ServerJobState.INTERRUPTED else place
        )


def parse_history_entry(entry: Mapping[str, Any], prompt_id: str) -> LookupResult:
    """Read a history entry. An interrupted run is an error with a message that says so; entries that other tools made
    can be without a status: what has outputs has succeeded.
    """
    status = as_object(entry.get("status"))
    ends = {
        each[0]: each[1]
        for each in as_list(status.get("messages"))
        if isinstance(each, list) and len(each) == 2 and isinstance(each[1], Mapping)
    }
    place, end = ServerJobState.FAILED, ends.get("execution_error")
    if "execution_interrupted" in ends:
        place, end = ServerJobState.INTERRUPTED, ends["execution_interrupted"]
    elif status.get("status_str") == "success" or (not status and entry.get("outputs")):
        place, end = ServerJobState.SUCCEEDED, ends.get("execution_success")
    item = as_list(entry.get("prompt"))
    prompt = item[2] if len(item) > 2 and isinstance(item[2], Mapping) else None
    return LookupResult(place, outputs=entry.get("outputs"), end=end, prompt=prompt, prompt_id=prompt_id)


def run_order(item: Any) -> tuple[float, str]:
    """Sort key of queue items by when the server will run them."""
    return _rank(item[0]), item[1]


def job_marked(item: Any) -> str | None:
    """Return the id of the job that a queue item, or the prompt of a history entry, was sent for."""
    job_id = get_member(item[3] if len(item) > 3 else None, MARKER, "job")
    return job_id if isinstance(job_id, str) else None


def _in_queue(running: list[Any], pending: list[Any], prompt_id: str, job_id: str) -> LookupResult | None:
    for item in running:
        if _is_ours(item, prompt_id, job_id):
            return _queued_finding(ServerJobState.RUNNING, item, None, idle=False)
    for position, item in enumerate(sorted(pending, key=run_order)):
        if _is_ours(item, prompt_id, job_id):
            found = _queued_finding(ServerJobState.PENDING, item, position, idle=not running)
            return replace(found, running=tuple(str(each[1]) for each in running))
    return None


def _queued_finding(place: ServerJobState, item: Any, position: int | None, *, idle: bool) -> LookupResult:
    targets = get_texts(item[4]) if len(item) > 4 and isinstance(item[4], list) else None
    prompt = item[2] if isinstance(item[2], Mapping) else None
    return LookupResult(place, position, idle, prompt=prompt, targets=targets, prompt_id=item[1])


def _ranked(prompt_id: str, jobs: list[Mapping[str, Any]]) -> LookupResult:
    waiting = [job for job in jobs if job.get("status") == "pending"]
    in_order = sorted(waiting, key=lambda job: (_rank(job.get("priority")), str(job.get("id"))))
    ids = [job.get("id") for job in in_order]
    running = tuple(str(job.get("id")) for job in jobs if job.get("status") != "pending")
    position = ids.index(prompt_id) if prompt_id in ids else None
    idle = position is not None and not running
    return LookupResult(ServerJobState.PENDING, position, idle, prompt_id=prompt_id, running=running)


def _rank(number: Any) -> float:
    return as_number(number) or 0.0


def _is_ours(item: Any, prompt_id: str, job_id: str) -> bool:
    return bool(item[1] == prompt_id or (job_id and job_marked(item) == job_id))
