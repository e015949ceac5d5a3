"""Looks a job up in the server's queue and history. This is authoritative; pushed messages only trigger the lookup
sooner.

Facts: moves between queue and history are atomic on the server, so a job is always in one of them if the queue is read
first and the history second, unless the server does not know it. The jobs API (from 0.6 on) answers both at once.
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
    """The state of a job on the server."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    ABSENT = "absent"

    @property
    def ended(self) -> bool:
        """True if the job is done, successfully or not."""
        return self in (ServerJobState.SUCCEEDED, ServerJobState.FAILED, ServerJobState.INTERRUPTED)


_JOB_PLACES = {
    "completed": ServerJobState.SUCCEEDED,
    "failed": ServerJobState.FAILED,
    "cancelled": ServerJobState.INTERRUPTED,
}


@dataclass(frozen=True)
class LookupResult:
    """The result: ``position`` of a waiting job (0 is next), ``running`` the ids of the prompts that run before it,
    ``idle`` if nothing runs though jobs wait; for a finished job its ``outputs`` and the data of its last message.
    ``prompt`` and ``targets`` if the response has them.
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
    """Looks jobs up on one server. Thread-safe; remembers only if the server has the jobs API."""

    def __init__(self, api: ComfyAPI) -> None:
        self.api = api
        self._has_jobs: bool | None = None

    def ask(self, prompt_id: str, scope: Scope | None = None, *, position: bool = False) -> LookupResult:
        """Return the state of the job; with ``position`` also the number of jobs before it."""
        if self._has_jobs is not False:
            self._has_jobs, job = self.api.job(prompt_id, scope)
            if self._has_jobs:
                return self._make_result_of_job(prompt_id, job, scope, position=position)
        return self.locate(prompt_id, scope)

    def locate(self, prompt_id: str, scope: Scope | None = None, *, job_id: str = "") -> LookupResult:
        """Look in the queue, then in the history, as all releases allow; with ``job_id`` also for a prompt with
        another id that carries this job's mark.
        """
        running, pending = self.api.queue(scope)
        found = _find_in_queue(running, pending, prompt_id, job_id)
        if found is not None:
            return found
        entry = self.api.history(prompt_id, scope)
        if entry is None and job_id:
            prompt_id, entry = self._find_marked(job_id, scope)
        return parse_history_entry(entry, prompt_id) if entry is not None else LookupResult(ServerJobState.ABSENT)

    def _find_marked(self, job_id: str, scope: Scope | None) -> tuple[str, Mapping[str, Any] | None]:
        for prompt_id, entry in self.api.latest_history(MARKED_HISTORY_ITEMS, scope).items():
            if get_marked_job(as_list(get_member(entry, "prompt"))) == job_id:
                return prompt_id, entry
        return "", None

    def _make_result_of_job(
        self, prompt_id: str, job: Mapping[str, Any] | None, scope: Scope | None, *, position: bool
    ) -> LookupResult:
        if job is None:
            return LookupResult(ServerJobState.ABSENT)
        status = job.get("status")
        if status == "pending":
            return (
                _find_rank(prompt_id, self.api.open_jobs(scope)) if position else LookupResult(ServerJobState.PENDING)
            )
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
    """Parse a history entry. An interrupted run is an error with an ``execution_interrupted`` message; entries of
    other tools can lack a status: with outputs they count as succeeded.
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
    """Return the sort key of a queue item for the order of execution."""
    return _parse_rank(item[0]), item[1]


def get_marked_job(item: Any) -> str | None:
    """Return the job id in a queue item, or in the prompt of a history entry."""
    job_id = get_member(item[3] if len(item) > 3 else None, MARKER, "job")
    return job_id if isinstance(job_id, str) else None


def _find_in_queue(running: list[Any], pending: list[Any], prompt_id: str, job_id: str) -> LookupResult | None:
    for item in running:
        if _is_ours(item, prompt_id, job_id):
            return _make_queued_result(ServerJobState.RUNNING, item, None, idle=False)
    for position, item in enumerate(sorted(pending, key=run_order)):
        if _is_ours(item, prompt_id, job_id):
            found = _make_queued_result(ServerJobState.PENDING, item, position, idle=not running)
            return replace(found, running=tuple(str(each[1]) for each in running))
    return None


def _make_queued_result(place: ServerJobState, item: Any, position: int | None, *, idle: bool) -> LookupResult:
    targets = get_texts(item[4]) if len(item) > 4 and isinstance(item[4], list) else None
    prompt = item[2] if isinstance(item[2], Mapping) else None
    return LookupResult(place, position, idle, prompt=prompt, targets=targets, prompt_id=item[1])


def _find_rank(prompt_id: str, jobs: list[Mapping[str, Any]]) -> LookupResult:
    waiting = [job for job in jobs if job.get("status") == "pending"]
    in_order = sorted(waiting, key=lambda job: (_parse_rank(job.get("priority")), str(job.get("id"))))
    ids = [job.get("id") for job in in_order]
    running = tuple(str(job.get("id")) for job in jobs if job.get("status") != "pending")
    position = ids.index(prompt_id) if prompt_id in ids else None
    idle = position is not None and not running
    return LookupResult(ServerJobState.PENDING, position, idle, prompt_id=prompt_id, running=running)


def _parse_rank(number: Any) -> float:
    return as_number(number) or 0.0


def _is_ours(item: Any, prompt_id: str, job_id: str) -> bool:
    return bool(item[1] == prompt_id or (job_id and get_marked_job(item) == job_id))
