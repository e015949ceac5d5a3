"""Reads a workflow in the editor's format into checked records: nodes, slots, links, subgraph definitions.

The file has links as lists ``[id, from, slot, to, slot, type]`` or as objects, and ids as numbers or texts; the records
have all ids as texts. Positions, colours and groups are not read: a prompt does not need them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core.json_fields import as_int, as_list, as_text, get_member, parse_int
from .errors import refuse

INPUT_NODE = "-10"
OUTPUT_NODE = "-20"
NEVER = 2
BYPASS = 4
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Slot:
    """An input of a node: ``link`` is the id of the link that feeds it, ``widget`` the widget it stands for."""

    name: str
    type: str
    link: str | None = None
    widget: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node as saved; ``values`` is its ``widgets_values`` (list, dict or None), ``named`` the values by name."""

    id: str
    type: str
    title: str
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[str, ...]
    values: list[Any] | dict[str, Any] | None
    named: dict[str, Any] | None
    properties: dict[str, Any]

    @property
    def off(self) -> bool:
        """True if the node is muted or bypassed: the prompt omits such nodes."""
        return self.mode in (NEVER, BYPASS)

    def input_named(self, name: str) -> Slot | None:
        """Return the first input of that name."""
        return next((slot for slot in self.inputs if slot.name == name), None)


@dataclass(frozen=True, slots=True)
class Link:
    """A link from an output of one node to an input of another. The target's slot may be stale and is not read."""

    id: str
    origin: str
    origin_slot: int
    target: str


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a subgraph's definition, with the ids of the inner links to or from the port, in order.

    ``label`` is the text that the editor shows in place of the name, empty for none.
    """

    name: str
    type: str
    links: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes and links of the workflow or of one subgraph definition; only the latter has ports and a name."""

    id: str
    nodes: dict[str, Node]
    links: dict[str, Link]
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow: its root graph, the subgraph definitions by id, and the last node id that the editor assigned."""

    root: Graph
    definitions: dict[str, Graph] = field(default_factory=dict)
    last_id: int = 0

    def graphs(self) -> Iterator[Graph]:
        """Iterate over the root and every definition."""
        yield self.root
        yield from self.definitions.values()


def read_workflow(document: object) -> Workflow:
    """Read a workflow in the editor's format; raises ``ValidationError`` for a damaged or another document."""
    if isinstance(document, Mapping) and not isinstance(document.get("nodes"), list):
        inner = document.get("workflow")
        document = inner if isinstance(inner, Mapping) else document
    if not isinstance(document, Mapping) or not isinstance(document.get("nodes"), list):
        raise refuse(
            "not_a_ui_workflow",
            "This is not a workflow in the editor's format: it has no list of nodes.",
            hint="Use the .json that ComfyUI's editor saves, or an API export, which needs no conversion.",
        )
    definitions: dict[str, Graph] = {}
    _read_definitions(document, definitions, 0)
    state = document.get("state")
    last = document.get("last_node_id", state.get("lastNodeId") if isinstance(state, Mapping) else None)
    return Workflow(_read_graph(document, ""), definitions, whole(last) or 0)


def _read_definitions(holder: Mapping[Any, Any], found: dict[str, Graph], depth: int) -> None:
    if depth > DEEPEST:
        raise refuse("nested_too_deep", f"Subgraph definitions are nested deeper than {DEEPEST} levels.")
    definitions = holder.get("definitions")
    for entry in as_list(get_member(definitions, "subgraphs")):
        if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
            raise refuse("malformed_subgraph", "A subgraph definition of the workflow is damaged: it has no id.")
        found.setdefault(entry["id"], _read_graph(entry, entry["id"]))
        _read_definitions(entry, found, depth + 1)


def _read_graph(document: Mapping[Any, Any], graph_id: str) -> Graph:
    nodes: dict[str, Node] = {}
    for raw in as_list(document.get("nodes")):
        node = _read_node(raw)
        if node.id in nodes:
            raise refuse("duplicate_node_id", f"Two nodes of the workflow have the id {node.id}.", node_id=node.id)
        nodes[node.id] = node
    links = {link.id: link for link in map(_read_link, as_list(document.get("links"))) if link is not None}
    inputs, outputs = _ports(document.get("inputs")), _ports(document.get("outputs"))
    return Graph(graph_id, nodes, links, inputs, outputs, as_text(document.get("name")))


def _read_node(raw: object) -> Node:
    if not isinstance(raw, Mapping):
        raise refuse("malformed_node", "An entry in the workflow's list of nodes is not a node.")
    node_id, node_type = identifier(raw.get("id")), raw.get("type")
    if node_id is None or not isinstance(node_type, str):
        raise refuse("malformed_node", "A node of the workflow is damaged: it has no id or no type.")
    mode, values, named, properties = (raw.get(key) for key in ("mode", "widgets_values", *_NODE_DICTS))
    return Node(
        id=node_id,
        type=node_type,
        title=as_text(raw.get("title")),
        mode=mode if isinstance(mode, int) else 0,
        inputs=tuple(_read_slot(slot) for slot in as_list(raw.get("inputs")) if isinstance(slot, Mapping)),
        outputs=tuple(_slot_type(slot) for slot in as_list(raw.get("outputs"))),
        values=values if isinstance(values, (list, dict)) else None,
        named=named if isinstance(named, dict) else None,
        properties=properties if isinstance(properties, dict) else {},
    )


_NODE_DICTS = ("widgets_values_named", "properties")


def _read_slot(raw: Mapping[Any, Any]) -> Slot:
    widget = raw.get("widget")
    return Slot(
        name=as_text(raw.get("name")),
        type=_slot_type(raw),
        link=identifier(raw.get("link")),
        widget=as_text(widget.get("name")) if isinstance(widget, Mapping) else None,
    )


def _slot_type(raw: object) -> str:
    kind = raw.get("type") if isinstance(raw, Mapping) else None
    if isinstance(kind, list):
        return "COMBO"
    return kind if isinstance(kind, str) else "*"


def _read_link(raw: object) -> Link | None:
    fields: list[object]
    if isinstance(raw, Mapping):
        fields = [raw.get(key) for key in ("id", "origin_id", "origin_slot", "target_id")]
    elif isinstance(raw, list) and len(raw) >= 4:
        fields = raw[:4]
    else:
        return None
    link_id, origin, target = identifier(fields[0]), identifier(fields[1]), identifier(fields[3])
    slot = whole(fields[2])
    if link_id is None or origin is None or target is None or slot is None:
        return None
    return Link(link_id, origin, slot, target)


def _ports(raw: object) -> tuple[Port, ...]:
    ports = []
    for entry in as_list(raw):
        item = entry if isinstance(entry, Mapping) else {}
        ids = tuple(link for link in map(identifier, as_list(item.get("linkIds"))) if link is not None)
        ports.append(Port(as_text(item.get("name")), _slot_type(item), ids, as_text(item.get("label"))))
    return tuple(ports)


def identifier(raw: object) -> str | None:
    """Return an id as text, None for a value that can't be an id."""
    if isinstance(raw, str):
        return raw or None
    number = whole(raw)
    return None if number is None else str(number)


def whole(raw: object) -> int | None:
    """Return a JSON number or numeric text as an int, None for all other values, including fractions and true."""
    return parse_int(raw) if isinstance(raw, str) else as_int(raw)
