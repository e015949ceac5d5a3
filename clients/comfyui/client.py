"""The ComfyUI client. Importing it loads neither HTTP nor websocket code."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.client import BaseAPIClient
from ..core.context import CancelContext, JobContext
from ..core.interrupt import Interrupter
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.options import ClientOptions
from ..core.request import Request
from .request import WorkflowRequest
from .server.timings import Timings

if TYPE_CHECKING:
    from .run.workflow_run import WorkflowRunner
    from .server.api import ComfyAPI
    from .server.event_socket import Socket
    from .server.listings import PastPrompt, QueuedPrompt, SavedWorkflow
    from .workflow.template import WorkflowTemplate

FIRST_BYTE_TIMEOUT_S = 120.0
"""The validation of a prompt runs code of custom nodes, some of which look at every model on disk."""

DRAIN_TIMEOUT_S = 300.0
"""An interrupt takes effect when the running node allows it: decoding or encoding a long clip can take minutes. A next
job would only wait on the server instead.
"""

PROBE_TIMEOUT_S = 5.0
"""Time-out of each request of a probe: a user waits for it."""

PARTNER_KEY_HEADER = "comfy-org-api-key"
"""Given among the headers, but not sent as one: the key of a Comfy account, for nodes that call paid services."""

USER_HEADER = "comfy-user"
"""Given among the headers: the user of a server with several, by id or by name. Sent with what needs it."""

_OWN_HEADERS = frozenset({PARTNER_KEY_HEADER, USER_HEADER})


class ComfyUIClient(BaseAPIClient):
    """Runs workflows on a ComfyUI server (0.3.30 and newer); see ``BaseAPIClient`` for its members.

    Jobs are found again after a lost connection or a crash (``rejoins``). One websocket under one client id serves
    all jobs of the client; a client id must not be shared between processes. Among the ``headers``, ``comfy-user``
    names the user on a server with several, and ``Comfy-Org-Api-Key`` is the key that partner nodes need: it goes with
    each prompt, never as a header.
    """

    name: ClassVar[str] = "comfyui"
    request_types: ClassVar[tuple[type[Request], ...]] = (WorkflowRequest,)
    default_options: ClassVar[ClientOptions] = ClientOptions(
        first_byte_timeout_s=FIRST_BYTE_TIMEOUT_S, stream_idle_timeout_s=60.0, drain_timeout_s=DRAIN_TIMEOUT_S
    )
    rejoins: ClassVar[bool] = True
    timings: Timings = Timings()

    def set_up(self) -> None:
        """Separate the headers that are not sent as headers."""
        own = {name.lower(): value.strip() for name, value in self._headers.items()}
        self._headers = {name: value for name, value in self._headers.items() if name.lower() not in _OWN_HEADERS}
        self._partner_key = own.get(PARTNER_KEY_HEADER, "")
        self._user = own.get(USER_HEADER, "")
        self._making = threading.Lock()
        self._made: WorkflowRunner | None = None
        self._closing = Interrupter()

    def run(self, job: JobContext) -> Result:
        """Submit the workflow and wait for its result."""
        return self._workflow_runner().run(job)

    def rejoin(self, job: JobContext) -> Result:
        """Find a sent workflow by its id and wait for its result; it is never sent again."""
        return self._workflow_runner().rejoin(job)

    def cancel_on_backend(self, job: CancelContext) -> BackendCancel:
        """Remove the workflow from the queue, or interrupt it, and wait for its end."""
        return self._workflow_runner().cancel(job)

    def probe(self) -> ServerInfo:
        """Return the server's version and capabilities; ``models`` are its checkpoints."""
        from .server.api import ComfyAPI
        from .server.server_info import ask_who

        return ask_who(ComfyAPI(self.http, timeout_s=PROBE_TIMEOUT_S))

    # Beyond the contract; all of these block, seconds at most, and raise typed errors

    def free(self, *, unload_models: bool = True, free_memory: bool = True) -> None:
        """Have the server unload its models and clear its cache, once the running prompt is done: the remedy for full
        memory. A prompt that is sent again afterwards is computed again.
        """
        self._api().free(unload_models=unload_models, free_memory=free_memory)

    def queue(self) -> list[QueuedPrompt]:
        """Return the server's running and waiting prompts, including others', in the order of execution."""
        from .server.listings import queue_rows

        return queue_rows(self._api())

    def history(self, limit: int = 50) -> list[PastPrompt]:
        """Return the server's last finished prompts, including others', newest first."""
        from .server.listings import history_rows

        return history_rows(self._api(), limit)

    def saved_workflows(self, user: str = "") -> list[SavedWorkflow]:
        """Return the workflows that the editor has saved on the server.

        ``user`` is a name or an id, for servers with several (default: the user in the headers): ``ValidationError``
        (code ``user_needed``) if it is missing, ``MissingResource`` (kind ``user``) if it is unknown.
        """
        from .server.listings import saved_rows

        api = self._api()
        return saved_rows(api, self._user_headers(api, user))

    def saved_workflow(self, path: str, user: str = "") -> dict[str, Any]:
        """Return a saved workflow; ``MissingResource`` (kind ``workflow``) if there is none at this path."""
        from .server.listings import saved_workflow

        api = self._api()
        return saved_workflow(api, path, self._user_headers(api, user))

    def template(
        self, workflow: Mapping[str, Any] | str | Path, parameters: Mapping[str, str] | None = None
    ) -> WorkflowTemplate:
        """Return the workflow as a form: its named parameters with their limits and the server's choices.

        Blocking: fetches the definitions of the workflow's nodes. ``parameters`` maps names to addresses; without it
        they are found by title and type. Raises the same errors for an invalid workflow as a submitted job.
        """
        return self._workflow_runner().template(workflow, parameters)

    def disconnect(self, timeout_s: float) -> None:
        """Close the websocket and join its thread."""
        with self._making:
            made = self._made
        self._closing.fire()
        if made is not None:
            made.connection.close(timeout_s)

    def _api(self) -> ComfyAPI:
        from .server.api import ComfyAPI

        return ComfyAPI(self.http)

    def _user_headers(self, api: ComfyAPI, user: str) -> dict[str, str]:
        from .server.listings import user_id

        found = user_id(api, user or self._user)
        return {USER_HEADER: found} if found else {}

    def _open_socket(self, client_id: str) -> Socket:
        from ..websocket.connection import WebSocketConnection

        return WebSocketConnection.open(
            self.http.transport,
            self.url,
            f"/api/ws?clientId={client_id}",
            headers=self.auth_headers(),
            connect_timeout_s=self.options.connect_timeout_s,
            idle_timeout_s=self.options.stream_idle_timeout_s,
            interrupter=self._closing,
        )

    def _workflow_runner(self) -> WorkflowRunner:
        from .run.workflow_run import WorkflowRunner

        http = self.http
        with self._making:
            if self._made is None:
                http.hide(self._partner_key)
                extra_data = {"api_key_comfy_org": self._partner_key} if self._partner_key else {}
                self._made = WorkflowRunner(http, self._open_socket, self.timings, extra_data)
            return self._made
