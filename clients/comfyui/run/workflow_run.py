"""Runs one job from request to result: prepare, submit, monitor, publish."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, cast

from ...core.context import CancelContext, JobContext
from ...core.delivery import outcome_unknown
from ...core.errors import MissingResource, ValidationError
from ...core.model import BackendCancel, Result
from ...files.storage_errors import check_writable
from ...http.session import HTTPSession
from ..execution_errors import job_lost
from ..request import WorkflowRequest
from ..server.api import ComfyAPI
from ..server.event_socket import EventSocket, Socket
from ..server.job_lookup import JobLookup, LookupResult, ServerJobState
from ..server.object_info import DefinitionStore
from ..server.server_info import version_text
from ..server.timings import Timings
from ..validation_errors import BACKEND
from ..workflow.loading import Prompt, load_workflow
from ..workflow.template import WorkflowTemplate
from .cancel import Canceller
from .downloads import Fetcher
from .left_out import LeftOut, find_left_out, left_out_from
from .monitor import RunMonitor
from .planning import find_models
from .prepare import PreparedPrompt, Preparer
from .submission import Submission
from .uploads import Uploads
from .websocket_outputs import SocketImages

FOLDER_GOOD_S = 5.0
"""Seconds to cache a successful write check of the output folder (each check costs 0.5 ms)."""


class WorkflowRunner:
    """Runs the jobs of one client; thread-safe. ``extra_data`` is sent with each prompt."""

    def __init__(
        self, http: HTTPSession, open_socket: Callable[[str], Socket], timings: Timings, extra_data: Mapping[str, str]
    ) -> None:
        self.api = ComfyAPI(http)
        self.connection = EventSocket(open_socket, timings, self._forget_server)
        self._http = http
        self._timings = timings
        self._extra_data = extra_data
        self._folder_good_until = -math.inf
        self._lookup = JobLookup(self.api)
        self._uploads = Uploads(self.api)
        self._definitions = DefinitionStore(self.api)
        self._preparer = Preparer(self.api, self._definitions)
        self._lock = threading.Lock()
        self._version = ""
        self._version_sure = False

    def run(self, job: JobContext) -> Result:
        """Submit the job's request, monitor its run and fetch the result."""
        prepared = self._prepare(job)
        monitor = self._monitor(job, prepared.prompt)
        with self.connection.subscribed(job.job_id, job.post), monitor.pictures:
            prompt_id, left_out = self._submit(prepared, job, monitor)
            found = monitor.follow(prompt_id)
            result = self._publish(job, monitor, found, prepared.prompt, prepared.plan.seed)
        return left_out.judge(result)

    def rejoin(self, job: JobContext) -> Result:
        """Monitor a job that may have been sent before; raises ``JobLost`` if the server does not know it."""
        self._check_output_folder(job)
        self._learn_version(job)
        found = self._find_again(job)
        job.submitted(found.prompt_id, prompt_id=found.prompt_id)
        prompt = cast(Prompt, found.prompt or {})
        seed = cast("int | None", job.state.get("seed"))
        left_out = left_out_from(job.state)
        if found.place.ended:
            fetcher = Fetcher(self._http, job, SocketImages(prompt, job.output_dir))
            return left_out.judge(fetcher.conclude(found, prompt, self._metadata(job, prompt, seed)))
        monitor = self._monitor(job, prompt, found.targets)
        with ExitStack() as stack:
            stack.enter_context(monitor.pictures)
            if self.connection.start(str(job.state.get("client_id", ""))):
                stack.enter_context(self.connection.subscribed(found.prompt_id, job.post))
                monitor.wait_for_socket()
            return left_out.judge(self._publish(job, monitor, monitor.follow(found.prompt_id), prompt, seed))

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Cancel the job on the server and wait until it is gone."""
        return Canceller(self.api, self._lookup, self._timings, job).run()

    def template(self, source: Any, parameters: Mapping[str, str] | None) -> WorkflowTemplate:
        """Return a workflow as a form, with the server's current definitions of its parameters."""
        if not self.connection.live:
            self._forget_server()  # a restart would have gone unnoticed
        with self._http.cleaned():
            converted = self._preparer.convert(load_workflow(source))
            known = self._definitions.of(str(node["class_type"]) for node in converted.prompt.values())
            return WorkflowTemplate.of(converted.prompt, known, parameters, converted.widgets)

    # Before it is sent

    def _check_output_folder(self, job: JobContext) -> None:
        """Check that the output folder is writable, unless that was checked a moment ago."""
        now = time.monotonic()
        if now >= self._folder_good_until:
            check_writable(job.output_dir)
            self._folder_good_until = now + FOLDER_GOOD_S

    def _learn_version(self, job: JobContext) -> None:
        """Identify the server once; one that is not ComfyUI is found before anything is sent to it."""
        if not self._version_sure:
            version = version_text(self.api.system_stats(job))
            with self._lock:
                self._version, self._version_sure = version, True

    def _forget_server(self) -> None:
        """Drop all cached knowledge of the server: it may have been restarted as another version."""
        self._definitions.forget()
        with self._lock:
            self._version_sure = False

    def _prepare(self, job: JobContext) -> PreparedPrompt:
        request = cast(WorkflowRequest, job.request)
        # missing inputs are reported before the workflow's own problems
        workflow = load_workflow(request.workflow, check_links=not request.slots)
        self._check_output_folder(job)
        self._learn_version(job)
        return self._preparer.prepare(workflow, job)

    # Sending

    def _submit(self, prepared: PreparedPrompt, job: JobContext, monitor: RunMonitor) -> tuple[str, LeftOut]:
        """Upload the files, wait for the websocket and send the prompt; return its id and the rejected outputs."""
        self.connection.start()
        prepared.upload_files(self._uploads, job)
        monitor.wait_for_socket()
        client_id = self.connection.client_id
        job.message("Sending the workflow")
        job.sending(prompt_id=job.job_id, client_id=client_id, seed=prepared.plan.seed)
        submission = Submission(self._lookup, self._timings, job, self._extra_data)
        with self.connection.posting():
            try:
                accepted = submission.send(prepared.prompt, client_id)
            except (ValidationError, MissingResource):
                self._uploads.forget(prepared.uploaded_names())
                raise
            if accepted.prompt_id != job.job_id:
                self.connection.subscribe(accepted.prompt_id, job.post)
        left_out = find_left_out(accepted.node_errors, prepared)
        job.message("")
        job.submitted(accepted.prompt_id, prompt_id=accepted.prompt_id, **left_out.to_state())
        for text in left_out.texts:
            job.log(f"Skipped by the server: {text}")
        outputs = prepared.outputs_to_run(accepted.node_errors)
        if outputs is not None:
            monitor.expect(outputs)
        return accepted.prompt_id, left_out

    # Monitoring

    def _monitor(self, job: JobContext, prompt: Prompt, targets: list[str] | None = None) -> RunMonitor:
        return RunMonitor(job, self._lookup, self.connection, self._timings, self._http.redact, prompt, targets)

    def _publish(
        self, job: JobContext, monitor: RunMonitor, found: LookupResult, prompt: Prompt, seed: int | None
    ) -> Result:
        """Fetch the run's outputs; raises the run's error."""
        monitor.collect()
        fetcher = Fetcher(self._http, job, monitor.pictures)
        try:
            return fetcher.conclude(found, prompt, self._metadata(job, prompt, seed))
        finally:
            monitor.finish()

    def _find_again(self, job: JobContext) -> LookupResult:
        accepted = job.backend_id
        prompt_id = accepted or str(job.state.get("prompt_id", job.job_id))
        found = LookupResult(ServerJobState.ABSENT)
        for look in range(2):
            if look:
                job.sleep(self._timings.recheck_missing_s)
            found = self._lookup.locate(prompt_id, job, job_id="" if accepted else job.job_id)
            if found.place is not ServerJobState.ABSENT:
                return found
        if accepted:
            raise job_lost("The ComfyUI server no longer knows the job: it was restarted, or its history was cleared.")
        raise outcome_unknown(
            "The ComfyUI server does not know the job; it is unknown whether it ever received it.",
            "Check the server's output folder before you send it again.",
        )

    def _metadata(self, job: JobContext, prompt: Prompt, seed: int | None) -> dict[str, Any]:
        """Return the metadata to make the result again."""
        request = cast(WorkflowRequest, job.request)
        fields = request.to_dict()
        return {
            "backend": BACKEND,
            "prompt_id": job.backend_id,
            "server_version": self._version,
            "seed": seed,
            "inputs": fields["inputs"],
            "files": fields["files"],
            "slots": fields["slots"],
            "models": find_models(prompt),
            "prompt": prompt,
            "request_metadata": fields["metadata"],
        }
