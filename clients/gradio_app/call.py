"""One call of an endpoint through ``gradio_client``: sent once, followed by its status, its end read.

Facts (2.7.2): a call's status goes through ``Job.communicator.updates``; the last is an ``OutputUpdate`` that is
``final`` and holds what the server has ended it with. Of an ended stream the library says ``CancelledError``, of a call
that was cancelled on the server ``KeyError``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any

import httpx
from gradio_client.client import Job as LibraryJob
from gradio_client.utils import OutputUpdate, Status, StatusUpdate

from ..core.delivery import may_have_arrived, outcome_unknown
from ..core.errors import BackendError, JobLost, NetworkError, ProtocolError
from ..core.model import Result
from ..gradio.errors import cancelled_on_server, make_function_error
from ..gradio.http import GradioHTTP
from .app import App
from .endpoints import Endpoint
from .library import LibraryClient, check_library
from .wire import Wire

LAST_MESSAGES_S = 0.3
"""How long the end of a call waits for the server to close the stream in order."""

_OF_A_PROXY = (502, 503, 504)
_RUNNING = (Status.PROCESSING, Status.PROGRESS, Status.ITERATING, Status.LOG)


class EndpointCall:
    """One call, with a session of its own: what the app keeps of another call has no part in it. Not thread-safe.

    Making it sends nothing. ``started`` is True once the server has said that the function runs. ``close`` drops the
    stream, by which the server cancels a call that is under way.
    """

    def __init__(self, access: GradioHTTP, app: App, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        check_library()
        self.app = app
        self.endpoint = endpoint
        self.started = False
        self._access = access
        self._wire = Wire(access, app.config, endpoint.name)
        self._client = LibraryClient(app, endpoint, self._wire, headers)
        self._job: LibraryJob | None = None
        self._last: OutputUpdate | None = None

    @property
    def event_id(self) -> str | None:
        """The id that the server has given the call, None until it has answered."""
        event_id: str | None = self._sent_job.communicator.event_id
        return event_id

    @property
    def is_listening(self) -> bool:
        """True once the server has answered with the event stream, which it would notice to be dropped."""
        return self._wire.stream_opened

    @property
    def session_hash(self) -> str:
        """The session's name, made by the library."""
        name: str = self._client.session_hash
        return name

    @property
    def ended(self) -> bool:
        """True once nothing more comes."""
        done: bool = self._sent_job.future.done()
        return done

    @property
    def may_have_arrived(self) -> bool:
        """False if it is certain that the server does not have the call: it was not sent, or refused."""
        if not self.ended or self.event_id is not None:
            return self._wire.join_sent
        error = self._failure()
        return self._wire.join_sent and (error is None or may_have_arrived(error))

    @property
    def _sent_job(self) -> Any:
        assert self._job is not None, "nothing was sent"
        return self._job

    def send(self, values: list[Any], on_end: Callable[[], None]) -> None:
        """Send the call, at most once, in the background; ``on_end`` is called on another thread when it has ended."""
        self._job = self._client.call(values)
        self._sent_job.future.add_done_callback(lambda _future: on_end())

    def updates(self) -> Iterator[StatusUpdate]:
        """Yield what the server has told since the last time."""
        waiting = self._sent_job.communicator.updates
        kept = self._sent_job.outputs()
        del kept[:-1]  # the library keeps all that a generator has yielded
        while True:
            try:
                update = waiting.get_nowait()
            except asyncio.QueueEmpty:
                return
            if isinstance(update, OutputUpdate):
                self._last = update
            else:
                self.started = self.started or update.code in _RUNNING
                yield update

    def values(self) -> list[Any]:
        """Return the values of a call that has ended, one for each output; raises the typed error of one that failed.

        Raises ``GenerationError`` (the app's words; code ``no_reason`` if it gives none; ``cancelled_on_server``),
        ``OutOfMemory``, ``JobLost`` if the connection was lost (code ``outcome_unknown`` if that was while the call was
        being sent), the errors of a call that was refused or never arrived, and ``ProtocolError``.
        """
        failure = self._failure()
        if failure is not None:
            raise failure from failure.__cause__  # not from the library's own error, which nobody has taken keys out of
        result = self._sent_job.future.result()
        return [result] if len(self.endpoint.outputs) == 1 else list(result)

    def partial(self) -> Result | None:
        """Return what a generator has yielded last, None if it has nothing yet."""
        kept = self._sent_job.outputs()
        return Result(data=kept[-1]) if kept and not isinstance(kept[-1], list) else None

    def close(self, timeout_s: float) -> bool:
        """End the call's threads and connections; True if that was done within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        if self._job is not None and self.ended:
            self._client.threads.join(min(deadline, time.monotonic() + LAST_MESSAGES_S))
        self._wire.cut()
        return self._client.end(deadline)

    def _failure(self) -> BackendError | None:
        """Return the typed error of a call that has failed, None of one that has not."""
        error = self._sent_job.future.exception()
        if error is None:
            return None
        failure = self._typed(error)
        lost_on_the_way = isinstance(failure, NetworkError) or getattr(failure, "status", 0) in _OF_A_PROXY
        if self.event_id is None and self._wire.join_sent and lost_on_the_way and may_have_arrived(failure):
            return self._unknown(failure)
        return failure

    def _typed(self, error: BaseException) -> BackendError:
        """Return the typed error for what the library has raised."""
        function = self.endpoint.name
        if isinstance(error, BackendError):
            return error
        if self._last is not None and self._last.final and not self._last.success:
            told = self._last.outputs
            return make_function_error(self._access, function, told.get("error"), told.get("title"))
        if self._last is not None and self._last.final and isinstance(error, KeyError):
            return cancelled_on_server(self._access, function)
        if isinstance(error, httpx.HTTPError):
            return self._wire.translate(error, "first_byte")
        if isinstance(error, CancelledError):
            return self._lost()
        return self._access.http.clean(
            ProtocolError(
                f"The call of {function} ended with an invalid message: {type(error).__name__}.",
                code="bad_message",
                hint="The server's Gradio may be too new for Movie Director.",
            )
        )

    def _unknown(self, error: BackendError) -> BackendError:
        """Return the error of a call to which the app gave no answer."""
        lost = outcome_unknown(
            f"The connection was lost while {self.endpoint.name} was being called; the app may be working on it.",
            "Check the app's console, and generate it again.",
        )
        lost.context |= {"server": self._access.server, "cause": error.code}
        lost.__cause__ = error
        return self._access.http.clean(lost)

    def _lost(self) -> BackendError:
        """Return the error of a call whose event stream has ended before the call did."""
        cause = self._wire.error
        if isinstance(cause, ProtocolError):
            return cause
        reason = cause.message if cause is not None else "The server has closed the event stream."
        lost = JobLost(
            f"The connection to the running job on {self._access.server} was lost. {reason}",
            hint="The app cancels a call whose connection is lost: generate it again.",
            context={"server": self._access.server, "function": self.endpoint.name},
            partial=self.partial(),
        )
        lost.__cause__ = cause
        return self._access.http.clean(lost)
