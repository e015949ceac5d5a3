"""A server's queue, history and saved workflows, as typed rows.

Facts: queue items are ``[number, id, prompt, extra_data, outputs]``, the waiting ones an unsorted heap; the history is
oldest first. Saved workflows are files of the editor, each user's own on a server with ``--multi-user``, where the
header ``comfy-user`` names the user; ``GET /users`` has a mapping ``users`` only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import MissingResource, ValidationError
from ...core.json_fields import as_number
from ...core.model import JobState
from ...core.request import nearest_names
from ..validation_errors import BACKEND
from ..workflow.loading import check_is_workflow
from .api import ComfyAPI
from .job_lookup import ServerJobState, get_marked_job, parse_history_entry, run_order
from .outputs import collect

_STATES = {
    ServerJobState.SUCCEEDED: JobState.SUCCEEDED,
    ServerJobState.FAILED: JobState.FAILED,
    ServerJobState.INTERRUPTED: JobState.CANCELLED,
}


@dataclass(frozen=True)
class QueuedPrompt:
    """A prompt in the server's queue: ``position`` is None for a running one, 0 for the next.

    ``job_id`` is its job, None for prompts of others; ``nodes`` is its number of nodes.
    """

    prompt_id: str
    position: int | None
    nodes: int
    job_id: str | None


@dataclass(frozen=True)
class PastPrompt:
    """A prompt in the server's history: its result, its end (epoch seconds by the server's clock, None if unknown),
    the names of its files as in ``Artifact.source``, and its job as in :class:`QueuedPrompt`.
    """

    prompt_id: str
    state: JobState
    ended_at: float | None
    files: tuple[str, ...]
    job_id: str | None


@dataclass(frozen=True)
class SavedWorkflow:
    """A workflow that the editor has saved on the server: its path in the user's folder and its size in bytes."""

    path: str
    size: int


def queue_rows(api: ComfyAPI) -> list[QueuedPrompt]:
    """Return the running and then the waiting prompts, in the order of execution."""
    running, pending = api.queue()
    rows = [(None, item) for item in running] + list(enumerate(sorted(pending, key=run_order)))
    return [
        QueuedPrompt(item[1], position, len(item[2]) if isinstance(item[2], Mapping) else 0, get_marked_job(item))
        for position, item in rows
    ]


def history_rows(api: ComfyAPI, limit: int) -> list[PastPrompt]:
    """Return the last ``limit`` finished prompts, newest first."""
    entries = [(each, entry) for each, entry in api.latest_history(limit).items() if isinstance(entry, Mapping)]
    return [_parse_past(prompt_id, entry) for prompt_id, entry in reversed(entries)]


def saved_rows(api: ComfyAPI, headers: Mapping[str, str]) -> list[SavedWorkflow]:
    """Return the workflows in the user's folder, sorted by path."""
    rows = [each for each in api.saved_files(headers) if isinstance(each, Mapping)]
    found = [
        SavedWorkflow(path, size if isinstance(size := row.get("size"), int) else 0)
        for row in rows
        if isinstance(path := row.get("path"), str) and path.endswith(".json")
    ]
    return sorted(found, key=lambda row: row.path)


def saved_workflow(api: ComfyAPI, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return a saved workflow; ``MissingResource`` (kind ``workflow``) if there is none at this path."""
    content = api.saved_file(path, headers)
    if content is None:
        near = nearest_names(path, [row.path for row in saved_rows(api, headers)])
        raise _missing_error("workflow", path, near, "Choose one of those that saved_workflows() lists.")
    return check_is_workflow(content, path)


def user_id(api: ComfyAPI, user: str) -> str:
    """Return the id of a user given by name or id; empty on a server without users.

    Raises ``MissingResource`` (kind ``user``), and ``ValidationError`` (code ``user_needed``) if the server has
    several users and none is given.
    """
    users = api.users()
    if users is None:
        return ""
    if not user:
        raise ValidationError(
            "This ComfyUI server has several users, each with workflows of their own.",
            code="user_needed",
            backend=BACKEND,
            hint=f"Choose one of them: {', '.join(sorted(users.values())) or 'it has none yet'}.",
        )
    ids = [each for each, name in users.items() if user in (each, name)]
    if not ids:
        raise _missing_error("user", user, nearest_names(user, users.values()), "Choose one of the server's users.")
    return ids[0]


def _parse_past(prompt_id: str, entry: Mapping[str, Any]) -> PastPrompt:
    found = parse_history_entry(entry, prompt_id)
    moment = as_number((found.end or {}).get("timestamp"))
    item = entry.get("prompt")
    files = collect(found.outputs, found.prompt or {}).files
    return PastPrompt(
        prompt_id,
        _STATES[found.place],
        None if moment is None else moment / 1000.0,
        tuple(file.source for file in files),
        get_marked_job(item) if isinstance(item, list) else None,
    )


def _missing_error(kind: str, name: str, near: tuple[str, ...], hint: str) -> MissingResource:
    like = f" It has {' and '.join(repr(each) for each in near)}." if near else ""
    return MissingResource(
        f"The ComfyUI server has no {kind} {name!r}.{like}",
        kind=kind,
        name=name,
        nearest=near,
        code=f"missing_{kind}",
        backend=BACKEND,
        hint=hint,
    )
