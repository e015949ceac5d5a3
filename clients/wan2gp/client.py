"""Video from Wan2GP (WanGP): the client's hooks, and the door that it goes through."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.client import BaseAPIClient
from ..core.context import CancelContext, JobContext
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from ..gradio.login import sign_in_of
from .request import VideoRequest
from .settings.schema import settings_schema
from .timings import Timings

if TYPE_CHECKING:
    from ..gradio.http import GradioHTTP
    from .endpoints import Endpoint


class Wan2GPClient(BaseAPIClient):
    """Makes video (stills, music, speech) on a WanGP server: through its web page, or its MCP server.

    WanGP works on one job at a time, and a failure empties its queue: so the client hands in one job at a time,
    whatever ``max_workers`` says. Jobs are found again after a lost connection or a crash (``rejoins``).
    """

    name: ClassVar[str] = "wan2gp"
    request_types: ClassVar[tuple[type[Request], ...]] = (VideoRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(
        first_byte_timeout_s=120.0, stream_idle_timeout_s=60.0, drain_timeout_s=60.0, max_workers=1
    )
    rejoins: ClassVar[bool] = True
    pasted_routes: ClassVar[tuple[str, ...]] = ("/mcp",)
    timings: Timings = Timings()

    def set_up(self) -> None:
        """Let one job run at a time, whatever the options say."""
        self.options = self.runner.options = replace(self.options, max_workers=1)
        self._door_lock = threading.Lock()
        self._endpoint: Endpoint | None = None

    def run(self, job: JobContext) -> Result:
        """Hand in the request and see it through."""
        return self._open_door(job).run(job)

    def rejoin(self, job: JobContext) -> Result:
        """Find a job again that may have been handed in, and see it through; it is never handed in again."""
        return self._open_door(job).rejoin(job)

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Have WanGP abort the job and wait for its end."""
        return self._open_door(job).cancel(job)

    def probe(self) -> ServerInfo:
        """Ask the server who it is; ``models`` are those that this version of the program comes with."""
        from .endpoints import ask_who

        return ask_who(self._access())

    def settings_schema(self, model: str) -> dict[str, Any]:
        """Return what a form for the model needs; see ``schema.settings_schema``. No I/O."""
        return settings_schema(model)

    def can_detach(self) -> bool:
        """Not from a job on the web page: a stream that is dropped takes the progress from everybody."""
        with self._door_lock:
            endpoint = self._endpoint
        return self.can_rejoin() and endpoint is not None and endpoint.can_detach()

    def auth_headers(self) -> dict[str, str]:
        """Return the headers that go with every request; a key of the form NAME:PASSWORD is for signing in instead."""
        if sign_in_of(self._api_key) is not None:
            return dict(self._headers)
        return super().auth_headers()

    def disconnect(self, timeout_s: float) -> None:
        """Drop the streams that are still open."""
        with self._door_lock:
            endpoint = self._endpoint
        if endpoint is not None:
            endpoint.close(timeout_s)

    def _access(self) -> GradioHTTP:
        from ..gradio.http import GradioHTTP

        return GradioHTTP(self.http, sign_in_of(self._api_key))

    def _open_door(self, job: JobContext | CancelContext) -> Endpoint:
        """Return the way into the server: found out with the first job, and again when the server has changed."""
        from .endpoints import find_endpoint

        with self._door_lock:
            endpoint = self._endpoint
        if endpoint is not None and (isinstance(job, CancelContext) or endpoint.still_there(job)):
            return endpoint
        found = find_endpoint(self._access(), self.timings, job)
        with self._door_lock:
            self._endpoint = found
        if endpoint is not None:
            endpoint.close(0.1)
        return found
