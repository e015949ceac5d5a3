"""Loads a workflow from a dict, a ``.json`` file, or a picture, video or sound saved by ComfyUI."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...core.errors import StorageError, ValidationError
from ...files.storage_errors import input_errors
from .embedded_workflow import embedded_texts

Prompt = dict[str, dict[str, Any]]
"""An API-format workflow: node id -> ``{"class_type", "inputs", "_meta"}``."""

MODEL_FILE = re.compile(r"\.(safetensors|ckpt|pt|pth|bin|gguf|onnx|sft)$", re.IGNORECASE)
"""Values that name a model on the server."""

MAX_WORKFLOW_BYTES = 64 * 1024 * 1024


def load_workflow(source: Mapping[str, Any] | str | Path, *, check_links: bool = True) -> dict[str, Any]:
    """Return a copy of the workflow: a checked prompt (each node has a class and inputs, each link an existing node),
    without the server's notes, or the editor's format (see :func:`is_ui_format`).

    Without ``check_links`` a link may go to a missing node; :func:`check_form` finds it later.

    Raises ``ValidationError`` (codes ``no_workflow``, ``invalid_workflow`` with the problem of each node) and
    ``StorageError`` for a file that can't be read.
    """
    data = copy.deepcopy(dict(source)) if isinstance(source, Mapping) else _read(Path(source))
    workflow = _unwrapped(data)
    if is_ui_format(workflow):
        return workflow
    check_form(workflow, links=check_links)
    return {node_id: _node_alone(node) for node_id, node in workflow.items()}


def check_is_workflow(data: bytes, name: str) -> dict[str, Any]:
    """Return the workflow in a file's content; ``ValidationError`` (code ``invalid_workflow``) if there is none."""
    return load_workflow(_parsed(data, name))


def is_ui_format(workflow: Mapping[str, Any]) -> bool:
    """Return True for the editor's format, False for the API format (protocol: nodes in a list under ``nodes``)."""
    return isinstance(workflow.get("nodes"), list)


def check_form(prompt: Prompt, *, links: bool = True) -> None:
    """Raise ``ValidationError`` (code ``invalid_workflow``) for nodes without class or inputs and, unless ``links`` is
    False, for links to missing nodes.
    """
    problems = [problem for node_id, node in prompt.items() for problem in _node_problems(node_id, node, prompt, links)]
    if problems:
        raise invalid_workflow(f"This is not a workflow that ComfyUI can run: {problems[0]}", problems)


def is_link(value: Any) -> bool:
    """Return True if an input's value is a link: ``[node id, output slot]``."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def title_of(prompt: Mapping[str, Mapping[str, Any]], node_id: str) -> str:
    """Return a node's name for the user: its title, else its class, else its id; ids of expanded nodes are cut to that
    of the original node.
    """
    node = prompt.get(node_id) or prompt.get(node_id.partition(".")[0])
    if node is None:
        return node_id
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return str(title or node.get("class_type") or node_id)


def invalid_workflow(message: str, problems: list[str]) -> ValidationError:
    """Return the error for an invalid workflow."""
    return ValidationError(
        message,
        code="invalid_workflow",
        problems=problems,
        hint="Export it from ComfyUI again with Workflow > Export (API).",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        with input_errors(path), path.open("rb") as file:
            texts = embedded_texts(file)
            if texts is not None:
                return _from_media(texts, path.name)
            file.seek(0)
            data = file.read(MAX_WORKFLOW_BYTES + 1)
    except StorageError as error:
        error.hint = "Choose another workflow file."
        raise
    if len(data) > MAX_WORKFLOW_BYTES:
        raise invalid_workflow(f"{path.name} is too large for a workflow.", [])
    return _parsed(data, path.name)


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_workflow(f"{name} contains no workflow: {error}.", []) from error
    if not isinstance(data, dict):
        raise invalid_workflow(f"{name} contains no workflow.", [])
    return data


def _from_media(texts: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """Return the first valid workflow of a file's texts: ``prompt`` may have other content than a workflow."""
    first: ValidationError | None = None
    for key in ("prompt", "workflow"):
        if key in texts:
            try:
                data = _parsed(texts[key], name)
                workflow = _unwrapped(data)
                if not is_ui_format(workflow):
                    check_form(workflow)
            except ValidationError as error:
                first = first or error
            else:
                return data
    raise first or ValidationError(
        f"The file {name} contains no workflow.",
        code="no_workflow",
        hint="Use a file that ComfyUI saved; edited files, and files sent by a messenger, lose their workflow.",
    )


def _unwrapped(data: dict[str, Any]) -> dict[str, Any]:
    """Unwrap a workflow from the forms in which it is shared."""
    for wrapper in ("prompt", "output"):
        inner = data.get(wrapper)
        if isinstance(inner, dict) and "class_type" not in inner:
            data = inner
    editors_own = data.get("workflow")
    if isinstance(editors_own, dict) and is_ui_format(editors_own):
        return editors_own
    if not data:
        raise invalid_workflow("The workflow is empty.", [])
    return data


def _node_alone(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node without ``is_changed``, which the server adds to running prompts and to saved files.

    Some nodes have a NaN there, which can't be sent, and the server trusts a value that a client sends.
    """
    return {key: node[key] for key in ("class_type", "inputs", "_meta") if key in node}


def _node_problems(node_id: str, node: Any, prompt: Prompt, links: bool) -> Iterator[str]:
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        yield f"node {node_id!r} has no class_type."
        return
    if not isinstance(node.get("inputs"), dict):
        yield f"node {title_of(prompt, node_id)!r} has no inputs."
        return
    for name, value in node["inputs"].items() if links else ():
        yield from _value_problems(f"{title_of(prompt, node_id)!r}, input {name!r}", value, prompt)


def _value_problems(place: str, value: Any, prompt: Prompt) -> Iterator[str]:
    if is_link(value) and value[0] not in prompt:
        yield f"{place}: it is connected to node {value[0]!r}, which does not exist."
    # Such a value passes the server's validation, is then treated as a link, and kills its worker thread.
    if isinstance(value, dict) and is_link(value.get("__value__")):
        yield f"{place}: a list of a text and a number is not allowed here."
