"""One parameter of a workflow: its kind, limits and choices, as the server defines them. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...core.json_fields import is_int, is_number
from ...core.request import nearest_names
from ..request import MAX_SEED
from .conversion.specs import Spec

TEXT, INTEGER, NUMBER, BOOLEAN = "text", "integer", "number", "boolean"
CHOICE, FILE, SEED = "choice", "file", "seed"
_KINDS = {"INT": INTEGER, "FLOAT": NUMBER, "BOOLEAN": BOOLEAN, "STRING": TEXT, "COMBO": CHOICE}
_SHOWN = 12


@dataclass(frozen=True)
class Parameter:
    """A named value of a workflow.

    ``kind`` is text, integer, number, boolean, choice, file or seed. ``targets`` are the inputs that take the value,
    as ``"#node id.input"``. ``minimum``, ``maximum`` and ``step`` are None if the server has none; ``choices`` are
    the server's current choices, as texts, ``meanings`` the values to send for them. ``label`` is for the user.
    """

    name: str
    kind: str
    targets: tuple[str, ...]
    label: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    meanings: tuple[Any, ...] = ()
    multiline: bool = False
    tooltip: str = ""

    def problem(self, value: Any) -> str:
        """Return the problem of a value, empty if there is none."""
        if self.kind in (INTEGER, SEED, NUMBER):
            return self._number_problem(value)
        if self.kind == CHOICE:
            return self._choice_problem(value)
        if self.kind == FILE:
            return "" if value and isinstance(value, (str, os.PathLike)) else self._needs("a file", value)
        kind, words = (bool, "true or false") if self.kind == BOOLEAN else (str, "a text")
        return "" if isinstance(value, kind) else self._needs(words, value)

    def meant(self, value: Any) -> Any:
        """Return the value to send: for the text of a choice, the choice in its own type."""
        if self.kind == CHOICE and value in self.choices:
            return self.meanings[self.choices.index(value)]
        return value

    def _number_problem(self, value: Any) -> str:
        whole = self.kind != NUMBER
        if not (is_int(value) if whole else is_number(value)):
            return self._needs("a whole number" if whole else "a number", value)
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            return f"{self.name}: it must be between {low} and {high}, not {value!r}."
        return ""

    def _choice_problem(self, value: Any) -> str:
        if not isinstance(value, str):
            known = any(type(each) is type(value) and each == value for each in self.meanings)
            return "" if known else self._needs("a text", value)
        if not self.choices or value in self.choices:
            return ""
        near = nearest_names(value, self.choices) or self.choices[:_SHOWN]
        return f"{self.name}: {value!r} is not a choice; the choices are {', '.join(near)}."

    def _needs(self, words: str, value: Any) -> str:
        return f"{self.name}: {words} is required, not {value!r}."


def parameter(name: str, targets: tuple[str, ...], label: str, value: Any, specs: Sequence[Spec | None]) -> Parameter:
    """Return the parameter of some inputs, with the kind of the first input and the tightest limits of all inputs.

    Without a definition, the kind is the kind of the value in the workflow.
    """
    spec = specs[0]
    if spec is None or kind_of(spec) == "":
        return Parameter(name, _kind_of_value(value), targets, label, value)
    options, kind = spec.options, kind_of(spec)
    choices = spec.choices if kind == CHOICE else ()
    return Parameter(
        name,
        kind,
        targets,
        label,
        str(value) if value in choices else value,
        minimum=max(_limits(specs, "min", 0 if kind == SEED else None), default=None),
        maximum=min(_limits(specs, "max", MAX_SEED if kind == SEED else None), default=None),
        step=spec.limit("step"),
        choices=tuple(str(each) for each in choices),
        meanings=choices,
        multiline=bool(options.get("multiline")),
        tooltip=str(options.get("tooltip") or ""),
    )


def kind_of(spec: Spec) -> str:
    """Return the kind of an input's value, empty if it takes only a link."""
    if spec.uploads or spec.options.get("audio_upload"):
        return FILE
    if spec.type == "INT" and spec.controlled:
        return SEED
    return _KINDS.get(spec.type, "")


def _kind_of_value(value: Any) -> str:
    for kind, types in ((BOOLEAN, bool), (INTEGER, int), (NUMBER, float)):
        if isinstance(value, types):
            return kind
    return TEXT


def _limits(specs: Sequence[Spec | None], name: str, own: int | None) -> list[float]:
    found = [own, *(spec.limit(name) for spec in specs if spec is not None)]
    return [each for each in found if each is not None]
