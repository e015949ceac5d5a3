"""The ComfyUI client: the hooks, and what it keeps between jobs. Importing it loads neither HTTP nor websocket code."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from ..base import BaseAPIClient, ServerInfo
from ..context import CancelContext, JobContext
from ..jobs import BackendCancel, Result
from ..options import ClientOptions
from ..requests import Request
from .pace import Pace
from .request import WorkflowRequest

if TYPE_CHECKING:
    from .generation import Generator

FIRST_BYTE_TIMEOUT_S = 120.0
"""The validation of a prompt runs code of custom nodes, some of which look at every model on disk."""


class ComfyUIClient(BaseAPIClient):
    """Runs workflows on a ComfyUI server (0.3.30 and newer); see ``BaseAPIClient`` for its members.

    Jobs are found again after a lost connection or a crash (``rejoins``). One websocket under one client id serves
    all jobs of the client; a client id must not be shared between processes.
    """

    name: ClassVar[str] = "comfyui"
    request_types: ClassVar[tuple[type[Request], ...]] = (WorkflowRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(
        first_byte_timeout_s=FIRST_BYTE_TIMEOUT_S, stream_idle_timeout_s=60.0
    )
    rejoins: ClassVar[bool] = True
    pace: Pace = Pace()

    def __init__(self, base_url: str, **settings: Any) -> None:
        super().__init__(base_url, **settings)
        self._generator_lock = threading.Lock()
        self._made: Generator | None = None

    def run(self, job: JobContext) -> Result:
        """Submit the workflow and see it through."""
        return self._generator().run(job)

    def rejoin(self, job: JobContext) -> Result:
        """Find a sent workflow again by its id and see it through; it is never sent again."""
        return self._generator().rejoin(job)

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Take the workflow out of the queue, or interrupt it, and wait until it is gone."""
        return self._generator().cancel(job)

    def probe(self) -> ServerInfo:
        """Ask the server for its version and abilities; ``models`` are its checkpoints."""
        from .server_info import ask_who

        return ask_who(self._generator().api)

    def disconnect(self, timeout_s: float) -> None:
        """Close the websocket and join its thread."""
        with self._generator_lock:
            generator = self._made
        if generator is not None:
            generator.connection.close(timeout_s)

    def _generator(self) -> Generator:
        from ..transport.websocket import WebSocketConnection
        from .connection import Socket
        from .generation import Generator

        def open_socket(client_id: str) -> Socket:
            return WebSocketConnection.open(
                http.transport,
                self.url,
                f"/api/ws?clientId={client_id}",
                headers=self.auth_headers(),
                connect_timeout_s=self.options.connect_timeout_s,
                idle_timeout_s=self.options.stream_idle_timeout_s,
            )

        http = self.http
        with self._generator_lock:
            if self._made is None:
                self._made = Generator(http, open_socket, self.pace)
            return self._made
