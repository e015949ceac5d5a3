"""Runs a blocking request on its own thread, so that the job's thread can watch the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .context import JobContext
from .interrupt import Interrupter
from .scope import Scope, SessionScope


@dataclass(frozen=True)
class Finished:
    """The outcome of the call, posted to the job's inbox at its end."""

    value: Any = None
    error: BaseException | None = None

    def result(self) -> Any:
        """Return the call's value or raise its error."""
        if self.error is not None:
            raise self.error
        return self.value


class BackgroundCall:
    """Calls ``function(scope)`` on its own thread and posts a ``Finished`` to the job.

    A context manager: its exit, like ``close``, aborts a running call and joins the thread.
    """

    def __init__(self, job: JobContext, function: Callable[[Scope], Any]) -> None:
        self._job = job
        self._function = function
        self._interrupter = Interrupter()
        self._thread = threading.Thread(target=self._call, name="movie-director-blocking-call", daemon=True)

    def __enter__(self) -> BackgroundCall:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @property
    def over(self) -> bool:
        """True if the call has ended."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Start the call."""
        self._thread.start()

    def close(self) -> None:
        """Abort the call and join the thread."""
        self._interrupter.fire()
        self._thread.join()

    def _call(self) -> None:
        try:
            finished = Finished(self._function(SessionScope(self._interrupter)))
        except BaseException as error:  # noqa: BLE001 - raised again on the job's thread
            finished = Finished(error=error)
        self._job.post(finished)
