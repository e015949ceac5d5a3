"""One sound from a Cog server.

No call fetches a run's result later, so the call that creates the run waits for it. A PUT of the id of an ended run
starts another run: nothing is ever sent twice. Meanwhile the run is polled (0.17 and later, see ``CogAPI.observe``),
or the server sends webhooks (older ones on this machine, which answer no request while they work), or progress is
estimated from the time.
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
from ..outcome import get_outcome
from ..outputs import Outputs
from ..server_profile import COG, Profile, ServerProfileCache
from ..time_estimate import Clock
from .api import LOADING, CogAPI, Prediction, failed, refused, setup_failed

BUSY_PAUSE_S = 1.0
STOPPING_PAUSE_S = 0.1
EVENTS = ["start", "logs"]
LAST_EVENT = "completed"
"""Requested only from a server whose webhooks have arrived before: an older one that can't deliver its final webhook
retries it for minutes, and does not respond meanwhile. A container does not reach this machine's loopback.
"""
QUICK_S = 15.0
"""Time-out of the small requests; a Python server does not respond while it loads."""

GONE_AFTER = 3
"""Polls of an idle server after which a run without a final webhook is lost."""


class CogRun:
    """Runs one job. ``interval_s`` is the poll interval."""

    def __init__(
        self,
        http: HTTPSession,
        job: JobContext,
        profile_cache: ServerProfileCache,
        profile: Profile,
        work: float,
        interval_s: float,
    ) -> None:
        self._api = CogAPI(http, quick_s=QUICK_S)
        self._http = http
        self._job = job
        self._profile_cache = profile_cache
        self._profile = profile
        self._interval_s = interval_s
        self._clock = Clock(job, profile_cache.estimates, work)
        self.log = LogReader(job, http.redact)

    def run(self, inputs: Filled, outputs: Outputs, seed: int | None) -> Mapping[str, Any]:
        """Generate and fetch the sound; return the run's last state. ``seed`` is for the job's record."""
        body: dict[str, Any] = {"input": inputs.values}
        if not self._profile.observable and self._http.url.is_loopback:
            address = self._profile_cache.listener().address(self._job.job_id, self._job.post)
            events = [*EVENTS, LAST_EVENT] if self._profile_cache.receives_webhooks else EVENTS
            body |= {"webhook": address, "webhook_events_filter": events}
        by_webhook = "webhook" in body and self._profile_cache.shares_disk
        self._job.sending(dialect=self._profile.dialect, webhook=by_webhook, seed=seed)
        try:
            state = self._run_with_webhook(body, outputs) if by_webhook else self._run_blocking(body, outputs)
        finally:
            self._profile_cache.forget_run(self._job.job_id)
        self._clock.learn()
        return state

    def _wait_until_free(self) -> None:
        """Pause before a retry: the server is busy, or is loading its model."""
        wait_while_loading(self._api, self._job)
        self._job.message("The server is busy with another sound.")
        self._job.sleep(BUSY_PAUSE_S)

    # The blocking call

    def _run_blocking(self, body: Mapping[str, Any], outputs: Outputs) -> Mapping[str, Any]:
        while True:
            answer = self._create_and_wait(body)
            if not answer.busy:
                break
            self._wait_until_free()
        if answer.status >= 400:
            raise refused(answer)
        state = answer.run
        self._take(state)
        self._check_end(state)
        outputs.take(state.get("output"))
        return state

    def _create_and_wait(self, body: Mapping[str, Any]) -> Prediction:
        def create(scope: Scope) -> Prediction:
            return self._api.create(self._job.job_id, body, scope, wait=True)

        with BackgroundCall(self._job, create):
            while True:
                item = self._job.receive(self._interval_s)
                if isinstance(item, Finished):
                    return cast(Prediction, get_outcome(item))
                if isinstance(item, Mapping):
                    self._handle_webhook(item)
                else:
                    self._poll()

    def _poll(self) -> None:
        """Poll the run while the call waits for its end."""
        if self._profile.observable:
            with contextlib.suppress(BackendError):  # the blocking call decides; it also notices the job's end
                state = self._api.observe(self._job.job_id, self._job)
                if state is None:  # rejected as busy, or just ended
                    return
                self._take(state)
        else:
            self._mark_started()
        if not self.log.has_progress:
            self._clock.report()

    def _handle_webhook(self, state: Mapping[str, Any]) -> None:
        """Handle a webhook; the address of the result shows if the server shares this machine's disk."""
        self._take(state)
        self._profile_cache.receives_webhooks = True
        if state.get("status") == "succeeded":
            self._profile_cache.shares_disk = _find_local_file(state.get("output")) is not None

    def _take(self, state: Mapping[str, Any]) -> None:
        if state.get("status") in ("processing", "succeeded"):
            self._mark_started()
        self.log.take(state.get("logs"))

    def _mark_started(self) -> None:
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
                "Someone else cancelled the sound on the server.", code="cancelled_elsewhere", hint="Try again."
            )
        raise failed(state.get("error"), self.log.last_line, self._http.redact)

    # Webhooks

    def _run_with_webhook(self, body: Mapping[str, Any], outputs: Outputs) -> Mapping[str, Any]:
        """Run in the background of an older server, where a cancel reaches it, and wait for the final webhook."""
        while True:
            answer = self._api.create(self._job.job_id, body, self._job, wait=False)
            if not answer.busy:
                break
            self._wait_until_free()
        if answer.status >= 400:
            raise refused(answer)
        self._take(answer.run)
        state = self._wait_for_webhook()
        self._check_end(state)
        file = _find_local_file(state.get("output"))
        if file is None:
            outputs.take(state.get("output"))
        else:
            outputs.take_file(file, str(file))
        return state

    def _wait_for_webhook(self) -> Mapping[str, Any]:
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
                    "The server finished without a result.", hint="Generate it again, and check the server's log."
                )
            if not self.log.has_progress:
                self._clock.report()

    def _is_idle(self) -> bool:
        """Return True if the server has no work or is gone; without a response it may be working."""
        try:
            return self._api.health(self._job).status == "READY"
        except BackendError as error:
            self._job.check()
            return not isinstance(error, NetworkTimeout)


