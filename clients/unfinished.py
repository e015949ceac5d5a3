"""The client of a backend whose protocol is not built yet: it keeps the contract, and says so."""

from __future__ import annotations

from typing import NoReturn

from .base import BaseAPIClient, ServerInfo
from .context import CancelContext, JobContext
from .errors import BackendError
from .jobs import BackendCancel, Result


class UnfinishedClient(BaseAPIClient):
    """Ends every job, and a probe, with code ``not_implemented``."""

    def probe(self) -> ServerInfo:
        """Raise ``not_implemented``."""
        self._refuse()

    def run(self, job: JobContext) -> Result:
        """End the job with ``not_implemented``."""
        self._refuse()

    def rejoin(self, job: JobContext) -> Result:
        """End the job with ``not_implemented``."""
        self._refuse()

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Nothing was ever sent."""
        return BackendCancel.CONFIRMED

    def _refuse(self) -> NoReturn:
        raise BackendError(
            f"The {self.name} backend can't be used yet.",
            code="not_implemented",
            backend=self.name,
            hint="It comes with a later version of Movie Director.",
        )
