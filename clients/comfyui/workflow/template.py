"""Describes a workflow as a form: named parameters with their kinds, limits and choices, from which to draw a UI.

Parameters are defined by an explicit mapping of names to addresses. Without a mapping they are the workflow's slots
(``slots.py``); titled inputs: nodes titled ``blender:NAME``, primitive nodes with their own title, labelled widgets of
subgraphs; and inputs of certain types: seeds, multi-line texts, media files and models.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...core.errors import ValidationError
from ...core.request import nearest_names
from ..request import DENOISE, HEIGHT, IMAGE, NEGATIVE, PROMPT, SLOTS, STEPS, WIDTH, WorkflowRequest
from .addressing import SEED_INPUTS, Addresses, Target, seed_targets
from .conversion import EditorWidget
from .conversion.specs import Spec, spec_of
from .loading import MODEL_FILE, Prompt, is_link, title_of
from .parameters import FILE, INTEGER, SEED, TEXT, Parameter, kind_of, parameter
from .slots import Slots, find_slots, given_name, main_input

_PRIMITIVE = "Primitive"
_ALIKE = (WIDTH, HEIGHT, STEPS, "cfg", DENOISE, "fps", "length", "duration", "strength")
"""Numbers in the order of a form; those that are no slots are parameters where the workflow has one such input."""

Definitions = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class WorkflowTemplate:
    """A prompt with named ``parameters``, in the order of a form."""

    prompt: Prompt
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        prompt: Prompt,
        object_info: Definitions,
        parameters: Mapping[str, str] | None = None,
        widgets: Sequence[EditorWidget] = (),
    ) -> WorkflowTemplate:
        """Find the parameters of a prompt in the API format.

        ``object_info`` holds the server's definitions of the prompt's classes (without one, values decide the kinds).
        ``parameters`` maps names to addresses, as ``WorkflowRequest.inputs`` does; no others are then found.
        ``widgets`` are the editor's widgets from the conversion. Raises ``ValidationError`` (code ``unknown_input``)
        for an address that is not in the prompt.
        """
        prompt = copy.deepcopy(prompt)
        finder = _Finder(prompt, object_info, widgets)
        found = finder.mapped(parameters) if parameters is not None else finder.found()
        return cls(prompt, {each.name: each for each in found})

    def request(
        self, values: Mapping[str, Any] | None = None, *, seed: int | None = None, **fields: Any
    ) -> WorkflowRequest:
        """Return the request with these values; ``fields`` are further fields of ``WorkflowRequest``.

        Raises ``ValidationError``: code ``unknown_parameter`` with the nearest names, ``invalid_parameter`` for values
        of the wrong kind or outside the limits, each in ``problems``.
        """
        values = {self._own_name(name): value for name, value in (values or {}).items()}
        self._refuse_unknown(values)
        problems = [text for name, value in values.items() if (text := self.parameters[name].problem(value))]
        if problems:
            raise ValidationError(
                " ".join(problems),
                code="invalid_parameter",
                problems=problems,
                backend="comfyui",
                hint="Correct these values.",
            )
        inputs: dict[str, Any] = {}
        files: dict[str, Any] = {}
        for name, value in values.items():
            chosen = self.parameters[name]
            (files if chosen.kind == FILE else inputs).update(dict.fromkeys(chosen.targets, chosen.meant(value)))
        return WorkflowRequest(copy.deepcopy(self.prompt), inputs=inputs, files=files, seed=seed, **fields)

    def _own_name(self, name: str) -> str:
        """Return the parameter's name, ignoring case: slots have lower-case names."""
        alike = [own for own in self.parameters if own.casefold() == name.casefold()]
        return alike[0] if name not in self.parameters and len(alike) == 1 else name

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
    """Finds the parameters of one prompt; each input belongs to the first parameter that finds it."""

    def __init__(self, prompt: Prompt, known: Definitions, widgets: Sequence[EditorWidget]) -> None:
        self._prompt = prompt
        self._known = known
        self._widgets = widgets
        self._taken: set[Target] = set()
        self._names: set[str] = set()

    def mapped(self, addresses: Mapping[str, str]) -> list[Parameter]:
        places = Addresses(self._prompt, self._widgets).resolve_places(dict.fromkeys(addresses.values()))
        return [self._make(name, places[address]) for name, address in addresses.items()]

    def found(self) -> list[Parameter]:
        slots = find_slots(self._prompt, self._known, self._widgets)
        of_slots = {target for targets in slots.values() for target in targets}
        titled = [
            self._make(name, targets)
            for name, targets in self._titled()
            if of_slots.isdisjoint(targets) and self._taken.isdisjoint(targets)
        ]
        return [*titled, *self._others(slots)]

    # By title

    def _titled(self) -> Iterator[tuple[str, tuple[Target, ...]]]:
        for node_id, node in self._prompt.items():
            name = self._title_as_name(node_id, str(node["class_type"]))
            about = main_input(node["inputs"]) if name else ""
            if about:
                yield name, (Target(node_id, about),)
        for widget in self._widgets:
            name = given_name(widget.title) or widget.label or (widget.title if widget.name == "value" else "")
            if name and widget.name not in SEED_INPUTS:
                yield given_name(name) or name, tuple(Target(*each) for each in widget.targets)

    def _title_as_name(self, node_id: str, class_type: str) -> str:
        title = title_of(self._prompt, node_id).strip()
        own = title not in (class_type, self._known.get(class_type, {}).get("display_name"))
        return given_name(title) or (title if own and class_type.startswith(_PRIMITIVE) else "")

    # Slots, and by type

    def _others(self, slots: Slots) -> Iterator[Parameter]:
        for slot in (PROMPT, NEGATIVE):
            yield from self._of_slot(slot, slots)
        for target in self._free(self._texts()):
            yield self._make("text", [target])
        seeds = self._free(seed_targets(self._prompt))
        if seeds:
            yield self._make("seed", seeds)
        yield from self._media_and_models(slots)
        for name in _ALIKE:
            yield from self._of_slot(name, slots)
            targets = self._free(self._literals(name)) if name not in SLOTS else []
            if len(targets) == 1:
                yield self._make(name, targets)

    def _of_slot(self, slot: str, slots: Slots) -> Iterator[Parameter]:
        if slot in slots:
            made = self._make(slot, slots[slot])
            yield replace(made, kind=INTEGER) if made.kind == SEED else made  # its node may feed a seed too

    def _texts(self) -> list[Target]:
        return [
            target
            for target, spec in self._defined()
            if kind_of(spec) == TEXT and spec.options.get("multiline") and not is_link(self._value(target))
        ]

    def _media_and_models(self, slots: Slots) -> Iterator[Parameter]:
        yield from self._of_slot(IMAGE, slots)
        for target, spec in self._defined():
            value = self._value(target)
            if target in self._taken or is_link(value):
                continue
            if kind_of(spec) == FILE:
                yield self._make(target.input_name, [target])
            elif spec.choices and isinstance(value, str) and MODEL_FILE.search(value):
                yield self._make("model", [target])

    def _literals(self, name: str) -> list[Target]:
        return [
            Target(node_id, name)
            for node_id, node in self._prompt.items()
            if isinstance(node["inputs"].get(name), (int, float)) and not isinstance(node["inputs"].get(name), bool)
        ]

    # Making

    def _make(self, name: str, targets: Sequence[Target]) -> Parameter:
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

    def _free(self, targets: Iterable[Target]) -> list[Target]:
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
