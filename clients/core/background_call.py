"""A request that blocks until all is done, on a thread beside the job's, which meanwhile watches the run."""

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
    """What came of the call; lies in the job's inbox once it is over."""

    value: Any = None
    error: BaseException | None = None

    def result(self) -> Any:
        """Return the call's value or raise its error."""
        if self.error is not None:
            raise self.error
        return self.value


class BackgroundCall:
    """Calls ``function(scope)`` on a thread of its own and posts a ``Finished`` to the job.

    A context manager: leaving it, as ``close``, breaks off a call that is still under way and joins the thread.
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
        """Make the call."""
        self._thread.start()

    def close(self) -> None:
        """Break the call off and join the thread."""
        self._interrupter.fire()
        self._thread.join()

    def _call(self) -> None:
        try:
            finished = Finished(self._function(SessionScope(self._interrupter)))
        except BaseException as error:  # noqa: BLE001 - raised again on the job's thread
            finished = Finished(error=error)
        self._job.post(finished)
