"""The base of all clients: the contract's members on top of a ``JobRunner``."""

from __future__ import annotations

import abc
import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ..http.redaction import redact_error
from ..http.url import ServerURL, parse_server_url
from .context import CancelContext, JobContext, Recorder
from .errors import BackendError
from .job import Job
from .model import BackendCancel, JobStatus, Result, ServerInfo
from .options import ClientOptions
from .request import Request
from .runner import JobRunner

if TYPE_CHECKING:
    from ..http.session import HTTPSession
    from ..http.transport import Transport
    from .aio import AsyncFacade


DEMO_SERVER = "demo"
"""The name, in records, of a server that ends with this process: its jobs can't be found again."""


class BaseAPIClient(abc.ABC):
    """The synchronous face of work that runs on background threads; one per server, thread-safe, a context manager.

    A subclass names itself in the class variables and implements ``run``, ``rejoin``, ``cancel_on_backend`` and
    ``probe``; it creates its state between jobs in ``set_up``. ``pasted_routes`` are ends of an address, such as
    ``/v1``, that users copy with the address; the client removes them.
    """

    name: ClassVar[str]
    request_types: ClassVar[tuple[type[Request], ...]]
    default_options: ClassVar[ClientOptions] = ClientOptions()
    rejoins: ClassVar[bool] = False
    pasted_routes: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        options: ClientOptions | None = None,
        transport: Transport | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """Make a client of the server at ``base_url``; this does no I/O and starts no thread.

        - ``api_key``: sent as a bearer token. ``NAME:PASSWORD`` signs in at a Gradio server that asks for it.
        - ``headers``: sent with every request.
        - ``options``: time-outs, widths, limits and the output folder; None: the class's ``default_options``.
        - ``transport``: a connection pool to share. It stays open: whoever made it closes it. None: one of its own.
        - ``recorder``: keeps the records of jobs before their requests leave, so that a crash loses none.

        A bad URL raises ``ValidationError`` (code ``invalid_url``).
        """
        self.url: ServerURL = parse_server_url(_without_routes(base_url, self.pasted_routes))
        self.options = options or self.default_options
        self._api_key = api_key or ""
        self._headers = dict(headers or {})
        self._given_transport = transport
        self._session: HTTPSession | None = None
        self._session_lock = threading.Lock()
        self._closed = False
        self.server_outlives_us = True
        self.runner = JobRunner(self.name, lambda: self, self.request_types, self.options, recorder)
        self.set_up()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # The contract

    def submit(self, request: Request | Mapping[str, Any]) -> Job:
        """Submit a typed request, or a mapping of its fields; return its job at once, without I/O on this thread.

        Raises ``ValidationError`` for an invalid request, and ``BackendError`` (code ``client_closed``) after
        ``close``.
        """
        return self.runner.submit(request)

    def resume(self, record: Mapping[str, Any]) -> Job:
        """Re-join a job from its record, also in another process; never resubmit a request that may be accepted."""
        return self.runner.resume(record)

    def job(self, job_id: str) -> Job:
        """Return the job of that id; ``JobNotFound`` if it is unknown or forgotten."""
        return self.runner.job(job_id)

    def get_status(self, job_id: str) -> JobStatus:
        """Return the job's status from memory; ``JobNotFound`` for an unknown id."""
        return self.runner.job(job_id).status

    def get_result(self, job_id: str, timeout: float | None = None) -> Result:
        """Wait for the job's result, ``timeout`` seconds at most; raises the errors of ``Job.result``."""
        return self.runner.job(job_id).result(timeout)

    def cancel(self, job_id: str) -> bool:
        """End the job as cancelled, at once and without I/O on this thread; a worker cancels it on the backend.

        Return True if this call ended the job.
        """
        return self.runner.cancel(job_id)

    def forget(self, job_id: str) -> None:
        """Drop an ended job from memory."""
        self.runner.forget(job_id)

    @property
    def aio(self) -> AsyncFacade:
        """The client's members as coroutines."""
        from .aio import AsyncFacade  # here, because asyncio brings ssl along

        return AsyncFacade(self)

    def close(self, *, detach: bool = False, timeout_s: float = 2.0) -> None:
        """End the client's jobs, join its threads and close its sockets, all within ``timeout_s`` seconds.

        Without ``detach``, its jobs end as cancelled, on the backend too. With ``detach``, jobs that can be resumed
        are left running on the server (they end here with ``JobDetached``) and the others are cancelled.
        """
        deadline = time.monotonic() + timeout_s
        self.runner.close(detach=detach, timeout_s=timeout_s)
        with self._session_lock:
            self._closed = True
            session = self._session
        self.disconnect(max(0.1, deadline - time.monotonic()))
        if session is not None:
            session.close()
        if session is not None and self._given_transport is None:
            session.transport.close(max(0.0, deadline - time.monotonic()))

    @abc.abstractmethod
    def probe(self) -> ServerInfo:
        """Return the server's identity; blocks, seconds at most. Raises a typed error for an unusable server."""

    # The hooks of a backend

    def set_up(self) -> None:  # noqa: B027 - not every backend keeps something between jobs
        """Create the state that the client keeps between jobs; called once, at the end of the constructor."""

    @abc.abstractmethod
    def run(self, job: JobContext) -> Result:
        """Submit the request and wait for its result; called on a worker thread, blocks until the job's end."""

    @abc.abstractmethod
    def rejoin(self, job: JobContext) -> Result:
        """Wait for the result of a job that may have been sent; never send it again if it may have been accepted."""

    @abc.abstractmethod
    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the job on the backend and wait until the backend is free, as long as ``job.wait`` allows."""

    def can_rejoin(self) -> bool:
        """Return True if a job that was sent can be found again on the server, also by another process."""
        return self.rejoins and self.server_outlives_us

    def can_detach(self) -> bool:
        """Return True if ``close(detach=True)`` may leave a job that was sent running on the server."""
        return self.can_rejoin()

    @property
    def server(self) -> str:
        """The server's name in records: its address without a query."""
        return str(self.url) if self.server_outlives_us else DEMO_SERVER

    def redact(self, text: str) -> str:
        """Return the text without the client's keys: servers quote the requests that they received."""
        with self._session_lock:
            session = self._session
        return text if session is None else session.redact(text)

    def redact_error(self, error: BackendError) -> None:
        """Remove the client's keys from an error, in place."""
        redact_error(error, self.redact)

    def disconnect(self, timeout_s: float) -> None:  # noqa: B027 - most backends have nothing to do here
        """Close connections beside the HTTP pool, such as a websocket, and join their threads; called once, by
        ``close``.
        """

    @property
    def http(self) -> HTTPSession:
        """The HTTP session with the server; created at the first use, on the calling thread."""
        from ..http.session import HTTPSession
        from ..http.transport import Transport  # here, because requests costs 150 ms

        with self._session_lock:
            if self._closed:
                raise BackendError(
                    "This client is closed.", code="client_closed", backend=self.name, hint="Create a new client."
                )
            if self._session is None:
                transport = self._given_transport or Transport.for_options(self.options)
                self._session = HTTPSession(transport, self.url, self.name, self.options, self.auth_headers())
            return self._session

    def auth_headers(self) -> dict[str, str]:
        """Return the headers of every request: the user's, and the key as a bearer token unless they name one."""
        headers = dict(self._headers)
        if self._api_key and not any(name.lower() == "authorization" for name in headers):
            headers["Authorization"] = f"Bearer {self._api_key}"
        return headers


def _without_routes(address: Any, routes: tuple[str, ...]) -> Any:
    """Return an address without one of the ``routes`` at its end; an address that is no text is rejected later."""
    if not isinstance(address, str) or not routes:
        return address
    return re.sub(rf"(?:{'|'.join(map(re.escape, routes))})/*\s*$", "", address)
