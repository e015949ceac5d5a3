"""What ``POST /prompt`` says against a workflow, as typed errors in words for people. Pure.

Facts: status 400 with ``{"error": {type, message, details, extra_info}, "node_errors": {id: {errors: [...], class_type,
dependent_outputs}}}``; the error types and what they carry are those of releases 0.3.40 to 0.38.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core.errors import BackendError, MissingResource, ProtocolError, ValidationError
from ..core.request import nearest_names
from .workflow.combo_choices import combo_choices
from .workflow.loading import MODEL_FILE, Prompt, title_of

BACKEND = "comfyui"
MISSING_NODE = "node"
MISSING_MODEL = "model"
_OLD_MISSING_NODE = re.compile(r"node (?P<name>.+) does not exist")


def refusal_of(answer: Any, prompt: Prompt) -> BackendError:
    """Return the typed error for the body of a 400."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, Mapping):
        return ProtocolError(
            "The server refused the workflow without saying why.",
            code="no_reason",
            backend=BACKEND,
            hint="Is this the address of a ComfyUI server?",
            context={"answer": str(answer)[:500]},
        )
    missing = _missing_class(error)
    if missing:
        return missing_node(missing)
    problems = list(node_problems(answer.get("node_errors"), prompt))
    return refusal_for(problems) if problems else _without_nodes(error)


def rejected(problems: list[str]) -> ValidationError:
    """Return the error for a workflow with something wrong in some of its nodes."""
    return ValidationError(
        f"ComfyUI refused the workflow: {' '.join(problems)}",
        code="workflow_refused",
        backend=BACKEND,
        problems=problems,
        hint="Correct the inputs named, or choose another workflow.",
    )


