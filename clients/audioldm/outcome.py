"""The outcome of the call that waits for a sound."""

from __future__ import annotations

from typing import Any

from ..core.background_call import Finished
from ..core.delivery import may_have_arrived, outcome_unknown
from ..core.errors import NetworkError, NetworkTimeout, StreamInterrupted


def get_outcome(finished: Finished) -> Any:
    """Return the call's value or raise its error.

    ``JobLost`` (code ``outcome_unknown``) if the connection broke after the server may have accepted the call: these
    servers can't be asked for the sound later. A time-out, and a broken stream of an accepted call, keep their own
    errors.
    """
    try:
        return finished.result()
    except NetworkError as error:
        if isinstance(error, (NetworkTimeout, StreamInterrupted)) or not may_have_arrived(error):
            raise
        raise outcome_unknown(
            "The connection was lost while the server was working; the sound can no longer be fetched.",
            "Generate it again.",
        ) from error
