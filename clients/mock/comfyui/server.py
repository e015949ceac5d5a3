"""A mock ComfyUI: HTTP routes and websocket, a queue that runs prompts, nodes that make pictures.

Facts: recordings of releases 0.33.0, 0.3.64 and 0.3.40 (tests/recordings/comfyui), which the tests compare it with.
"""

from __future__ import annotations

import gzip
import json
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..http.responses import Request, Response, Upgrade
from ..http.server import MockServer
from .assets import OFF, AssetsApi
from .engine import Engine
from .file_routes import FileRoutes
from .files import FileStore
from .jobs import JobsApi
from .messages import Hub
from .object_info import CHECKPOINTS, FOLDERS, classes_in, describe_class
from .prompt import PromptApi
from .users import UsersApi
from .versions import MIB, VERSIONS, ServerFlags, system_stats

if TYPE_CHECKING:
    from ..http.websocket import WebSocketConnection

PLAIN = ServerFlags()
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class MockComfyUI(MockServer):
    """A ComfyUI server of ``version`` "0.33.0", "0.3.64" or "0.3.40" (else ``ValueError``).

    ``outputs_reversed`` runs the outputs of a prompt in reverse: the real server runs them in any order. ``flags`` are
    options of its command line. ``engine`` and ``files`` are for tests.
    """

    name = "comfyui"
    server_header = "Python/3.11 aiohttp/3.14.5"

    def __init__(
        self,
        *,
        version: str = "0.33.0",
        outputs_reversed: bool = False,
        flags: ServerFlags = PLAIN,
        **options: Any,
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"no mock of ComfyUI {version}: there are {', '.join(VERSIONS)}")
        self.version = flags.applied_to(VERSIONS[version])
        self.files = FileStore()
        if flags.max_upload_mib is not None:
            self.max_body = int(flags.max_upload_mib * MIB)
        self._outputs_reversed = outputs_reversed
        self._flags = flags
        super().__init__(**options)

    # Life

    def on_start(self) -> None:
        self.engine.start()

    def on_stop(self) -> None:
        self.engine.stop()

    def vanish(self, seconds: float = 0.0) -> None:
        """Simulate a restart: memory is lost, and HTTP is refused for ``seconds``."""
        # In this order: a client whose connection ends must find the new state.
        self.engine.vanish()
        self.go_down(seconds)

    # Routes

    def add_routes(self) -> None:
        self.hub = Hub(self.version, self.faults)
        self.engine = Engine(self.version, self.hub, self.files, self.faults, self.clock)
        self.engine.on_vanish = self.vanish
        if self._flags.assets:
            self.engine.assets = AssetsApi(self.files, self.hub)
        self._add_prompt_routes()
        self._add_file_routes()
        self._add_info_routes()
        self.route("GET", "/ws", self._websocket)

    def _add_prompt_routes(self) -> None:
        prompts = PromptApi(self.engine, self.version, outputs_reversed=self._outputs_reversed)
        self.route("GET", "/prompt", prompts.remaining)
        self.route("POST", "/prompt", prompts.post)
        self.route("GET", "/queue", prompts.queue)
        self.route("POST", "/queue", prompts.change_queue)
        self.route("POST", "/interrupt", prompts.interrupt)
        self.route("POST", "/free", prompts.free)
        self.route("GET", "/history", prompts.history)
        self.route("POST", "/history", prompts.change_history)
        self.route("GET", "/history/{id}", prompts.history_entry)
        if self.version.jobs:
            jobs = JobsApi(self.engine)
            self.route("GET", "/api/jobs", jobs.several)
            self.route("POST", "/api/jobs/cancel", jobs.cancel_many)
            self.route("GET", "/api/jobs/{id}", jobs.one)
            self.route("POST", "/api/jobs/{id}/cancel", jobs.cancel)

    def _add_file_routes(self) -> None:
        library = FileRoutes(self.files, self.version, self.engine.assets)
        users = UsersApi(self.version, several=self._flags.multi_user)
        self.route("GET", "/view", library.view)
        self.route("POST", "/upload/image", library.upload_image)
        self.route("POST", "/upload/mask", library.upload_mask)
        self.route("GET", "/users", users.users)
        self.route("POST", "/users", users.add_user)
        self.route("GET", "/settings", users.settings)
        self.route("POST", "/settings/{name}", users.change_setting)
        self.route("GET", "/userdata", users.list_userdata)
        self.route("GET", "/v2/userdata", users.list_folder)
        self.route("POST", "/userdata/{file}/move/{target}", users.move_userdata)
        self.route("GET", "/userdata/{file}", users.get_userdata)
        self.route("POST", "/userdata/{file}", users.post_userdata)
        self.route("DELETE", "/userdata/{file}", users.delete_userdata)

    def _add_info_routes(self) -> None:
        features = self.version.features
        self.route("GET", "/", lambda _: Response.html("<!doctype html><title>ComfyUI</title>"))
        self.route("GET", "/system_stats", lambda _: Response.json(system_stats(self.version)))
        if features is not None:
            self.route("GET", "/features", lambda _: Response.json(features))
        self.route("GET", "/object_info", self._object_info)
        self.route("GET", "/object_info/{name}", self._object_info_of)
        self.route("GET", "/models", lambda _: Response.json(list(FOLDERS)))
        self.route("GET", "/models/{folder}", self._models)
        self.route("GET", "/embeddings", lambda _: Response.json([]))
        self.route("GET", "/extensions", lambda _: Response.json(["/extensions/core/widgetInputs.js"]))
        self.route("GET", "/internal/logs", lambda _: Response.json("[INFO] demo server\n"))
        for path in ("/i18n", "/workflow_templates"):
            self.route("GET", path, lambda _: Response.json({}))
        if self.version.hardened:
            self.route("GET", "/global_subgraphs", lambda _: Response.json({}))
            self.route("GET", "/node_replacements", lambda _: Response.json({}))
            served = self.engine.assets
            off = Response.json(OFF, 503)
            self.route("GET", "/api/assets", served.several if served is not None else lambda _: off)

    def route_path(self, path: str) -> str:
        """Cut off /api: every route exists there too, jobs and assets only there."""
        if path.startswith("/api/") and not path.startswith(("/api/jobs", "/api/assets")):
            return path[len("/api") :]
        return path

    def answer(self, request: Request) -> Response:
        """Make the response and apply the server's options to it."""
        response = super().answer(request)
        if self._flags.cors_origin is not None:
            response.headers["Access-Control-Allow-Origin"] = self._flags.cors_origin
        if self._flags.compress and response.body and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.body = gzip.compress(response.body)
            response.headers["Content-Encoding"] = "gzip"
        return response

    def missing(self, request: Request) -> Response:
        """Answer as the static file handler does: 404 for GET, 405 for other methods."""
        methods = self.methods(request.path)
        if request.method == "OPTIONS" and methods:
            return Response()
        if request.method == "GET":
            return Response(404, b"", {"Content-Type": "application/octet-stream"}, chunked=True)
        response = Response.text("405: Method Not Allowed", 405)
        response.headers["Allow"] = ",".join(sorted({"GET", "HEAD", *methods}))
        return response

    def forbidden(self, request: Request) -> Response | None:
        """Check Origin against Host on loopback, and refuse cross-site requests."""
        if self._flags.cors_origin is not None:
            return None
        host = urllib.parse.urlsplit(f"//{request.headers.get('Host', '')}")
        origin = urllib.parse.urlsplit(request.headers.get("Origin", ""))
        foreign = origin.hostname != host.hostname or origin.port not in (None, host.port)
        if host.hostname in LOOPBACK and origin.netloc and foreign:
            return Response(403)
        if self.version.hardened and request.headers.get("Sec-Fetch-Site") == "cross-site":
            return Response(403)
        return None

    # Information

    def _object_info(self, request: Request) -> Response:
        return Response.json({name: self._info(name) for name in classes_in(self.version)})

    def _object_info_of(self, request: Request) -> Response:
        name = request.parts["name"]
        return Response.json({name: self._info(name)} if name in classes_in(self.version) else {})

    def _info(self, name: str) -> dict[str, object]:
        return describe_class(name, self.version, lambda: self.files.names("input"))

    def _models(self, request: Request) -> Response:
        folder = request.parts["folder"]
        if folder not in FOLDERS:
            return Response(404)
        return Response.json(list(CHECKPOINTS) if folder == "checkpoints" else [])

    # Websocket

    def _websocket(self, request: Request) -> Response:
        refused = self.faults.take("ws_refuse")
        if refused is not None:
            return Response(int(refused.seconds(403)))
        client_id = request.query.get("clientId", "")
        return Upgrade(open=lambda socket: self._open(socket, client_id, request))

    def _open(self, socket: WebSocketConnection, client_id: str, request: Request) -> Callable[[], None]:
        node = self.engine.running_node if client_id and client_id == self.engine.running_client else None
        sid = self.hub.join(socket, client_id, self.engine.remaining(), node)
        return lambda: self._converse(socket, sid, request)

    def _converse(self, socket: WebSocketConnection, sid: str, request: Request) -> None:
        first = True
        try:
            for message in socket.messages():
                self.requests.add("WS", socket.path, "/ws", request.headers, _as_bytes(message))
                try:
                    data = json.loads(message)
                except ValueError:
                    continue
                if not isinstance(data, dict):
                    continue
                if first and data.get("type") == "feature_flags" and self.version.features is not None:
                    self.hub.set_flags(sid, data.get("data") or {})
                first = False
        finally:
            self.hub.leave(sid)


def _as_bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else bytes(message)
