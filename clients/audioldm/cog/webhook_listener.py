"""A small web server on loopback that receives the webhooks of a Cog server on this machine.

It outlives the runs: an older Cog server whose final webhook fails retries it for minutes, and is busy meanwhile.
"""

from __future__ import annotations

import http.server
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...core.json_fields import parse_int

MAX_BODY_BYTES = 128 * 1024 * 1024
_POLL_S = 0.05
_SILENCE_S = 30.0

OnState = Callable[[Mapping[str, Any]], None]


class WebhookListener:
    """Passes the states of runs to their callbacks, on its own threads. Thread-safe; listens until ``close``."""

    def __init__(self) -> None:
        self._runs: dict[str, OnState] = {}
        self._secret = secrets.token_urlsafe(16)
        self._server = _Server(self._take)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="movie-director-audioldm-listener", daemon=True
        )
        self._thread.start()

    def address(self, run_id: str, on_state: OnState) -> str:
        """Return the webhook URL of a run; ``on_state`` gets each state until ``forget``."""
        self._runs[run_id] = on_state
        return f"http://127.0.0.1:{self._server.server_port}/{self._secret}/{run_id}"

    def forget(self, run_id: str) -> None:
        """Ignore later webhooks of this prediction."""
        self._runs.pop(run_id, None)

    def close(self) -> None:
        """Stop listening and join the thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, path: str, body: bytes) -> None:
        place, _, run_id = path.strip("/").partition("/")
        on_state = self._runs.get(run_id) if secrets.compare_digest(place, self._secret) else None
        if on_state is None:
            return
        try:
            state = json.loads(body)
        except (ValueError, RecursionError):
            return
        if isinstance(state, Mapping):
            on_state(state)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, take: Callable[[str, bytes], None]) -> None:
        self.take = take
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = _SILENCE_S
    server: _Server

    def do_POST(self) -> None:
        length = parse_int(self.headers.get("Content-Length", ""))
        fits = length is not None and length <= MAX_BODY_BYTES
        if fits:
            self.server.take(self.path, self.rfile.read(length))
        self.send_response(200 if fits else 413)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Write no log: this would go to the user's console."""
