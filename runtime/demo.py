"""Demo mode's servers: the embedded mock backends, started with the first job that needs them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..clients.mock import MockBackends

DIALECTS = {"rvc": {"dialect": "rvc-webui"}}
"""Which of a backend's servers is shown, where another one than the first can do more: RVC-WebUI trains voices too."""


class DemoServers:
    """Loopback servers that speak the real protocols. ``url`` starts them, so it is for worker threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backends: MockBackends | None = None

    def url(self, backend: str, speed: float) -> str:
        """Return the address of a backend's demo server; ``speed`` counts when the servers are started."""
        from ..clients.mock import MockBackends  # here, because only demo mode needs it

        with self._lock:
            if self._backends is None:
                backends = MockBackends(speed=speed, options=DIALECTS)
                backends.start()
                self._backends = backends
            server = getattr(self._backends, backend)
        return str(server.url)

    def stop(self) -> None:
        """Stop the servers, if they run."""
        with self._lock:
            backends, self._backends = self._backends, None
        if backends is not None:
            backends.stop()
