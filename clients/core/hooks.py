"""The interface of a backend's client for the runner of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .context import CancelContext, JobContext
    from .errors import BackendError
    from .model import BackendCancel, Result


class Hooks(Protocol):
    """The hooks of a backend; all but the two ``can_`` are called on worker threads."""

    @property
    def server(self) -> str:
        """The server's name in records."""

    def can_rejoin(self) -> bool:
        """Return True if a job that was sent can be found again on the server."""

    def can_detach(self) -> bool:
        """Return True if a job that was sent may be left running on the server."""

    def run(self, job: JobContext) -> Result:
        """Submit the request and wait for its result."""

    def rejoin(self, job: JobContext) -> Result:
        """Wait for the result of a job that may have been sent before."""

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the job on the backend, and wait until the backend is free."""

    def redact(self, text: str) -> str:
        """Return the text without the client's keys."""

    def redact_error(self, error: BackendError) -> None:
        """Remove the client's keys from an error, in place."""
