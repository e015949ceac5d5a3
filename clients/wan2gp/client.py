"""The client for Wan2GP (WanGP)."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.client import BaseAPIClient
from ..core.context import CancelContext, JobContext
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from ..gradio.login import parse_sign_in
from .request import VideoRequest
from .settings.schema import settings_schema
from .timings import Timings

if TYPE_CHECKING:
    from ..gradio.http import GradioHTTP
    from .endpoints import Endpoint


class Wan2GPClient(BaseAPIClient):
    """Makes video (stills, music, speech) on a WanGP server: through its web page, or its MCP server.

    WanGP works on one job at a time, and a failure empties its queue: so the client sends one job at a time, whatever
    ``max_workers``. Jobs are found again after a lost connection or a crash (``rejoins``).
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
        """Limit the client to one job at a time, whatever the options."""
        self.options = self.runner.options = replace(self.options, max_workers=1)
        self._endpoint_lock = threading.Lock()
        self._endpoint: Endpoint | None = None

    def run(self, job: JobContext) -> Result:
        """Submit the request and wait for its result."""
        return self._find_endpoint(job).run(job)

    def rejoin(self, job: JobContext) -> Result:
        """Find a job that may have been submitted, and wait for its result; it is never submitted again."""
        return self._find_endpoint(job).rejoin(job)

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Abort the job in WanGP and wait for its end."""
        return self._find_endpoint(job).cancel(job)

    def probe(self) -> ServerInfo:
        """Return the server's version and endpoint; ``models`` are those that this version comes with."""
        from .endpoints import identify

        return identify(self._access())

    def settings_schema(self, model: str) -> dict[str, Any]:
        """Return the data of a settings form for the model; see ``schema.settings_schema``. No I/O."""
        return settings_schema(model)

    def can_detach(self) -> bool:
        """Return False for web-page jobs: dropping the event stream would stop progress for every user of the "
        "server."""
        with self._endpoint_lock:
            endpoint = self._endpoint
        return self.can_rejoin() and endpoint is not None and endpoint.can_detach()

    def auth_headers(self) -> dict[str, str]:
        """Return the headers of every request; a key of the form NAME:PASSWORD is for a login instead."""
        if parse_sign_in(self._api_key) is not None:
            return dict(self._headers)
        return super().auth_headers()

    def disconnect(self, timeout_s: float) -> None:
        """Drop the streams that are still open."""
        with self._endpoint_lock:
            endpoint = self._endpoint
        if endpoint is not None:
            endpoint.close(timeout_s)

    def _access(self) -> GradioHTTP:
        from ..gradio.http import GradioHTTP

        return GradioHTTP(self.http, parse_sign_in(self._api_key))

    def _find_endpoint(self, job: JobContext | CancelContext) -> Endpoint:
        """Return the endpoint of the server: found with the first job, and again after the server has changed."""
        from .endpoints import find_endpoint

        with self._endpoint_lock:
            endpoint = self._endpoint
        if endpoint is not None and (isinstance(job, CancelContext) or endpoint.still_there(job)):
            return endpoint
        found = find_endpoint(self._access(), self.timings, job)
        with self._endpoint_lock:
            self._endpoint = found
        if endpoint is not None:
            endpoint.close(0.1)
        return found
