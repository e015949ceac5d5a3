"""Which inputs of a ComfyUI workflow take the prompt, the size and so on. Imports no ``bpy``.

A node whose title names a role ("Prompt", "Negative Prompt", "Image", also as "blender:prompt") has it. Else the links
tell: what feeds a sampler's ``positive`` is the prompt. Inputs are addressed by node id, which is unique where titles
may not be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ...clients.comfyui.workflow.addressing import Target
from ...clients.comfyui.workflow.embedded_workflow import embedded_texts
from ...clients.core.errors import StorageError
from .editor_graph import editors_graph

MAX_BYTES = 1_000_000
"""What is read of a file on Blender's main thread at most."""

_TITLES = {
    "prompt": ("prompt", "positive prompt", "positive"),
    "negative_prompt": ("negative prompt", "negative", "avoid"),
    "size": ("size", "picture size"),
    "image": ("image", "input image", "load image", "camera"),
}
_TEXT_INPUTS = ("text", "value", "string", "prompt", "clip_l", "t5xxl")
_MAX_HOPS = 8

Graph = Mapping[str, Mapping[str, Any]]


@dataclass
class Slots:
    """The keys (``"#node id.input name"``) that take a wish; a role the workflow does not have is empty."""

    prompt: list[str] = field(default_factory=list)
    negative_prompt: list[str] = field(default_factory=list)
    image: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    strength: list[str] = field(default_factory=list)
    width: list[str] = field(default_factory=list)
    height: list[str] = field(default_factory=list)


def read_graph(path: Path) -> dict[str, Any] | None:
    """Return a workflow file's nodes by id, None if there are none or it is too large; the client says why.

    Of what ComfyUI's editor saved only as much is known as the file tells without the server's definitions, which is
    enough to find the slots. A file that can't be read raises ``StorageError``.
    """
    try:
        with path.open("rb") as file:
            raw = _raw_workflow(file)
    except OSError as error:
        raise StorageError(
            f"The workflow {path} can't be read: {error.strerror or error}.",
            code="missing_file" if isinstance(error, FileNotFoundError) else "unreadable",
            hint="Choose another workflow file, or none to use the simple one.",
        ) from error
    if len(raw) > MAX_BYTES:
        return None
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    graph = data.get("prompt", data) if isinstance(data, dict) else None
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        return editors_graph(graph)
    return graph if _is_graph(graph) else None


def _raw_workflow(file: BinaryIO) -> bytes:
    """Return the text of a workflow file, or the one in a picture, video or sound that ComfyUI saved."""
    texts = embedded_texts(file, MAX_BYTES)
    if texts is not None:
        return texts.get("prompt") or texts.get("workflow") or b""
    file.seek(0)
    return file.read(MAX_BYTES + 1)


def _is_graph(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and bool(data)
        and all(
            isinstance(node, dict) and isinstance(node.get("inputs"), dict) and "class_type" in node
            for node in data.values()
        )
    )


def find_slots(graph: Graph) -> Slots:
    """Return the places for wishes that the workflow has."""
    slots = Slots(
        prompt=_titled_texts(graph, "prompt") or _linked_texts(graph, "positive"),
        negative_prompt=_titled_texts(graph, "negative_prompt") or _linked_texts(graph, "negative"),
        image=_images(graph),
        steps=_literals(graph, "steps"),
        strength=_literals(graph, "denoise"),
    )
    for node_id in _sized(graph):
        slots.width.append(_key(node_id, "width"))
        slots.height.append(_key(node_id, "height"))
    # what goes into the prompt must not go into "avoid" as well, where both lead to one node
    slots.negative_prompt = [key for key in slots.negative_prompt if key not in slots.prompt]
    return slots


def _sized(graph: Graph) -> list[str]:
    """Return the nodes that give the picture its size: those titled so, else those that make an empty picture.

    Scalers and croppers have a width and a height too, but are fed by a picture.
    """
    sized = {
        node_id: node["inputs"]
        for node_id, node in graph.items()
        if _is_number(node["inputs"].get("width")) and _is_number(node["inputs"].get("height"))
    }
    titled = [node_id for node_id, _ in _titled(graph, "size") if node_id in sized]
    return titled or [key for key, inputs in sized.items() if not any(_source(value) for value in inputs.values())]


def _title(node: Mapping[str, Any]) -> str:
    meta = node.get("_meta")
    title = meta.get("title", "") if isinstance(meta, dict) else ""
    return str(title).strip().lower().removeprefix("blender:").replace("_", " ").strip()


def _titled(graph: Graph, role: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for node_id, node in graph.items():
        if _title(node) in _TITLES[role]:
            yield node_id, node["inputs"]


def _titled_texts(graph: Graph, role: str) -> list[str]:
    return [key for node_id, inputs in _titled(graph, role) for key in _texts_of(graph, node_id, inputs, _MAX_HOPS)]


def _linked_texts(graph: Graph, name: str) -> list[str]:
    """Return the texts that lead into inputs of that name, each once."""
    keys: dict[str, None] = {}
    for node in graph.values():
        source = _source(node["inputs"].get(name))
        if source in graph:
            keys.update(dict.fromkeys(_texts_of(graph, source, graph[source]["inputs"], _MAX_HOPS)))
    return list(keys)


def _texts_of(graph: Graph, node_id: str, inputs: Mapping[str, Any], hops: int) -> list[str]:
    """Return a node's own text inputs, or those of the nodes that feed it."""
    own = [_key(node_id, name) for name in _TEXT_INPUTS if isinstance(inputs.get(name), str)]
    if own or not hops:
        return own
    found: list[str] = []
    for name in (*_TEXT_INPUTS, "conditioning"):
        source = _source(inputs.get(name))
        if source in graph:
            found.extend(_texts_of(graph, source, graph[source]["inputs"], hops - 1))
    return found


def _key(node_id: str, name: str) -> str:
    return Target(node_id, name).address


def _source(value: Any) -> str:
    """Return the node a link comes from, "" if the value is no link."""
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)
    return value[0] if is_link else ""


def _images(graph: Graph) -> list[str]:
    titled = [node_id for node_id, inputs in _titled(graph, "image") if isinstance(inputs.get("image"), str)]
    loaders = [node_id for node_id, node in graph.items() if node["class_type"] == "LoadImage"]
    chosen = titled or loaders[:1]
    return [_key(node_id, "image") for node_id in chosen]


def _literals(graph: Graph, name: str) -> list[str]:
    return [_key(node_id, name) for node_id, node in graph.items() if _is_number(node["inputs"].get(name))]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
