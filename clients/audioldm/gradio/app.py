"""AudioLDM's and AudioLDM2's own web apps, and other Gradio apps that make sound from text.

The apps of AudioLDM are Gradio 3: one call without progress or cancel, whose result is a video with the sound.
``/config`` describes the arguments; ``/info`` is a 500 there and not used.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...core.errors import BackendError, GenerationError, ProtocolError
from ...core.json_fields import parse_number
from ...gradio.component_values import get_choices
from ...gradio.config import Component, Dependency, GradioConfig, read_config
from ...gradio.http import GradioHTTP
from ...gradio.login import SignIn
from ..input_mapping import (
    CANDIDATES,
    DURATION,
    GUIDANCE,
    MODEL,
    NEGATIVE,
    PROMPT,
    SEED,
    STEPS,
    Field,
    index_by_role,
)
from ..server_profile import AUDIOLDM, AUDIOLDM2, GRADIO, Profile

if TYPE_CHECKING:
    from ...core.scope import Scope
    from ...http.session import HTTPSession

TEXT2AUDIO = "text2audio"
_SOUNDS = frozenset({"audio", "video"})
_FILES = frozenset({"audio", "video", "image", "file", "uploadbutton", "multimodaltextbox"})
_NUMBERS = frozenset({"slider", "number"})
_CHOICES = frozenset({"dropdown", "radio"})
_LABELS = (
    (SEED, ("seed", "any integer number")),
    (CANDIDATES, ("candidate", "quality control", "number of waveforms")),
    (GUIDANCE, ("guidance", "cfg scale", "cfg strength")),
    (STEPS, ("steps",)),
    (DURATION, ("duration", "seconds total", "audio length", "length (s")),
)
_OLDEST_WITH_PROGRESS = 4


def fetch_app_profile(
    http: HTTPSession, sign_in: SignIn | None, scope: Scope | None
) -> tuple[Profile, GradioHTTP, GradioConfig, Dependency]:
    """Return the profile of a Gradio server and its function that makes sound.

    Raises the errors of ``read_config``, and ``ProtocolError`` (code ``not_sound``) for an app without such a
    function.
    """
    access = GradioHTTP(http, sign_in)
    started = time.monotonic()
    config = read_config(access, scope=scope)
    latency_s = time.monotonic() - started
    found = [(each, make_fields(config, each)) for each in config.dependencies if _makes_sound(config, each)]
    fitting = [(each, fields) for each, fields in found if {PROMPT, DURATION} <= index_by_role(fields).keys()]
    if not fitting:
        raise access.http.clean(
            ProtocolError(
                f"{access.server} is a Gradio app, but none of its functions makes sound from text.",
                code="not_sound",
                hint="AudioLDM, AudioLDM2, Stable Audio and MMAudio do.",
            )
        )
    dependency, fields = min(fitting, key=lambda pair: (_wants_files(config, pair[0]), pair[0].id))
    dialect = _get_dialect(config, dependency, fields)
    profile = Profile(dialect, config.version, fields, latency_s=latency_s, details={"title": config.title})
    return profile, access, config, dependency


def make_fields(config: GradioConfig, dependency: Dependency) -> tuple[Field, ...]:
    """Return the inputs of a function, in order; their roles follow from kind and label."""
    taken: set[str] = set()
    fields = []
    for place, number in enumerate(dependency.inputs):
        component = config.components.get(number)
        role = "" if component is None else get_role(component)
        role = "" if role in taken else role
        name = role or (component.label if component else "") or f"input {place}"
        while name in taken:
            name += "'"
        taken.add(name)
        fields.append(_make_field(name, role, component))
    return tuple(fields)


def get_role(component: Component) -> str:
    """Return the role of a component, empty if unknown."""
    label = component.label.lower()
    if component.kind == "textbox":
        return NEGATIVE if "negative" in label else SEED if label.startswith("seed") else PROMPT
    if component.kind in _CHOICES:
        return MODEL if "model" in label else ""
    if component.kind in _NUMBERS:
        return next((role for role, labels in _LABELS if any(each in label for each in labels)), "")
    return ""


def _make_field(name: str, role: str, component: Component | None) -> Field:
    if component is None:
        return Field(name)
    props = component.props
    step = parse_number(props.get("step"))
    whole = role in (SEED, CANDIDATES, STEPS) or (step is not None and step == int(step) and role != DURATION)
    kind = "string" if component.kind not in _NUMBERS else "integer" if whole else "number"
    choices = tuple(get_choices(props)) if component.kind in _CHOICES else ()
    limits = (parse_number(props.get("minimum")), parse_number(props.get("maximum")))
    return Field(name, role, kind, choices, props.get("value"), *limits, step if component.kind == "slider" else None)


def _makes_sound(config: GradioConfig, dependency: Dependency) -> bool:
    return dependency.in_backend and any(kind in _SOUNDS for kind in _get_kinds(config, dependency.outputs))


def _wants_files(config: GradioConfig, dependency: Dependency) -> int:
    return sum(kind in _FILES for kind in _get_kinds(config, dependency.inputs))


def _get_kinds(config: GradioConfig, numbers: tuple[int, ...]) -> Iterator[str]:
    for number in numbers:
        component = config.components.get(number)
        yield component.kind if component else ""


def _get_dialect(config: GradioConfig, dependency: Dependency, fields: tuple[Field, ...]) -> str:
    if config.generation >= _OLDEST_WITH_PROGRESS:
        return GRADIO
    if dependency.stem == TEXT2AUDIO:
        return AUDIOLDM2
    return AUDIOLDM if MODEL in index_by_role(fields) and CANDIDATES in index_by_role(fields) else GRADIO


def explain(error: BackendError) -> BackendError:
    """Add the usual cause to an error without a reason."""
    if isinstance(error, GenerationError) and error.code == "no_reason":
        error.hint = (
            "Often it is too little GPU memory (ask for a shorter duration or fewer candidates), a missing ffmpeg, "
            "or Gradio 4 or newer where AudioLDM2 needs gradio<4. Its console shows which."
        )
    return error


def make_values(fields: tuple[Field, ...], values: dict[str, Any]) -> list[Any]:
    """Return the arguments of a call in the function's order."""
    return [values.get(field.name, field.default) for field in fields]
