"""Demo mode's servers: the embedded mock backends, each started with the first job that needs it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..clients.registry import BACKENDS

if TYPE_CHECKING:
    from ..clients.mock import MockBackends
    from ..clients.registry import BackendInfo


class DemoServers:
    """Loopback servers that speak the real protocols. ``url`` starts them, so it is for worker threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[BackendInfo, MockBackends] = {}  # a backend that is registered anew gets a new one

    def url(self, backend: str, speed: float) -> str:
        """Return the address of a backend's demo server; ``speed`` counts when it is started."""
        from ..clients.mock import MockBackends  # here, because only demo mode needs it

        with self._lock:
            info = BACKENDS[backend]
            if info not in self._started:
                options = {backend: info.demo_options}
                self._started[info] = MockBackends(speed=speed, only=[backend], options=options).start()
            return self._started[info].servers[backend].url

    def stop(self) -> None:
        """Stop the servers that run."""
        with self._lock:
            started, self._started = self._started, {}
        for backends in started.values():
            backends.stop()
