"""Getting at a workflow: from a dict, a ``.json`` file, or a picture, video or sound that ComfyUI saved."""

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
    """Return a copy of the workflow: a prompt, checked in its form (each node has a class and inputs, each link a node
    to go to) and without what servers note in it, or what the editor saved, which :func:`is_ui_format` tells.

    Without ``check_links`` a link may go to a node that is not there; :func:`check_form` finds it later.

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
    """Return the workflow that a file's content is; ``ValidationError`` (code ``invalid_workflow``) if it is none."""
    return load_workflow(_parsed(data, name))


def is_ui_format(workflow: Mapping[str, Any]) -> bool:
    """Whether this is what the editor saves, not the API format (protocol: nodes in a list under ``nodes``)."""
    return isinstance(workflow.get("nodes"), list)


def check_form(prompt: Prompt, *, links: bool = True) -> None:
    """Raise ``ValidationError`` (code ``invalid_workflow``) for nodes without class or inputs and, unless ``links`` is
    False, for wires to nowhere.
    """
    problems = [problem for node_id, node in prompt.items() for problem in _node_problems(node_id, node, prompt, links)]
    if problems:
        raise invalid_workflow(f"This is no workflow that ComfyUI can run: {problems[0]}", problems)


def is_link(value: Any) -> bool:
    """Whether an input's value is a wire: ``[node id, output slot]``."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def title_of(prompt: Mapping[str, Mapping[str, Any]], node_id: str) -> str:
    """Return what the user calls a node: its title, else its class, else its id; ids of expanded nodes are cut to
    the node that they stand for.
    """
    node = prompt.get(node_id) or prompt.get(node_id.partition(".")[0])
    if node is None:
        return node_id
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    return str(title or node.get("class_type") or node_id)


def invalid_workflow(message: str, problems: list[str]) -> ValidationError:
    """Return the error for what is no workflow."""
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
        raise invalid_workflow(f"{name} holds no workflow: {error}.", []) from error
    if not isinstance(data, dict):
        raise invalid_workflow(f"{name} holds no workflow.", [])
    return data


def _from_media(texts: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """Return the first of a file's texts that is a workflow: what else stands under ``prompt`` must not hide it."""
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
        f"The file {name} holds no workflow.",
        code="no_workflow",
        hint="Take one that ComfyUI saved; files that were edited or sent by a messenger lose it.",
    )


def _unwrapped(data: dict[str, Any]) -> dict[str, Any]:
    """Take the workflow out of the forms it is handed around in."""
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
    """Return a node as its author made it. A server notes ``is_changed`` beside that when it runs the prompt, also in
    what it saves; not a number in some nodes, which can't be sent, and believed where it is.
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
        yield f"{place}: it is connected to node {value[0]!r}, which is not there."
    # Such a value passes the server's validation, is then taken for a link, and ends its worker thread for good.
    if isinstance(value, dict) and is_link(value.get("__value__")):
        yield f"{place}: a list of a text and a number can't be given here."
