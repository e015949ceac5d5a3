"""What a runner needs of a backend's client to have its jobs run."""

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
        """The server's name as records keep it."""

    def can_rejoin(self) -> bool:
        """Return True if a job that was sent can be found again on the server."""

    def can_detach(self) -> bool:
        """Return True if a job that was sent may be left running on the server."""

    def run(self, job: JobContext) -> Result:
        """Submit the request and wait for its result."""

    def rejoin(self, job: JobContext) -> Result:
        """Wait for the result of a job that may have been sent before."""

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Tell the backend to cancel the job, and wait until it is free."""

    def redact(self, text: str) -> str:
        """Return the text without the client's keys."""

    def redact_error(self, error: BackendError) -> None:
        """Take the client's keys out of an error, in place."""
