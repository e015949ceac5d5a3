"""One sound from a Gradio app."""

from __future__ import annotations

from typing import Any, cast

from ...core.background_call import BackgroundCall, Finished
from ...core.context import CancelContext, JobContext
from ...core.errors import BackendError, JobCancelled, NetworkTimeout, ProtocolError
from ...core.model import BackendCancel
from ...core.scope import Scope
from ...gradio.component_values import files_in
from ...gradio.config import Dependency, GradioConfig
from ...gradio.files import file_route
from ...gradio.http import GradioHTTP
from ...gradio.messages import Progress, Queued
from ...gradio.session_factory import session_for
from ..log_progress import STAGE
from ..outcome import known_outcome
from ..outputs import Outputs
from ..server_profile import Profile, ServerProfileCache
from ..time_estimate import Clock
from .app import explained

TURN_PAUSE_S = 0.05
DRAIN_PAUSE_S = 0.1


class GradioRun:
    """Sees one job through. One at a time on each server: its calls would run at once on one model in memory."""

    def __init__(
        self,
        job: JobContext,
        knowledge: ServerProfileCache,
        profile: Profile,
        found: tuple[GradioHTTP, GradioConfig, Dependency],
        work: float,
        interval_s: float,
    ) -> None:
        self._job = job
        self._knowledge = knowledge
        self._profile = profile
        self._access, self._config, self._dependency = found
        self._interval_s = interval_s
        self._clock = Clock(job, knowledge.estimates, work)
        self._told = False

    def run(self, data: list[Any], outputs: Outputs, seed: int | None) -> None:
        """Have the sound made and fetched; ``seed`` is for the job's record."""
        while not self._knowledge.turn.acquire(timeout=TURN_PAUSE_S):
            self._job.message("Waiting for another sound of this server.")
            self._job.check()
        try:
            values = self._called(data, seed)
            self._fetch(values, outputs)
        finally:
            self._knowledge.turn.release()

    def _called(self, data: list[Any], seed: int | None) -> list[Any]:
        self._job.sending(dialect=self._profile.dialect, seed=seed)
        session = session_for(self._access, self._config)

        def call(scope: Scope) -> list[Any]:
            with session:
                return session.call(self._dependency, data, scope=scope, on_message=self._job.post)

        blocking = BackgroundCall(self._job, call)
        blocking.start()
        try:
            values = self._watched()
        except BaseException as error:
            self._leave(blocking, error)
            raise
        blocking.close()
        self._clock.learn()
        return values

    def _leave(self, blocking: BackgroundCall, error: BaseException) -> None:
        """Keep the call of a job that was ended here: only its answer tells when the server is free again."""
        timed_out = isinstance(error, NetworkTimeout) and error.code == "job_timeout"
        if isinstance(error, JobCancelled) or timed_out:
            self._knowledge.draining[self._job.job_id] = blocking
        else:
            blocking.close()

    def _watched(self) -> list[Any]:
        self._job.submitted(self._job.job_id)
        while True:
            item = self._job.receive(self._interval_s)
            if isinstance(item, Finished):
                return _values(item)
            if isinstance(item, Queued):
                self._job.queued(item.rank or 0)
            else:
                self._hear(item)

    def _hear(self, message: object) -> None:
        """Take a message of the running function, or the silence of one that sends none."""
        self._job.message("")
        self._job.started()
        if isinstance(message, Progress) and message.fraction is not None:
            self._told = True
            self._job.progress(message.fraction, stage=message.innermost.desc or STAGE)
        elif not self._told:
            self._clock.tell()

    def _fetch(self, values: list[Any], outputs: Outputs) -> None:
        files = files_in(values)
        if not files:
            raise ProtocolError(
                "The server says that it has succeeded, but sent no sound.",
                code="no_output",
                hint="Generate it again; if it happens again, look at the server's console.",
            )
        route = file_route(self._access, self._config, files[0])
        outputs.take_answer(lambda: self._access.request("GET", route, scope=self._job, stream=True), files[0].name)


def _values(finished: Finished) -> list[Any]:
    try:
        return cast("list[Any]", known_outcome(finished))
    except BackendError as error:
        raise explained(error) from error.__cause__


def cancel(knowledge: ServerProfileCache, job: CancelContext) -> BackendCancel:
    """Wait until the server is free: a Gradio app can't be told to stop."""
    blocking = knowledge.draining.pop(job.job_id, None)
    if blocking is not None:
        while not blocking.over and job.wait(DRAIN_PAUSE_S):
            pass
        blocking.close()
    return BackendCancel.UNSUPPORTED
