"""The state that a mock server shares with its connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .faults import FaultBook
from .request_log import RequestLog
from .responses import Request, Response


class SimulatedClock:
    """The clock of simulated work: ``speed`` 2.0 is twice as fast, infinity omits every delay."""

    def __init__(self, speed: float, stopping: threading.Event) -> None:
        if not speed > 0:
            raise ValueError("speed must be above 0")
        self.speed = speed
        self.stopping = stopping

    def seconds(self, seconds: float) -> float:
        """Return the real seconds that simulated ``seconds`` take."""
        return seconds / self.speed

    def wait(self, seconds: float) -> bool:
        """Wait for ``seconds`` of simulated work; return True if the server is stopping."""
        return self.stopping.wait(self.seconds(seconds))


@dataclass
class ServerContext:
    """The part of a server that its listener and its connections use.

    ``refuses`` decides by a request's headers, ``answer`` makes the response to a request, ``route_path`` removes the
    path before every route. Connections are reset until ``down_until`` (monotonic seconds).
    """

    name: str
    server_header: str
    prefix: str
    max_body: int
    stopping: threading.Event
    faults: FaultBook
    requests: RequestLog
    refuses: Callable[[Mapping[str, str]], bool]
    answer: Callable[[Request], Response]
    route_path: Callable[[str], str]
    down_until: float = 0.0

    @property
    def down(self) -> bool:
        """True while the server refuses connections."""
        return time.monotonic() < self.down_until
