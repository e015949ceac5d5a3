"""Runs a job through WanGP's MCP server.

Facts: one job at a time, a second one is rejected; job ids live in the process; ``gallery_items`` of a result is empty
on servers that were started without ``--output-dir``, then the gallery's list has the files; URLs of files work once.
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
from ..errors import generation_failed, job_lost, no_output, not_in_gallery, refused, unknown_model, unknown_outcome
from ..queue_file import make_media_name
from ..results import FETCHING, get_request, log_warnings, make_local_name, make_result
from ..task import Attachment, Task, make_task
from ..timings import Timings
from .events import EventReporter
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
        """Submit the request and wait for its result."""
        request = get_request(job)
        task = make_task(request, job.job_id)
        check_writable(job.output_dir)
        log_warnings(job)
        if request.model and self._tools.has_model(request.model, job) is False:
            raise unknown_model(request)
        names = {each: self._upload(job, task, index, each) for index, each in enumerate(task.attachments)}
        job_id = self._submit(job, task.with_media(names), task)
        return self._wait_until_done(job, job_id, task)

    def rejoin(self, job: JobContext) -> Result:
        """Wait for the result of a job that may have been sent before; it is never sent again."""
        task = make_task(get_request(job), job.job_id, job.state.get("seed"))
        check_writable(job.output_dir)
        if job.backend_id:
            job.submitted(job.backend_id)
            return self._wait_until_done(job, job.backend_id, task)
        items = self._find_items_by_stem(job, task)
        if items:
            return self._fetch_files(job, items, task)
        raise unknown_outcome("its response was lost, and the gallery does not have the result.")

    def still_there(self, scope: Scope) -> bool:
        """Return True if the MCP tool list is unchanged; a restarted WanGP may offer other tools, or only the web
        page.
        """
        return self._tools.unchanged(scope)

    def can_detach(self) -> bool:
        """Return True: MCP jobs do not depend on an open connection."""
        return True

    def close(self, timeout_s: float) -> None:
        """Do nothing: no connection is open between requests."""

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Cancel the job and wait for its end."""
        if job.backend_id is None:
            # Older records have "door" for "endpoint".
            was_sent = ENDPOINT in (job.state.get("endpoint"), job.state.get("door"))
            return BackendCancel.FAILED if was_sent else BackendCancel.CONFIRMED
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
        """Upload an input to the server's gallery; return its id for the settings."""
        job.message(f"Uploading {attachment.path.name}")
        body = FileBody(attachment.path, lambda _sent, _total: job.check())
        place = self._tools.upload_url(make_media_name(task, index, attachment), job)
        with self._http.request("PUT", place.path, scope=job, body=body, headers=body.headers) as response:
            answer = self._http.json_of(response)
        found = get_member(answer, "media_id") or get_member(answer, "gallery_id")
        if not isinstance(found, str):
            raise malformed(self._tools.mcp, "no id for an upload")
        return found

    def _submit(self, job: JobContext, settings: Mapping[str, Any], task: Task) -> str:
        """Send the job, at most once, and return its id; wait while the server is busy."""
        job.message("Sending the settings")
        while True:
            job.sending(endpoint=ENDPOINT, seed=task.seed)
            try:
                snapshot = self._tools.generate(settings, job)
            except ToolFailure as failure:
                job.not_sent(endpoint=None)
                if _BUSY not in failure.message:
                    raise refused(failure.message, get_request(job)) from failure
            except BackendError as error:
                job.check()
                if not may_have_arrived(error):
                    raise
                raise unknown_outcome(error.message) from error
            else:
                job.message("")
                job.submitted(str(snapshot["job_id"]))
                return str(snapshot["job_id"])
            job.queued(0)
            job.message("WanGP is still working on another job; waiting for it")
            job.sleep(self._timings.busy_s)

    # Polling

    def _wait_until_done(self, job: JobContext, job_id: str, task: Task) -> Result:
        job.started()
        result = self._follow(job, job_id)
        if result is None:
            return self._after_restart(job, task)
        if result.get("success") is not True:
            raise self._make_run_error(job, result, task)
        items = self._find_items(job, result, task)
        if not items:
            made = ", ".join(_get_base_name(each) for each in get_texts(result.get("generated_files")))
            raise not_in_gallery(made) if made else no_output()
        return self._fetch_files(job, items, task)

    def _follow(self, job: JobContext, job_id: str) -> Mapping[str, Any] | None:
        """Poll until the job is done and return its result; None if the server does not know it (any more)."""
        teller = EventReporter(job)
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
        items = self._find_items_by_stem(job, task)
        if items:
            return self._fetch_files(job, items, task)
        raise job_lost("The WanGP server was restarted and no longer knows the job.")

    def _make_run_error(self, job: JobContext, result: Mapping[str, Any], task: Task) -> BackendError:
        """Return the error of a failed run, with its partial results."""
        first = next(iter(get_objects(result.get("errors"))), {})
        stage = "cancelled" if result.get("cancelled") is True else str(first.get("stage") or "")
        error = generation_failed(str(first.get("message") or ""), get_request(job), stage=stage)
        try:
            items = self._find_items(job, result, task)
            error.partial = self._fetch_files(job, items, task) if items else None
        except BackendError as cut:
            job.check()
            error.partial = cut.partial
        return error

    # Files

    def _find_items(self, job: JobContext, result: Mapping[str, Any], task: Task) -> list[Mapping[str, Any]]:
        """Return the gallery items of a result: those it names, else those with its files' base names."""
        items = _list_items(result.get("gallery_items"))
        names = {_get_base_name(each) for each in get_texts(result.get("generated_files"))}
        if items or not names:
            return items
        return [
            each for each in _list_items(self._tools.gallery(job)) if _get_base_name(str(each.get("path"))) in names
        ]

    def _find_items_by_stem(self, job: JobContext, task: Task) -> list[Mapping[str, Any]]:
        """Return the gallery items whose names begin with the task's stem."""
        items = _list_items(self._tools.gallery(job))
        return [each for each in items if _get_base_name(str(each.get("path"))).startswith(task.stem)]

    def _fetch_files(self, job: JobContext, items: list[Mapping[str, Any]], task: Task) -> Result:
        job.progress(1.0, stage=FETCHING)
        artifacts: list[Artifact] = []
        server = {"endpoint": ENDPOINT, "tools": self._tools.generation}
        try:
            artifacts.extend(self._fetch(job, item, task) for item in items)
        except BackendError as error:
            if artifacts:
                error.partial = make_result(job, task, artifacts, server)
            raise
        return make_result(job, task, artifacts, server)

    def _fetch(self, job: JobContext, item: Mapping[str, Any], task: Task) -> Artifact:
        source = str(item.get("path") or "")
        fetches = 0
        while True:
            fetches += 1
            place = self._tools.download_url(_media_id(item), job)
            name = _get_base_name(place.filename or source)
            job.message(f"Downloading {name}")
            try:
                return download(
                    self._http, place.path, job.output_dir, make_local_name(task, name), scope=job, source=source
                )
            except NotFound:  # the URL works once, even if the connection broke
                if fetches == _MAX_FETCHES:
                    raise


def _media_id(item: Mapping[str, Any]) -> str:
    return str(item.get("media_id") or item.get("gallery_id"))


def _list_items(value: Any) -> list[Mapping[str, Any]]:
    """Return the gallery items that have an id."""
    return [each for each in get_objects(value) if isinstance(each.get("media_id") or each.get("gallery_id"), str)]


def _get_base_name(path: str) -> str:
    return PurePosixPath(PureWindowsPath(path).as_posix()).name
