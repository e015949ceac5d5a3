"""What ComfyUI's editor saved, read as far as its file tells without a server: which nodes there are, and what feeds
what. Imports no ``bpy``. The client converts it rightly later; this is for finding the places of wishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MUTED, _BYPASSED = 2, 4
_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "CLIPTextEncode": ("text",),
    "LoadImage": ("image",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
}
"""Names of the values of the commonest nodes, for files of editors that did not write them."""

_PLACEHOLDERS: Mapping[str, Any] = {"STRING": "", "INT": 0, "FLOAT": 0.0, "COMBO": ""}


def editors_graph(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the nodes by id in the form of the API format; None if there is none that runs."""
    listed = [node for node in data["nodes"] if isinstance(node, dict) and isinstance(node.get("type"), str)]
    nodes = {str(node.get("id")): node for node in listed if node.get("mode") not in (_MUTED, _BYPASSED)}
    wires = _wires(data.get("links"))
    graph = {}
    for node_id, node in nodes.items():
        inputs = _values(node) | _links(node, wires, nodes)
        title = node.get("title")
        meta = {"title": title if isinstance(title, str) else ""}
        graph[node_id] = {"class_type": node["type"], "inputs": inputs, "_meta": meta}
    return graph or None


def _wires(links: Any) -> dict[Any, str]:
    """Return the node that each wire comes from; a wire is a list or, in newer files, an object."""
    found = {}
    for link in links if isinstance(links, list) else ():
        if isinstance(link, list) and len(link) > 1:
            found[str(link[0])] = str(link[1])
        elif isinstance(link, dict):
            found[str(link.get("id"))] = str(link.get("origin_id"))
    return found


def _values(node: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values")
    for named in (node.get("widgets_values_named"), values):
        if isinstance(named, dict):
            return dict(named)
    found = {}
    for slot in _slots(node):
        widget, kind = slot.get("widget"), slot.get("type")
        if isinstance(widget, dict) and isinstance(widget.get("name"), str) and isinstance(kind, str):
            found[widget["name"]] = _PLACEHOLDERS.get(kind)
    names = _WIDGETS.get(node["type"], ())
    known = zip(names, values, strict=False) if isinstance(values, list) else ()
    return found | {name: value for name, value in known if name}


def _links(node: Mapping[str, Any], wires: Mapping[Any, str], nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wired inputs; a wire from a PrimitiveNode is a value, for that node exists in the editor only."""
    found: dict[str, Any] = {}
    for slot in _slots(node):
        source = wires.get(str(slot.get("link")), "")
        if isinstance(slot.get("name"), str) and source in nodes:
            primitive = nodes[source]["type"] == "PrimitiveNode"
            found[slot["name"]] = _PLACEHOLDERS.get(str(slot.get("type"))) if primitive else [source, 0]
    return found


def _slots(node: Mapping[str, Any]) -> list[dict[str, Any]]:
    slots = node.get("inputs")
    return [slot for slot in slots if isinstance(slot, dict)] if isinstance(slots, list) else []
