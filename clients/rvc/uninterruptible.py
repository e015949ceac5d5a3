"""Calls that nothing stops: a job that is ended leaves its call to itself, and only its answer tells when the server is
free again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..core.background_call import BackgroundCall, Finished
from ..core.context import CancelContext, JobContext
from ..core.errors import JobCancelled, NetworkTimeout
from ..core.scope import Scope

LOOK_S = 1.0
DRAIN_PAUSE_S = 0.05

Answer = TypeVar("Answer")


def given_up(error: BaseException) -> bool:
    """Whether a job has ended while its server may still work on it."""
    return isinstance(error, JobCancelled) or (isinstance(error, NetworkTimeout) and error.code == "job_timeout")


class UninterruptibleCall:
    """The calls that jobs have left. Used by the workers of one client."""

    def __init__(self) -> None:
        self._left: dict[str, BackgroundCall] = {}

    def call(self, job: JobContext, function: Callable[[Scope], Answer]) -> Answer:
        """Return what ``function`` does; raises what it raises. A call whose job was cancelled goes on: see
        ``wait_until_free``.
        """
        blocking = BackgroundCall(job, function)
        blocking.start()
        try:
            item = None
            while not isinstance(item, Finished):
                item = job.receive(LOOK_S)
        except BaseException as error:
            if given_up(error):
                self._left[job.job_id] = blocking
            else:
                blocking.close()
            raise
        blocking.close()
        answer: Answer = item.result()
        return answer

    def wait_until_free(self, job: CancelContext, on_poll: Callable[[], object] | None = None) -> bool:
        """Wait until the call that the job has left is over, with a ``on_poll`` before each look; whether it is known
        to be over. At the end of the drain it is broken off.
        """
        blocking = self._left.pop(job.job_id, None)
        if blocking is None:
            return False
        while not blocking.over:
            if on_poll is not None:
                on_poll()
            if not job.wait(DRAIN_PAUSE_S):
                break
        over = blocking.over
        blocking.close()
        return over
