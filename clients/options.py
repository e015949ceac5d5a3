"""How a client behaves: time-outs, retries, widths and limits."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024


def default_output_dir() -> Path:
    """Return the folder for results when none was named: one below the system's temporary folder."""
    return Path(tempfile.gettempdir()) / "movie_director"


@dataclass(frozen=True)
class ClientOptions:
    """Settings of one client; each backend's own defaults are its class's ``default_options``.

    ``connect_timeout_s``, ``first_byte_timeout_s`` and ``read_timeout_s`` bound silence in the phases of an HTTP
    exchange, never its age; ``stream_idle_timeout_s`` is how long an event stream or websocket may be mute before the
    client looks after it. ``job_timeout_s`` bounds a whole job (None: no limit), ``drain_timeout_s`` how long a
    cancelled job may keep its lane. ``max_workers`` is how many jobs run at once, ``keep_finished`` how many ended
    ones stay in memory. ``verify_tls`` is True, False, or a file of trusted certificates.
    """

    connect_timeout_s: float = 5.0
    first_byte_timeout_s: float = 60.0
    read_timeout_s: float = 60.0
    stream_idle_timeout_s: float = 30.0
    job_timeout_s: float | None = None
    drain_timeout_s: float = 30.0
    max_retries: int = 3
    backoff_base_s: float = 0.3
    backoff_max_s: float = 8.0
    pool_size: int = 8
    max_workers: int = 4
    keep_finished: int = 1000
    output_dir: Path = field(default_factory=default_output_dir)
    max_response_bytes: int = 64 * MIB
    verify_tls: bool | Path = True
