"""Poll intervals and time-outs."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Times in seconds; only tests change them."""

    poll_with_socket_s: float = 10.0
    """Between two questions about a job while its websocket is up."""
    poll_without_socket_s: float = 1.0
    """The same without a websocket."""
    ask_soon_s: float = 0.05
    """After an end message, before the history is written: the first pause; doubled up to ``poll_without_socket_s``."""
    position_every_s: float = 1.0
    """Between two looks at the queue when the server says that it changed."""
    socket_wait_s: float = 3.0
    """How long a job waits for the websocket before it is sent without one."""
    recheck_missing_s: float = 1.0
    """Between the two looks that find a job nowhere, before it counts as lost or as never accepted."""
    settle_s: float = 10.0
    """How long a prompt is looked for whose answer did not come in time: its validation may still be under way."""
    outage_s: float = 300.0
    """How long a server may be away before a job that it runs ends with the network's error."""
    no_message_timeout_s: float = 2.0
    """How long a job may run by the server's word, with the websocket up, before its first message."""
    idle_s: float = 10.0
    """How long a server may run nothing while a job waits, before its worker counts as dead."""
    next_s: float = 120.0
    """How long a job may be the next in the queue, behind the same prompt, before what can be done is said."""
    stuck_s: float = 120.0
    """How long a job may run without any of its nodes being begun, before that is said."""
    drain_every_s: float = 0.1
    """Between two looks whether a cancelled job is gone: the first pause; doubled up to ``poll_without_socket_s``."""
    drain_outage_s: float = 30.0
    """How long a server may be away while a cancelled job is waited for."""
    in_flight_s: float = 3.0
    """How long a prompt is looked for that was cancelled while it was being sent."""
    interrupt_again_s: float = 2.0
    """A job that still runs so long after an interrupt is interrupted again."""
    reconnect_base_s: float = 0.3
    reconnect_max_s: float = 10.0

    def reconnect_pause_s(self, failures: int) -> float:
        """Return the pause before the websocket is reopened after a number of failures; with jitter, never below the
        base: the server must have noticed the end of the old connection.
        """
        longest = min(self.reconnect_max_s, self.reconnect_base_s * 2.0 ** min(failures, 16))
        return max(self.reconnect_base_s, longest * random.uniform(0.7, 1.0))
