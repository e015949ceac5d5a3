"""Describes the settings of a model for a form. Pure."""

from __future__ import annotations

from typing import Any

from ..catalogue import Model, Setting, catalogue
from .resolutions import LONGEST_FRAMES, default_frames, default_size
from .validation import get_choices, uses

_NOT_SHOWN = frozenset({"model_type", "base_model_type", "settings_version", "client_id", "priority", "mode"})


def settings_schema(model: str, base: str = "") -> dict[str, Any]:
    """Return the data of a form for the model, JSON-ready; for an unknown model, all settings.

    ``settings`` maps each setting that the model uses to ``type``, ``group``, ``description``, ``default`` and, if
    any, ``minimum``, ``maximum``, ``step``, ``choices`` (``open`` if there may be others), ``media`` and ``many``.
    ``groups`` is the order of the groups. ``fps``, ``frames`` (``minimum``, ``step``, ``default``) and ``size`` are
    None if the model has none.
    """
    table = catalogue()
    found = table.model(model, base)
    shown = [each for each in table.settings.values() if each.name not in _NOT_SHOWN and _describe_setting(found, each)]
    return {
        "model": model,
        "title": found.title if found is not None else model,
        "known": found is not None,
        "family": found.family if found is not None else "",
        "outputs": list(found.outputs) if found is not None else ["video"],
        "fps": _fps(found),
        "frames": _frames(found),
        "size": None if found is not None and found.makes_sound_only else list(default_size(found)),
        "groups": list(dict.fromkeys(each.group for each in shown)),
        "settings": {each.name: _entry(found, each) for each in shown},
    }


def _describe_setting(model: Model | None, setting: Setting) -> bool:
    return model is None or uses(model, setting)


def _fps(model: Model | None) -> float | None:
    return model.fps if model is not None and model.makes_video else None


def _frames(model: Model | None) -> dict[str, int] | None:
    if model is None or "frames_steps" not in model.facts:
        return None
    return {
        "minimum": int(model.facts["frames_minimum"]),
        "maximum": int(model.facts.get("frames_selection_maximum", LONGEST_FRAMES)),
        "step": int(model.facts["frames_steps"]),
        "default": default_frames(model),
    }


def _entry(model: Model | None, setting: Setting) -> dict[str, Any]:
    choices, is_open = get_choices(model, setting)
    default = model.defaults.get(setting.name, setting.default) if model is not None else setting.default
    entry: dict[str, Any] = {
        "type": setting.type,
        "group": setting.group,
        "description": setting.description,
        "default": default,
    }
    limits = {"minimum": setting.least, "maximum": setting.most, "step": setting.step}
    if setting.name == "video_length":
        limits |= _frames(model) or {}
        limits.pop("default", None)
    if setting.name == "duration_seconds" and model is not None:
        slider = model.facts.get("duration_slider", {})
        limits = {"minimum": slider.get("min"), "maximum": slider.get("max"), "step": slider.get("increment")}
    entry |= {name: value for name, value in limits.items() if value is not None}
    if choices:
        entry |= {"choices": list(choices), "open": is_open}
    if setting.media:
        entry |= {"media": setting.media, "many": setting.many}
    return entry
