"""Typed errors for failed runs of workflows. Pure.

Facts: the data of ``execution_error`` and ``execution_interrupted``, which the history keeps. ``exception_message``
ends with a newline and may carry tips; ``current_inputs`` are dumps of tensors and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..core.errors import GenerationError, JobLost, NodeError, OutOfMemory
from ..core.json_fields import as_list
from ..core.memory_errors import is_out_of_memory
from .workflow.loading import title_of

BACKEND = "comfyui"
BLOCKED = "ExecutionBlocked"
_MESSAGE_CHARS = 400
_TRACEBACK_CHARS = 4000

_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"mat1 and mat2 shapes"),
        "The model and its text encoder do not match: choose a matching pair.",
    ),
    (
        re.compile(r"FileNotFoundError|Error while deserializing header"),
        "A model file is missing or damaged on the server: download it again.",
    ),
    (
        re.compile(r"outside the output folder"),
        "Choose a file prefix that stays inside the server's output folder.",
    ),
    (
        re.compile(r"\b(401|402)\b|unauthorized|credits?\b", re.IGNORECASE),
        (
            "The node needs an account: set the header Comfy-Org-Api-Key in the preferences, "
            "and check the account's credits."
        ),
    ),
)
_DEFAULT_HINT = "Check the node's inputs; the server's log has more details."


def is_blocked_output(data: Mapping[str, Any]) -> bool:
    """Return True if an ``execution_error`` reports only a blocked output; the run then continues."""
    return data.get("exception_type") == BLOCKED


def run_error(data: Mapping[str, Any], prompt: Mapping[str, Mapping[str, Any]]) -> GenerationError:
    """Return the typed error for the data of an ``execution_error``."""
    node_id, node_type = str(data.get("node_id", "")), str(data.get("node_type", ""))
    title = title_of(prompt, node_id) if node_id else node_type
    kind, message = str(data.get("exception_type", "")), first_line(data.get("exception_message"))
    context = {
        "node_id": node_id,
        "node_type": node_type,
        "exception_type": kind,
        "details": "".join(str(line) for line in as_list(data.get("traceback")))[-_TRACEBACK_CHARS:],
    }
    if is_out_of_memory(kind, str(data.get("exception_message") or "")):
        return OutOfMemory(
            f"The GPU ran out of memory at {title!r}.",
            backend=BACKEND,
            hint="Free the server's memory and try again, or use a smaller picture, a smaller batch or fewer frames.",
            context={**context, "message": message},
        )
    return NodeError(
        f"{title!r} ({node_type}) failed: {message or kind or 'the server gave no reason'}.",
        node_id=node_id,
        node_type=node_type,
        backend=BACKEND,
        hint=_hint(f"{kind}: {data.get('exception_message')}"),
        context=context,
    )


def interrupted_error(data: Mapping[str, Any], prompt: Mapping[str, Mapping[str, Any]]) -> GenerationError:
    """Return the error for a run that was stopped, but not by this client."""
    node_id = str(data.get("node_id") or "")
    at = f" at {title_of(prompt, node_id)!r}" if node_id else ""
    return GenerationError(
        f"Someone else stopped the job{at} on the server.",
        code="interrupted",
        backend=BACKEND,
        hint="Send it again.",
        context={"node_id": node_id},
        retryable=True,
    )


def unexplained_error() -> GenerationError:
    """Return the error for a run that the server reports as failed without a reason."""
    return GenerationError(
        "The server reported that the job failed, but gave no reason.", backend=BACKEND, hint="Check the server's log."
    )


def worker_dead() -> GenerationError:
    """Return the error for a server whose worker thread has died."""
    return GenerationError(
        "The ComfyUI server accepts jobs but no longer runs them.",
        code="worker_dead",
        backend=BACKEND,
        hint="Restart ComfyUI, then send the job again.",
        retryable=True,
    )


def server_restarted(stage: str) -> JobLost:
    """Return the error for a job that the server lost as it was restarted; ``stage`` is the node that ran then."""
    during = f" during {stage!r}" if stage else ""
    return job_lost(
        f"The ComfyUI server crashed or was restarted{during} and lost the job.",
        hint="Send it again. If this keeps happening, the server may be out of memory: make the job smaller.",
    )


def history_cleared() -> JobLost:
    """Return the error for a job that has run and whose result the server no longer has."""
    return job_lost("The ComfyUI server no longer knows the job: its history was cleared.")


def removed_from_queue() -> JobLost:
    """Return the error for a job that was removed before it began."""
    return job_lost("The job was removed from the ComfyUI server's queue.", code="removed")


def job_lost(message: str, code: str | None = None, hint: str = "Send it again.") -> JobLost:
    """Return the error for a job that the server no longer has."""
    return JobLost(message, code=code, backend=BACKEND, hint=hint, retryable=True)


def first_line(message: Any) -> str:
    """Return the first line of a server's message, shortened and without its full stop."""
    lines = str(message or "").strip().splitlines()
    return lines[0].strip().rstrip(".")[:_MESSAGE_CHARS] if lines else ""


def _hint(message: str) -> str:
    return next((hint for pattern, hint in _HINTS if pattern.search(message)), _DEFAULT_HINT)
