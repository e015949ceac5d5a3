"""The websocket messages of the mock ComfyUI and the clients that they are sent to."""

from __future__ import annotations

import json
import struct
import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..http.faults import Fault, FaultBook
from .versions import MIB, Version

if TYPE_CHECKING:
    from ..http.websocket import WebSocketConnection

PREVIEW_IMAGE = 1
TEXT = 3
PREVIEW_WITH_METADATA = 4

FORMAT_NUMBERS = {"image/jpeg": 1, "image/png": 2}


class Hub:
    """The open websockets by client id. Messages reach every socket in the order of the calls.

    The real server's defect #16010 is kept: when an older socket of a client id closes, the newer one is dropped with
    it and receives no more messages.
    """

    def __init__(self, version: Version, faults: FaultBook) -> None:
        self._version = version
        self._faults = faults
        self._lock = threading.RLock()
        self._sockets: dict[str, WebSocketConnection] = {}
        self._flags: dict[str, Mapping[str, Any]] = {}

    def join(self, socket: WebSocketConnection, client_id: str, remaining: int, running_node: str | None) -> str:
        """Register a socket and send it the first messages; return its id (a new one if the client gave none)."""
        with self._lock:
            sid = client_id or uuid.uuid4().hex
            self._sockets[sid] = socket
            self._flags[sid] = {}
            self._deliver(socket, "status", _text("status", {**_status(remaining), "sid": sid}))
            if running_node is not None:
                self._deliver(socket, "executing", _text("executing", {"node": running_node}))
            return sid

    def leave(self, sid: str) -> None:
        with self._lock:
            self._sockets.pop(sid, None)
            self._flags.pop(sid, None)

    def set_flags(self, sid: str, flags: Mapping[str, Any]) -> None:
        """Store a connection's feature flags and send the server's own."""
        with self._lock:
            self._flags[sid] = flags
            self.send("feature_flags", self._version.features, sid)

    def wants_metadata(self, sid: str | None) -> bool:
        """Return True if previews to ``sid`` are sent as frames with metadata."""
        with self._lock:
            flags = self._flags.get(sid or "", {})
        return self._version.features is not None and bool(flags.get("supports_preview_metadata"))

    def send(self, kind: str, data: Any, sid: str | None) -> None:
        """Send a text message to the socket ``sid``, if there is one; None: to all sockets."""
        self._spread(kind, _text(kind, data), sid)

    def send_status(self, remaining: int) -> None:
        self.send("status", _status(remaining), None)

    def send_preview(self, image: bytes, media_type: str, sid: str | None, metadata: Mapping[str, Any] | None) -> None:
        """Send a preview frame: with ``metadata`` the newer form, else the older."""
        if metadata is None:
            head = struct.pack(">II", PREVIEW_IMAGE, FORMAT_NUMBERS[media_type])
        else:
            text = json.dumps({**metadata, "image_type": media_type}).encode()
            head = struct.pack(">II", PREVIEW_WITH_METADATA, len(text)) + text
        self._spread("preview", head + image, sid)

    def send_progress_text(self, text: str, node_id: str, sid: str | None) -> None:
        name = node_id.encode()
        self._spread("progress_text", struct.pack(">II", TEXT, len(name)) + name + text.encode(), sid)

    def forget_all(self) -> None:
        """Forget every socket, as after a restart."""
        with self._lock:
            self._sockets.clear()
            self._flags.clear()

    def _spread(self, kind: str, message: str | bytes, sid: str | None) -> None:
        with self._lock:
            for name, socket in list(self._sockets.items()):
                if sid in (None, name):
                    self._deliver(socket, kind, message)

    def _deliver(self, socket: WebSocketConnection, kind: str, message: str | bytes) -> None:
        if self._faults.take("foreign_messages", kind):
            for noise in NOISE:
                socket.send(noise)
        huge = self._faults.take("huge_message", kind)
        if huge is not None:
            socket.send(_text("custom_monitor", {"log": "x" * int(huge.seconds(8.0) * MIB)}))
        if self._faults.take("ws_deaf", kind):
            socket.deaf = True
        dropped: Fault | None = self._faults.take("ws_drop", kind)
        if dropped is not None:
            socket.close(int(dropped.seconds(1001)))
        if self._faults.take("ws_cut", kind):
            socket.cut()
        socket.send(message)


def _status(remaining: int) -> dict[str, Any]:
    return {"status": {"exec_info": {"queue_remaining": remaining}}}


def _text(kind: str, data: Any) -> str:
    return json.dumps({"type": kind, "data": data})


_STRANGER = "00000000-0000-4000-8000-000000000000"
NOISE: tuple[str | bytes, ...] = (
    _text("progress", {"value": 99, "max": 100, "prompt_id": _STRANGER, "node": "1"}),
    _text("progress_state", {"prompt_id": _STRANGER, "nodes": {"1": {"value": 1, "max": 2, "state": "running"}}}),
    _text("executing", {"node": "99", "display_node": "99", "prompt_id": _STRANGER}),
    _text("crystools.monitor", {"cpu_utilization": 12.5, "gpus": []}),
    _text("assets.seed.started", {"scan_id": 1}),
    _text("custom_list", [1, 2, 3]),
    _text("custom_null", None),
    json.dumps(["no", "object"]),
    json.dumps({"data": {"without": "type"}}),
    "this is no JSON",
    struct.pack(">I", 77) + b"an unknown binary frame",
    struct.pack(">II", PREVIEW_WITH_METADATA, 4_000_000_000) + b"{",
    struct.pack(">II", TEXT, 900) + b"1",
    b"\x00\x01",
    b"",
)
"""What other people's prompts, custom nodes and broken senders may put on anybody's socket."""
