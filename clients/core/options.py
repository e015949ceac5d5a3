"""The options of a client: time-outs, retries, numbers of workers, and limits."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import ValidationError
from .json_fields import is_int, is_number

MIB = 1024 * 1024
GIB = 1024 * MIB


def default_output_dir() -> Path:
    """Return the folder for results when none was named: one below the system's temporary folder."""
    return Path(tempfile.gettempdir()) / "movie_director"


@dataclass(frozen=True)
class ClientOptions:
    """Settings of one client; each backend's own defaults are its class's ``default_options``.

    ``connect_timeout_s``, ``first_byte_timeout_s`` and ``read_timeout_s`` bound silence in the phases of an HTTP
    exchange, never its duration; ``stream_idle_timeout_s`` is the allowed silence of an event stream or websocket
    before the client checks the connection. ``job_timeout_s`` bounds a whole job (None: no limit), ``drain_timeout_s``
    the time that a cancelled job may keep its lane. ``max_workers`` is the number of jobs that run at once,
    ``keep_finished`` the number of ended ones in memory. ``max_response_bytes`` bounds a response in memory,
    ``max_file_bytes`` a file on disk. ``verify_tls`` is True, False, or a file of trusted certificates.

    Raises ``ValidationError`` (code ``invalid_options``) for an invalid value; paths may be texts.
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
    max_file_bytes: int = 16 * GIB

    def __post_init__(self) -> None:
        object.__setattr__(self, "output_dir", Path(self.output_dir))
        if not isinstance(self.verify_tls, bool):
            object.__setattr__(self, "verify_tls", Path(self.verify_tls))
        problems = [*self._time_problems(), *self._count_problems()]
        if problems:
            raise ValidationError(
                f"Invalid options: {' '.join(problems)}",
                code="invalid_options",
                problems=problems,
                hint="Correct the numbers.",
            )

    def _time_problems(self) -> list[str]:
        problems = [
            f"{name}: a number of seconds above 0 is required."
            for name in _TIMES
            if not _is_time(getattr(self, name)) and (name, getattr(self, name)) != ("job_timeout_s", None)
        ]
        for name in _PAUSES:
            value = getattr(self, name)
            if value != 0 and not _is_time(value):
                problems.append(f"{name}: a number of seconds is required.")
        return problems

    def _count_problems(self) -> list[str]:
        least = {
            "max_retries": 0,
            "keep_finished": 0,
            "pool_size": 1,
            "max_workers": 1,
            "max_response_bytes": 1,
            "max_file_bytes": 1,
        }
        counts = {name: getattr(self, name) for name in least}
        return [
            f"{name}: a whole number of at least {least[name]} is required."
            for name, value in counts.items()
            if not is_int(value) or value < least[name]
        ]


_TIMES = ("connect_timeout_s", "first_byte_timeout_s", "read_timeout_s", "stream_idle_timeout_s", "job_timeout_s")
_PAUSES = ("drain_timeout_s", "backoff_base_s", "backoff_max_s")


def _is_time(value: Any) -> bool:
    return is_number(value) and 0 < value <= threading.TIMEOUT_MAX
