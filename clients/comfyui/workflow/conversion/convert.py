"""Converts a workflow of ComfyUI's editor to the prompt that the editor itself would send.

The tests compare the prompts with those of the editor, frontend 1.49.6 and 1.58.1. An ambiguous workflow raises an
error; the conversion never guesses.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ....core.json_fields import is_number
from .errors import missing_nodes, place, refuse
from .graph import DEEPEST, Graph, Node, read_workflow
from .links import OWN, PASSING, Output, Resolver, Value
from .renumber import unique_ids
from .subgraphs import PRIMITIVE, Flattener, Scope
from .texts import SAVING, choose, fill
from .widgets import ABSENT, CUSTOM_COMBO, Field

# Node classes that exist in the editor alone and are never sent: the editor's own, and those of custom packs.
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


@dataclass(frozen=True)
class EditorWidget:
    """A widget that the prompt does not have: a promoted widget of a subgraph, or the widget of a PrimitiveNode.

    ``node_id`` is the id of the subgraph's instance or of the PrimitiveNode, with all prefixes, ``title`` the title of
    that node in the editor. ``name`` is the widget's name, ``label`` the text that the editor shows in place of the
    name, empty for none. ``targets`` are the node ids and input names of the prompt that take the widget's value.
    """

    node_id: str
    title: str
    name: str
    label: str
    targets: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Converted:
    """A prompt, and the widgets of the editor that the prompt has only as values of other nodes."""

    prompt: dict[str, Any]
    widgets: tuple[EditorWidget, ...] = ()


def ui_to_api(
    workflow: dict[str, Any],
    object_info: dict[str, Any],
    *,
    rng: random.Random | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return the API-format prompt of a workflow in the editor's format. No I/O; the arguments are not changed.

    ``object_info`` is the server's ``/object_info``, with at least the classes in the workflow. ``rng`` chooses from
    ``{a|b}`` in prompts, ``now`` (local time) fills ``%date:...%`` in file names. Seeds stay as saved: the caller
    applies a control value such as "randomize".

    Raises ``MissingResource`` (code ``missing_node``) for classes that the server lacks, and ``ValidationError`` for a
    document that is not such a workflow, or for one that can't be converted correctly, with the node's id and title
    in ``context``. The codes: ``not_a_ui_workflow``,
    ``malformed_node``, ``malformed_subgraph``, ``duplicate_node_id``, ``missing_subgraph``, ``subgraph_cycle``,
    ``nested_too_deep``, ``workflow_too_large``, ``link_cycle``, ``group_node``, ``needs_editor``,
    ``widget_values_mismatch``, ``ambiguous_list``; ``not_object_info`` for a damaged ``object_info``.
    """
    return convert(workflow, object_info, rng=rng, now=now).prompt


def convert(
    workflow: dict[str, Any],
    object_info: Mapping[str, Any],
    *,
    rng: random.Random | None = None,
    now: datetime | None = None,
) -> Converted:
    """Convert a workflow as :func:`ui_to_api` does, and also return the editor's widgets with their targets."""
    read = unique_ids(read_workflow(workflow))
    if not isinstance(object_info, Mapping):
        raise refuse(
            "not_object_info", "The server's list of node classes is not valid.", hint="Request /object_info again."
        )
    flat = Flattener(read, object_info)
    scopes = flat.scopes()
    _check_nodes(scopes, flat)
    when = now or datetime.now()  # noqa: DTZ005 - the user's own clock, for a file's name
    return _Conversion(flat, rng or random.Random(), when).run(scopes)


def node_classes(workflow: dict[str, Any]) -> list[str]:
    """Return the classes whose object_info ``ui_to_api`` needs, in the workflow's order; the server may lack some.

    Raises ``ValidationError``, as ``ui_to_api`` does, for a damaged workflow or another document.
    """
    read = read_workflow(workflow)
    kinds = (node.type for graph in read.graphs() for node in graph.nodes.values())
    return list(dict.fromkeys(kind for kind in kinds if kind not in OWN and kind not in read.definitions))


def _check_nodes(scopes: list[Scope], flat: Flattener) -> None:
    missing: dict[str, tuple[str, str]] = {}
    for scope in scopes:
        origins = {link.origin for link in scope.graph.links.values()}
        for node in scope.graph.nodes.values():
            if node.off or flat.info(node) is not None or flat.definition(node) is not None:
                continue
            _check_group(node)
            if node.type not in VIRTUAL and (node.id in origins or _is_fed(scope.graph, node)):
                _check_subgraph(node)
                missing.setdefault(node.type, (scope.prefix + node.id, node.title))
    if missing:
        raise missing_nodes(missing, (name for name in flat.object_info if isinstance(name, str)))


def _check_group(node: Node) -> None:
    if node.type.startswith(_GROUP_NODE):
        raise refuse(
            "group_node",
            f"{place(node.title, node.type, node.id)} is a group node, a kind that ComfyUI no longer supports.",
            hint="Open the workflow in ComfyUI's editor, convert the group node to a subgraph, and save it again.",
            node_id=node.id,
            title=node.title,
        )


def _check_subgraph(node: Node) -> None:
    if _UUID.fullmatch(node.type):
        where = place(node.title, "subgraph", node.id)
        raise refuse("missing_subgraph", f"The workflow lacks the definition of {where}.", node_id=node.id)


def _is_fed(graph: Graph, node: Node) -> bool:
    return any(slot.link in graph.links for slot in node.inputs)


