"""Finds the source of an input's value: follows links through reroutes, bypassed nodes and subgraph boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import place, refuse
from .graph import BYPASS, INPUT_NODE, NEVER, OUTPUT_NODE, Graph, Link, Node, Slot
from .specs import AUTOGROW, DYNAMIC_COMBO, MATCH_TYPE, Spec, declared, fits, output_types
from .subgraphs import PRIMITIVE, Flattener, Scope
from .widgets import chosen_inputs

# The editor's own virtual nodes: the editor recognises these names even if the server has classes of the same name.
OWN = frozenset({"MarkdownNote", "Note", PRIMITIVE, "Reroute"})
PASSING = frozenset({"Reroute", "Reroute (rgthree)", "SetNode"})
GET, SET = "GetNode", "SetNode"


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a node in the prompt: the node's id with all prefixes, and the output's slot."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Value:
    """A value, not a link, that the subgraph instance ``host`` (id with all prefixes) sets for its input ``port``."""

    value: Any
    host: str
    port: str


@dataclass(frozen=True, slots=True)
class _In:
    """A step of the search: the input ``index`` of ``node``; ``wanted`` is the type of the final input."""

    scope: Scope
    node: Node
    index: int
    wanted: str | None = None


@dataclass(frozen=True, slots=True)
class _Out:
    """A step of the search: the output ``slot`` of ``node``."""

    scope: Scope
    node: Node
    slot: int
    wanted: str


class Resolver:
    """Follows links, in a loop and not by recursion: a chain may be as long as the workflow.

    The end of each step is cached, because one long chain may feed many inputs.
    """

    def __init__(self, flattener: Flattener) -> None:
        self._flat = flattener
        self._inputs: dict[tuple[str, str], list[Slot]] = {}
        self._ends: dict[_Place, Output | Value | None] = {}
        self._setters: dict[str, dict[str, Node]] = {}

    def inputs(self, graph: Graph, node: Node) -> list[Slot]:
        """Return the node's inputs in the editor's order: declared sockets, sockets of widgets, unknown sockets."""
        key = (graph.id, node.id)
        if key not in self._inputs:
            self._inputs[key] = self._ordered(graph, node)
        return self._inputs[key]

    def _ordered(self, graph: Graph, node: Node) -> list[Slot]:
        definition, info = self._flat.definition(node), self._flat.info(node)
        if definition is not None:
            saved = {slot.name: slot for slot in reversed(node.inputs)}
            return [Slot(port.name, port.type, _link(saved.get(port.name))) for port in definition.inputs]
        if info is None:
            return list(node.inputs)
        specs = declared(info)
        sockets = [slot for spec in specs if not spec.is_widget for slot in _sockets(node, spec)]
        widgets = [slot for spec in specs if spec.is_widget for slot in self._widget_slots(graph, node, spec)]
        known = {slot.name for slot in (*sockets, *widgets)}
        return [*sockets, *widgets, *(slot for slot in node.inputs if slot.name not in known)]

    def _widget_slots(self, graph: Graph, node: Node, spec: Spec) -> list[Slot]:
        slots = _sockets(node, spec) if spec.has_socket else []
        if spec.widget_type == DYNAMIC_COMBO and not node.off:
            field = self._flat.fields(graph, node)[spec.name]
            for inner in chosen_inputs(spec, field.value):
                slots += self._widget_slots(graph, node, inner) if inner.is_widget else _sockets(node, inner)
        return slots

    def resolve(self, scope: Scope, node: Node, index: int) -> Output | Value | None:
        """Return the source of a node's input, None without one; raises ``ValidationError`` for a loop of links."""
        seen: set[_Place] = set()
        step: _In | _Out | Output | Value | None = _In(scope, node, index)
        while isinstance(step, (_In, _Out)):
            at = _place_of(step)
            if at in seen:
                where = place(node.title, node.type, scope.prefix + node.id)
                raise refuse("link_cycle", f"The links that feed {where} form a loop.", node_id=node.id)
            if at in self._ends:
                step = self._ends[at]
                break
            seen.add(at)
            self._flat.spend(1)
            step = self._from_input(step) if isinstance(step, _In) else self._from_output(step)
        self._ends.update(dict.fromkeys(seen, step))
        return step

    def _from_input(self, step: _In) -> _In | _Out | Value | None:
        slot = self.inputs(step.scope.graph, step.node)[step.index]
        link = step.scope.graph.links.get(slot.link) if slot.link is not None else None
        if link is None:
            return None
        return self._along(step.scope, link, step.wanted or slot.type)

    def _along(self, scope: Scope, link: Link, wanted: str) -> _In | _Out | Value | None:
        """Return the step before a link: the output at its origin, or a subgraph's input from outside."""
        if link.origin == INPUT_NODE and scope.parent is not None and scope.host is not None:
            return self._outside(scope, scope.parent, scope.host, link.origin_slot)
        origin = scope.graph.nodes.get(link.origin)
        return _Out(scope, origin, link.origin_slot, wanted) if origin is not None else None

    def _outside(self, scope: Scope, parent: Scope, host: Node, port: int) -> _In | Value | None:
        slots = self.inputs(parent.graph, host)
        if not 0 <= port < len(slots):
            return None
        if slots[port].link in parent.graph.links:
            return _In(parent, host, port)
        if port not in scope.promoted.ports:
            return None
        return Value(scope.promoted.ports[port], parent.prefix + host.id, slots[port].name)

    def _from_output(self, step: _Out) -> _In | _Out | Output | Value | None:
        node, scope = step.node, step.scope
        if node.mode == NEVER or step.slot < 0:
            return None
        if node.mode == BYPASS:
            index = self._bypass(scope.graph, node, step.slot, step.wanted)
            return _In(scope, node, index) if index is not None else None
        child = scope.children.get(node.id)
        if child is not None:
            return self._inside(child, step)
        if self._flat.info(node) is not None and node.type not in OWN:
            return Output(scope.prefix + node.id, step.slot)
        if node.type == GET:
            return self._setter(step)
        passes = node.type in PASSING and step.slot < len(node.inputs)
        return _In(scope, node, step.slot, step.wanted) if passes else None

    def _inside(self, child: Scope, step: _Out) -> _In | _Out | Value | None:
        ports = child.graph.outputs
        ids = ports[step.slot].links if step.slot < len(ports) else ()
        self._flat.spend(len(ids))
        links = (child.graph.links.get(link_id) for link_id in ids)
        link = next((link for link in links if link is not None and link.target == OUTPUT_NODE), None)
        return self._along(child, link, step.wanted) if link is not None else None

    def _bypass(self, graph: Graph, node: Node, slot: int, wanted: str) -> int | None:
        """Return the index of the input that a bypassed node passes to an output, None if no type fits."""
        inputs = self.inputs(graph, node)
        if not inputs:
            return None
        self._flat.spend(len(inputs))
        if wanted in ("*", ""):
            return slot if slot < len(inputs) else 0
        given = self._output_type(node, slot)
        if slot < len(inputs) and fits(inputs[slot].type, given) and fits(inputs[slot].type, wanted):
            return slot
        exact = next((index for index, item in enumerate(inputs) if item.type == wanted), None)
        if exact is not None:
            return exact
        fitting = (index for index, item in enumerate(inputs) if fits(item.type, given) and fits(item.type, wanted))
        return next(fitting, None)

    def _output_type(self, node: Node, slot: int) -> str:
        info, definition = self._flat.info(node), self._flat.definition(node)
        types = [port.type for port in definition.outputs] if definition is not None else list(node.outputs)
        if info is not None:
            known = output_types(info)
            types = [*known, *types[len(known) :]]
        return types[slot] if slot < len(types) else "*"

    def _setter(self, step: _Out) -> _In | None:
        """Return the input of the SetNode with the GetNode's name, in the same graph or an enclosing one."""
        scope: Scope | None = step.scope
        name = _shared_name(step.node)
        while scope is not None and name is not None:
            setters = self._setters.get(scope.graph.id)
            if setters is None:
                setters = self._setters[scope.graph.id] = _setters_by_name(scope.graph)
            if name in setters:
                return _In(scope, setters[name], 0, step.wanted)
            scope = scope.parent
        return None

    def primitive(self, scope: Scope, slot: Slot) -> Node | None:
        """Return the PrimitiveNode linked directly to the slot, None if there is none."""
        link = scope.graph.links.get(slot.link) if slot.link is not None else None
        origin = scope.graph.nodes.get(link.origin) if link is not None else None
        return origin if origin is not None and origin.type == PRIMITIVE else None


_Place = tuple[str, str, bool, int, str | None]


def _place_of(step: _In | _Out) -> _Place:
    into = isinstance(step, _In)
    return step.scope.prefix, step.node.id, into, step.index if isinstance(step, _In) else step.slot, step.wanted


def _link(slot: Slot | None) -> str | None:
    return slot.link if slot is not None else None


def _sockets(node: Node, spec: Spec) -> list[Slot]:
    """Return the slots of one declared input: a single one, or all saved slots of a growing group."""
    if spec.type == AUTOGROW:
        return [slot for slot in node.inputs if slot.name.startswith(f"{spec.name}.")]
    saved = node.input_named(spec.name)
    kind = spec.type if spec.type != MATCH_TYPE else saved.type if saved is not None else "*"
    return [Slot(spec.name, kind, _link(saved), spec.name if spec.is_widget else None)]


def _setters_by_name(graph: Graph) -> dict[str, Node]:
    setters: dict[str, Node] = {}
    for node in graph.nodes.values():
        name = _shared_name(node)
        if node.type == SET and node.inputs and name is not None:
            setters.setdefault(name, node)
    return setters


def _shared_name(node: Node) -> str | None:
    values = node.values
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else None
