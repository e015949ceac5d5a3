"""The client's members as coroutines. The work stays on the client's threads; a waiting coroutine blocks none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from .errors import WaitTimeout
from .events import Event
from .model import JobStatus, Result

if TYPE_CHECKING:
    from .job import Job
    from .model import ServerInfo
    from .request import Request


class BlockingClient(Protocol):
    """The members of a client that ``AsyncFacade`` calls."""

    def submit(self, request: Request | Mapping[str, Any]) -> Job:
        """Submit a request and return its job at once."""

    def resume(self, record: Mapping[str, Any]) -> Job:
        """Re-join a job from its record."""

    def job(self, job_id: str) -> Job:
        """Return the job of that id."""

    def get_status(self, job_id: str) -> JobStatus:
        """Return the job's status from memory."""

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled."""

    def probe(self) -> ServerInfo:
        """Return the server's identity; blocks."""


class AsyncFacade:
    """``client.aio``: usable from any number of event loops at once. Cancelling an await leaves the job running."""

    def __init__(self, client: BlockingClient) -> None:
        self._client = client

    async def submit(self, request: Request | Mapping[str, Any]) -> str:
        """Submit and return the job id; raises what ``submit`` raises."""
        return self._client.submit(request).id

    async def resume(self, record: Mapping[str, Any]) -> str:
        """Re-join a recorded job and return its id."""
        return self._client.resume(record).id

    async def get_status(self, job_id: str) -> JobStatus:
        """Return the job's status; ``JobNotFound`` for an unknown id."""
        return self._client.get_status(job_id)

    async def cancel(self, job_id: str) -> bool:
        """End the job as cancelled; True if this call did it."""
        return self._client.cancel(job_id)

    async def get_result(self, job_id: str, timeout: float | None = None) -> Result:
        """Wait for the result; raises what ``Job.result`` raises, ``WaitTimeout`` after ``timeout`` seconds."""
        job = self._client.job(job_id)
        ended = asyncio.Event()
        remove = job.add_waker(_wake(ended))
        try:
            async with asyncio.timeout(timeout):
                while not job.done():
                    await ended.wait()
                    ended.clear()
        except TimeoutError:
            raise WaitTimeout(
                f"The job did not finish within {timeout:g} s.",
                hint="It is still running; wait longer or cancel it.",
                backend=job.backend,
            ) from None
        finally:
            remove()
        return job.result(0)

    async def events(self, job_id: str) -> AsyncIterator[Event]:
        """Iterate over the job's events, from the first to the terminal event."""
        job = self._client.job(job_id)
        changed = asyncio.Event()
        remove = job.add_waker(_wake(changed))
        reader = job.events()
        try:
            while not reader.finished:
                changed.clear()
                while (event := reader.poll()) is not None:
                    yield event
                if not reader.finished:
                    await changed.wait()
        finally:
            remove()

    async def probe(self) -> ServerInfo:
        """Return the server's identity; the request runs on a thread of the loop's executor, seconds at most."""
        return await asyncio.to_thread(self._client.probe)


def _wake(event: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: no coroutine waits any more
            loop.call_soon_threadsafe(event.set)

    return wake
