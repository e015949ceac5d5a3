"""What happens to a job; the contract's public name for ``core.events``."""

from .core.events import (
    TERMINAL,
    Cancelled,
    Event,
    Failed,
    Logged,
    Previewed,
    Progressed,
    Queued,
    Reconnected,
    Started,
    Submitted,
    Succeeded,
    TerminalEvent,
    TextDelta,
)

__all__ = [
    "TERMINAL",
    "Cancelled",
    "Event",
    "Failed",
    "Logged",
    "Previewed",
    "Progressed",
    "Queued",
    "Reconnected",
    "Started",
    "Submitted",
    "Succeeded",
    "TerminalEvent",
    "TextDelta",
]
