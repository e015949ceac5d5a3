"""Poll intervals and time-outs."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Times in seconds; only tests change them."""

    poll_with_socket_s: float = 10.0
    """Poll interval of a job while its websocket is open."""
    poll_without_socket_s: float = 1.0
    """Poll interval without a websocket."""
    ask_soon_s: float = 0.05
    """After an end message, before the history is written: the first pause; doubled up to ``poll_without_socket_s``."""
    position_every_s: float = 1.0
    """Minimum interval of look-ups after messages that the queue has changed."""
    socket_wait_s: float = 3.0
    """Time-out for the websocket, after which a job is sent without one."""
    recheck_missing_s: float = 1.0
    """Pause before the second look-up of a missing job, after which it is lost or was never accepted."""
    settle_s: float = 10.0
    """Time to look for a prompt after a time-out of its POST: the server may still be validating it."""
    outage_s: float = 300.0
    """Longest outage before a running job fails with the network error."""
    no_message_timeout_s: float = 2.0
    """Time-out for the first message of a job that the server reports as running while the websocket is open."""
    idle_s: float = 10.0
    """Time without any running prompt, while a job waits, after which the worker counts as dead."""
    next_s: float = 120.0
    """Time as the next in the queue, behind the same prompt, before the job's message suggests a remedy."""
    stuck_s: float = 120.0
    """Time for a running job without any running node before the log reports it."""
    drain_every_s: float = 0.1
    """First poll interval of a cancelled job; doubled up to ``poll_without_socket_s``."""
    drain_outage_s: float = 30.0
    """Longest outage while waiting for a cancelled job's end."""
    in_flight_s: float = 3.0
    """Time to look for a prompt that was cancelled while it was being sent."""
    interrupt_again_s: float = 2.0
    """Interval of repeated interrupts for a job that still runs."""
    reconnect_base_s: float = 0.3
    reconnect_max_s: float = 10.0

    def reconnect_pause_s(self, failures: int) -> float:
        """Return the pause before the websocket is reopened after a number of failures; with jitter, never below the
        base: the server must have noticed the end of the old connection.
        """
        longest = min(self.reconnect_max_s, self.reconnect_base_s * 2.0 ** min(failures, 16))
        return max(self.reconnect_base_s, longest * random.uniform(0.7, 1.0))
