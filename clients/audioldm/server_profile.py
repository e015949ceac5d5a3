"""Who a sound server is, and what is remembered of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .input_mapping import CANDIDATES, GUIDANCE, MODEL, NEGATIVE, SEED, STEPS, Field, by_role
from .time_estimate import Estimates

if TYPE_CHECKING:
    from ..core.background_call import BackgroundCall
    from .cog.webhook_listener import WebhookListener

COG, COG_OLD, AUDIOLDM, AUDIOLDM2, GRADIO = "cog", "cog-old", "audioldm", "audioldm2", "gradio"
UNKNOWN_VERSION = "unknown"

_OPTIONAL = {
    NEGATIVE: "negative_prompt",
    GUIDANCE: "guidance",
    STEPS: "steps",
    SEED: "seed",
    CANDIDATES: "candidates",
    MODEL: "choose_model",
}


@dataclass(frozen=True)
class Profile:
    """A server at one time: its ``dialect`` and ``version``, its inputs, and what it can do beside making sounds.

    ``observable`` says that the state of a run can be asked for without the danger of starting another.
    """

    dialect: str
    version: str = UNKNOWN_VERSION
    fields: tuple[Field, ...] = ()
    declared: bool = True
    observable: bool = False
    latency_s: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def capabilities(self) -> frozenset[str]:
        """What the contract calls them."""
        found = {"sound"} | {name for role, name in _OPTIONAL.items() if role in by_role(self.fields)}
        if self.dialect == COG:
            found.add("cancel")
        if self.observable:
            found.add("progress")
        return frozenset(found)

    @property
    def models(self) -> tuple[str, ...]:
        """The models to choose from, empty where there is no choice."""
        choice = by_role(self.fields).get(MODEL)
        return tuple(str(each) for each in choice.choices) if choice else ()


class ServerProfileCache:
    """What a client has learnt of its server; thread-safe.

    ``is_heard`` says that what the server tells arrives here, ``shares_disk`` that its files lie on this machine's
    disk. ``turn`` is held by the job that a Gradio app works on; ``draining`` has the calls of jobs that were ended
    while the server goes on; ``at_work`` are the jobs that it works on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listener: WebhookListener | None = None
        self.estimates = Estimates()
        self.turn = threading.Lock()
        self.profile: Profile | None = None
        self.is_heard = False
        self.shares_disk = False
        self.at_work: set[str] = set()
        self.draining: dict[str, BackgroundCall] = {}

    def listener(self) -> WebhookListener:
        """Return what servers on this machine can tell of their runs; made with the first use."""
        from .cog.webhook_listener import WebhookListener  # here, because http.server is needed for older servers only

        with self._lock:
            if self._listener is None:
                self._listener = WebhookListener()
            return self._listener

    def forget_run(self, run_id: str) -> None:
        """Listen no more to what is said of a run."""
        with self._lock:
            if self._listener is not None:
                self._listener.forget(run_id)

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
