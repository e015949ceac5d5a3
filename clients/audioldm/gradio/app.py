"""AudioLDM's and AudioLDM2's own web apps, and other Gradio apps that make a sound of a text.

The apps of AudioLDM are Gradio 3: one call, which neither says how far it is nor can be cancelled, and whose answer is
a video of which the sound is wanted. ``/config`` tells what goes into the call; ``/info`` is a 500 there and not used.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...core.errors import BackendError, GenerationError, ProtocolError
from ...core.json_fields import parse_number
from ...gradio.component_values import choices_of
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
    by_role,
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


def app_profile(
    http: HTTPSession, sign_in: SignIn | None, scope: Scope | None
) -> tuple[Profile, GradioHTTP, GradioConfig, Dependency]:
    """Return who a Gradio server is and which of its functions makes sounds.

    Raises what ``read_config`` does, and ``ProtocolError`` (code ``not_sound``) for an app that makes none.
    """
    access = GradioHTTP(http, sign_in)
    started = time.monotonic()
    config = read_config(access, scope=scope)
    latency_s = time.monotonic() - started
    found = [(each, fields_for(config, each)) for each in config.dependencies if _makes_sound(config, each)]
    fitting = [(each, fields) for each, fields in found if {PROMPT, DURATION} <= by_role(fields).keys()]
    if not fitting:
        raise access.http.clean(
            ProtocolError(
                f"{access.server} is a Gradio app, but none of its functions makes a sound of a text.",
                code="not_sound",
                hint="AudioLDM, AudioLDM2, Stable Audio and MMAudio do.",
            )
        )
    dependency, fields = min(fitting, key=lambda pair: (_wants_files(config, pair[0]), pair[0].id))
    dialect = _dialect(config, dependency, fields)
    profile = Profile(dialect, config.version, fields, latency_s=latency_s, details={"title": config.title})
    return profile, access, config, dependency


def fields_for(config: GradioConfig, dependency: Dependency) -> tuple[Field, ...]:
    """Return the inputs of a function, in its order; their meaning is told by kind and label."""
    taken: set[str] = set()
    fields = []
    for place, number in enumerate(dependency.inputs):
        component = config.components.get(number)
        role = "" if component is None else role_of(component)
        role = "" if role in taken else role
        name = role or (component.label if component else "") or f"input {place}"
        while name in taken:
            name += "'"
        taken.add(name)
        fields.append(_field(name, role, component))
    return tuple(fields)


def role_of(component: Component) -> str:
    """Return what a component of the page means, empty if nothing that is known."""
    label = component.label.lower()
    if component.kind == "textbox":
        return NEGATIVE if "negative" in label else SEED if label.startswith("seed") else PROMPT
    if component.kind in _CHOICES:
        return MODEL if "model" in label else ""
    if component.kind in _NUMBERS:
        return next((role for role, words in _LABELS if any(each in label for each in words)), "")
    return ""


def _field(name: str, role: str, component: Component | None) -> Field:
    if component is None:
        return Field(name)
    props = component.props
    step = parse_number(props.get("step"))
    whole = role in (SEED, CANDIDATES, STEPS) or (step is not None and step == int(step) and role != DURATION)
    kind = "string" if component.kind not in _NUMBERS else "integer" if whole else "number"
    choices = tuple(choices_of(props)) if component.kind in _CHOICES else ()
    limits = (parse_number(props.get("minimum")), parse_number(props.get("maximum")))
    return Field(name, role, kind, choices, props.get("value"), *limits, step if component.kind == "slider" else None)


def _makes_sound(config: GradioConfig, dependency: Dependency) -> bool:
    return dependency.in_backend and any(kind in _SOUNDS for kind in _kinds(config, dependency.outputs))


def _wants_files(config: GradioConfig, dependency: Dependency) -> int:
    return sum(kind in _FILES for kind in _kinds(config, dependency.inputs))


def _kinds(config: GradioConfig, numbers: tuple[int, ...]) -> Iterator[str]:
    for number in numbers:
        component = config.components.get(number)
        yield component.kind if component else ""


def _dialect(config: GradioConfig, dependency: Dependency, fields: tuple[Field, ...]) -> str:
    if config.generation >= _OLDEST_WITH_PROGRESS:
        return GRADIO
    if dependency.stem == TEXT2AUDIO:
        return AUDIOLDM2
    return AUDIOLDM if MODEL in by_role(fields) and CANDIDATES in by_role(fields) else GRADIO


def explained(error: BackendError) -> BackendError:
    """Say of a failure without a reason what it usually is."""
    if isinstance(error, GenerationError) and error.code == "no_reason":
        error.hint = (
            "Often it is too little GPU memory (ask for a shorter duration or fewer candidates), a missing ffmpeg, "
            "or Gradio 4 or newer where AudioLDM2 needs gradio<4. Its console says which."
        )
    return error


def values_of(fields: tuple[Field, ...], values: dict[str, Any]) -> list[Any]:
    """Return the values of a call in the function's order."""
    return [values.get(field.name, field.default) for field in fields]
