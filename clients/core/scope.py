"""The scope of a request, which can abort it: a job, a cancel in progress, or neither."""

from __future__ import annotations

from typing import Protocol

from .errors import BackendError
from .interrupt import Interrupter


class Scope(Protocol):
    """The owner of a request: it can abort the request and shorten its pauses."""

    @property
    def interrupter(self) -> Interrupter:
        """The interrupter that aborts the request's blocking calls."""

    def check(self) -> None:
        """Raise if the work was cancelled or its time is over."""

    def sleep(self, seconds: float) -> None:
        """Pause between tries."""


class SessionScope:
    """The scope of a request that belongs to no job; it lasts until ``interrupter`` fires."""

    def __init__(self, interrupter: Interrupter | None = None) -> None:
        self.interrupter = interrupter or Interrupter()

    def check(self) -> None:
        """Raise ``BackendError`` (code ``client_closed``) if the interrupter has fired."""
        if self.interrupter.fired:
            raise BackendError("This client is closed.", code="client_closed", hint="Create a new client.")

    def sleep(self, seconds: float) -> None:
        """Pause, and raise as ``check`` does."""
        self.interrupter.wait(seconds)
        self.check()
