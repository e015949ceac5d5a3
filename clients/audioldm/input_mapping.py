"""Maps a ``SoundRequest`` to the inputs of a server, whatever their names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import MissingResource, ValidationError
from ..core.json_fields import parse_number
from ..core.request import nearest_names
from .request import SoundRequest

PROMPT, NEGATIVE, DURATION, GUIDANCE = "prompt", "negative_prompt", "duration", "guidance"
STEPS, SEED, CANDIDATES, MODEL, FORMAT = "steps", "seed", "candidates", "model", "format"

_SYNONYMS = {
    PROMPT: ("text", "prompt"),
    NEGATIVE: ("negative_prompt",),
    DURATION: ("duration", "seconds_total", "audio_length_in_s", "audio_length", "audio_duration"),
    GUIDANCE: ("guidance_scale", "cfg_scale", "cfg_strength", "classifier_free_guidance", "guidance"),
    STEPS: ("steps", "num_steps", "num_inference_steps", "ddim_steps", "inference_steps"),
    SEED: ("random_seed", "seed"),
    CANDIDATES: ("n_candidates", "num_waveforms", "num_waveforms_per_prompt"),
    MODEL: ("model", "model_name", "model_version"),
    FORMAT: ("output_format",),
}
ROLES = {name: role for role, names in _SYNONYMS.items() for name in names}
"""A server's name for an input -> its role here."""

MAX_SEED = 2**31 - 1

_SECONDS_SPARE = 0.05
"""Tolerance for a sound that is too short: a frame or two."""


@dataclass(frozen=True)
class Field:
    """One input of a server. ``kind`` is its JSON type; ``choices`` are the allowed values, in the server's "
    "spelling."""

    name: str
    role: str = ""
    kind: str = "string"
    choices: tuple[Any, ...] = ()
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    required: bool = False

    def fit(self, value: Any) -> Any:
        """Return the allowed value nearest to ``value``, in the right type; None if there is none. A duration is never
        shortened unless the server's maximum is shorter: extra length can be cut.
        """
        if self.choices:
            return self._match_choice(value)
        if self.kind in ("integer", "number"):
            number = parse_number(value)
            return None if number is None else self._clamp(number)
        return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)

    def _match_choice(self, value: Any) -> Any:
        if value in self.choices:
            return value
        number = parse_number(value)
        distances = [
            (found - number, each)
            for each in self.choices
            if number is not None and (found := parse_number(each)) is not None
        ]
        longer = [pair for pair in distances if self.role == DURATION and pair[0] > -_SECONDS_SPARE]
        return min(longer or distances, key=lambda pair: abs(pair[0]))[1] if distances else None

    def _clamp(self, number: float) -> int | float:
        if self.role == DURATION:
            number = (
                self._round_to_step(number - _SECONDS_SPARE, math.ceil)
                if self.step or self.kind == "integer"
                else number
            )
        elif self.step:
            number = self._round_to_step(number, round)
        if self.minimum is not None:
            number = max(number, self.minimum)
        if self.maximum is not None:
            number = min(number, self.maximum)
        return round(number) if self.kind == "integer" else float(number)

    def _round_to_step(self, number: float, to_whole: Callable[[float], int]) -> float:
        start, step = self.minimum or 0.0, self.step or 1.0
        return start + to_whole((number - start) / step) * step


@dataclass(frozen=True)
class Filled:
    """Values for a server's inputs by name; ``notes`` describe differences from the request."""

    values: dict[str, Any]
    notes: tuple[str, ...]

    def of(self, fields: Sequence[Field], role: str) -> Any:
        """Return the value that is sent for a role, or the server's default."""
        field = index_by_role(fields).get(role)
        return None if field is None else self.values.get(field.name, field.default)


def index_by_role(fields: Sequence[Field]) -> dict[str, Field]:
    """Return the inputs with known roles."""
    return {field.role: field for field in fields if field.role}


def fill_inputs(fields: Sequence[Field], request: SoundRequest, seed: int) -> Filled:
    """Return the values for the inputs that the request sets; the server keeps its defaults for the others.

    Raises ``ValidationError`` for an unknown setting, ``MissingResource`` for an unknown model.
    """
    known = index_by_role(fields)
    values: dict[str, Any] = {}
    notes: list[str] = []
    for role, wanted in _get_wanted(request, seed).items():
        field = known.get(role)
        if field is None:
            if role not in (FORMAT, SEED):
                notes.append(f"This server has no {role.replace('_', ' ')}; the value is ignored.")
            continue
        value = field.fit(wanted)
        if role == MODEL and field.choices and value != wanted:
            raise _missing_model(str(wanted), field)
        if value is None:
            continue
        values[field.name] = value
        if parse_number(value) != parse_number(wanted):
            which = "next" if role == DURATION else "nearest"
            notes.append(f"{role}: {value} instead of {wanted}, the {which} value that this server accepts.")
    return Filled({**values, **_check_settings(fields, request.settings)}, tuple(notes))


def _get_wanted(request: SoundRequest, seed: int) -> dict[str, Any]:
    wanted = {
        PROMPT: request.prompt,
        DURATION: request.duration_s,
        SEED: seed,
        FORMAT: "wav",
        NEGATIVE: request.negative_prompt,
        GUIDANCE: request.guidance,
        STEPS: request.steps,
        CANDIDATES: request.candidates,
        MODEL: request.model,
    }
    return {role: value for role, value in wanted.items() if value is not None}


def _check_settings(fields: Sequence[Field], settings: Mapping[str, Any]) -> dict[str, Any]:
    names = [field.name for field in fields]
    unknown = [name for name in settings if name not in names]
    if unknown:
        problems = [
            f"settings: this server has no {name}; it has {', '.join(nearest_names(name, names) or names)}."
            for name in unknown
        ]
        raise ValidationError(" ".join(problems), problems=problems, hint="Correct the names, or leave them out.")
    return dict(settings)


def _missing_model(wanted: str, field: Field) -> MissingResource:
    names = [str(each) for each in field.choices]
    return MissingResource(
        f"This server has no model {wanted}.",
        kind="model",
        name=wanted,
        nearest=nearest_names(wanted, names),
        hint=f"Choose one of: {', '.join(names)}.",
    )


def parse_whole_number(value: Any) -> int | None:
    """Return a value as a whole number, None if it is not a number."""
    number = parse_number(value)
    return None if number is None else int(number)
