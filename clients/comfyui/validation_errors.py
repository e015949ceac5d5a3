"""Typed errors for workflows that ``POST /prompt`` rejects. Pure.

Facts: status 400 with ``{"error": {type, message, details, extra_info}, "node_errors": {id: {errors: [...], class_type,
dependent_outputs}}}``; the error types and what they carry are those of releases 0.3.40 to 0.38.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import BackendError, MissingResource, ProtocolError, ValidationError
from ..core.json_fields import as_object, get_member, get_objects
from ..core.request import nearest_names
from .workflow.combo_choices import combo_choices
from .workflow.loading import MODEL_FILE, Prompt, title_of

BACKEND = "comfyui"
MISSING_NODE = "node"
MISSING_MODEL = "model"


def make_refusal(answer: Any, prompt: Prompt) -> BackendError:
    """Return the typed error for the body of a 400."""
    error = get_member(answer, "error")
    if not isinstance(error, Mapping):
        return ProtocolError(
            "The server rejected the workflow without giving a reason.",
            code="no_reason",
            backend=BACKEND,
            hint="Is this the address of a ComfyUI server?",
            context={"answer": str(answer)[:500]},
        )
    missing = _missing_class(error)
    if missing:
        return missing_node(missing)
    problems = list(node_problems(answer.get("node_errors"), prompt))
    return make_problem_error(problems) if problems else _without_nodes(error)


def rejected(problems: list[str], reported: Sequence[Mapping[str, Any]] = ()) -> ValidationError:
    """Return the error for a workflow with something wrong in some of its nodes; ``reported`` is what the server said
    of each, for ``context["reported"]``.
    """
    return ValidationError(
        f"ComfyUI rejected the workflow: {' '.join(problems)}",
        code="workflow_refused",
        backend=BACKEND,
        problems=problems,
        hint="Correct these inputs, or choose another workflow.",
        context={"reported": list(reported)} if reported else {},
    )


def missing_node(name: str, nearest: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> MissingResource:
    """Return the error for a node class that the server lacks; ``others`` are further missing classes."""
    also = f" (nor {', '.join(repr(each) for each in others)})" if others else ""
    like = f" It has {' and '.join(repr(each) for each in nearest)}." if nearest else ""
    return MissingResource(
        f"The ComfyUI server does not have the node {name!r}{also}.{like}",
        kind=MISSING_NODE,
        name=name,
        nearest=nearest,
        code="missing_node",
        backend=BACKEND,
        hint="Install its node pack with the ComfyUI Manager, or choose another workflow.",
        context={"missing": [name, *others]},
    )


class NodeProblem:
    """What is wrong with one input of one node: a sentence, and the thing that is missing, if that is it.

    ``reported`` is what the server said of it: node, input, type, message, details, received value and limits, as far
    as it said so.
    """

    def __init__(self, text: str, resource: MissingResource | None = None) -> None:
        self.text = text
        self.resource = resource
        self.reported: Mapping[str, Any] = {}


def node_problems(node_errors: Any, prompt: Prompt) -> Iterator[NodeProblem]:
    """Yield the problems of each node in ``node_errors``, also of a response with status 200."""
    for node_id, entry in as_object(node_errors).items():
        for error in get_objects(get_member(entry, "errors")):
            yield _node_problem(title_of(prompt, str(node_id)), error)


def _node_problem(title: str, error: Mapping[str, Any]) -> NodeProblem:
    extra = as_object(error.get("extra_info"))
    name = str(extra.get("input_name") or error.get("details") or "?")
    say = _WORDS.get(str(error.get("type")))
    problem = say(title, name, error, extra) if say is not None else None
    problem = problem or _parse_known_error(title, error, extra)
    problem.reported = _reported(title, error, extra)
    return problem


def _parse_known_error(title: str, error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem:
    place = f", input {extra['input_name']!r:.200}" if extra.get("input_name") else ""
    received = f" (it is {_get_received(extra)})" if extra.get("received_value") is not None else ""
    return NodeProblem(f"{title!r}{place}: {_get_server_text(error) or 'it was rejected'}{received}.")


def _get_server_text(error: Mapping[str, Any]) -> str:
    """Return the server's message and details in one."""
    return " ".join(str(error[key])[:_LONGEST] for key in ("message", "details") if error.get(key))


def _reported(title: str, error: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        "input": extra.get("input_name"),
        **{key: error.get(key) for key in ("type", "message", "details")},
        **{key: extra.get(key) for key in ("received_value", "received_type", "exception_message")},
    }
    values = {key: _shorten(value) for key, value in facts.items() if value is not None}
    limits = {key: value for key, value in _get_options(extra).items() if key in ("min", "max") and _is_number(value)}
    return {"node": title, **values, **limits}


_LONGEST = 500


