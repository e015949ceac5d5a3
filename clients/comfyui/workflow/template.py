"""A workflow as a form to fill in: named parameters with their kinds, limits and choices, from which a UI can be drawn.

Parameters are found by an explicit mapping of names to addresses; else by title: nodes titled ``blender:NAME`` and
primitive nodes with a title of their own; and by type: seeds, many-line texts, sizes, media files and models.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import ValidationError
from ...core.request import nearest_names
from ..request import WorkflowRequest
from .addressing import Addresses, Target, seed_targets
from .conversion.specs import Spec, spec_of
from .loading import MODEL_FILE, Prompt, is_link, title_of
from .parameters import FILE, TEXT, Parameter, kind_of, parameter

PREFIX = "blender:"
_PRIMITIVE = "Primitive"
_ALIKE = ("width", "height", "steps", "cfg", "denoise", "fps", "length", "duration", "strength")
"""Numbers that are wished for in one place only, where the workflow has one such input."""

Definitions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class WorkflowTemplate:
    """A prompt and what can be set in it; ``parameters`` by name, in the order in which a form would show them."""

    prompt: Prompt
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @classmethod
    def of(
        cls, prompt: Prompt, object_info: Definitions, parameters: Mapping[str, str] | None = None
    ) -> WorkflowTemplate:
        """Find the parameters of a prompt in the API format.

        ``object_info`` holds the server's definitions of the prompt's classes (fewer: kinds are taken from the values).
        ``parameters`` maps names to addresses as of ``WorkflowRequest.inputs`` and is then all there is. Raises
        ``ValidationError`` (code ``unknown_input``) for an address that is not in the prompt.
        """
        prompt = copy.deepcopy(prompt)
        finder = _Finder(prompt, object_info)
        found = finder.mapped(parameters) if parameters is not None else finder.found()
        return cls(prompt, {each.name: each for each in found})

    def request(
        self, values: Mapping[str, Any] | None = None, *, seed: int | None = None, **fields: Any
    ) -> WorkflowRequest:
        """Return the request with these values put in; ``fields`` are further ones of ``WorkflowRequest``.

        Raises ``ValidationError``: code ``unknown_parameter`` with the nearest names, ``invalid_parameter`` for values
        of the wrong kind or outside the limits, each in ``problems``.
        """
        values = values or {}
        self._refuse_unknown(values)
        problems = [text for name, value in values.items() if (text := self.parameters[name].problem(value))]
        if problems:
            raise ValidationError(
                " ".join(problems),
                code="invalid_parameter",
                problems=problems,
                backend="comfyui",
                hint="Correct the values named.",
            )
        inputs: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for name, value in values.items():
            chosen = self.parameters[name]
            (files if chosen.kind == FILE else inputs).update(dict.fromkeys(chosen.targets, chosen.meant(value)))
        return WorkflowRequest(copy.deepcopy(self.prompt), inputs=inputs, files=files, seed=seed, **fields)

    def _refuse_unknown(self, values: Mapping[str, Any]) -> None:
        problems = []
        for name in values:
            if name not in self.parameters:
                near = nearest_names(name, self.parameters) or tuple(self.parameters)
                problems.append(f"{name}: this workflow has no such parameter; it has {', '.join(near) or 'none'}.")
        if problems:
            raise ValidationError(
                " ".join(problems),
                code="unknown_parameter",
                problems=problems,
                backend="comfyui",
                hint="Use the names in WorkflowTemplate.parameters.",
            )


class _Finder:
    """Finds the parameters of one prompt; each input belongs to the first that names it."""

    def __init__(self, prompt: Prompt, known: Definitions) -> None:
        self._prompt = prompt
        self._known = known
        self._taken: set[Target] = set()
        self._names: set[str] = set()

    def mapped(self, addresses: Mapping[str, str]) -> list[Parameter]:
        by_address = Addresses(self._prompt).resolve_all(dict.fromkeys(addresses.values()))
        return [self._made(name, [by_address[address]]) for name, address in addresses.items()]

    def found(self) -> list[Parameter]:
        return [*self._titled(), *self._by_type()]

    # By title

    def _titled(self) -> Iterator[Parameter]:
        for node_id, node in self._prompt.items():
            name = self._title_as_name(node_id, str(node["class_type"]))
            target = self._main_input(node_id) if name else None
            if target is not None:
                yield self._made(name, [target])

    def _title_as_name(self, node_id: str, class_type: str) -> str:
        title = title_of(self._prompt, node_id).strip()
        if title.lower().startswith(PREFIX):
            return title[len(PREFIX) :].strip()
        own = title not in (class_type, self._display_name(class_type))
        return title if own and class_type.startswith(_PRIMITIVE) else ""

    def _display_name(self, class_type: str) -> Any:
        return self._known.get(class_type, {}).get("display_name")

    def _main_input(self, node_id: str) -> Target | None:
        names = [name for name, value in self._prompt[node_id]["inputs"].items() if not is_link(value)]
        obvious = [name for name in ("value", "text", "image", "video", "audio") if name in names]
        chosen = obvious or names[:1]
        return Target(node_id, chosen[0]) if chosen else None

    # By type

    def _by_type(self) -> Iterator[Parameter]:
        texts = self._free(self._texts())
        for role in ("positive", "negative"):
            own = [target for target in texts if role in self._roles(target.node_id)]
            if own:
                yield self._made("prompt" if role == "positive" else "negative_prompt", own)
        for target in self._free(texts):
            yield self._made("text", [target])
        seeds = self._free(seed_targets(self._prompt))
        if seeds:
            yield self._made("seed", seeds)
        for kind, target in self._media_and_models():
            yield self._made(kind, [target])
        for name in _ALIKE:
            targets = self._free(self._literals(name))
            if len(targets) == 1:
                yield self._made(name, targets)

    def _texts(self) -> list[Target]:
        return [
            target
            for target, spec in self._defined()
            if kind_of(spec) == TEXT and spec.options.get("multiline") and not is_link(self._value(target))
        ]

    def _roles(self, node_id: str) -> set[str]:
        """Return the names of the inputs that a node's output leads to, through nodes of conditioning."""
        roles: set[str] = set()
        seen, waiting = {node_id}, [node_id]
        while waiting:
            current = waiting.pop()
            for other, name in self._fed_by(current):
                if name in ("positive", "negative"):
                    roles.add(name)
                elif other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return roles

    def _fed_by(self, node_id: str) -> Iterator[tuple[str, str]]:
        for other, node in self._prompt.items():
            for name, value in node["inputs"].items():
                if is_link(value) and value[0] == node_id:
                    yield other, name

    def _media_and_models(self) -> Iterator[tuple[str, Target]]:
        for target, spec in self._defined():
            value = self._value(target)
            if target in self._taken or is_link(value):
                continue
            if kind_of(spec) == FILE:
                yield target.input_name, target
            elif spec.choices and isinstance(value, str) and MODEL_FILE.search(value):
                yield "model", target

    def _literals(self, name: str) -> list[Target]:
        return [
            Target(node_id, name)
            for node_id, node in self._prompt.items()
            if isinstance(node["inputs"].get(name), (int, float)) and not isinstance(node["inputs"].get(name), bool)
        ]

    # Making

    def _made(self, name: str, targets: list[Target]) -> Parameter:
        self._taken.update(targets)
        first = targets[0]
        label = title_of(self._prompt, first.node_id)
        addresses = tuple(target.address for target in targets)
        return parameter(
            self._unused(name), addresses, label, self._value(first), [self._spec(each) for each in targets]
        )

    def _unused(self, name: str) -> str:
        number, chosen = 1, name
        while chosen in self._names:
            number += 1
            chosen = f"{name}_{number}"
        self._names.add(chosen)
        return chosen

    def _free(self, targets: list[Target]) -> list[Target]:
        return [target for target in targets if target not in self._taken]

    def _value(self, target: Target) -> Any:
        return self._prompt[target.node_id]["inputs"][target.input_name]

    def _spec(self, target: Target) -> Spec | None:
        return spec_of(self._known.get(str(self._prompt[target.node_id]["class_type"]), {}), target.input_name)

    def _defined(self) -> Iterator[tuple[Target, Spec]]:
        for node_id, node in self._prompt.items():
            for name in node["inputs"]:
                target = Target(node_id, name)
                spec = self._spec(target)
                if spec is not None:
                    yield target, spec
