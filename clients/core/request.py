"""The base of all typed requests, and checks of their fields."""

from __future__ import annotations

import copy
import dataclasses
import difflib
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .errors import ValidationError
from .json_fields import is_int, is_number


@dataclass(frozen=True, kw_only=True)
class Request:
    """Base of the typed requests. ``metadata`` is kept with the job and its result and means nothing to the backend."""

    metadata: dict[str, Any] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Return the problems that need neither disk nor server to be known, one sentence a field."""
        return [] if isinstance(self.metadata, dict) else ["metadata: a dict is required."]

    def validate(self) -> None:
        """Raise ``ValidationError`` with all problems if there are any."""
        problems = self.problems()
        if problems:
            raise ValidationError(
                f"{type(self).__name__}: {' '.join(problems)}",
                problems=problems,
                hint="Correct the request and send it again.",
            )

    def copied(self) -> Self:
        """Return a copy that shares no dict or list with the caller, who may change them while the job waits."""
        try:
            copied: Self = pickle.loads(pickle.dumps(self, pickle.HIGHEST_PROTOCOL))  # noqa: S301 - our own bytes
        except (pickle.PicklingError, TypeError, AttributeError):
            copied = copy.deepcopy(self)
        return copied

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-ready data that ``from_dict`` takes back."""
        return {each.name: _plain(getattr(self, each.name)) for each in dataclasses.fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a request of its fields; unknown or missing names raise ``ValidationError``."""
        problems = cls._name_problems(data)
        if problems:
            raise ValidationError(f"{cls.__name__}: {' '.join(problems)}", problems=problems, hint="Correct the names.")
        return cls(**data)

    @classmethod
    def _name_problems(cls, data: Mapping[str, Any]) -> list[str]:
        fields = {each.name: each for each in dataclasses.fields(cls)}
        problems = [_unknown(name, fields) for name in data if name not in fields]
        for name, each in fields.items():
            required = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
            if required and name not in data:
                problems.append(f"{name}: missing.")
        return problems


def text_problems(name: str, value: Any) -> list[str]:
    """Return the problems of a field that must be a non-empty text."""
    return [] if isinstance(value, str) and value.strip() else [f"{name}: a text is required."]


def path_problems(name: str, value: Any) -> list[str]:
    """Return the problems of a field that must name a file; its existence is checked later."""
    good = isinstance(value, (str, Path)) and str(value) and "\0" not in str(value)
    return [] if good else [f"{name}: a file is required."]


def mapping_problems(name: str, value: Any) -> list[str]:
    """Return the problems of a field that must map names to values."""
    good = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    return [] if good else [f"{name}: a mapping with names as keys is required."]


def integer_problems(name: str, value: Any, *, least: int, most: int | None = None) -> list[str]:
    """Return the problems of a field that may be None or a whole number within its limits."""
    if value is None:
        return []
    if not is_int(value):
        return [f"{name}: a whole number is required."]
    if value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"between {least} and {most}"
        return [f"{name}: it must be {limits}."]
    return []


def number_problems(name: str, value: Any, *, above: float) -> list[str]:
    """Return the problems of a field that must be a finite number above a limit."""
    return [] if is_number(value) and value > above else [f"{name}: a number above {above:g} is required."]


def nearest_names(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Return the known names most like ``name``, the best first."""
    return tuple(difflib.get_close_matches(name, list(known), n=limit, cutoff=0.5))


def _unknown(name: object, known: Iterable[str]) -> str:
    near = nearest_names(str(name), known)
    return f"{name}: unknown field; did you mean {' or '.join(near)}?" if near else f"{name}: unknown field."


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
