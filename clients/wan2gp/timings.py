"""Poll intervals and time-outs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Times in seconds; only tests change them."""

    poll_s: float = 0.5
    """Poll interval of a job on the MCP server."""
    busy_s: float = 2.0
    """Retry interval while the MCP server works on another job."""
    outage_s: float = 300.0
    """Longest outage before a running job fails with the network error."""
    outage_poll_s: float = 1.0
    """Retry interval during an outage."""
    silence_s: float = 20.0
    """Time without progress after which it is estimated by the clock."""
    status_again_s: float = 2.0
    """Retry interval of the status call, if it ends before the job."""
    status_s: float = 10.0
    """Time-out of the status call after the job's end."""
    preview_s: float = 10.0
    """Time-out of a preview."""
    gallery_s: float = 3.0
    """Poll interval of the gallery after a lost stream."""
    gallery_first_s: float = 0.5
    """Pause before the first such poll: the server must have noticed that the stream is gone."""
    gallery_timeout_s: float = 30.0
    """Time-out of such a poll."""
    heartbeat_s: float = 45.0
    """Time-out of the stream: the server sends a heartbeat every 15 s."""
    lost_s: float = 4 * 3600.0
    """Time limit of polling the gallery."""
