"""Checks a prompt before it is sent, with the definitions of its node classes. Pure.

Problems are only those that the server would report too: a missing required input, and a model file that is not among
its choices. Limits and other choices are left to the server, because a node may override them in its own code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..validation_errors import NodeProblem, missing_model, not_set
from .conversion.specs import Spec, section
from .loading import MODEL_FILE, Prompt, is_link, title_of

Definition = Mapping[str, Any]
Definitions = Mapping[str, Definition]

DYNAMIC = "COMFY_"
"""Types that begin so stand for inputs under other names (``COMFY_AUTOGROW_V3``, ``COMFY_DYNAMICCOMBO_V3``)."""


def find_problems(prompt: Prompt, known: Definitions) -> dict[str, list[NodeProblem]]:
    """Return the problems of each node that has some."""
    found = {node_id: list(_node_problems(prompt, node_id, known)) for node_id in prompt}
    return {node_id: problems for node_id, problems in found.items() if problems}


def refused_whole(prompt: Prompt, known: Definitions, bad: Mapping[str, Any]) -> bool:
    """Return True if a bad node feeds each output: else the server skips the affected outputs and runs the rest."""
    outputs = _outputs(prompt, known)
    return bool(outputs) and all(_fed_by(prompt, node_id, bad) for node_id in outputs)


def outputs_to_run(prompt: Prompt, known: Definitions | None, node_errors: Mapping[str, Any]) -> list[str] | None:
    """Return the output nodes that the server will run after it has accepted a prompt with these ``node_errors``; None
    if unknown.
    """
    if known is None or any(node["class_type"] not in known for node in prompt.values()):
        return None
    refused = refused_outputs(node_errors)
    outputs = [node_id for node_id in _outputs(prompt, known) if node_id not in refused]
    return outputs or None


def refused_outputs(node_errors: Mapping[str, Any]) -> set[str]:
    """Return the output nodes that the server skips because of these errors."""
    return {
        str(each)
        for entry in node_errors.values()
        if isinstance(entry, Mapping) and isinstance(entry.get("dependent_outputs"), list)
        for each in entry["dependent_outputs"]
    }


def _outputs(prompt: Prompt, known: Definitions) -> list[str]:
    return [node_id for node_id, node in prompt.items() if known[node["class_type"]].get("output_node")]


def _node_problems(prompt: Prompt, node_id: str, known: Definitions) -> Iterator[NodeProblem]:
    node = prompt[node_id]
    inputs, title = node["inputs"], title_of(prompt, node_id)
    required = section(known[node["class_type"]].get("input"), "required")
    for name, spec in required.items():
        if name not in inputs:
            if not spec.type.startswith(DYNAMIC):
                yield not_set(title, name)
        elif _lacks_model(spec, inputs[name]):
            yield missing_model(title, name, inputs[name], [str(each) for each in spec.choices])


def _lacks_model(spec: Spec, value: Any) -> bool:
    """Return True if the value is a model file that the server does not offer."""
    if not isinstance(value, str) or not spec.choices or spec.uploads:
        return False
    return value not in spec.choices and MODEL_FILE.search(value) is not None


def _fed_by(prompt: Prompt, node_id: str, bad: Mapping[str, Any]) -> bool:
    seen, waiting = {node_id}, [node_id]
    while waiting:
        current = waiting.pop()
        if current in bad:
            return True
        for value in prompt[current]["inputs"].values():
            if is_link(value) and value[0] not in seen:
                seen.add(value[0])
                waiting.append(value[0])
    return False
