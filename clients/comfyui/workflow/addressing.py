"""Resolves addresses of inputs, and sets inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...core.errors import ValidationError
from ...core.request import nearest_names
from .conversion import EditorWidget
from .loading import Prompt, is_link, title_of

OBVIOUS_INPUTS = ("text", "prompt", "value", "string", "image", "video", "audio", "file", "ckpt_name")
"""Names of the input that a node is about, where it has several."""

SEED_INPUTS = ("seed", "noise_seed")

_PRIMITIVE_INPUTS = ("value", "string", "text", "int", "float", "boolean", "seed")


class Target(NamedTuple):
    """One input of one node."""

    node_id: str
    input_name: str

    @property
    def address(self) -> str:
        """The unambiguous address of this input, independent of the nodes' titles."""
        return f"#{self.node_id}.{self.input_name}"


class _AddressError(Exception):
    """The message describes the problem of an address."""


class Addresses:
    """Resolves addresses in a prompt; ``widgets`` are the editor's widgets that the prompt lacks."""

    def __init__(self, prompt: Prompt, widgets: Iterable[EditorWidget] = ()) -> None:
        self._prompt = prompt
        self._widgets: dict[str, list[EditorWidget]] = defaultdict(list)
        for widget in widgets:
            if widget.title:
                self._widgets[widget.title].append(widget)
        self._by_title: dict[str, list[str]] = defaultdict(list)
        self._by_class: dict[str, list[str]] = defaultdict(list)
        for node_id, node in prompt.items():
            title = title_of(prompt, node_id)
            if title not in (node["class_type"], node_id):
                self._by_title[title].append(node_id)
            self._by_class[node["class_type"]].append(node_id)

    def resolve_all(self, addresses: Iterable[str]) -> dict[str, Target]:
        """Return the target of each address, the first of several; raises as :meth:`resolve_places` does."""
        return {address: targets[0] for address, targets in self.resolve_places(addresses).items()}

    def resolve_places(self, addresses: Iterable[str]) -> dict[str, tuple[Target, ...]]:
        """Return the targets of each address; raises ``ValidationError`` (code ``unknown_input``) with all problems.

        An address has one target, except that a widget in the editor may feed several inputs.
        """
        targets: dict[str, tuple[Target, ...]] = {}
        problems: list[str] = []
        for address in addresses:
            try:
                targets[address] = self._of_widget(address) or (self._resolve(address),)
            except _AddressError as error:
                problems.append(str(error))
        if problems:
            raise ValidationError(
                " ".join(problems),
                code="unknown_input",
                problems=problems,
                hint="Address an input as 'Node title' or 'Node title.input name'.",
                context={"nodes": self._names()},
            )
        return targets

    def _resolve(self, address: str) -> Target:
        by_id = self._by_id(address)
        if by_id is not None:
            return self.followed(by_id)
        node_id = self._node(address)
        if node_id is not None:
            return self.followed(Target(node_id, self._obvious_input(node_id, address)))
        inputless: str | None = None
        for at in (at for at, each in enumerate(address) if each == "."):
            node_id = self._node(address[:at])
            if node_id is None:
                continue
            if address[at + 1 :] in self._prompt[node_id]["inputs"]:
                return self.followed(Target(node_id, address[at + 1 :]))
            inputless = self._no_such_input(node_id, address[at + 1 :])
        raise _AddressError(inputless or self._no_such_node(address))

    def _of_widget(self, address: str) -> tuple[Target, ...]:
        """Return the inputs that an editor widget feeds, none if the address is a node's input."""
        titles = [title for title in self._widgets if address == title or address.startswith(f"{title}.")]
        for title in sorted(titles, key=len, reverse=True):
            if title in self._by_title or title in self._by_class or title in self._prompt:
                continue
            widgets, name = self._widgets[title], address[len(title) + 1 :]
            shown = [widget for widget in widgets if name in (widget.label, widget.name)] if name else widgets
            obvious = [widget for widget in shown if name or widget.name in OBVIOUS_INPUTS or len(widgets) == 1]
            if len(obvious) > 1:
                names = ", ".join(dict.fromkeys(widget.name for widget in widgets))
                raise _AddressError(f"{address!r} is ambiguous; write '{title}.widget' with one of: {names}.")
            if obvious:
                return tuple(Target(*each) for each in obvious[0].targets)
        return ()

    def _by_id(self, address: str) -> Target | None:
        """Return the target with this exact address."""
        for at in (at for at, each in enumerate(address) if each == "."):
            target = Target(address[1:at], address[at + 1 :])
            node = self._prompt.get(target.node_id)
            if target.address == address and node is not None and target.input_name in node["inputs"]:
                return target
        return None

    def _node(self, name: str) -> str | None:
        """Return the node's id, None if no node has this name."""
        for found in (self._by_title.get(name, ()), self._by_class.get(name, ())):
            if len(found) > 1:
                ids = ", ".join(sorted(found))
                raise _AddressError(f"{name!r} is ambiguous: the nodes {ids} have this title; write '#id.input name'.")
            if found:
                return found[0]
        return name if name in self._prompt else None

    def _obvious_input(self, node_id: str, address: str) -> str:
        inputs: dict[str, Any] = self._prompt[node_id]["inputs"]
        values = [name for name, value in inputs.items() if not is_link(value)]
        if len(values) == 1:
            return values[0]
        known = [name for name in OBVIOUS_INPUTS if name in (values or inputs)]
        if known:
            return known[0]
        names = ", ".join(inputs) or "none"
        raise _AddressError(f"{address!r} has no single obvious input; write '{address}.input' with one of: {names}.")

    def followed(self, target: Target) -> Target:
        """Return the input that holds the target's value: follow links through primitive nodes."""
        seen = {target}
        while is_link(value := self._prompt[target.node_id]["inputs"][target.input_name]):
            if value[0] not in self._prompt:
                break
            source = _primitive_input(value[0], self._prompt[value[0]])
            if source is None or source in seen:
                break
            seen.add(source)
            target = source
        return target

    def _no_such_input(self, node_id: str, name: str) -> str:
        inputs = self._prompt[node_id]["inputs"]
        near = nearest_names(name, inputs)
        question = f" Did you mean {' or '.join(near)}?" if near else ""
        return f"{title_of(self._prompt, node_id)!r} has no input {name!r}; it has {', '.join(inputs)}.{question}"

    def _no_such_node(self, address: str) -> str:
        near = nearest_names(address, self._names()) or nearest_names(address.partition(".")[0], self._names())
        question = f" Did you mean {' or '.join(repr(each) for each in near)}?" if near else ""
        return f"The workflow has no node {address!r}.{question}"

    def _names(self) -> list[str]:
        return sorted({*self._by_title, *self._by_class, *self._widgets})


def set_input(prompt: Prompt, target: Target, value: Any) -> None:
    """Set the value of an input; this removes its link."""
    prompt[target.node_id]["inputs"][target.input_name] = value


def seed_targets(prompt: Prompt) -> list[Target]:
    """Return the seed inputs: integers named ``seed`` or ``noise_seed``, and the primitive nodes linked to them."""
    addresses = Addresses(prompt)
    targets: dict[Target, None] = {}
    for node_id, node in prompt.items():
        for name in SEED_INPUTS:
            if name in node["inputs"]:
                target = addresses.followed(Target(node_id, name))
                value = prompt[target.node_id]["inputs"][target.input_name]
                if isinstance(value, int) and not isinstance(value, bool):
                    targets[target] = None
    return list(targets)


def _primitive_input(node_id: str, node: Mapping[str, Any]) -> Target | None:
    """Return the input of a primitive node, which only passes its value on; None for other nodes."""
    inputs = node["inputs"]
    names = [name for name in _PRIMITIVE_INPUTS if name in inputs]
    if len(names) != 1:
        return None
    only = len(inputs) == 1
    return Target(node_id, names[0]) if only or str(node["class_type"]).startswith("Primitive") else None
