"""One sound from a Cog server.

There is no call that asks for a run's result later, so the call that starts it waits for it. A PUT of the id of a run
that has ended starts another run: nothing is ever sent twice. Meanwhile the state of the run is asked for (0.17 and
later, see ``CogAPI.observe``), or the server tells it (older ones on this machine, which answer nothing else while they
work), or the clock stands in for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ...core.background_call import BackgroundCall, Finished
from ...core.context import CancelContext, JobContext
from ...core.errors import BackendError, JobCancelled, JobLost, NetworkTimeout, ServerError
from ...core.model import BackendCancel
from ...core.scope import Scope
from ...http.session import HTTPSession
from ..input_mapping import Filled
from ..log_progress import LogReader
from ..outcome import known_outcome
from ..outputs import Outputs
from ..server_profile import COG, Profile, ServerProfileCache
from ..time_estimate import Clock
from .api import LOADING, CogAPI, Prediction, failed, refused, setup_failed

BUSY_PAUSE_S = 1.0
STOPPING_PAUSE_S = 0.1
EVENTS = ["start", "logs"]
LAST_EVENT = "completed"
"""Is asked for only of a server whose word has been heard: an older one that can't deliver its last word tries it for
minutes, and answers nothing meanwhile. A container does not reach this machine's loopback.
"""
QUICK_S = 15.0
"""Silence allowed in the small requests; a Python server is mute while it loads."""

GONE_AFTER = 3
"""Looks at an idle server after which a run that it was to tell of is lost."""


class CogRun:
    """Sees one job through. ``interval_s`` lies between two looks at the run."""

    def __init__(
        self,
        http: HTTPSession,
        job: JobContext,
        knowledge: ServerProfileCache,
        profile: Profile,
        work: float,
        interval_s: float,
    ) -> None:
        self._api = CogAPI(http, quick_s=QUICK_S)
        self._http = http
        self._job = job
        self._knowledge = knowledge
        self._profile = profile
        self._interval_s = interval_s
        self._clock = Clock(job, knowledge.estimates, work)
        self.log = LogReader(job, http.redact)

    def run(self, filled: Filled, outputs: Outputs, seed: int | None) -> Mapping[str, Any]:
        """Have the sound made and fetched, and return the run's last state; ``seed`` is for the job's record."""
        body: dict[str, Any] = {"input": filled.values}
        if not self._profile.observable and self._http.url.is_loopback:
            address = self._knowledge.listener().address(self._job.job_id, self._job.post)
            events = [*EVENTS, LAST_EVENT] if self._knowledge.is_heard else EVENTS
            body |= {"webhook": address, "webhook_events_filter": events}
        told = "webhook" in body and self._knowledge.shares_disk
        self._job.sending(dialect=self._profile.dialect, told=told, seed=seed)
        try:
            state = self._run_told(body, outputs) if told else self._run_waiting(body, outputs)
        finally:
            self._knowledge.forget_run(self._job.job_id)
        self._clock.learn()
        return state

    def _wait_turn(self) -> None:
        """Pause before trying again: the server works for somebody else, or is loading its model."""
        wait_while_loading(self._api, self._job)
        self._job.message("The server is busy with another sound.")
        self._job.sleep(BUSY_PAUSE_S)

    # The call that waits

    def _run_waiting(self, body: Mapping[str, Any], outputs: Outputs) -> Mapping[str, Any]:
        while True:
            answer = self._waited(body)
            if not answer.busy:
                break
            self._wait_turn()
        if answer.status >= 400:
            raise refused(answer)
        state = answer.run
        self._take(state)
        self._check_end(state)
        outputs.take(state.get("output"))
        return state

    def _waited(self, body: Mapping[str, Any]) -> Prediction:
        def create(scope: Scope) -> Prediction:
            return self._api.create(self._job.job_id, body, scope, wait=True)

        with BackgroundCall(self._job, create):
            while True:
                item = self._job.receive(self._interval_s)
                if isinstance(item, Finished):
                    return cast(Prediction, known_outcome(item))
                if isinstance(item, Mapping):
                    self._heard(item)
                else:
                    self._look()

    def _look(self) -> None:
        """See how far the run is, while the call waits for its end."""
        if self._profile.observable:
            with contextlib.suppress(BackendError):  # the call that waits counts; the job's own end is seen there too
                state = self._api.observe(self._job.job_id, self._job)
                if state is None:  # refused as busy, or just over
                    return
                self._take(state)
        else:
            self._started()
        if not self.log.told_progress:
            self._clock.tell()

    def _heard(self, state: Mapping[str, Any]) -> None:
        """Take what the server told of the run; the address of its file shows whether it shares our disk."""
        self._take(state)
        self._knowledge.is_heard = True
        if state.get("status") == "succeeded":
            self._knowledge.shares_disk = _local_file(state.get("output")) is not None

    def _take(self, state: Mapping[str, Any]) -> None:
        if state.get("status") in ("processing", "succeeded"):
            self._started()
        self.log.take(state.get("logs"))

    def _started(self) -> None:
        if self._job.backend_id is None:
            self._job.submitted(self._job.job_id)
        self._job.message("")
        self._job.started()
        self._clock.start()

    def _check_end(self, state: Mapping[str, Any]) -> None:
        status = state.get("status")
        if status == "succeeded":
            return
        if status == "canceled":
            raise BackendError(
                "Somebody else has cancelled the sound on the server.", code="cancelled_elsewhere", hint="Try again."
            )
        raise failed(state.get("error"), self.log.last_line, self._http.redact)

    # The server tells

    def _run_told(self, body: Mapping[str, Any], outputs: Outputs) -> Mapping[str, Any]:
        """Have an older server work in the background, where it can be told to cancel, and wait for its word."""
        while True:
            answer = self._api.create(self._job.job_id, body, self._job, wait=False)
            if not answer.busy:
                break
            self._wait_turn()
        if answer.status >= 400:
            raise refused(answer)
        self._take(answer.run)
        state = self._last_word()
        self._check_end(state)
        file = _local_file(state.get("output"))
        if file is None:
            outputs.take(state.get("output"))
        else:
            outputs.take_file(file, str(file))
        return state

    def _last_word(self) -> Mapping[str, Any]:
        idle = 0
        while True:
            item = self._job.receive(max(self._interval_s, BUSY_PAUSE_S))
            if isinstance(item, Mapping):
                self._take(item)
                if item.get("status") not in ("starting", "processing"):
                    return item
                continue
            idle = idle + 1 if self._is_idle() else 0
            if idle >= GONE_AFTER:
                raise JobLost(
                    "The server has finished without a word.", hint="Generate it again; look at the server's log."
                )
            if not self.log.told_progress:
                self._clock.tell()

    def _is_idle(self) -> bool:
        """Whether the server works at nothing, or is gone; one that is mute may be at work."""
        try:
            return self._api.health(self._job).status == "READY"
        except BackendError as error:
            self._job.check()
            return not isinstance(error, NetworkTimeout)


def wait_while_loading(api: CogAPI, job: JobContext) -> None:
    """Return once the model is loaded; raises the error of a server that could not load it, or says that it is ill."""
    while True:
        health = api.health(job)
        if health.broken:
            raise setup_failed(health)
        if health.status == "UNHEALTHY":
            raise ServerError(
                "The server says of itself that it is not healthy.",
                code="unhealthy",
                hint="Look at the log of the server's container.",
            )
        if health.status not in LOADING:
            return
        job.message("The model is loading; that can take minutes.")
        job.sleep(BUSY_PAUSE_S)


def cancel(http: HTTPSession, job: CancelContext) -> BackendCancel:
    """Cancel the run on the server and wait until it is free.

    An older server whose call waits answers nothing before the run's end: then it can't be told, only waited for.
    """
    api = CogAPI(http, quick_s=QUICK_S)
    if job.state.get("dialect") != COG and not job.state.get("told"):
        while job.wait(0.0) and not _free(api, job):
            job.wait(BUSY_PAUSE_S)
        return BackendCancel.UNSUPPORTED
    while api.cancel(job.job_id, job) and not _free(api, job):
        if not job.wait(STOPPING_PAUSE_S):  # at the client's end the server's yes has to do
            return BackendCancel.CONFIRMED if job.remaining_s() > 0 else BackendCancel.FAILED
    return BackendCancel.CONFIRMED


def _free(api: CogAPI, job: CancelContext) -> bool:
    try:
        return api.health(job).status != "BUSY"
    except (NetworkTimeout, JobCancelled):  # an older server that works, maybe for longer than we may wait
        return False


def _local_file(output: Any) -> Path | None:
    """Return a file that the server names by its path, if it lies on this machine's disk too."""
    if not isinstance(output, str) or len(output) > 1000 or "\0" in output or not os.path.isabs(output):  # noqa: PTH117
        return None
    path = Path(output)
    return path if path.is_file() else None
