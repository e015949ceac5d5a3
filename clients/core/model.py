"""The values that clients, jobs and events exchange: states, progress, results, files, servers. No behaviour.

``BackendError.partial`` holds a ``Result`` and ``Result.problems`` holds errors: the contract makes ``errors`` and this
module know each other. The imports between them are for type checkers only; no other two files of the package do this.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import BackendError


class JobState(enum.Enum):
    """The state of a job. The last three are terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True if the state is terminal."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class BackendCancel(enum.StrEnum):
    """The outcome of the cancel on the backend."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"


@dataclass(frozen=True)
class Progress:
    """A job's progress: ``fraction`` 0..1 never falls, ``estimated`` marks a guess by time, ``eta_s`` is seconds."""

    fraction: float | None = None
    estimated: bool = False
    step: int | None = None
    total_steps: int | None = None
    stage: str = ""
    eta_s: float | None = None


@dataclass(frozen=True)
class JobStatus:
    """A snapshot of a job. Times are epoch seconds; ``queue_position`` 0 is next, None once running."""

    state: JobState
    progress: Progress | None = None
    queue_position: int | None = None
    message: str = ""
    submitted_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    error: BackendError | None = None
    backend_cancel: BackendCancel | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON-ready data."""
        return {
            "state": self.state.value,
            "progress": asdict(self.progress) if self.progress else None,
            "queue_position": self.queue_position,
            "message": self.message,
            "submitted_at": self.submitted_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "error": self.error.to_dict() if self.error else None,
            "backend_cancel": self.backend_cancel.value if self.backend_cancel else None,
        }


@dataclass(frozen=True)
class Artifact:
    """A complete file inside ``output_dir``: ``size`` in bytes, ``source`` is the backend's own name for it.

    ``kind`` is ``image``, ``video``, ``audio``, ``text``, ``model`` or ``other``.
    """

    path: Path
    kind: str
    media_type: str
    size: int
    sha256: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Return the artifact as JSON-ready data."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True)
class Result:
    """The result of a job. ``metadata`` suffices to make the result again; ``problems`` are errors of its parts."""

    artifacts: tuple[Artifact, ...] = ()
    text: str | None = None
    data: Any = None
    usage: dict[str, Any] | None = None
    problems: tuple[BackendError, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready data."""
        return {
            "artifacts": [artifact.to_dict() for artifact in self.artifacts],
            "text": self.text,
            "data": self.data,
            "usage": self.usage,
            "problems": [problem.to_dict() for problem in self.problems],
            "metadata": self.metadata,
        }


@dataclass(frozen=True)
class ServerInfo:
    """A server's identity: ``dialect`` names its kind of protocol, ``latency_s`` is one small request's time."""

    version: str
    dialect: str
    capabilities: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()
    latency_s: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
