"""Waiting for a job or an answer with the main thread blocked: for scripts and ``blender -b``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..blender.platform import formatting
from ..blender.platform.sigint import Interrupted
from ..blender.state.ui_state import ConnectionTest, MemoryRelease, ui
from .reporting import say

if TYPE_CHECKING:
    from ..clients.core.job import Job

PROBE_TIMEOUT_S = 60.0
TELL_TIMEOUT_S = 5.0


def wait_for_job(job: Job) -> None:
    """Wait until a job has ended and its result is settled; raises its error, or ``Interrupted`` once cancelled."""
    from ..blender.pump import pump

    progress = ProgressLines(job)
    try:
        pump.pump_until(lambda: _settled(job), report=progress.report)
    except Interrupted:
        job.cancel()
        pump.pump_until(lambda: not _telling(job), TELL_TIMEOUT_S)
        raise
    error = job.exception(timeout=0)
    if error is not None:
        raise error


def _telling(job: Job) -> bool:
    """Return True while the cancel is on its way to the backend."""
    outcome = job.status.backend_cancel
    return outcome is not None and outcome.value == "pending"


def _settled(job: Job) -> bool:
    if not job.done():
        return False
    placement = ui.placements.get(job.id)
    if placement is not None:
        return placement.settled
    # a failed or cancelled answer is settled once its partial text is stored
    return job.status.state.value != "succeeded" and job.id not in ui.streams


def wait_for_answer(answer: ConnectionTest | MemoryRelease, backend: str) -> None:
    """Wait for a server's answer; one that stays mute for a minute makes it an error."""
    from ..blender.pump import pump
    from ..clients.core.errors import NetworkTimeout

    if not pump.pump_until(lambda: not answer.pending, PROBE_TIMEOUT_S):
        answer.error = NetworkTimeout(
            f"No response within {PROBE_TIMEOUT_S:.0f} s.", hint="Is the server still starting?", backend=backend
        )


def wait_for_recovery() -> tuple[str, ...]:
    """Wait until the journal has been read and return the ids of the jobs in it that are re-joined now."""
    from ..blender.pump import pump

    pump.pump_until(lambda: ui.recovered is not None, PROBE_TIMEOUT_S)
    return ui.recovered or ()


class ProgressLines:
    """Prints a job's progress to the terminal, a line for each new stage and each further 10 %."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._last = ("", -1)

    def report(self) -> None:
        """Print a line if the stage or percentage has changed; the caller reports the end."""
        status = self._job.status
        if status.state.ended:
            return
        stage = (status.progress.stage if status.progress else "") or formatting.status_text(status)
        now = (stage, int(formatting.fraction(status) * 10))
        if now != self._last:
            self._last = now
            percent = f" ({formatting.fraction(status):.0%})" if status.progress else ""
            say(f"Movie Director: {formatting.status_text(status)}{percent}")