class _Conversion:
    """One conversion: collects the nodes of all scopes in one prompt."""

    def __init__(self, flat: Flattener, rng: random.Random, now: datetime) -> None:
        self._flat = flat
        self._definitions = flat.workflow.definitions
        self._resolver = Resolver(flat)
        self._rng = rng
        self._now = now
        self._hosts: dict[str, Node] = {}
        self._targets: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._names: tuple[dict[str, tuple[Graph, Node]], dict[str, tuple[Graph, Node]]] | None = None

    def run(self, scopes: list[Scope]) -> Converted:
        """Return the prompt and the editor's widgets."""
        prompt: dict[str, Any] = {}
        for scope in scopes:
            for node in scope.graph.nodes.values():
                info = self._flat.info(node)
                if node.type == PRIMITIVE or self._flat.definition(node) is not None:
                    self._hosts[scope.prefix + node.id] = node
                if info is None or node.off or node.type in OWN or self._flat.definition(node) is not None:
                    continue
                prompt[scope.prefix + node.id] = {
                    "inputs": self._inputs(scope, node),
                    "class_type": node.type,
                    "_meta": {"title": node.title or _default_title(node, info)},
                }
        return Converted(prompt, tuple(self._widgets()))

    def _widgets(self) -> Iterator[EditorWidget]:
        labels = {name: {port.name: port.label for port in graph.inputs} for name, graph in self._definitions.items()}
        for (node_id, name), targets in self._targets.items():
            node = self._hosts[node_id]
            title = node.title or (self._definitions[node.type].name if node.type in labels else "")
            yield EditorWidget(node_id, title, name, labels.get(node.type, {}).get(name, ""), tuple(targets))

    def _inputs(self, scope: Scope, node: Node) -> dict[str, Any]:
        fields = self._flat.fields(scope.graph, node)
        slots = self._resolver.inputs(scope.graph, node)
        node_id = scope.prefix + node.id
        sources = {slot.widget: self._resolver.primitive(scope, slot) for slot in slots if slot.widget}
        inputs: dict[str, Any] = {}
        for name, field in fields.items():
            value, source = field.value, sources.get(name)
            given = self._primitive_value(scope, source) if source is not None else ABSENT
            if given is not ABSENT and source is not None:
                value = given
                self._targets.setdefault((scope.prefix + source.id, "value"), []).append((node_id, name))
            if field.widget.sent and value is not ABSENT:
                inputs[name] = self._wrapped(node, name, self._said(node, field, value), field.widget.kind)
        for index, slot in enumerate(slots):
            value = scope.promoted.inner.get((node.id, slot.name), ABSENT)
            host = scope.prefix.removesuffix(":")
            found = Value(value, host, slot.name) if value is not ABSENT else self._resolver.resolve(scope, node, index)
            if isinstance(found, Output):
                inputs[slot.name] = [found.node, found.slot]
            elif found is not None and found.value is not ABSENT:
                inputs[slot.name] = self._wrapped(node, slot.name, found.value, slot.type)
                self._targets.setdefault((found.host, found.port), []).append((node_id, slot.name))
        if node.type == CUSTOM_COMBO:
            options = [value for name, value in inputs.items() if name.startswith("option")]
            choice = inputs.get("choice", ABSENT)
            inputs["index"] = options.index(choice) if choice in options else -1
        return inputs

    def _primitive_value(self, scope: Scope, source: Node) -> Any:
        """Return the value that a PrimitiveNode puts into the widgets it feeds, ABSENT if it holds none."""
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
        if self._names is None:
            self._names = self._by_name()
        by_alias, by_title = self._names
        found = by_alias.get(name) or by_title.get(name)
        return self._held(*found, widget) if found is not None else None

    def _by_name(self) -> tuple[dict[str, tuple[Graph, Node]], dict[str, tuple[Graph, Node]]]:
        by_alias: dict[str, tuple[Graph, Node]] = {}
        by_title: dict[str, tuple[Graph, Node]] = {}
        for graph in self._flat.workflow.graphs():
            for node in graph.nodes.values():
                alias, info = node.properties.get("Node name for S&R"), self._flat.info(node)
                if isinstance(alias, str):
                    by_alias.setdefault(alias, (graph, node))
                by_title.setdefault(
                    node.title or (_default_title(node, info) if info is not None else ""), (graph, node)
                )
        return by_alias, by_title

    def _held(self, graph: Graph, node: Node, widget: str) -> Any:
        field = self._flat.fields(graph, node).get(widget)
        return field.value if field is not None and field.value is not ABSENT else None

    def _wrapped(self, node: Node, name: str, value: Any, kind: str) -> Any:
        """Return the value in the server's form: lists are wrapped, because the server reads a bare list as a link."""
        copied = _copied(node, value)
        if not isinstance(value, list):
            return copied
        if kind == "CURVE":
            return {"__type__": "CURVE", "__value__": copied}
        if len(value) == 2 and isinstance(value[0], str) and is_number(value[1]):
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
        raise refuse("nested_too_deep", f"A value saved in {where} is nested too deeply.", node_id=node.id)
    if isinstance(value, dict):
        return {key: _copied(node, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(node, item, depth + 1) for item in value]
    return value


def _default_title(node: Node, info: Mapping[str, Any]) -> str:
    for key in ("display_name", "name"):
        if isinstance(info.get(key), str) and info[key]:
            return str(info[key])
    return node.type
