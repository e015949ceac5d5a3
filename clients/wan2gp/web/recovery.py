"""Finds the file of a job with a lost stream: in its session's gallery, and in WanGP's output folder.

Facts: a session's gallery and flags stay on the server until it is restarted. The gallery functions show the running
task while there is one. WanGP also serves ``outputs/NAME`` while that folder is an allowed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ...core.context import JobContext
from ...core.errors import BackendError, GenerationError, StreamInterrupted
from ...gradio.component_values import GradioFile
from ...gradio.config import GradioConfig
from ...gradio.http import GradioHTTP
from ..errors import job_lost
from ..gallery import find_task_files, is_working, list_gallery_files
from ..progress import USUAL_S, Estimate
from ..task import Task
from ..timings import Timings

OUTPUTS = "outputs"
_SUFFIXES = (".mp4", ".mkv", ".png", ".jpg", ".webp", ".wav", ".mp3", ".flac")
_LOOKING = "The connection broke. WanGP may still be working; looking for the result"


def make_session_hash(job_id: str) -> str:
    """Return the session hash of the job."""
    return f"movie-director-{job_id}"


class Searcher:
    """Finds one job's files; used by one worker thread. ``cause`` is the error that ended the stream."""

    def __init__(
        self,
        job: JobContext,
        access: GradioHTTP,
        config: GradioConfig,
        task: Task,
        timings: Timings,
        usual_s: float | None,
        cause: BackendError | None = None,
    ) -> None:
        self._job = job
        self._access = access
        self._config = config
        self._task = task
        self._timings = timings
        self._cause = cause
        self._estimate = Estimate(usual_s or USUAL_S)
        self._away_since: float | None = None
        self._idle_looks = 0
        self._connected = False
        self.ran = False
        """True once the server was seen to work on the job, or to have its file: an idle session has an empty queue."""

    def wait(self, ask_gallery: Callable[[], Any]) -> tuple[GradioFile, ...]:
        """Return the job's files when they exist; ``JobLost`` if the server neither has them nor works on them."""
        until = time.monotonic() + self._timings.lost_s
        self._job.message(_LOOKING)
        self._job.sleep(self._timings.gallery_first_s)
        while time.monotonic() < until:
            files = self._look(ask_gallery)
            if files:
                return files
            self._job.sleep(self._timings.gallery_s)
        raise self._make_lost_error("WanGP has not finished the job whose connection was lost.")

    def saved(self) -> GradioFile | None:
        """Return the job's file in the output folder, if it exists and no longer grows."""
        size = None
        for suffix in _SUFFIXES:
            name = self._task.stem + suffix
            size = self._fetch_size(name)
            if size is None:
                continue
            self._job.sleep(self._timings.gallery_first_s)
            if self._fetch_size(name) == size:
                return GradioFile(f"{OUTPUTS}/{name}", name)
        return None

    def _fetch_size(self, name: str) -> str | None:
        path = self._config.path(f"/file={quote(f'{OUTPUTS}/{name}')}")
        with self._access.request("HEAD", path, scope=self._job, expect=(403, 404, 405)) as response:
            return response.headers.get("Content-Length", "") if response.status == 200 else None

    def _look(self, ask_gallery: Callable[[], Any]) -> tuple[GradioFile, ...]:
        try:
            outputs = ask_gallery()
        except GenerationError:
            return self._handle_lost_session()
        except BackendError as error:
            self._tolerate_outage(error)
            return ()
        self._mark_reachable()
        working = is_working(outputs)
        files = find_task_files(list_gallery_files(outputs), self._task.stem, own_session=True)
        self.ran = self.ran or working or bool(files)
        if files and not working:
            return files
        if working:
            self._idle_looks = 0
            self._job.started()
            self._job.progress(round(self._estimate.fraction(), 2), estimated=True, stage="Generating")
            return ()
        return self._handle_idle()

    def _handle_idle(self) -> tuple[GradioFile, ...]:
        """Handle an idle session without files: the job failed, or the server was restarted."""
        self._idle_looks += 1
        if self._idle_looks < 2:
            return ()
        return self._find_saved_or_raise("WanGP no longer works on the job, and has no file of it.")

    def _handle_lost_session(self) -> tuple[GradioFile, ...]:
        return self._find_saved_or_raise("The WanGP server was restarted and no longer knows the job.")

    def _find_saved_or_raise(self, reason: str) -> tuple[GradioFile, ...]:
        try:
            found = self.saved()
        except BackendError as error:
            self._tolerate_outage(error)
            return ()
        if found is None:
            raise self._make_lost_error(reason)
        return (found,)

    def _make_lost_error(self, reason: str) -> BackendError:
        error = job_lost(f"{reason} Before that: {self._cause.message}" if self._cause is not None else reason)
        error.__cause__ = self._cause
        return error

    def _mark_reachable(self) -> None:
        if self._away_since is not None or not self._connected:
            self._job.reconnected()
        self._away_since = None
        self._connected = True

    def _tolerate_outage(self, error: BackendError) -> None:
        """Keep polling through an outage; raise once it lasts too long or the error is not retryable."""
        self._job.check()
        now = time.monotonic()
        self._away_since = self._away_since or now
        passing = error.retryable or isinstance(error, StreamInterrupted)
        if not passing or now - self._away_since >= self._timings.outage_s:
            raise error
