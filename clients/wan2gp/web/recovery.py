"""Looking for the file of a job whose stream was lost: in its session's gallery, and in WanGP's output folder.

Facts: a session's gallery and flags stay on the server, until it is restarted. What the gallery functions return shows
the running task while there is one. WanGP hands out ``outputs/NAME`` too while that folder is an allowed one.
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
from ..gallery import gallery_files, is_working, task_files
from ..progress import USUAL_S, Estimate
from ..task import Task
from ..timings import Timings

OUTPUTS = "outputs"
_SUFFIXES = (".mp4", ".mkv", ".png", ".jpg", ".webp", ".wav", ".mp3", ".flac")
_LOOKING = "The connection broke. WanGP may still be working; looking for the result"


def session_hash_of(job_id: str) -> str:
    """Return the name of the job's session on the server."""
    return f"movie-director-{job_id}"


class Searcher:
    """Looks for one job's files; used by one worker thread. ``cause`` is how the job's stream was lost."""

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
        """Return the job's files when they are there; ``JobLost`` if the server neither has them nor works on them."""
        until = time.monotonic() + self._timings.lost_s
        self._job.message(_LOOKING)
        self._job.sleep(self._timings.gallery_first_s)
        while time.monotonic() < until:
            files = self._look(ask_gallery)
            if files:
                return files
            self._job.sleep(self._timings.gallery_s)
        raise self._lost("WanGP has not finished the job whose connection was lost.")

    def saved(self) -> GradioFile | None:
        """Return the job's file in the output folder, if it is there and does not grow any more."""
        size = None
        for suffix in _SUFFIXES:
            name = self._task.stem + suffix
            size = self._size_of(name)
            if size is None:
                continue
            self._job.sleep(self._timings.gallery_first_s)
            if self._size_of(name) == size:
                return GradioFile(f"{OUTPUTS}/{name}", name)
        return None

    def _size_of(self, name: str) -> str | None:
        path = self._config.path(f"/file={quote(f'{OUTPUTS}/{name}')}")
        with self._access.request("HEAD", path, scope=self._job, expect=(403, 404, 405)) as response:
            return response.headers.get("Content-Length", "") if response.status == 200 else None

    def _look(self, ask_gallery: Callable[[], Any]) -> tuple[GradioFile, ...]:
        try:
            outputs = ask_gallery()
        except GenerationError:
            return self._without_session()
        except BackendError as error:
            self._bear(error)
            return ()
        self._back()
        working = is_working(outputs)
        files = task_files(gallery_files(outputs), self._task.stem, own_session=True)
        self.ran = self.ran or working or bool(files)
        if files and not working:
            return files
        if working:
            self._idle_looks = 0
            self._job.started()
            self._job.progress(round(self._estimate.fraction(), 2), estimated=True, stage="Generating")
            return ()
        return self._without_work()

    def _without_work(self) -> tuple[GradioFile, ...]:
        """The session is idle and has nothing: it failed, or it is a new one since the server was restarted."""
        self._idle_looks += 1
        if self._idle_looks < 2:
            return ()
        return self._saved_or_lost("WanGP does not work on the job any more, and has no file of it.")

    def _without_session(self) -> tuple[GradioFile, ...]:
        return self._saved_or_lost("The WanGP server was restarted and does not know the job any more.")

    def _saved_or_lost(self, words: str) -> tuple[GradioFile, ...]:
        try:
            found = self.saved()
        except BackendError as error:
            self._bear(error)
            return ()
        if found is None:
            raise self._lost(words)
        return (found,)

    def _lost(self, words: str) -> BackendError:
        error = job_lost(f"{words} Before that: {self._cause.message}" if self._cause is not None else words)
        error.__cause__ = self._cause
        return error

    def _back(self) -> None:
        if self._away_since is not None or not self._connected:
            self._job.reconnected()
        self._away_since = None
        self._connected = True

    def _bear(self, error: BackendError) -> None:
        """Go on while the server is away, unless it is away for too long or says something that stays true."""
        self._job.check()
        now = time.monotonic()
        self._away_since = self._away_since or now
        passing = error.retryable or isinstance(error, StreamInterrupted)
        if not passing or now - self._away_since >= self._timings.outage_s:
            raise error