def wait_while_loading(api: CogAPI, job: JobContext) -> None:
    """Wait until the model is loaded; raises the error of a server that failed to load it or is unhealthy."""
    while True:
        health = api.health(job)
        if health.broken:
            raise setup_failed(health)
        if health.status == "UNHEALTHY":
            raise ServerError(
                "The server reports that it is unhealthy.",
                code="unhealthy",
                hint="Check the log of the server's container.",
            )
        if health.status not in LOADING:
            return
        job.message("The model is loading; this can take minutes.")
        job.sleep(BUSY_PAUSE_S)


def cancel(http: HTTPSession, job: CancelContext) -> BackendCancel:
    """Cancel the run on the server and wait until it is free.

    An older server with a waiting call responds only after the run's end: it can't be cancelled, so wait.
    """
    api = CogAPI(http, quick_s=QUICK_S)
    if job.state.get("dialect") != COG and not job.state.get("webhook"):
        while job.wait(0.0) and not _wait_until_idle(api, job):
            job.wait(BUSY_PAUSE_S)
        return BackendCancel.UNSUPPORTED
    while api.cancel(job.job_id, job) and not _wait_until_idle(api, job):
        if not job.wait(STOPPING_PAUSE_S):  # at the client's end the server's reply must suffice
            return BackendCancel.CONFIRMED if job.remaining_s() > 0 else BackendCancel.FAILED
    return BackendCancel.CONFIRMED


def _wait_until_idle(api: CogAPI, job: CancelContext) -> bool:
    try:
        return api.health(job).status != "BUSY"
    except (NetworkTimeout, JobCancelled):  # an older server at work, maybe beyond the drain time
        return False


def _find_local_file(output: Any) -> Path | None:
    """Return the result's path if the file is on this machine's disk."""
    if not isinstance(output, str) or len(output) > 1000 or "\0" in output or not os.path.isabs(output):  # noqa: PTH117
        return None
    path = Path(output)
    return path if path.is_file() else None
