"""A workflow of ComfyUI's editor turned into the prompt that the editor itself would send.

Held to the editor's own output, frontend 1.49.6 and 1.58.1. Where the result would be a guess there is an error.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .errors import missing_nodes, place, refuse
from .graph import DEEPEST, Graph, Node, Slot, read_workflow
from .links import OWN, PASSING, Output, Resolver, Value
from .renumber import unique_ids
from .subgraphs import Flattener, Scope
from .texts import SAVING, choose, fill
from .widgets import ABSENT, CUSTOM_COMBO, Field

# Nodes of custom packs that live in the editor alone, as do the editor's own.
VIRTUAL = (
    OWN
    | PASSING
    | {
        "GetNode",
        "Bookmark (rgthree)",
        "Fast Actions Button (rgthree)",
        "Fast Bypasser (rgthree)",
        "Fast Groups Bypasser (rgthree)",
        "Fast Groups Muter (rgthree)",
        "Fast Muter (rgthree)",
        "Label (rgthree)",
        "Mute / Bypass Relay (rgthree)",
        "Mute / Bypass Repeater (rgthree)",
        "Node Collector (rgthree)",
        "Random Unmuter (rgthree)",
    }
)
_GROUP_NODE = ("workflow/", "workflow>")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def ui_to_api(
    workflow: dict[str, Any],
    object_info: dict[str, Any],
    *,
    rng: random.Random | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return the API-format prompt of a workflow in the editor's format. No I/O; nothing of the arguments is changed.

    ``object_info`` is the server's answer for at least the classes in the workflow. ``rng`` decides on ``{a|b}`` in
    prompts, ``now`` (local time) fills ``%date:...%`` in file names. Seeds stay as saved: a control value such as
    "randomize" is for the caller to act on.

    ``MissingResource`` (code ``missing_node``) for classes the server lacks; ``ValidationError`` for what is no such
    workflow or can't be converted rightly, with the node's id and title in ``context``: ``not_a_ui_workflow``,
    ``malformed_node``, ``malformed_subgraph``, ``duplicate_node_id``, ``missing_subgraph``, ``subgraph_cycle``,
    ``nested_too_deep``, ``workflow_too_large``, ``link_cycle``, ``group_node``, ``needs_editor``,
    ``widget_values_mismatch``, ``ambiguous_list``; ``not_object_info`` for a damaged ``object_info``.
    """
    read = unique_ids(read_workflow(workflow))
    if not isinstance(object_info, Mapping):
        raise refuse("not_object_info", "The server's list of node classes is not one.", hint="Ask /object_info again.")
    flat = Flattener(read, object_info)
    scopes = flat.scopes()
    _check_nodes(scopes, flat)
    when = now or datetime.now()  # noqa: DTZ005 - the user's own clock, for a file's name
    return _Conversion(flat, rng or random.Random(), when).run(scopes)


def node_classes(workflow: dict[str, Any]) -> list[str]:
    """Return the classes whose object_info ``ui_to_api`` will want, in the workflow's order; the server may lack some.

    ``ValidationError`` as from ``ui_to_api`` for what is no such workflow, or a damaged one.
    """
    read = read_workflow(workflow)
    kinds = (node.type for graph in read.graphs() for node in graph.nodes.values())
    return list(dict.fromkeys(kind for kind in kinds if kind not in OWN and kind not in read.definitions))


def _check_nodes(scopes: list[Scope], flat: Flattener) -> None:
    missing: dict[str, tuple[str, str]] = {}
    for scope in scopes:
        for node in scope.graph.nodes.values():
            if node.off or flat.info(node) is not None or flat.definition(node) is not None:
                continue
            _check_group(node)
            if node.type not in VIRTUAL and _wired(scope.graph, node):
                _check_subgraph(node)
                missing.setdefault(node.type, (scope.prefix + node.id, node.title))
    if missing:
        raise missing_nodes(missing, (name for name in flat.object_info if isinstance(name, str)))


def _check_group(node: Node) -> None:
    if node.type.startswith(_GROUP_NODE):
        raise refuse(
            "group_node",
            f"{place(node.title, node.type, node.id)} is a group node, a kind that ComfyUI has given up.",
            hint="Open the workflow in ComfyUI's editor, convert the group node to a subgraph, and save it again.",
            node_id=node.id,
            title=node.title,
        )


def _check_subgraph(node: Node) -> None:
    if _UUID.fullmatch(node.type):
        where = place(node.title, "subgraph", node.id)
        raise refuse("missing_subgraph", f"The workflow lacks the definition of {where}.", node_id=node.id)


def _wired(graph: Graph, node: Node) -> bool:
    fed = any(slot.link in graph.links for slot in node.inputs)
    return fed or any(link.origin == node.id for link in graph.links.values())


