"""Makes a prompt from a job's request: converted, filled in and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...core.context import JobContext
from ...core.errors import APIError, MissingResource, ProtocolError
from ...core.scope import Scope
from ..request import WorkflowRequest
from ..server.api import ComfyAPI
from ..server.object_info import DefinitionStore
from ..validation_errors import BACKEND, MISSING_MODEL, make_problem_error
from ..workflow.addressing import Target, set_input
from ..workflow.bundled_workflows import CHECKPOINT_INPUT, CHECKPOINT_LOADER, is_bundled
from ..workflow.combo_choices import choices_of
from ..workflow.conversion import Converted, convert, node_classes
from ..workflow.loading import Prompt, invalid_workflow, is_ui_format
from ..workflow.prompt_checks import Definition, Definitions, find_problems, outputs_to_run, refused_whole
from .planning import Plan, make_plan
from .uploads import Uploads


@dataclass(frozen=True)
class PreparedPrompt:
    """A prompt with the request's values, its files not yet uploaded. ``known`` are the definitions of its node
    classes, None if the server gave none.
    """

    plan: Plan
    known: Definitions | None

    @property
    def prompt(self) -> Prompt:
        """The prompt in the API's format."""
        return self.plan.prompt

    def upload_files(self, uploads: Uploads, job: JobContext) -> None:
        """Upload the files, and put their names on the server into the prompt."""
        for target, path in self.plan.files.items():
            set_input(self.prompt, target, uploads.upload(job, path))

    def uploaded_names(self) -> list[str]:
        """Return the names of the files on the server."""
        return [str(self.prompt[target.node_id]["inputs"][target.input_name]) for target in self.plan.files]

    def outputs_to_run(self, node_errors: Mapping[str, Any]) -> list[str] | None:
        """Return the output nodes that the server will run, None if unknown; see ``prompt_checks``."""
        return outputs_to_run(self.prompt, self.known, node_errors)


class Preparer:
    """Prepares the jobs of one client. Thread-safe."""

    def __init__(self, api: ComfyAPI, definitions: DefinitionStore) -> None:
        self._api = api
        self._definitions = definitions

    def prepare(self, workflow: dict[str, Any], job: JobContext) -> PreparedPrompt:
        """Put the request's values into its workflow and check the prompt; its warnings go to the job's log.

        Raises the errors of the workflow, the request and its files, and those that the server would certainly raise.
        """
        request = cast(WorkflowRequest, job.request)
        converted = self.convert(workflow, job)
        known = self._find_definitions(converted.prompt, job)
        plan = make_plan(request, converted.prompt, known or {}, converted.widgets)
        if is_bundled(request.workflow):
            self._fit_checkpoint(plan, job)
        if known is not None:
            self._check(plan.prompt, dict(known), job)
        for warning in plan.warnings:
            job.log(warning)
        return PreparedPrompt(plan, known)

    def convert(self, workflow: dict[str, Any], scope: Scope | None = None) -> Converted:
        """Return the prompt of a workflow; the editor's format is converted with the server's definitions."""
        if not is_ui_format(workflow):
            return Converted(workflow)
        known = self._definitions.of(node_classes(workflow), scope)
        try:
            converted = convert(workflow, known)
        except MissingResource as error:
            raise self._definitions.missing([each["name"] for each in error.context["missing"]], scope) from error
        if not converted.prompt:
            raise invalid_workflow("The workflow has no active node.", [])
        return converted

    def _find_definitions(self, prompt: Prompt, job: JobContext) -> Definitions | None:
        """Return the definitions of the prompt's node classes that the server has; None if it gives none."""
        try:
            return self._definitions.of((str(node["class_type"]) for node in prompt.values()), job)
        except (APIError, ProtocolError):
            job.check()
            return None

    def _fit_checkpoint(self, plan: Plan, job: JobContext) -> None:
        """Replace the checkpoint of a bundled workflow by one that the server has."""
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
                job.log(f"The server does not have the checkpoint {named}; using {known[0]} instead.")

    def _check(self, prompt: Prompt, known: dict[str, Definition], job: JobContext) -> None:
        """Raise the problems that the server would report, before files are uploaded; skipped without definitions."""
        missing = [name for node in prompt.values() if (name := str(node["class_type"])) not in known]
        try:
            if missing and not self._api.replaceable_nodes(job).issuperset(missing):
                raise self._definitions.missing(missing, job)
            if missing:
                return
            problems = find_problems(prompt, known)
            if not problems:
                return
            for name in {str(prompt[node_id]["class_type"]) for node_id in problems}:
                known[name] = self._definitions.renew(name, job) or {}
        except (APIError, ProtocolError):
            job.check()
            return
        problems = find_problems(prompt, known)
        if problems and refused_whole(prompt, known, problems):
            raise make_problem_error([problem for each in problems.values() for problem in each])


def _no_checkpoint(name: str) -> MissingResource:
    return MissingResource(
        "The ComfyUI server has no checkpoints.",
        kind=MISSING_MODEL,
        name=name,
        code="missing_model",
        backend=BACKEND,
        hint="Put a checkpoint into its models/checkpoints folder.",
    )
