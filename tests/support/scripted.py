"""A client whose backend is a function of the test: for everything that is not about a protocol."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from movie_director.clients.core.client import BaseAPIClient
from movie_director.clients.core.context import CancelContext, JobContext
from movie_director.clients.core.model import BackendCancel, Result, ServerInfo
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.core.request import Request
from support.waiting import HANG_GUARD_S


@dataclass(frozen=True)
class ScriptedRequest(Request):
    """A request that carries nothing but a name."""

    prompt: str = "test"

    def problems(self) -> list[str]:
        return [] if isinstance(self.prompt, str) else ["prompt: a text is required."]


def succeed(_job: JobContext) -> Result:
    """End well at once."""
    return Result(text="done")


class ScriptedClient(BaseAPIClient):
    """``behaviour`` is run for each job, ``on_rejoin`` and ``on_cancel`` for the other hooks; ``told`` are the
    cancelled ids.
    """

    name: ClassVar[str] = "scripted"
    request_types: ClassVar[tuple[type[Request], ...]] = (ScriptedRequest,)
    rejoins = True
    behaviour: Callable[[JobContext], Result] = staticmethod(succeed)
    on_rejoin: Callable[[JobContext], Result] = staticmethod(succeed)
    on_cancel: Callable[[CancelContext], BackendCancel] = staticmethod(lambda _context: BackendCancel.CONFIRMED)
    on_probe: Callable[[], ServerInfo] = staticmethod(lambda: ServerInfo("1.0", "scripted"))

    on_free: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, base_url: str = "http://127.0.0.1:9", **given: Any) -> None:
        super().__init__(base_url, **given)
        self.told: list[str] = []
        self.disconnected = False

    def probe(self) -> ServerInfo:
        return self.on_probe()

    def free(self) -> None:
        self.on_free()

    def run(self, job: JobContext) -> Result:
        return self.behaviour(job)

    def rejoin(self, job: JobContext) -> Result:
        return self.on_rejoin(job)

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        self.told.append(job.job_id)
        return self.on_cancel(job)

    def disconnect(self, timeout_s: float) -> None:
        self.disconnected = True


def scripted(behaviour: Callable[[JobContext], Result] = succeed, **options: Any) -> ScriptedClient:
    """Return a client that runs ``behaviour`` for its jobs."""
    client = ScriptedClient(options=ClientOptions(**options))
    client.behaviour = behaviour
    return client


class Gate:
    """A behaviour that says it has begun, and goes on when the test lets it."""

    def __init__(self, *, sent: bool = True) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self._sent = sent

    def __call__(self, job: JobContext) -> Result:
        if self._sent:
            job.sending(step="sent")
            job.submitted(f"backend-{job.job_id}")
        job.started()
        self.begun.release()
        while not self.open.is_set():
            job.sleep(0.01)
        return Result(text="done")

    def wait_begun(self) -> None:
        """Wait until a job is in the behaviour."""
        assert self.begun.acquire(timeout=HANG_GUARD_S), "the job did not begin"
