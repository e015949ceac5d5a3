"""Getting at the API-format prompt: from a dict, a ``.json`` file, or a picture that ComfyUI saved."""

from __future__ import annotations

import copy
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ValidationError
from ..transport.multipart import unreadable
from .ui_format import is_ui_format, ui_format_error

Prompt = dict[str, dict[str, Any]]
"""An API-format workflow: node id -> ``{"class_type", "inputs", "_meta"}``."""

MODEL_FILE = re.compile(r"\.(safetensors|ckpt|pt|pth|bin|gguf|onnx|sft)$", re.IGNORECASE)
"""Values that name a model on the server."""

MAX_WORKFLOW_BYTES = 64 * 1024 * 1024
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


def load_workflow(source: Mapping[str, Any] | str | Path) -> Prompt:
    """Return a copy of the prompt, checked in its form: each node has a class and inputs, each link a node to go to.

    Raises ``ValidationError`` (codes ``ui_format``, ``no_workflow``, ``invalid_workflow`` with the problem of each
    node) and ``StorageError`` for a file that can't be read.
    """
    data = copy.deepcopy(dict(source)) if isinstance(source, Mapping) else _read(Path(source))
    prompt = _unwrapped(data)
    check_form(prompt)
    return prompt


def check_form(prompt: Prompt) -> None:
    """Raise ``ValidationError`` (code ``invalid_workflow``) for nodes without class or inputs and for wires to
    nowhere.
    """
    problems = [problem for node_id, node in prompt.items() for problem in _node_problems(node_id, node, prompt)]
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
        with path.open("rb") as file:
            data = file.read(MAX_WORKFLOW_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(data) > MAX_WORKFLOW_BYTES:
        raise invalid_workflow(f"{path.name} is too large for a workflow.", [])
    if data.startswith(_PNG_SIGNATURE):
        return _from_picture(data, path.name)
    return _parsed(data, path.name)


def _parsed(text: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_workflow(f"{name} holds no workflow: {error}.", []) from error
    if not isinstance(data, dict):
        raise invalid_workflow(f"{name} holds no workflow.", [])
    return data


def _from_picture(data: bytes, name: str) -> dict[str, Any]:
    texts = dict(_png_texts(data))
    if "prompt" in texts:
        return _parsed(texts["prompt"], name)
    if "workflow" in texts:
        raise ui_format_error()
    raise ValidationError(
        f"The picture {name} holds no workflow.",
        code="no_workflow",
        hint="Take one that ComfyUI saved; pictures that were edited or sent by a messenger lose it.",
    )


def _png_texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    at = len(_PNG_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind in _PNG_TEXTS:
            keyword, _, rest = body.partition(b"\0")
            yield keyword.decode("latin-1"), _chunk_text(kind, rest)
        at += 12 + length


def _chunk_text(kind: bytes, rest: bytes) -> bytes:
    if kind == b"tEXt":
        return rest.decode("latin-1").encode()
    if kind == b"zTXt":
        return _inflated(rest[1:]).decode("latin-1").encode()
    compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if compressed else text


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, MAX_WORKFLOW_BYTES)
    except zlib.error:
        return b""


def _unwrapped(data: dict[str, Any]) -> Prompt:
    """Take the prompt out of the forms it is handed around in."""
    for wrapper in ("prompt", "output"):
        inner = data.get(wrapper)
        if isinstance(inner, dict) and "class_type" not in inner:
            data = inner
    editors_own = data.get("workflow")
    if is_ui_format(data) or (isinstance(editors_own, dict) and is_ui_format(editors_own)):
        raise ui_format_error()
    if not data:
        raise invalid_workflow("The workflow is empty.", [])
    return data


def _node_problems(node_id: str, node: Any, prompt: Prompt) -> Iterator[str]:
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        yield f"node {node_id!r} has no class_type."
        return
    if not isinstance(node.get("inputs"), dict):
        yield f"node {title_of(prompt, node_id)!r} has no inputs."
        return
    for name, value in node["inputs"].items():
        yield from _value_problems(f"{title_of(prompt, node_id)!r}, input {name!r}", value, prompt)


def _value_problems(place: str, value: Any, prompt: Prompt) -> Iterator[str]:
    if is_link(value) and value[0] not in prompt:
        yield f"{place}: it is connected to node {value[0]!r}, which is not there."
    # Such a value passes the server's validation, is then taken for a link, and ends its worker thread for good.
    if isinstance(value, dict) and is_link(value.get("__value__")):
        yield f"{place}: a list of a text and a number can't be given here."