def missing_node(name: str, nearest: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> MissingResource:
    """Return the error for a node class that the server does not have; ``others`` are further ones of the workflow."""
    also = f" (nor {', '.join(repr(each) for each in others)})" if others else ""
    like = f" It has {' and '.join(repr(each) for each in nearest)}." if nearest else ""
    return MissingResource(
        f"The ComfyUI server does not have the node {name!r}{also}.{like}",
        kind=MISSING_NODE,
        name=name,
        nearest=nearest,
        code="missing_node",
        backend=BACKEND,
        hint="Install the node pack it comes from with the ComfyUI Manager, or choose another workflow.",
        context={"missing": [name, *others]},
    )


class NodeProblem:
    """What is wrong with one input of one node: a sentence, and the thing that is missing, if that is it."""

    def __init__(self, text: str, resource: MissingResource | None = None) -> None:
        self.text = text
        self.resource = resource


def node_problems(node_errors: Any, prompt: Prompt) -> Iterator[NodeProblem]:
    """Yield what is wrong, node by node; takes what ``node_errors`` holds, also of an answer with status 200."""
    for node_id, entry in node_errors.items() if isinstance(node_errors, Mapping) else ():
        errors = entry.get("errors") if isinstance(entry, Mapping) else None
        for error in errors if isinstance(errors, list) else ():
            if isinstance(error, Mapping):
                yield _node_problem(title_of(prompt, str(node_id)), error)


def _node_problem(title: str, error: Mapping[str, Any]) -> NodeProblem:
    extra = error.get("extra_info")
    extra = extra if isinstance(extra, Mapping) else {}
    name = str(extra.get("input_name") or error.get("details") or "?")
    say = _WORDS.get(str(error.get("type")))
    if say is not None:
        return say(title, name, error, extra)
    words = " ".join(str(error[key]) for key in ("message", "details") if error.get(key))
    return NodeProblem(f"{title!r}: {words or 'it was refused'}.")


_Words = Callable[[str, str, Mapping[str, Any], Mapping[str, Any]], NodeProblem]


def not_set(title: str, name: str) -> NodeProblem:
    """Return the problem of an input that needs a value and has none."""
    return NodeProblem(f"{title!r}: input {name!r} is not connected or not set.")


def missing_model(title: str, name: str, value: str, choices: list[str], details: str = "") -> NodeProblem:
    """Return the problem of a model file that is not among the choices of an input."""
    near = nearest_names(value, choices)
    like = f"; near it are {', '.join(near)}" if near else ""
    text = f"{title!r}: the model file {value!r} is not on the server{like}."
    return NodeProblem(
        text,
        MissingResource(
            text,
            kind=MISSING_MODEL,
            name=value,
            nearest=near,
            code="missing_model",
            backend=BACKEND,
            hint="Put the file into the server's models folder, or choose one that it has.",
            context={"input": name, "details": details},
        ),
    )


def refusal_for(problems: list[NodeProblem]) -> BackendError:
    """Return the error for what is wrong with some nodes: the missing model, if that is all."""
    if len(problems) == 1 and problems[0].resource is not None:
        return problems[0].resource
    return rejected([problem.text for problem in problems])


def _required(title: str, name: str, _error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return not_set(title, name)


def _not_in_list(title: str, name: str, error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem:
    value = extra.get("received_value")
    choices = combo_choices(extra.get("input_config"))
    if MODEL_FILE.search(str(value)):
        return missing_model(title, name, str(value), choices, str(error.get("details", ""))[:500])
    near = nearest_names(str(value), choices)
    like = f"; near it are {', '.join(near)}" if near else _list_of(choices)
    return NodeProblem(f"{title!r}: {value!r} is not a choice of {name!r}{like}.")


def _limits(title: str, name: str, _error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem:
    config = extra.get("input_config")
    bounds = config[1] if isinstance(config, list) and len(config) > 1 and isinstance(config[1], Mapping) else {}
    low, high = bounds.get("min", "?"), bounds.get("max", "?")
    return NodeProblem(f"{title!r}: {name!r} must be between {low} and {high}, it is {extra.get('received_value')!r}.")


def _wrong_kind(title: str, name: str, _error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem:
    config = extra.get("input_config")
    kind = config[0] if isinstance(config, list) and config else ""
    wanted = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}.get(str(kind), f"a {kind}")
    return NodeProblem(f"{title!r}: {name!r} needs {wanted}, not {extra.get('received_value')!r}.")


def _mismatch(title: str, name: str, _error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"{title!r}: input {name!r} is wired to an output of type {extra.get('received_type')}.")


def _bad_link(title: str, name: str, _error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"{title!r}: the wire to input {name!r} is broken.")


def _custom(title: str, _name: str, error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"{title!r}: {error.get('details') or error.get('message')}.")


def _damaged(title: str, name: str, error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"the workflow is damaged at node {title!r}, input {name!r}: {error.get('details')}.")


def _cycle(title: str, _name: str, error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"{title!r}: nodes form a loop: {error.get('details')}.")


_WORDS: dict[str, _Words] = {
    "required_input_missing": _required,
    "value_not_in_list": _not_in_list,
    "value_smaller_than_min": _limits,
    "value_bigger_than_max": _limits,
    "invalid_input_type": _wrong_kind,
    "return_type_mismatch": _mismatch,
    "bad_linked_input": _bad_link,
    "custom_validation_failed": _custom,
    "exception_during_inner_validation": _damaged,
    "exception_during_validation": _damaged,
    "dependency_cycle": _cycle,
}


def _list_of(choices: list[str]) -> str:
    return f" ({', '.join(choices[:12])}{', ...' if len(choices) > 12 else ''})" if choices else ""


def _missing_class(error: Mapping[str, Any]) -> str:
    """Return the class that the server lacks. From 0.12 on the message names the node's title, the class stands in
    ``extra_info``; before, it is in the message only.
    """
    extra = error.get("extra_info")
    if error.get("type") == "missing_node_type" and isinstance(extra, Mapping):
        return str(extra.get("class_type") or "")
    found = _OLD_MISSING_NODE.search(str(error.get("message", "")))
    return found["name"] if found else ""


def _without_nodes(error: Mapping[str, Any]) -> ValidationError:
    kind = str(error.get("type"))
    words = " ".join(str(error[key]) for key in ("message", "details") if error.get(key))
    if kind == "prompt_no_outputs":
        message, hint = "The workflow has no node that saves or previews anything.", "Add a Save Image node to it."
    elif kind == "prompt_outputs_failed_validation":
        message = f"ComfyUI refused the workflow: {words}."
        hint = "Nodes that form a loop are refused without a word by older servers: look for one."
    else:
        message, hint = f"ComfyUI refused the workflow: {words}.", "Export it again, or choose another workflow."
    code = "no_outputs" if kind == "prompt_no_outputs" else "workflow_refused"
    return ValidationError(message, code=code, backend=BACKEND, problems=[words], hint=hint)
