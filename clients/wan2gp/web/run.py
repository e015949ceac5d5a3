"""Runs a job through the queue of WanGP's web page.

Facts: a session's messages come over its one stream. Dropping that stream does not stop the work: the file is still
made, but the status display of the whole server hangs until it is restarted. So a cancelled job is aborted, and its
stream is read to its natural end. All data of a session are on the server under its ``session_hash``, which is derived
from the job's id: so the job's record suffices to find its gallery again.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...core.context import CancelContext, JobContext
from ...core.delivery import may_have_arrived
from ...core.errors import (
    BackendError,
    ConnectionLost,
    GenerationError,
    JobCancelled,
    JobLost,
    NotFound,
    ProtocolError,
    ServerError,
    StreamInterrupted,
    ValidationError,
)
from ...core.json_fields import as_text, get_member
from ...core.model import Artifact, BackendCancel, Result
from ...core.scope import Scope
from ...files.storage_errors import check_writable, storage_errors
from ...gradio.component_values import GradioFile
from ...gradio.config import GradioConfig, read_config
from ...gradio.http import GradioHTTP
from ...gradio.messages import Log, Message
from ...gradio.queue_call import GradioCall
from ...gradio.session import GradioSession
from ..errors import BACKEND, generation_failed, no_output, refused, stopped
from ..gallery import find_task_files, is_working, list_gallery_files
from ..queue_file import write_queue
from ..results import FETCHING, get_request, log_warnings, make_local_name, make_result
from ..task import Task, make_task
from ..timings import Timings
from .monitor import RunMonitor
from .queue_functions import Chain
from .recovery import Searcher, make_session_hash

ENDPOINT = "web"
_Call = Callable[..., list[object]]
_LOADED = "Loaded"
_MAX_LINES = 100


@dataclass
class _Live:
    """The session of a running job; ``sent`` once its work may have begun."""

    session: GradioSession
    sent: bool = False
    process: GradioCall | None = None


class WebEndpoint:
    """Runs jobs through one web page; thread-safe. ``close`` drops open streams."""

    def __init__(self, access: GradioHTTP, config: GradioConfig, chain: Chain, timings: Timings, version: str) -> None:
        self.access = access
        self.config = config
        self.chain = chain
        self.version = version
        self._timings = timings
        self._lock = threading.Lock()
        self._live: dict[str, _Live] = {}
        self._ending: list[GradioSession] = []
        self._usual_s: float | None = None

    # The hooks

    def run(self, job: JobContext) -> Result:
        """Submit the request and wait for its result."""
        task = make_task(get_request(job), job.job_id)
        check_writable(job.output_dir)
        log_warnings(job)
        live = self._begin(job, self._session(job.job_id, new=True))
        try:
            self._load(job, live.session, task)
            return self._start(job, live, task)
        finally:
            self._release(job, live)

    def rejoin(self, job: JobContext) -> Result:
        """Find the job's file, or wait for it; ``JobLost`` if the server does not work on it."""
        task = make_task(get_request(job), job.job_id, job.state.get("seed"))
        check_writable(job.output_dir)
        searcher = self._make_searcher(job, task)
        found = searcher.saved() if not job.state.get("session") else None
        if found is not None:
            return self._fetch_files(job, (found,), task)
        live = self._begin(job, self._session(job.job_id))
        live.sent = True
        try:
            return self._find_again(job, live, task, searcher)
        finally:
            self._release(job, live)

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Abort the job and wait for its natural end."""
        with self._lock:
            live = self._live.pop(job.job_id, None)
        live = live or _Live(self._session(job.job_id))
        try:
            self._abort(job, live)
        except BackendError as error:
            self._leave_open(live.session)
            if isinstance(error, JobCancelled):
                return BackendCancel.FAILED
            raise
        live.session.close()
        return BackendCancel.CONFIRMED

    def still_there(self, scope: Scope) -> bool:
        """Return True if the page is unchanged: after a restart its functions may have other numbers.

        Raises network errors: a server that does not respond now may still have running sessions.
        """
        try:
            app_id = self._fetch_app_id(scope)
        except (NotFound, ProtocolError):
            app_id = None
        if app_id is None:
            try:
                app_id = read_config(self.access, scope=scope).app_id
            except ProtocolError:
                return False
        return not self.config.app_id or app_id == self.config.app_id

    def can_detach(self) -> bool:
        """Return False: dropping the event stream would stop progress for every user of the server."""
        return False

    def close(self, timeout_s: float) -> None:
        """Drop open streams within ``timeout_s``."""
        with self._lock:
            sessions = [each.session for each in self._live.values()] + self._ending
            self._live.clear()
            self._ending.clear()
        until = time.monotonic() + timeout_s
        for session in sessions:
            session.close(max(0.05, until - time.monotonic()))

    def _fetch_app_id(self, scope: Scope) -> str | None:
        answer = self.access.get_json(self.config.path("/app_id"), scope=scope)
        app_id = get_member(answer, "app_id")
        return None if app_id is None else str(app_id)

    # Submitting

    def _session(self, job_id: str, *, new: bool = False) -> GradioSession:
        return GradioSession(self.access, self.config, make_session_hash(job_id), lost=not new)

    def _begin(self, job: JobContext, session: GradioSession) -> _Live:
        live = _Live(session)
        with self._lock:
            self._live[job.job_id] = live
        return live

    def _release(self, job: JobContext, live: _Live) -> None:
        """Release the session, unless the job was cancelled after its start: then ``cancel`` needs it.

        If the work may continue, the stream stays open.
        """
        try:
            job.check()
        except BackendError:
            if live.sent:
                return
        with self._lock:
            self._live.pop(job.job_id, None)
        if live.process is not None and not live.process.ended:
            self._leave_open(live.session)
        else:
            live.session.close()

    def _load(self, job: JobContext, session: GradioSession, task: Task) -> None:
        """Load the task into the session's queue, without starting it."""
        folder = Path(tempfile.gettempdir())
        job.message("Preparing the files")
        with storage_errors(folder), tempfile.TemporaryDirectory(prefix="movie_director_") as place:
            path = Path(place) / "queue.zip"
            write_queue(task, path, job.check)
            job.message("Uploading")
            file = session.upload(path, scope=job, on_chunk=lambda _sent, _total: job.check())
        lines: list[Log] = []
        session.call(
            self.chain.load,
            [file.as_input(), None],
            scope=job,
            trigger_id=self.chain.trigger_id,
            on_message=_collect_lines(lines),
        )
        self._check_loaded(job, lines)
        for step in (self.chain.init, self.chain.activate):
            session.call(step, [None], scope=job)

    def _check_loaded(self, job: JobContext, lines: list[Log]) -> None:
        """Raise if the file was not loaded: the call always succeeds, only the log shows the failure."""
        warning = next((each for each in lines if each.level in ("warning", "error")), None)
        if warning is not None:
            raise refused(self.access.http.redact(warning.text), get_request(job))
        if not any(_LOADED in each.text for each in lines):
            raise ProtocolError(
                f"WanGP {self.version} ignored the queue file.",
                code="queue_ignored",
                backend=BACKEND,
                hint="This version is not supported; please report it with the version number.",
            )

    def _start(self, job: JobContext, live: _Live, task: Task) -> Result:
        session = live.session
        job.sending(endpoint=ENDPOINT, session=session.session_hash, seed=task.seed)
        live.sent = True
        began = time.monotonic()
        try:
            live.process = session.join(self.chain.process, [None], scope=job)
        except BackendError as error:
            job.check()
            if not may_have_arrived(error):
                raise
            return self._find_again(job, live, task, self._make_searcher(job, task, error), stream_lost=False)
        job.submitted(live.process.event_id)
        status = self._start_status(job, session)
        follower = RunMonitor(job, session, self.chain, self._timings, self._usual_s)
        try:
            end = self.access.http.redact(follower.follow(live.process, status))
        except (StreamInterrupted, ProtocolError) as error:
            job.check()
            return self._find_again(job, live, task, self._make_searcher(job, task, error))
        except GenerationError as error:
            if error.code == "cancelled_on_server":  # its work goes on, and finishing would hide that
                return self._find_again(job, live, task, self._make_searcher(job, task, error))
            self._finish(session.call, job)
            raise generation_failed(_get_reported(error), get_request(job)) from error
        self._usual_s = time.monotonic() - began
        files = self._fetch_finished_files(job, session, task)
        if not files:
            raise stopped(end) if "abort" in end.lower() else no_output(end)
        return self._fetch_files(job, files, task)

    def _start_status(self, job: JobContext, session: GradioSession) -> GradioCall | None:
        """Start the status call; without it the job continues without progress."""
        try:
            return session.join(self.chain.status, [None], scope=job)
        except BackendError as error:
            job.check()
            job.log(f"No progress can be shown: {error.message}")
            return None

    # Results

    def _fetch_finished_files(self, job: JobContext, session: GradioSession, task: Task) -> tuple[GradioFile, ...]:
        """Return the files of a finished job, from the last step or else from the gallery."""
        files = find_task_files(list_gallery_files(self._finish(session.call, job)), task.stem, own_session=True)
        if not files:
            files = find_task_files(
                list_gallery_files(session.call(self.chain.gallery, [None], scope=job)), task.stem, own_session=True
            )
        return files

    def _finish(self, call: _Call, scope: Scope) -> list[object]:
        """Call the last steps, without which the session stays busy; return the finalizer's output."""
        outputs: list[object] = []
        try:
            outputs = call(self.chain.finalize, [None], scope=scope)
        except BackendError:
            scope.check()
        if self.chain.unload is not None:
            try:
                call(self.chain.unload, [None], scope=scope)
            except BackendError:
                scope.check()
        return outputs

    def _fetch_files(self, job: JobContext, files: tuple[GradioFile, ...], task: Task) -> Result:
        job.started()
        job.progress(1.0, stage=FETCHING)
        artifacts: list[Artifact] = []
        server = {"endpoint": ENDPOINT, "server_version": self.version, "gradio": self.config.version}
        files_to = GradioSession(self.access, self.config)
        try:
            for file in files:
                job.message(f"Downloading {file.name}")
                artifacts.append(
                    files_to.download(file, job.output_dir, scope=job, name=make_local_name(task, file.name))
                )
        except BackendError as error:
            if artifacts:
                error.partial = make_result(job, task, artifacts, server)
            raise
        return make_result(job, task, artifacts, server)

    # Recovery

    def _make_searcher(self, job: JobContext, task: Task, cause: BackendError | None = None) -> Searcher:
        return Searcher(job, self.access, self.config, task, self._timings, self._usual_s, cause)

    def _find_again(
        self, job: JobContext, live: _Live, task: Task, searcher: Searcher, *, stream_lost: bool = True
    ) -> Result:
        """Wait for the job's file in the gallery of its session."""
        live.session.close()
        live.session = self._session(job.job_id)
        live.process = None
        try:
            files = searcher.wait(lambda: self._gallery(live.session, job))
        except JobLost:
            if stream_lost and searcher.ran:
                self._bring_progress_back(live.session, job)
            raise
        if stream_lost and searcher.ran:
            self._bring_progress_back(live.session, job)
        self._finish(live.session.run, job)
        return self._fetch_files(job, files, task)

    def _gallery(self, session: GradioSession, scope: Scope) -> list[object]:
        return session.run(self.chain.gallery, [None], scope=scope, timeout_s=self._timings.gallery_timeout_s)

    def _bring_progress_back(self, session: GradioSession, scope: Scope) -> None:
        """Free the status display of the server, which hangs for everybody after a stream was lost: processing the
        session's queue switches it off. Only once that queue is empty: else its task would be run again.
        """
        try:
            session.send(self.chain.process, [None], scope=scope)
        except BackendError:
            scope.check()

    # Cancelling

    def _abort(self, job: CancelContext, live: _Live) -> None:
        """Request the abort until the server confirms it; ``JobCancelled`` after the drain time."""
        session, followed = live.session, live.process is not None
        if live.process is not None:
            try:
                self._ask_to_abort(session, job)
                with suppress(GenerationError):
                    live.process.result(job)
            except (ConnectionLost, StreamInterrupted, ProtocolError):
                job.check()
                followed = False
        ran = not followed and is_working(self._gallery(session, job))
        if not followed:
            self._abort_apart(session, job)
        while is_working(self._gallery(session, job)):
            job.sleep(self._timings.poll_s)
        if ran:
            self._bring_progress_back(session, job)
        self._finish(session.call if followed else session.run, job)

    def _abort_apart(self, session: GradioSession, job: CancelContext) -> None:
        """Request the abort in both ways: no log shows that the first one worked, and a second request does no harm."""
        if self.chain.abort_task is not None:
            with suppress(GenerationError, ServerError, ValidationError):
                session.run(self.chain.abort_task, [None, job.job_id], scope=job)
        session.run(self.chain.abort, self._nothing_for(self.chain.abort), scope=job)

    def _nothing_for(self, function: int) -> list[object]:
        return [None] * len(self.config.dependency(function).inputs)

    def _ask_to_abort(self, session: GradioSession, job: CancelContext) -> None:
        confirmed = False
        if self.chain.abort_task is not None:
            with suppress(GenerationError, ServerError, ValidationError):
                confirmed = self._request_abort(session, self.chain.abort_task, [None, job.job_id], job)
        if not confirmed:
            self._request_abort(session, self.chain.abort, self._nothing_for(self.chain.abort), job)

    def _request_abort(self, session: GradioSession, function: int, data: list[object], scope: Scope) -> bool:
        """Return True if the server confirms the abort."""
        lines: list[Log] = []
        session.call(function, data, scope=scope, on_message=_collect_lines(lines))
        return any("abort" in each.text.lower() for each in lines)

    def _leave_open(self, session: GradioSession) -> None:
        """Keep the stream of a running job: dropping it would stop progress for every user of the server."""
        with self._lock:
            self._ending = [each for each in (*self._ending, session) if each.streaming]


def _collect_lines(lines: list[Log]) -> Callable[[Message], None]:
    """Return a callback that collects a call's log lines, up to a limit."""

    def keep(message: Message) -> None:
        if isinstance(message, Log) and len(lines) < _MAX_LINES:
            lines.append(message)

    return keep


def _get_reported(error: GenerationError) -> str:
    """Return the program's own error text."""
    return as_text(error.context.get("reported"))
