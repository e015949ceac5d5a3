"""Flattens subgraphs: each use of a definition is a scope with its own prefix and its own promoted values.

A subgraph can show a widget of an inner node (a promoted widget); the instance's value then replaces the inner one.
Files have three forms of promotion, by generation: an input of the definition linked to the inner widget, with the
instance's values in the order of such inputs, or by name; and pairs ``[inner id, widget]`` in ``proxyWidgets``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ....core.errors import ValidationError
from .errors import place, refuse
from .graph import DEEPEST, Graph, Node, Port, Workflow, identifier
from .widgets import ABSENT, Field, read_fields

MOST_NODES = 100_000
MOST_STEPS = 500_000
"""Steps of the search for what feeds the inputs. The largest official template takes 1,500."""

PRIMITIVE = "PrimitiveNode"
_OLD_PREFIX = re.compile(r"\A\s*(\d+)\s*:\s*(.+)", re.DOTALL)


@dataclass(slots=True)
class Promoted:
    """The values that an instance sets inside its subgraph, without ABSENT ones.

    ``ports`` has them by the index of the definition's input, ``inner`` by the inner node's id and the widget's name;
    the widget of a nested instance has the name of the nested definition's input.
    """

    ports: dict[int, Any] = field(default_factory=dict)
    inner: dict[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(slots=True)
class Scope:
    """One use of a graph: the root, or an instance of a definition. ``prefix`` precedes the ids of its nodes."""

    graph: Graph
    prefix: str = ""
    parent: Scope | None = None
    host: Node | None = None
    promoted: Promoted = field(default_factory=Promoted)
    depth: int = 0
    children: dict[str, Scope] = field(default_factory=dict)


def _too_deep(node: Node) -> ValidationError:
    where = place(node.title, "subgraph", node.id)
    message = f"Subgraphs are nested more than {DEEPEST} levels deep: {where}."
    return refuse("nested_too_deep", message, node_id=node.id)


class Flattener:
    """Creates the scopes of a workflow and reads the widgets of its nodes, each node once."""

    def __init__(self, workflow: Workflow, object_info: Mapping[str, Any]) -> None:
        self.workflow = workflow
        self.object_info = object_info
        self._fields: dict[tuple[str, str], dict[str, Field]] = {}
        self._promoted: dict[tuple[str, str], Promoted | None] = {}
        self._depth = 0
        self._steps_left = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Count steps of a search; raises ``ValidationError`` once the workflow has used too many."""
        self._steps_left -= steps
        if self._steps_left < 0:
            raise refuse("workflow_too_large", "The workflow has too many links.")

    def info(self, node: Node) -> Mapping[str, Any] | None:
        """Return the server's definition of the node's class, None if the server lacks the class."""
        info = self.object_info.get(node.type)
        return info if isinstance(info, Mapping) else None

    def definition(self, node: Node) -> Graph | None:
        """Return the subgraph definition of an instance, None for a plain node."""
        return self.workflow.definitions.get(node.type)

    def fields(self, graph: Graph, node: Node) -> dict[str, Field]:
        """Return the node's widgets by name, with their saved values; empty for a class without widgets."""
        key = (graph.id, node.id)
        if key not in self._fields:
            info = self.info(node)
            self._fields[key] = read_fields(node, info) if info is not None else {}
        return self._fields[key]

    def scopes(self) -> list[Scope]:
        """Return the scopes of the root and of all instances not muted or bypassed, parents before children."""
        found = [Scope(self.workflow.root)]
        nodes = 0
        for scope in found:
            nodes += len(scope.graph.nodes)
            if nodes > MOST_NODES:
                raise refuse("workflow_too_large", f"Without subgraphs, the workflow has more than {MOST_NODES} nodes.")
            for node in scope.graph.nodes.values():
                definition = self.definition(node)
                if definition is None or node.off:
                    continue
                if scope.depth >= DEEPEST:
                    raise _too_deep(node)
                child = self._enter(scope, node, definition)
                scope.children[node.id] = child
                found.append(child)
        return found

    def _enter(self, scope: Scope, node: Node, definition: Graph) -> Scope:
        own = self.promotions(scope.graph, node, definition)
        promoted = Promoted(dict(own.ports), dict(own.inner))
        for index, port in enumerate(definition.inputs):
            value = scope.promoted.inner.get((node.id, port.name), ABSENT)
            if value is not ABSENT:
                promoted.ports[index] = value
        return Scope(definition, f"{scope.prefix}{node.id}:", scope, node, promoted, scope.depth + 1)

    def promotions(self, graph: Graph, host: Node, definition: Graph) -> Promoted:
        """Return the values that the instance ``host`` in ``graph`` sets for inner widgets."""
        key = (graph.id, host.id)
        if key not in self._promoted:
            self._promoted[key] = None
            self._depth += 1
            if self._depth > DEEPEST:
                raise _too_deep(host)
            self._promoted[key] = self._promotions(host, definition)
            self._depth -= 1
        known = self._promoted[key]
        if known is None:
            where = place(host.title, "subgraph", host.id)
            raise refuse("subgraph_cycle", f"A subgraph contains itself: {where}.", node_id=host.id)
        return known

    def _promotions(self, host: Node, definition: Graph) -> Promoted:
        targets: dict[int, tuple[str, str]] = {}
        promoted = Promoted()
        for index, port in enumerate(definition.inputs):
            target = self._target(definition, port)
            if target is not None:
                targets[index] = target[:2]
                promoted.ports[index] = target[2]
        pairs = host.properties.get("proxyWidgets")
        if isinstance(pairs, list) and pairs:
            self._apply_pairs(pairs, host, definition, targets, promoted)
        else:
            self._apply_own(host, definition, promoted)
        return promoted

    def _apply_own(self, host: Node, definition: Graph, promoted: Promoted) -> None:
        """Apply the instance's values in the order of the promoted inputs, or by name if their numbers differ."""
        listed = host.values if isinstance(host.values, list) else []
        named = host.values if isinstance(host.values, dict) else host.named
        if named is not None and len(listed) != len(promoted.ports):
            for index in promoted.ports:
                promoted.ports[index] = named.get(definition.inputs[index].name, promoted.ports[index])
            return
        for index, value in zip(list(promoted.ports), listed, strict=False):
            promoted.ports[index] = value

    def _target(self, definition: Graph, port: Port) -> tuple[str, str, Any] | None:
        """Return the inner widget that a definition's input is linked to: node id, name and inner value."""
        for link_id in port.links:
            link = definition.links.get(link_id)
            node = definition.nodes.get(link.target) if link is not None else None
            self.spend(1 + (len(node.inputs) if node is not None else 0))
            slot = next((slot for slot in node.inputs if slot.link == link_id), None) if node is not None else None
            if node is None or slot is None:
                continue
            nested = self.definition(node)
            if nested is not None:
                inner = self.promotions(definition, node, nested)
                self.spend(len(nested.inputs))
                for index, inner_port in enumerate(nested.inputs):
                    if inner_port.name == slot.name and index in inner.ports:
                        return node.id, slot.name, inner.ports[index]
                continue
            fields = self.fields(definition, node)
            name = slot.widget if slot.widget in fields else slot.name
            if name in fields:
                return node.id, name, fields[name].value
        return None

    def _apply_pairs(
        self, pairs: list[Any], host: Node, definition: Graph, targets: dict[int, tuple[str, str]], promoted: Promoted
    ) -> None:
        """Apply ``[inner id, widget]`` pairs to the instance's values, in order; the id -1 means a port."""
        values = host.values if isinstance(host.values, list) else []
        for pair, value in zip(pairs, values, strict=False):
            self.spend(1 + len(definition.inputs))
            if value is None or not isinstance(pair, list) or len(pair) < 2 or not isinstance(pair[1], str):
                continue
            source, name = identifier(pair[0]), pair[1]
            ports = [port.name for port in definition.inputs]
            linked = next((index for index, target in targets.items() if target == (source, name)), None)
            if source == "-1" and name in ports:
                linked = ports.index(name)
            if linked is not None:
                promoted.ports[linked] = value
                continue
            key = self._inner_key(definition, source, name) if source is not None else None
            if key is not None:
                promoted.inner.setdefault(key, value)

    def _inner_key(self, definition: Graph, source: str, name: str) -> tuple[str, str] | None:
        node = definition.nodes.get(source)
        if node is None:
            return None
        if node.type == PRIMITIVE:
            return source, ""
        nested = self.definition(node)
        if nested is None:
            return (source, name) if name in self.fields(definition, node) else None
        bare = name
        while (old := _OLD_PREFIX.fullmatch(bare)) is not None:
            bare = old.group(2)
        for port in nested.inputs:
            target = self._target(nested, port)
            if target is not None and (port.name in (name, bare) or target[1] in (name, bare)):
                return source, port.name
        return None
