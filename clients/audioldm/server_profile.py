"""The identity of a sound server and the cache of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .input_mapping import CANDIDATES, GUIDANCE, MODEL, NEGATIVE, SEED, STEPS, Field, index_by_role
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
    """The state of a server at one time: its ``dialect`` and ``version``, its inputs, and its other capabilities.

    ``observable`` is True if a run can be polled without the risk of starting another.
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
        """The capabilities, in the terms of the contract."""
        found = {"sound"} | {name for role, name in _OPTIONAL.items() if role in index_by_role(self.fields)}
        if self.dialect == COG:
            found.add("cancel")
        if self.observable:
            found.add("progress")
        return frozenset(found)

    @property
    def models(self) -> tuple[str, ...]:
        """The models to choose from, empty if there is no choice."""
        choice = index_by_role(self.fields).get(MODEL)
        return tuple(str(each) for each in choice.choices) if choice else ()


class ServerProfileCache:
    """The client's knowledge of its server; thread-safe.

    ``receives_webhooks`` is True once a webhook has arrived, ``shares_disk`` if the server's files are on this
    machine's disk. ``app_lock`` is held by the job that a Gradio app works on; ``draining`` has the calls of cancelled
    jobs that still run on the server; ``at_work`` are the jobs that it works on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listener: WebhookListener | None = None
        self.estimates = Estimates()
        self.app_lock = threading.Lock()
        self.profile: Profile | None = None
        self.receives_webhooks = False
        self.shares_disk = False
        self.at_work: set[str] = set()
        self.draining: dict[str, BackgroundCall] = {}

    def listener(self) -> WebhookListener:
        """Return the webhook listener; it is started with the first use."""
        from .cog.webhook_listener import WebhookListener  # imported here: only older servers need http.server

        with self._lock:
            if self._listener is None:
                self._listener = WebhookListener()
            return self._listener

    def forget_run(self, run_id: str) -> None:
        """Ignore later webhooks of a run."""
        with self._lock:
            if self._listener is not None:
                self._listener.forget(run_id)

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
