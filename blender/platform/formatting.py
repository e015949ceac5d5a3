"""Jobs, errors and answers as text for the panels, the status bar and the terminal. Imports no ``bpy``."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...clients.core.errors import BackendError
    from ...clients.core.model import JobStatus, Progress, ServerInfo
    from ...runtime import JobView

# By the states' values, not the states: their module need not be imported when Blender starts.
STATE_WORDS = {
    "queued": "Waiting",
    "running": "Working",
    "succeeded": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
CANCEL_WORDS = {
    "pending": "Cancelled; stopping the job on the server",
    "confirmed": "Cancelled; the job was stopped on the server",
    "unsupported": "Cancelled here; the server can't stop it and is still working",
    "failed": "Cancelled here; the job could not be stopped on the server",
}


def duration(seconds: float) -> str:
    """Return a time span as people say it: "8 s", "2 min 5 s", "1 h 10 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def progress_text(progress: Progress | None) -> str:
    """Return how far a job is on one line: "Sampling 7/20, 12 s left"."""
    if progress is None:
        return ""
    words = progress.stage or "Working"
    if progress.step is not None and progress.total_steps:
        words += f" {progress.step}/{progress.total_steps}"
    if progress.eta_s is not None:
        words += f", {'about ' if progress.estimated else ''}{duration(progress.eta_s)} left"
    return words


def status_text(status: JobStatus) -> str:
    """Return a job's state on one line."""
    state = status.state.value
    words = STATE_WORDS[state]
    if state == "queued":
        return _queue_text(status)
    if state == "running":
        return progress_text(status.progress) or status.message or words
    if state == "cancelled" and status.backend_cancel is not None:
        return CANCEL_WORDS[status.backend_cancel.value]
    if status.started_at is not None and status.finished_at is not None:
        words += f" in {duration(status.finished_at - status.started_at)}"
    return words


def _queue_text(status: JobStatus) -> str:
    if status.queue_position is None:
        return status.message or STATE_WORDS[status.state.value]
    if status.queue_position == 0:
        return "Next in the queue"
    return f"{status.queue_position} ahead of it in the queue"


def fraction(status: JobStatus) -> float:
    """Return how full the progress bar is, 0..1."""
    if status.progress is None or status.progress.fraction is None:
        return 0.0
    return min(1.0, max(0.0, status.progress.fraction))


def job_line(view: JobView) -> str:
    """Return a running job for the status bar or the terminal: "a red fox: Sampling 7/20, 12 s left (35%)"."""
    percent = f" ({fraction(view.status):.0%})" if view.status.progress is not None else ""
    return f"{view.title or view.backend}: {status_text(view.status)}{percent}"


def error_text(error: BackendError) -> str:
    """Return an error and its way out as one text."""
    return f"{error.message} {error.hint}".strip()


def error_details(view: JobView) -> str:
    """Return all that is known about a failed job, for a bug report or a forum; no secrets are in it."""
    error = view.status.error
    if error is None:
        return f"{view.title}: {status_text(view.status)}"
    lines = [f"{view.title} ({view.backend}, job {view.id})", f"{type(error).__name__} [{error.code}] {error.message}"]
    if error.hint:
        lines.append(error.hint)
    lines.extend(f"{key}: {value}" for key, value in error.context.items())
    cause = error.__cause__
    if cause is not None:
        lines.append(f"caused by {type(cause).__name__}: {cause}")
    return "\n".join(lines)


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of ``width`` letters for labels, which can't do it themselves."""
    return [line for part in text.splitlines() for line in textwrap.wrap(part, max(12, width))]


def server_text(label: str, info: ServerInfo) -> str:
    """Return a server's answer to a connection test on one line; ``label`` is the backend's name for people."""
    return f"{label} {info.version or 'of unknown version'}, answered in {info.latency_s * 1000:.0f} ms"
