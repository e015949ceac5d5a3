"""One job from its request to its result: the parts put together. What the client's hooks do, on its worker threads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

from ...core.context import CancelContext, JobContext
from ...core.errors import APIError, BackendError, JobLost, MissingResource, ProtocolError, ValidationError
from ...core.model import BackendCancel, Result
from ...files.storage_errors import check_writable
from ...http.session import HTTPSession, Scope
from ..execution_errors import job_lost
from ..request import WorkflowRequest
from ..secrecy import Redact
from ..server.api import ComfyAPI
from ..server.event_socket import EventSocket, Socket
from ..server.job_lookup import JobLookup, LookupResult, ServerJobState
from ..server.object_info import DefinitionStore
from ..server.server_info import version_text
from ..server.timings import Timings
from ..validation_errors import BACKEND, MISSING_MODEL, node_problems, refusal_for, rejected
from ..workflow.addressing import Target, set_input
from ..workflow.bundled_workflows import CHECKPOINT_INPUT, CHECKPOINT_LOADER, is_bundled
from ..workflow.combo_choices import choices_of
from ..workflow.loading import Prompt, invalid_workflow, is_ui_format, load_workflow
from ..workflow.prompt_checks import Definition, Definitions, outputs_to_run, problems_of, refused_whole
from ..workflow.template import WorkflowTemplate
from .cancel import Canceller
from .downloads import Fetcher
from .monitor import RunMonitor
from .planning import Plan, make_plan, models_in
from .submission import Accepted, Submission
from .uploads import Uploads
from .websocket_outputs import SocketImages

FOLDER_GOOD_S = 5.0
"""How long an output folder that could be written to counts as such: a look costs half a millisecond."""


class WorkflowRunner:
    """Runs the jobs of one client; thread-safe. ``extra_data`` goes with each prompt."""

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
        self._lock = threading.Lock()
        self._version = ""
        self._version_sure = False

    def run(self, job: JobContext) -> Result:
        """Submit the job's request and see it through."""
        with _redacted(self._http.redact):
            return self._run(job)

    def rejoin(self, job: JobContext) -> Result:
        """See a job through that may have been sent before; ``JobLost`` if the server does not know it."""
        with _redacted(self._http.redact):
            return self._rejoin(job)

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Tell the server and wait until the job is gone from it."""
        return Canceller(self.api, self._lookup, self._timings, job).run()

    def _run(self, job: JobContext) -> Result:
        request = cast(WorkflowRequest, job.request)
        workflow = load_workflow(request.workflow)
        self._check_output_folder(job)
        self._learn_version(job)
        prompt = self._prompt_of(workflow, job)
        known = self._classes_of(prompt, job)
        plan = make_plan(request, prompt, known or {})
        if is_bundled(request.workflow):
            self._fit_checkpoint(plan, job)
        if known is not None:
            self._check(plan.prompt, dict(known), job)
        for warning in plan.warnings:
            job.log(warning)
        follower = self._follower(job, plan.prompt)
        with self.connection.subscribed(job.job_id, job.post):
            self.connection.start()
            self._upload_files(plan, job)
            follower.wait_for_socket()
            accepted = self._submit(plan, job)
            outputs = outputs_to_run(plan.prompt, known, accepted.node_errors)
            if outputs is not None:
                follower.expect(outputs)
            result = self._see_through(job, follower, accepted.prompt_id, plan.prompt, plan.seed)
        return _with_problems(result, accepted, plan.prompt)

    def _rejoin(self, job: JobContext) -> Result:
        self._check_output_folder(job)
        self._learn_version(job)
        found = self._find_again(job)
        job.submitted(found.prompt_id, prompt_id=found.prompt_id)
        prompt = cast(Prompt, found.prompt or {})
        seed = cast("int | None", job.state.get("seed"))
        if found.place.ended:
            fetcher = Fetcher(self._http, job, SocketImages(prompt, job.output_dir))
            return fetcher.conclude(found, prompt, self._metadata(job, found.prompt_id, prompt, seed))
        listens = self.connection.start(str(job.state.get("client_id", "")))
        follower = self._follower(job, prompt, found.targets)
        if not listens:
            return self._see_through(job, follower, found.prompt_id, prompt, seed)
        with self.connection.subscribed(found.prompt_id, job.post):
            follower.wait_for_socket()
            return self._see_through(job, follower, found.prompt_id, prompt, seed)

    def template(self, source: Any, parameters: Mapping[str, str] | None) -> WorkflowTemplate:
        """Return a workflow as a form, its parameters as the server defines them now."""
        if not self.connection.live:
            self._forget_server()  # nothing would have told that it was restarted
        with _redacted(self._http.redact):
            prompt = self._prompt_of(load_workflow(source))
            known = self._definitions.of(str(node["class_type"]) for node in prompt.values())
            return WorkflowTemplate.of(prompt, known, parameters)

    # Before it is sent

    def _check_output_folder(self, job: JobContext) -> None:
        """Find out whether files can be made in the output folder, unless that was seen a moment ago."""
        now = time.monotonic()
        if now >= self._folder_good_until:
            check_writable(job.output_dir)
            self._folder_good_until = now + FOLDER_GOOD_S

    def _learn_version(self, job: JobContext) -> None:
        """Ask once who the server is; one that is no ComfyUI is found out before anything is sent to it."""
        if not self._version_sure:
            version = version_text(self.api.system_stats(job))
            with self._lock:
                self._version, self._version_sure = version, True

    def _forget_server(self) -> None:
        """Have what is known of the server asked for again: it may have been restarted as another version."""
        self._definitions.forget()
        with self._lock:
            self._version_sure = False

    def _prompt_of(self, workflow: dict[str, Any], scope: Scope | None = None) -> Prompt:
        """Return the prompt of a workflow: what the editor saved is converted by the server's definitions."""
        if not is_ui_format(workflow):
            return workflow
        from ..workflow.conversion import node_classes, ui_to_api

        known = self._definitions.of(node_classes(workflow), scope)
        try:
            prompt = ui_to_api(workflow, known)
        except MissingResource as error:
            raise self._definitions.missing([each["name"] for each in error.context["missing"]], scope) from error
        if not prompt:
            raise invalid_workflow("The workflow has no node that does anything.", [])
        return prompt

    def _fit_checkpoint(self, plan: Plan, job: JobContext) -> None:
        """Give a workflow of the extension's own a checkpoint that the server has."""
        for node_id, node in plan.prompt.items():
            named = node["inputs"].get(CHECKPOINT_INPUT)
            target = Target(node_id, CHECKPOINT_INPUT)
            if node["class_type"] != CHECKPOINT_LOADER or target in plan.given:
                continue
            known = choices_of(
                {CHECKPOINT_LOADER: self._definitions.renew(CHECKPOINT_LOADER, job)},
                CHECKPOINT_LOADER,
                CHECKPOINT_INPUT,
            )
            if not known:
                raise _no_checkpoint(str(named))
            if named not in known:
                set_input(plan.prompt, target, known[0])
                job.log(f"The server does not have the checkpoint {named}; {known[0]} is used.")

    def _classes_of(self, prompt: Prompt, job: JobContext) -> Definitions | None:
        """Return the definitions of a prompt's node classes, those that the server has; None if it tells none."""
        try:
            return self._definitions.of((str(node["class_type"]) for node in prompt.values()), job)
        except (APIError, ProtocolError):
            job.check()
            return None

    def _check(self, prompt: Prompt, known: dict[str, Definition], job: JobContext) -> None:
        """Find out what the server would refuse, before files are uploaded; it judges alone if it tells no classes."""
        missing = [name for node in prompt.values() if (name := str(node["class_type"])) not in known]
        try:
            if missing and not self.api.replaceable_nodes(job).issuperset(missing):
                raise self._definitions.missing(missing, job)
            if missing:
                return
            problems = problems_of(prompt, known)
            if not problems:
                return
            for name in {str(prompt[node_id]["class_type"]) for node_id in problems}:
                known[name] = self._definitions.renew(name, job) or {}
        except (APIError, ProtocolError):
            job.check()
            return
        problems = problems_of(prompt, known)
        if problems and refused_whole(prompt, known, problems):
            raise refusal_for([problem for each in problems.values() for problem in each])

    def _upload_files(self, plan: Plan, job: JobContext) -> None:
        for target, path in plan.files.items():
            set_input(plan.prompt, target, self._uploads.upload(job, path))

    # Sending

    def _submit(self, plan: Plan, job: JobContext) -> Accepted:
        client_id = self.connection.client_id
        job.message("Sending the workflow")
        job.sending(prompt_id=job.job_id, client_id=client_id, seed=plan.seed)
        with self.connection.posting():
            try:
                accepted = Submission(self.api, self._lookup, self._timings, job, self._extra_data).send(
                    plan.prompt, client_id
                )
            except (ValidationError, MissingResource):
                self._uploads.forget(_uploaded_values(plan))
                raise
            if accepted.prompt_id != job.job_id:
                self.connection.subscribe(accepted.prompt_id, job.post)
        job.message("")
        job.submitted(accepted.prompt_id, prompt_id=accepted.prompt_id)
        for problem in node_problems(accepted.node_errors, plan.prompt):
            job.log(f"Left out by the server: {problem.text}")
        return accepted

    # Until its end

    def _follower(self, job: JobContext, prompt: Prompt, targets: list[str] | None = None) -> RunMonitor:
        return RunMonitor(job, self._lookup, self.connection, self._timings, self._http.redact, prompt, targets)

    def _see_through(
        self, job: JobContext, follower: RunMonitor, prompt_id: str, prompt: Prompt, seed: int | None
    ) -> Result:
        with follower.pictures:
            found = follower.follow(prompt_id)
            follower.collect()
            fetcher = Fetcher(self._http, job, follower.pictures)
            try:
                return fetcher.conclude(found, prompt, self._metadata(job, prompt_id, prompt, seed))
            finally:
                follower.finish()

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
        raise JobLost(
            "The ComfyUI server does not know the job; it can't be told whether it had ever got it.",
            code="outcome_unknown",
            backend=BACKEND,
            hint="Look into the server's output folder before you send it again.",
        )

    def _metadata(self, job: JobContext, prompt_id: str, prompt: Prompt, seed: int | None) -> dict[str, Any]:
        """What is needed to make the result again."""
        request = cast(WorkflowRequest, job.request)
        fields = request.to_dict()
        return {
            "backend": BACKEND,
            "prompt_id": prompt_id,
            "server_version": self._version,
            "seed": seed,
            "inputs": fields["inputs"],
            "files": fields["files"],
            "models": models_in(prompt),
            "prompt": prompt,
            "request_metadata": fields["metadata"],
        }


@contextmanager
def _redacted(redact: Redact) -> Iterator[None]:
    """Take the client's keys out of errors that quote the server."""
    try:
        yield
    except BackendError as error:
        error.message = redact(error.message)
        error.args = (error.message,)
        error.context = {key: redact(each) if isinstance(each, str) else each for key, each in error.context.items()}
        if isinstance(error, ValidationError):
            error.problems = tuple(redact(each) for each in error.problems)
        raise


def _with_problems(result: Result, accepted: Accepted, prompt: Prompt) -> Result:
    left_out = [problem.text for problem in node_problems(accepted.node_errors, prompt)]
    return replace(result, problems=(*result.problems, rejected(left_out))) if left_out else result


def _uploaded_values(plan: Plan) -> list[str]:
    return [str(plan.prompt[target.node_id]["inputs"][target.input_name]) for target in plan.files]


def _no_checkpoint(name: str) -> MissingResource:
    return MissingResource(
        "The ComfyUI server has no checkpoint at all.",
        kind=MISSING_MODEL,
        name=name,
        code="missing_model",
        backend=BACKEND,
        hint="Put a checkpoint into its models/checkpoints folder.",
    )
