"""Outputs that the server rejects while it accepts the rest of the prompt: a problem of the result, or a failure.

Fact: the server answers such a prompt with status 200 and ``node_errors``, and skips the nodes that only the rejected
outputs need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...core.json_fields import as_list, get_member
from ...core.model import Result
from ..server.outputs import TEMPORARY
from ..validation_errors import NodeProblem, make_problem_error, node_problems
from ..workflow.prompt_checks import refused_outputs
from .prepare import PreparedPrompt

STATE = "left_out"
_SHOWS_ONLY = "Preview"


@dataclass(frozen=True)
class LeftOut:
    """The rejected outputs. ``chosen`` if the request names one, or one of its values was rejected; ``previews`` if
    all of them are previews.
    """

    problems: tuple[NodeProblem, ...] = ()
    chosen: bool = False
    previews: bool = False

    @property
    def texts(self) -> list[str]:
        """The texts of the problems."""
        return [problem.text for problem in self.problems]

    def to_state(self) -> dict[str, Any]:
        """Return the rejected outputs as state for the job's record; empty if nothing was rejected."""
        return {STATE: [self.texts, self.chosen, self.previews]} if self.problems else {}

    def judge(self, result: Result) -> Result:
        """Return the result with the rejected outputs among its problems.

        Raises their error, with the result as ``partial``, if the request chose them or no saved file remains.
        """
        if not self.problems:
            return result
        error = make_problem_error(list(self.problems))
        if self.chosen or not self._enough(result):
            error.partial = result if result.artifacts or result.text else None
            raise error
        return replace(result, problems=(*result.problems, error))

    def _enough(self, result: Result) -> bool:
        if self.previews and (result.artifacts or result.text):
            return True
        return any(not artifact.source.startswith(f"{TEMPORARY}/") for artifact in result.artifacts)


def find_left_out(node_errors: Mapping[str, Any], prepared: PreparedPrompt) -> LeftOut:
    """Parse the ``node_errors`` of an accepted prompt."""
    prompt, given = prepared.prompt, prepared.plan.given
    outputs = refused_outputs(node_errors)
    named = {target.node_id for target in given} & outputs
    values = given & _refused_inputs(node_errors)
    classes = [str(prompt[node_id]["class_type"]) for node_id in outputs if node_id in prompt]
    previews = bool(classes) and all(each.startswith(_SHOWS_ONLY) for each in classes)
    return LeftOut(tuple(node_problems(node_errors, prompt)), bool(named or values), previews)


def left_out_from(state: Mapping[str, Any]) -> LeftOut:
    """Restore the rejected outputs from a job's record."""
    texts, chosen, previews = state.get(STATE) or ([], False, False)
    return LeftOut(tuple(NodeProblem(str(text)) for text in texts), bool(chosen), bool(previews))


def _refused_inputs(node_errors: Mapping[str, Any]) -> set[tuple[str, str]]:
    found = set()
    for node_id, entry in node_errors.items():
        for error in as_list(get_member(entry, "errors")):
            found.add((str(node_id), str(get_member(error, "extra_info", "input_name"))))
    return found
