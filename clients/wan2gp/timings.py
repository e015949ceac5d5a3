"""Poll intervals and time-outs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Times in seconds; only tests change them."""

    poll_s: float = 0.5
    """Between two questions about a job of the MCP server."""
    busy_s: float = 2.0
    """Between two tries to hand a job to an MCP server that works on another one."""
    outage_s: float = 300.0
    """How long a server may be away before a job that it runs ends with the network's error."""
    outage_poll_s: float = 1.0
    """Between two tries to reach a server that is away."""
    silence_s: float = 20.0
    """How long a job may give no sign of progress before its progress is estimated by the time it takes."""
    status_again_s: float = 2.0
    """Between two tries to have the status told, if that ends before the job."""
    status_s: float = 10.0
    """How long the status function may take to end after the job has."""
    preview_s: float = 10.0
    """How long a preview is waited for."""
    gallery_s: float = 3.0
    """Between two looks into the gallery for the result of a job whose stream was lost."""
    gallery_first_s: float = 0.5
    """Before the first such look: the server must have noticed that the stream is gone."""
    gallery_timeout_s: float = 30.0
    """How long the answer to such a look may take."""
    heartbeat_s: float = 45.0
    """Silence after which the stream of a server that answers counts as dead: it sends a heartbeat every 15 s."""
    lost_s: float = 4 * 3600.0
    """How long the gallery is looked at for such a job."""