class _Conversion:
    """One run: the prompt of all scopes."""

    def __init__(self, flat: Flattener, rng: random.Random, now: datetime) -> None:
        self._flat = flat
        self._resolver = Resolver(flat)
        self._rng = rng
        self._now = now

    def run(self, scopes: list[Scope]) -> dict[str, Any]:
        """Return the prompt."""
        prompt: dict[str, Any] = {}
        for scope in scopes:
            for node in scope.graph.nodes.values():
                info = self._flat.info(node)
                if info is None or node.off or node.type in OWN or self._flat.definition(node) is not None:
                    continue
                prompt[scope.prefix + node.id] = {
                    "inputs": self._inputs(scope, node),
                    "class_type": node.type,
                    "_meta": {"title": node.title or _default_title(node, info)},
                }
        return prompt

    def _inputs(self, scope: Scope, node: Node) -> dict[str, Any]:
        fields = self._flat.fields(scope.graph, node)
        slots = self._resolver.inputs(scope.graph, node)
        driven = {slot.widget: self._primitive(scope, slot) for slot in slots if slot.widget}
        inputs: dict[str, Any] = {}
        for name, field in fields.items():
            value = field.value if driven.get(name, ABSENT) is ABSENT else driven[name]
            if field.widget.sent and value is not ABSENT:
                inputs[name] = self._wrapped(node, name, self._said(node, field, value), field.widget.kind)
        for index, slot in enumerate(slots):
            value = scope.promoted.inner.get((node.id, slot.name), ABSENT)
            found = Value(value) if value is not ABSENT else self._resolver.resolve(scope, node, index)
            if isinstance(found, Output):
                inputs[slot.name] = [found.node, found.slot]
            elif found is not None and found.value is not ABSENT:
                inputs[slot.name] = self._wrapped(node, slot.name, found.value, slot.type)
        if node.type == CUSTOM_COMBO:
            options = [value for name, value in inputs.items() if name.startswith("option")]
            choice = inputs.get("choice", ABSENT)
            inputs["index"] = options.index(choice) if choice in options else -1
        return inputs

    def _primitive(self, scope: Scope, slot: Slot) -> Any:
        """Return the value that a PrimitiveNode puts into the widget, ABSENT if none feeds it."""
        source = self._resolver.primitive(scope, slot)
        if source is None:
            return ABSENT
        given = scope.promoted.inner.get((source.id, ""), ABSENT)
        if given is not ABSENT:
            return given
        saved = source.values if source.values is not None else source.named or {}
        value = next(iter(saved.values() if isinstance(saved, dict) else saved), ABSENT)
        replace = source.properties.get("Run widget replace on values")
        return self._filled(value) if replace and isinstance(value, str) else value

    def _said(self, node: Node, field: Field, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if field.widget.dynamic_prompts:
            return choose(value, self._rng)
        if node.type in SAVING and field.widget.name == "filename_prefix":
            return self._filled(value)
        return value

    def _filled(self, text: str) -> str:
        return fill(text, self._look_up, self._now) if "%" in text else text

    def _look_up(self, name: str, widget: str) -> Any:
        """Return the value of a widget of the node called ``name``: by its alias, else by its title."""
        by_title: list[tuple[Graph, Node]] = []
        for graph in self._flat.workflow.graphs():
            for node in graph.nodes.values():
                if node.properties.get("Node name for S&R") == name:
                    return self._held(graph, node, widget)
                info = self._flat.info(node)
                if name == (node.title or (_default_title(node, info) if info is not None else "")):
                    by_title.append((graph, node))
        return self._held(*by_title[0], widget) if by_title else None

    def _held(self, graph: Graph, node: Node, widget: str) -> Any:
        field = self._flat.fields(graph, node).get(widget)
        return field.value if field is not None and field.value is not ABSENT else None

    def _wrapped(self, node: Node, name: str, value: Any, kind: str) -> Any:
        """Return a value as the server takes it: a bare list would be read as a link."""
        copied = _copied(node, value)
        if not isinstance(value, list):
            return copied
        if kind == "CURVE":
            return {"__type__": "CURVE", "__value__": copied}
        if len(value) == 2 and isinstance(value[0], str) and _is_number(value[1]):
            raise refuse(
                "ambiguous_list",
                f"The server would read the value of {name} in {place(node.title, node.type, node.id)} as a link.",
                hint="Change the list in that node: it must not be a text followed by a number.",
                node_id=node.id,
                title=node.title,
                field=name,
            )
        return {"__value__": copied}


def _copied(node: Node, value: Any, depth: int = 0) -> Any:
    """Return a copy of a saved value that shares nothing with the workflow."""
    if depth > DEEPEST:
        where = place(node.title, node.type, node.id)
        raise refuse("nested_too_deep", f"A value saved in {where} is nested too deep.", node_id=node.id)
    if isinstance(value, dict):
        return {key: _copied(node, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(node, item, depth + 1) for item in value]
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _default_title(node: Node, info: Mapping[str, Any]) -> str:
    for key in ("display_name", "name"):
        if isinstance(info.get(key), str) and info[key]:
            return str(info[key])
    return node.type
