"""When a request may be sent again, and how long to wait before."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from ..core.errors import APIError, BackendError, ConnectionLost, RateLimited
from ..core.options import ClientOptions

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
PASSING_STATUSES = frozenset({500, 502, 503, 504})
MAX_RETRY_AFTER_S = 60.0
"""A server that wants a longer pause is reported, not waited for."""


@dataclass(frozen=True)
class RetryPolicy:
    """Bounded retries with growing, jittered pauses, in seconds."""

    max_retries: int
    backoff_base_s: float
    backoff_max_s: float

    @classmethod
    def of(cls, options: ClientOptions) -> RetryPolicy:
        """Take it from a client's options."""
        return cls(options.max_retries, options.backoff_base_s, options.backoff_max_s)

    def pause_s(self, attempt: int, error: BackendError, *, repeatable: bool) -> float | None:
        """Return the seconds to wait before the next try after ``attempt`` (from 0) failed, None to give up.

        ``repeatable`` says that sending the request twice does no harm. A 429 was refused before it did anything, so
        it is repeated either way. Nobody listening at all is not repeated: that does not pass in seconds, and the
        user waits.
        """
        if attempt >= self.max_retries:
            return None
        if isinstance(error, RateLimited):
            return self._after(attempt, error.retry_after_s)
        passing = isinstance(error, ConnectionLost) or (
            isinstance(error, APIError) and error.status in PASSING_STATUSES
        )
        if repeatable and passing:
            return self._after(attempt, error.context.get("retry_after_s"))
        return None

    def _after(self, attempt: int, wanted_s: float | None) -> float | None:
        if wanted_s is not None:
            return wanted_s if wanted_s <= MAX_RETRY_AFTER_S else None
        longest = min(self.backoff_max_s, self.backoff_base_s * 2.0 ** min(attempt, 32))
        return longest * random.uniform(0.5, 1.0)


def retry_after_s(value: str | None) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; None for a missing or senseless one."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry  # here, because urllib3 costs 90 ms

    if not value:
        return None
    try:
        seconds = float(value)  # some send fractions, which the standard does not know
    except ValueError:
        try:
            seconds = Retry().parse_retry_after(value)
        except (InvalidHeader, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
