"""Any Gradio app: the client's hooks."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.client import BaseAPIClient
from ..core.context import CancelContext, JobContext
from ..core.delivery import outcome_unknown
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from ..gradio.login import parse_sign_in
from .endpoints import Endpoint
from .request import EndpointRequest

if TYPE_CHECKING:
    from ..gradio.http import GradioHTTP
    from .app import App, AppReader
    from .call import EndpointCall

DIALECT = "gradio"
_CAPABILITIES = frozenset({"endpoints", "progress", "upload"})
_CANCEL = frozenset({"cancel"})


class GradioAppClient(BaseAPIClient):
    """Calls the named endpoints of an app that was made with Gradio 4, 5 or 6, with ``gradio_client``.

    One call at a time: such an app has one model in memory, and a queue of its own for all its users. An ``api_key`` of
    the form ``NAME:PASSWORD`` signs in to the app; any other is a bearer token for a proxy. A call can't be found again
    on the server, which cancels what nobody listens to: a job that may have been sent before ends as ``JobLost``.
    """

    name: ClassVar[str] = "gradio"
    request_types: ClassVar[tuple[type[Request], ...]] = (EndpointRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(first_byte_timeout_s=120.0, max_workers=1)

    def set_up(self) -> None:
        """Remember no app yet."""
        self._lock = threading.Lock()
        self._reader: AppReader | None = None
        self._access: GradioHTTP | None = None
        self._left: dict[str, EndpointCall] = {}

    def probe(self) -> ServerInfo:
        """Return the identity of the server's app; raises the errors of ``endpoints``.

        ``details`` has the app's ``title``, the names of its ``endpoints``, and as ``schema`` the result of
        ``endpoints()``.
        """
        started = time.monotonic()
        app = self._read_app()
        return ServerInfo(
            app.config.version,
            DIALECT,
            _CAPABILITIES | (_CANCEL if app.can_cancel else frozenset()),
            latency_s=time.monotonic() - started,
            details={
                "title": app.config.title,
                "endpoints": [each.name for each in app.endpoints],
                "schema": app.endpoints,
            },
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of the server's app, with their fields; blocks, seconds at most.

        Raises ``ProtocolError`` with code ``not_gradio``, ``not_blocks``, ``gradio_version`` (before 4),
        ``no_endpoint`` (none of its functions has a name) or ``state_only`` (they work on the page's state alone);
        ``ServerError`` with code ``no_description``; ``AuthenticationError``; and the network's errors.
        """
        return self._read_app().endpoints

    def view_api(self) -> dict[str, Any]:
        """Return the server's own description of its endpoints, as ``gradio_client``'s ``view_api`` does."""
        return dict(self._read_app().info)

    def run(self, job: JobContext) -> Result:
        """Call the endpoint and fetch its results."""
        from .run import EndpointRun

        def leave(call: EndpointCall) -> None:
            with self._lock:
                self._left[job.job_id] = call

        return EndpointRun(job, self._http_access(), self._read_app(job), self._wire_headers(), leave).run()

    def rejoin(self, job: JobContext) -> Result:
        """Raise ``JobLost``: an app has no way to look up an earlier call."""
        raise outcome_unknown(
            "The connection to the Gradio app is lost, and it keeps no results.", "Generate it again."
        )

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Cancel the call if the app can; else wait for its end."""
        from .run import cancel_call

        with self._lock:
            call = self._left.pop(job.job_id, None)
        return BackendCancel.CONFIRMED if call is None else cancel_call(self._http_access(), call, job)

    def disconnect(self, timeout_s: float) -> None:
        """Close the calls whose cancel no worker has begun."""
        with self._lock:
            left, self._left = list(self._left.values()), {}
        for call in left:
            call.close(timeout_s)

    def auth_headers(self) -> dict[str, str]:
        """Return the headers of every request; a key of the form NAME:PASSWORD is for a login instead."""
        return dict(self._headers) if parse_sign_in(self._api_key) else super().auth_headers()

    def _wire_headers(self) -> dict[str, str]:
        """Return the headers for the requests of ``gradio_client``."""
        from ..http.headers import checked_headers, merged_headers

        own = {"User-Agent": "MovieDirector", "Accept-Encoding": "identity"}
        return merged_headers(own, checked_headers(self.auth_headers()))

    def _http_access(self) -> GradioHTTP:
        from ..gradio.http import GradioHTTP

        http = self.http
        with self._lock:
            if self._access is None:
                self._access = GradioHTTP(http, parse_sign_in(self._api_key))
            return self._access

    def _read_app(self, job: JobContext | None = None) -> App:
        from .app import AppReader

        with self._lock:
            reader = self._reader = self._reader or AppReader()
        return reader.read(self._http_access(), job)
