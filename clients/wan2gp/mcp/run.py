"""Door B: one job through WanGP's MCP server.

Facts: one job at a time, a second one is refused; job ids live in the process; ``gallery_items`` of a result is empty
on servers that were started without ``--output-dir``, then the gallery's list has the files; URLs for files serve once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from ...core.context import CancelContext, JobContext
from ...core.delivery import may_have_arrived
from ...core.errors import BackendError, NotFound
from ...core.json_fields import get_member, get_objects, get_texts
from ...core.model import Artifact, BackendCancel, Result
from ...core.scope import Scope
from ...files.storage_errors import check_writable
from ...http.download import download
from ...http.multipart import FileBody
from ...http.session import HTTPSession
from ..errors import generation_failed, job_lost, no_output, not_in_gallery, outcome_unknown, refused, unknown_model
from ..queue_file import media_name
from ..results import FETCHING, local_name, request_of, result_of, say_warnings
from ..task import Attachment, Task, make_task
from ..timings import Timings
from .events import EventTeller
from .protocol import ToolFailure
from .tools import MCPTools, malformed

ENDPOINT = "mcp"
_BUSY = "already has a generation in progress"
_UNKNOWN_JOB = "unknown wangp job"
_MAX_FETCHES = 3


class MCPEndpoint:
    """Runs jobs on one MCP server; thread-safe."""

    def __init__(self, http: HTTPSession, timings: Timings, tools: MCPTools) -> None:
        self._http = http
        self._timings = timings
        self._tools = tools

    def run(self, job: JobContext) -> Result:
        """Hand in the job's request and see it through."""
        request = request_of(job)
        task = make_task(request, job.job_id)
        check_writable(job.output_dir)
        say_warnings(job)
        if request.model and self._tools.has_model(request.model, job) is False:
            raise unknown_model(request)
        names = {each: self._upload(job, task, index, each) for index, each in enumerate(task.attachments)}
        job_id = self._hand_in(job, task.with_media(names), task)
        return self._see_through(job, job_id, task)

    def rejoin(self, job: JobContext) -> Result:
        """See a job through that may have been sent before; it is never sent again."""
        task = make_task(request_of(job), job.job_id, job.state.get("seed"))
        check_writable(job.output_dir)
        if job.backend_id:
            job.submitted(job.backend_id)
            return self._see_through(job, job.backend_id, task)
        items = self._items_by_stem(job, task)
        if items:
            return self._fetched(job, items, task)
        raise outcome_unknown("its answer was lost, and the gallery does not have the result.")

    def still_there(self, scope: Scope) -> bool:
        """Whether it has the tools that it had; WanGP may have been started anew, with the web page or other tools."""
        return self._tools.unchanged(scope)

    def can_detach(self) -> bool:
        """Always: nothing hangs on a connection."""
        return True

    def close(self, timeout_s: float) -> None:
        """Nothing is open between requests."""

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Ask for the job's end and wait until it is there."""
        if job.backend_id is None:
            return BackendCancel.FAILED if job.state.get("door") == ENDPOINT else BackendCancel.CONFIRMED
        try:
            snapshot = self._tools.cancel(job.backend_id, job)
            while not snapshot.get("done"):
                if not job.wait(self._timings.poll_s):
                    return BackendCancel.FAILED
                snapshot = self._tools.job(job.backend_id, job, 1)
        except ToolFailure as failure:
            if _UNKNOWN_JOB not in failure.message.lower():
                raise
        return BackendCancel.CONFIRMED

    # Sending

    def _upload(self, job: JobContext, task: Task, index: int, attachment: Attachment) -> str:
        """Have an input in the server's gallery; returns the id that settings take."""
        job.message(f"Uploading {attachment.path.name}")
        body = FileBody(attachment.path, lambda _sent, _total: job.check())
        place = self._tools.upload_url(media_name(task, index, attachment), job)
        with self._http.request("PUT", place.path, scope=job, body=body, headers=body.headers) as response:
            answer = self._http.json_of(response)
        found = get_member(answer, "media_id") or get_member(answer, "gallery_id")
        if not isinstance(found, str):
            raise malformed(self._tools.mcp, "no id for an upload")
        return found

    def _hand_in(self, job: JobContext, settings: Mapping[str, Any], task: Task) -> str:
        """Send the job, at most once, and return the id that the server gave it; a busy server is waited for."""
        job.message("Sending the settings")
        while True:
            job.sending(door=ENDPOINT, seed=task.seed)
            try:
                snapshot = self._tools.generate(settings, job)
            except ToolFailure as failure:
                job.not_sent(door=None)
                if _BUSY not in failure.message:
                    raise refused(failure.message, request_of(job)) from failure
            except BackendError as error:
                job.check()
                if not may_have_arrived(error):
                    raise
                raise outcome_unknown(error.message) from error
            else:
                job.message("")
                job.submitted(str(snapshot["job_id"]))
                return str(snapshot["job_id"])
            job.queued(0)
            job.message("WanGP is still working on another job; waiting for it")
            job.sleep(self._timings.busy_s)

    # Until its end

    def _see_through(self, job: JobContext, job_id: str, task: Task) -> Result:
        job.started()
        result = self._follow(job, job_id)
        if result is None:
            return self._after_restart(job, task)
        if result.get("success") is not True:
            raise self._error_of(job, result, task)
        items = self._items_of(job, result, task)
        if not items:
            made = ", ".join(_base_name(each) for each in get_texts(result.get("generated_files")))
            raise not_in_gallery(made) if made else no_output()
        return self._fetched(job, items, task)

    def _follow(self, job: JobContext, job_id: str) -> Mapping[str, Any] | None:
        """Ask until the job is done and return its result; None if the server does not know it (any more)."""
        teller = EventTeller(job)
        away_since: float | None = None
        while True:
            try:
                snapshot = self._tools.job(job_id, job)
            except ToolFailure as failure:
                if _UNKNOWN_JOB in failure.message.lower():
                    return None
                raise
            except BackendError as error:
                job.check()
                away_since = away_since or time.monotonic()
                if not error.retryable or time.monotonic() - away_since >= self._timings.outage_s:
                    raise
                job.message("The connection to WanGP is lost; trying again")
                job.sleep(self._timings.outage_poll_s)
                continue
            if away_since is not None:
                away_since = None
                job.reconnected()
                job.message("")
            teller.take(snapshot.get("events"))
            if snapshot.get("done"):
                result = snapshot.get("result")
                if not isinstance(result, Mapping):
                    raise malformed(self._tools.mcp, "a job without a result")
                return result
            job.sleep(self._timings.poll_s)

    def _after_restart(self, job: JobContext, task: Task) -> Result:
        items = self._items_by_stem(job, task)
        if items:
            return self._fetched(job, items, task)
        raise job_lost("The WanGP server was restarted and does not know the job any more.")

    def _error_of(self, job: JobContext, result: Mapping[str, Any], task: Task) -> BackendError:
        """Return why the run failed, with what it had made before."""
        first = next(iter(get_objects(result.get("errors"))), {})
        stage = "cancelled" if result.get("cancelled") is True else str(first.get("stage") or "")
        error = generation_failed(str(first.get("message") or ""), request_of(job), stage=stage)
        try:
            items = self._items_of(job, result, task)
            error.partial = self._fetched(job, items, task) if items else None
        except BackendError as cut:
            job.check()
            error.partial = cut.partial
        return error

    # Files

    def _items_of(self, job: JobContext, result: Mapping[str, Any], task: Task) -> list[Mapping[str, Any]]:
        """Return the gallery's items of a result: those it names, else those with the base names of its files."""
        items = _items(result.get("gallery_items"))
        names = {_base_name(each) for each in get_texts(result.get("generated_files"))}
        if items or not names:
            return items
        return [each for each in _items(self._tools.gallery(job)) if _base_name(str(each.get("path"))) in names]

    def _items_by_stem(self, job: JobContext, task: Task) -> list[Mapping[str, Any]]:
        """Look for the task's files in the gallery, whose names begin with its stem."""
        items = _items(self._tools.gallery(job))
        return [each for each in items if _base_name(str(each.get("path"))).startswith(task.stem)]

    def _fetched(self, job: JobContext, items: list[Mapping[str, Any]], task: Task) -> Result:
        job.progress(1.0, stage=FETCHING)
        artifacts: list[Artifact] = []
        server = {"door": ENDPOINT, "tools": self._tools.generation}
        try:
            artifacts.extend(self._fetch(job, item, task) for item in items)
        except BackendError as error:
            if artifacts:
                error.partial = result_of(job, task, artifacts, server)
            raise
        return result_of(job, task, artifacts, server)

    def _fetch(self, job: JobContext, item: Mapping[str, Any], task: Task) -> Artifact:
        source = str(item.get("path") or "")
        fetches = 0
        while True:
            fetches += 1
            place = self._tools.download_url(_media_id(item), job)
            name = _base_name(place.filename or source)
            job.message(f"Downloading {name}")
            try:
                return download(
                    self._http, place.path, job.output_dir, local_name(task, name), scope=job, source=source
                )
            except NotFound:  # the URL serves once, also if the connection broke
                if fetches == _MAX_FETCHES:
                    raise


def _media_id(item: Mapping[str, Any]) -> str:
    return str(item.get("media_id") or item.get("gallery_id"))


def _items(value: Any) -> list[Mapping[str, Any]]:
    """Return the gallery items that have an id."""
    return [each for each in get_objects(value) if isinstance(each.get("media_id") or each.get("gallery_id"), str)]


def _base_name(path: str) -> str:
    return PurePosixPath(PureWindowsPath(path).as_posix()).name