def _shorten(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else str(value)[:_LONGEST]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _get_options(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the options of an input's definition, empty if the server did not send it."""
    config = extra.get("input_config")
    return config[1] if isinstance(config, list) and len(config) > 1 and isinstance(config[1], Mapping) else {}


def _get_type(extra: Mapping[str, Any]) -> str:
    config = extra.get("input_config")
    return config[0] if isinstance(config, list) and config and isinstance(config[0], str) else ""


def _get_received(extra: Mapping[str, Any]) -> str:
    return f"{extra['received_value']!r:.200}" if "received_value" in extra else ""


_Words = Callable[[str, str, Mapping[str, Any], Mapping[str, Any]], NodeProblem | None]
"""Returns our text of the problem, None if the server gave too little for it: then its own text is used."""


def not_set(title: str, name: str) -> NodeProblem:
    """Return the problem of a required input without a value."""
    return NodeProblem(f"{title!r}: input {name!r} is not connected or not set.")


def missing_model(title: str, name: str, value: str, choices: list[str], details: str = "") -> NodeProblem:
    """Return the problem of a model file that is not among the choices of an input."""
    near = nearest_names(value, choices)
    like = f"; similar ones are {', '.join(near)}" if near else ""
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


def make_problem_error(problems: list[NodeProblem]) -> BackendError:
    """Return the error for problems of nodes: a missing model if that is all."""
    if len(problems) == 1 and problems[0].resource is not None:
        return problems[0].resource
    return rejected([problem.text for problem in problems], [each.reported for each in problems if each.reported])


def _required(title: str, name: str, _error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return not_set(title, name)


def _not_in_list(title: str, name: str, error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem | None:
    value, choices = extra.get("received_value"), combo_choices(extra.get("input_config"))
    if value is None:
        return None
    if MODEL_FILE.search(str(value)):
        return missing_model(title, name, str(value), choices, str(error.get("details", ""))[:_LONGEST])
    near = nearest_names(str(value), choices)
    like = f"; similar ones are {', '.join(near)}" if near else _format_choices(choices)
    more = "" if choices else _more(name, error)
    return NodeProblem(f"{title!r}: {_get_received(extra)} is not a choice for {name!r}{like}.{more}")


def _limits(title: str, name: str, error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem | None:
    low, high = (value if _is_number(value := _get_options(extra).get(key)) else None for key in ("min", "max"))
    if low is None and high is None:
        return None
    must = f"between {low} and {high}" if low is not None and high is not None else ""
    must = must or (f"at least {low}" if low is not None else f"at most {high}")
    received = f", it is {_get_received(extra)}." if _get_received(extra) else f".{_more(name, error)}"
    return NodeProblem(f"{title!r}: {name!r} must be {must}{received}")


def _wrong_kind(title: str, name: str, error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem | None:
    kind = _get_type(extra)
    if not kind:
        return None
    wanted = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}.get(kind, f"a {kind}")
    received = f", not {_get_received(extra)}." if _get_received(extra) else f".{_more(name, error)}"
    return NodeProblem(f"{title!r}: {name!r} needs {wanted}{received}")


def _mismatch(title: str, name: str, _error: Mapping[str, Any], extra: Mapping[str, Any]) -> NodeProblem | None:
    received, wanted = extra.get("received_type"), _get_type(extra)
    if not received:
        return None
    needs = f", it needs {wanted}" if wanted else ""
    return NodeProblem(f"{title!r}: input {name!r} is connected to an output of type {received}{needs}.")


def _more(name: str, error: Mapping[str, Any]) -> str:
    """Return what the server said beyond the input's name."""
    details = str(error.get("details") or "")
    return f" ComfyUI: {_get_server_text(error)}." if details not in ("", name) else ""


def _bad_link(title: str, name: str, _error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"{title!r}: the link to input {name!r} is broken.")


def _custom(title: str, _name: str, error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem | None:
    text = error.get("details") or error.get("message")
    return NodeProblem(f"{title!r}: {text}.") if text else None


def _damaged(title: str, name: str, error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    text = _get_server_text(error) or "no reason is given"
    return NodeProblem(f"the workflow is damaged at node {title!r}, input {name!r}: {text}.")


def _cycle(title: str, name: str, error: Mapping[str, Any], _extra: Mapping[str, Any]) -> NodeProblem:
    return NodeProblem(f"{title!r}: nodes form a loop: {error.get('details') or error.get('message') or name}.")


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


def _format_choices(choices: list[str]) -> str:
    return f" ({', '.join(choices[:12])}{', ...' if len(choices) > 12 else ''})" if choices else ""


def _missing_class(error: Mapping[str, Any]) -> str:
    """Return the class that the server lacks. From 0.12 on the message has the node's title and ``extra_info`` the
    class; before, only the message has it.
    """
    extra = error.get("extra_info")
    if error.get("type") == "missing_node_type" and isinstance(extra, Mapping):
        return str(extra.get("class_type") or "")
    name, mark, _ = str(error.get("message", "")).partition("node ")[2].rpartition(" does not exist")
    return name if mark else ""


def _without_nodes(error: Mapping[str, Any]) -> ValidationError:
    kind = str(error.get("type"))
    text = _get_server_text(error)
    if kind == "prompt_no_outputs":
        message, hint = "The workflow has no node that saves or previews anything.", "Add a Save Image node to it."
    elif kind == "prompt_outputs_failed_validation":
        message = f"ComfyUI rejected the workflow: {text}."
        hint = "Older servers reject a loop of nodes without a message: look for one."
    else:
        message, hint = f"ComfyUI rejected the workflow: {text}.", "Export it again, or choose another workflow."
    code = "no_outputs" if kind == "prompt_no_outputs" else "workflow_refused"
    return ValidationError(message, code=code, backend=BACKEND, problems=[text], hint=hint)
