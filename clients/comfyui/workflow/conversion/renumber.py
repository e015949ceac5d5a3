"""Makes node ids unique over all subgraph definitions, as the editor does: prompts contain these new ids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .graph import Graph, Node, Workflow, identifier, whole


def unique_ids(workflow: Workflow) -> Workflow:
    """Return the workflow with new ids for the inner nodes whose id occurs in the root or in an earlier definition.

    New ids continue from the workflow's ``last_id``.
    """
    last_id = workflow.last_id
    used = set(workflow.root.nodes)
    changed: dict[str, dict[str, str]] = {}
    for definition in workflow.definitions.values():
        for node_id in definition.nodes:
            if node_id in used:
                last_id = _free(last_id, used)
                changed.setdefault(definition.id, {})[node_id] = str(last_id)
                used.add(str(last_id))
            else:
                used.add(node_id)
                last_id = max(last_id, whole(node_id) or 0)
    if not changed:
        return workflow
    definitions = {key: _renumbered(graph, changed) for key, graph in workflow.definitions.items()}
    return Workflow(_renumbered(workflow.root, changed), definitions, last_id)


def _free(last_id: int, used: set[str]) -> int:
    last_id += 1
    while str(last_id) in used:
        last_id += 1
    return last_id


def _renumbered(graph: Graph, changed: dict[str, dict[str, str]]) -> Graph:
    ids = changed.get(graph.id, {})
    nodes = [_repointed(replace(node, id=ids.get(key, key)), changed) for key, node in graph.nodes.items()]
    links = {
        key: replace(link, origin=ids.get(link.origin, link.origin), target=ids.get(link.target, link.target))
        for key, link in graph.links.items()
    }
    return replace(graph, nodes={node.id: node for node in nodes}, links=links)


def _repointed(node: Node, changed: dict[str, dict[str, str]]) -> Node:
    """Return a subgraph instance whose ``proxyWidgets`` pairs contain the new ids of inner nodes."""
    pairs = node.properties.get("proxyWidgets")
    ids = changed.get(node.type)
    if not ids or not isinstance(pairs, list):
        return node
    moved: list[Any] = [
        [ids.get(identifier(pair[0]) or "", pair[0]), *pair[1:]] if isinstance(pair, list) and pair else pair
        for pair in pairs
    ]
    return replace(node, properties={**node.properties, "proxyWidgets": moved})
