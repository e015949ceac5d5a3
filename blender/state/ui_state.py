"""UI state that is not in the runtime: pending placements, streaming texts, connection tests, memory requests.

Main thread only. Nothing here is Blender data, so it outlives the loading of another file.
"""

from __future__ import annotations

import enum
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...clients.core.errors import BackendError
    from ...clients.core.model import Result, ServerInfo
    from .placement_request import PlacementTarget

TAIL = 160


class PlacementState(enum.Enum):
    """Where a result is on its way into the film."""

    WAITING = "waiting"
    PLACED = "placed"
    OFFERED = "offered"
    FAILED = "failed"


@dataclass
class Placement:
    """One job's result and its way into the film; ``message`` gives the reason while it is not there."""

    job_id: str
    backend: str
    result: Result
    target: PlacementTarget
    state: PlacementState = PlacementState.WAITING
    message: str = ""

    @property
    def settled(self) -> bool:
        """True after the first attempt to place the result, successful or not."""
        return self.state is not PlacementState.WAITING

    @property
    def unplaced(self) -> bool:
        """True if automatic placement failed and the user must choose a target."""
        return self.state in (PlacementState.OFFERED, PlacementState.FAILED)


@dataclass
class ConnectionTest:
    """The newest connection test of a backend, for the server named ``server`` (``settings.server_key``).

    Neither ``info`` nor ``error``: the test is under way.
    """

    probe_id: str
    server: str = ""
    info: ServerInfo | None = None
    error: BackendError | None = None
    at: float = field(default_factory=time.time)

    @property
    def pending(self) -> bool:
        """True until the server has answered."""
        return self.info is None and self.error is None


@dataclass
class MemoryRelease:
    """What came of asking a server for memory; neither ``done`` nor ``error``: it is being asked."""

    done: bool = False
    error: BackendError | None = None

    @property
    def pending(self) -> bool:
        """True until the server has answered."""
        return not self.done and self.error is None


@dataclass
class TextStream:
    """An answer that is being written: ``written`` is in the Text datablock, ``waiting`` not yet.

    ``broken`` is set once Blender has refused to write it: it is left alone until the answer is complete.
    """

    job_id: str
    backend: str
    target: PlacementTarget
    written: str = ""
    waiting: str = ""
    broken: bool = False

    @property
    def tail(self) -> str:
        """The newest ``TAIL`` characters, for the panel."""
        return (self.written[-TAIL:] + self.waiting)[-TAIL:]


class UIState:
    """The state behind the panels; ``revision`` grows with each change, so that nothing is redrawn without one."""

    def __init__(self) -> None:
        self.revision = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything: the runtime is gone."""
        self.placements: dict[str, Placement] = {}
        self.queue: deque[Placement] = deque()
        self.streams: dict[str, TextStream] = {}
        self.probes: dict[str, ConnectionTest] = {}
        self.memory: dict[str, MemoryRelease] = {}
        self.recovered: tuple[str, ...] | None = None
        self.elsewhere: tuple[str, ...] = ()
        self.touch()

    def touch(self) -> None:
        """Note that there is something new to see."""
        self.revision += 1

    def request_placement(self, placement: Placement) -> None:
        """Queue a result to be placed at the next good moment."""
        self.placements[placement.job_id] = placement
        self.queue.append(placement)
        self.touch()

    def offers(self) -> bool:
        """Return True if the scene of a result is missing, so that another file may bring it back."""
        return any(placement.state is PlacementState.OFFERED for placement in self.placements.values())

    def settle_again(self) -> None:
        """Queue the results whose scene was missing: another file is loaded, which may hold it."""
        for placement in self.placements.values():
            if placement.state is PlacementState.OFFERED:
                placement.state, placement.message = PlacementState.WAITING, ""
                self.queue.append(placement)
        self.touch()

    def forget(self, job_id: str) -> None:
        """Forget a job's result; its files stay."""
        self.streams.pop(job_id, None)
        placement = self.placements.pop(job_id, None)
        if placement is not None and placement in self.queue:
            self.queue.remove(placement)
        self.touch()

    def forget_backend(self, backend: str) -> None:
        """Drop the answers of a backend's server."""
        self.probes.pop(backend, None)
        self.memory.pop(backend, None)
        self.touch()

    def probe_of(self, backend: str, server: str) -> ConnectionTest | None:
        """Return the connection test of a backend's server; None if another server was tested, or none."""
        test = self.probes.get(backend)
        return test if test is not None and test.server == server else None

    def mark_reachable(self, backend: str, server: str) -> None:
        """Forget that a server's connection test failed, and that memory was freed: it has taken a job since."""
        self.memory.pop(backend, None)
        answer = self.probe_of(backend, server)
        if answer is not None and answer.error is not None:
            del self.probes[backend]
            self.touch()


ui = UIState()
"""The one instance of this Blender."""
