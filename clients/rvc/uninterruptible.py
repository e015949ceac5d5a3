"""Calls that the server can't cancel. After a cancel the call keeps running; its response is the only sign that the
server is free.
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


def may_still_run(error: BaseException) -> bool:
    """Return True if the job has ended while its server may still be working on it."""
    return isinstance(error, JobCancelled) or (isinstance(error, NetworkTimeout) and error.code == "job_timeout")


class UninterruptibleCall:
    """The running calls of cancelled jobs, for the workers of one client."""

    def __init__(self) -> None:
        self._left: dict[str, BackgroundCall] = {}

    def call(self, job: JobContext, function: Callable[[Scope], Answer]) -> Answer:
        """Run ``function`` and return its result; after a cancel it runs on: see ``wait_until_free``."""
        blocking = BackgroundCall(job, function)
        blocking.start()
        try:
            item = None
            while not isinstance(item, Finished):
                item = job.receive(LOOK_S)
        except BaseException as error:
            if may_still_run(error):
                self._left[job.job_id] = blocking
            else:
                blocking.close()
            raise
        blocking.close()
        answer: Answer = item.result()
        return answer

    def wait_until_free(self, job: CancelContext, on_poll: Callable[[], object] | None = None) -> bool:
        """Wait until the job's call ends, with an ``on_poll`` before each poll; return True if it has ended.

        At the end of the drain the call is interrupted.
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
