"""One sound from a Gradio app."""

from __future__ import annotations

from typing import Any, cast

from ...core.background_call import BackgroundCall, Finished
from ...core.context import CancelContext, JobContext
from ...core.errors import BackendError, JobCancelled, NetworkTimeout, ProtocolError
from ...core.model import BackendCancel
from ...core.scope import Scope
from ...gradio.component_values import extract_files
from ...gradio.config import Dependency, GradioConfig
from ...gradio.files import file_route
from ...gradio.http import GradioHTTP
from ...gradio.messages import Progress, Queued
from ...gradio.session_factory import make_session
from ..log_progress import STAGE
from ..outcome import get_outcome
from ..outputs import Outputs
from ..server_profile import Profile, ServerProfileCache
from ..time_estimate import Clock
from .app import explain

TURN_PAUSE_S = 0.05
DRAIN_PAUSE_S = 0.1


class GradioRun:
    """Runs one job. One at a time per server: parallel calls would use one model in memory at once."""

    def __init__(
        self,
        job: JobContext,
        profile_cache: ServerProfileCache,
        profile: Profile,
        found: tuple[GradioHTTP, GradioConfig, Dependency],
        work: float,
        interval_s: float,
    ) -> None:
        self._job = job
        self._profile_cache = profile_cache
        self._profile = profile
        self._access, self._config, self._dependency = found
        self._interval_s = interval_s
        self._clock = Clock(job, profile_cache.estimates, work)
        self._reported = False

    def run(self, data: list[Any], outputs: Outputs, seed: int | None) -> None:
        """Generate and fetch the sound; ``seed`` is for the job's record."""
        while not self._profile_cache.app_lock.acquire(timeout=TURN_PAUSE_S):
            self._job.message("Waiting for another sound on this server.")
            self._job.check()
        try:
            values = self._call(data, seed)
            self._fetch(values, outputs)
        finally:
            self._profile_cache.app_lock.release()

    def _call(self, data: list[Any], seed: int | None) -> list[Any]:
        self._job.sending(dialect=self._profile.dialect, seed=seed)
        session = make_session(self._access, self._config)

        def call(scope: Scope) -> list[Any]:
            with session:
                return session.call(self._dependency, data, scope=scope, on_message=self._job.post)

        blocking = BackgroundCall(self._job, call)
        blocking.start()
        try:
            values = self._follow()
        except BaseException as error:
            self._leave(blocking, error)
            raise
        blocking.close()
        self._clock.learn()
        return values

    def _leave(self, blocking: BackgroundCall, error: BaseException) -> None:
        """Keep the call of a cancelled job: only its response shows when the server is free."""
        timed_out = isinstance(error, NetworkTimeout) and error.code == "job_timeout"
        if isinstance(error, JobCancelled) or timed_out:
            self._profile_cache.draining[self._job.job_id] = blocking
        else:
            blocking.close()

    def _follow(self) -> list[Any]:
        self._job.submitted(self._job.job_id)
        while True:
            item = self._job.receive(self._interval_s)
            if isinstance(item, Finished):
                return _get_values(item)
            if isinstance(item, Queued):
                self._job.queued(item.rank or 0)
            else:
                self._handle(item)

    def _handle(self, message: object) -> None:
        """Handle a message of the running function, or the absence of one."""
        self._job.message("")
        self._job.started()
        if isinstance(message, Progress) and message.fraction is not None:
            self._reported = True
            self._job.progress(message.fraction, stage=message.innermost.desc or STAGE)
        elif not self._reported:
            self._clock.report()

    def _fetch(self, values: list[Any], outputs: Outputs) -> None:
        files = extract_files(values)
        if not files:
            raise ProtocolError(
                "The server reported success but sent no sound.",
                code="no_output",
                hint="Generate it again; if that fails too, check the server's console.",
            )
        route = file_route(self._access, self._config, files[0])
        outputs.take_answer(lambda: self._access.request("GET", route, scope=self._job, stream=True), files[0].name)


def _get_values(finished: Finished) -> list[Any]:
    try:
        return cast("list[Any]", get_outcome(finished))
    except BackendError as error:
        raise explain(error) from error.__cause__


def cancel(profile_cache: ServerProfileCache, job: CancelContext) -> BackendCancel:
    """Wait until the server is free: Gradio apps can't cancel."""
    blocking = profile_cache.draining.pop(job.job_id, None)
    if blocking is not None:
        while not blocking.over and job.wait(DRAIN_PAUSE_S):
            pass
        blocking.close()
    return BackendCancel.UNSUPPORTED
