"""Named sets of settings for any model: how much time a result may take. Pure."""

from __future__ import annotations

from typing import Any

from ..catalogue import STEP_DEFAULT, Model
from .resolutions import default_size, snap_size

PRESETS: dict[str, str] = {
    "draft": "Half the width and height, half the steps: for finding the shot.",
    "standard": "WanGP's own settings for the model.",
    "fine": "One and a half times the steps: for the final take.",
}
_SCALE = {"draft": 0.5, "standard": 1.0, "fine": 1.0}
_STEPS = {"draft": 0.5, "standard": 1.0, "fine": 1.5}
_LEAST_STEPS = 4
_MOST_STEPS = 100


def preset_settings(name: str, model: Model | None, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return the settings of a preset for a model and a result of ``size`` (default: the model's own).

    Distilled models keep their number of steps; sound-only models get none.
    """
    if name == "standard" or (model is not None and model.makes_sound_only):
        return {}
    settings: dict[str, Any] = {}
    if _SCALE[name] != 1.0:
        width, height = size or default_size(model)
        scaled = snap_size(model, round(width * _SCALE[name]), round(height * _SCALE[name]))
        settings["resolution"] = f"{scaled[0]}x{scaled[1]}"
    steps = model.defaults.get("num_inference_steps", STEP_DEFAULT) if model is not None else STEP_DEFAULT
    locked = model is not None and bool(model.facts.get("lock_inference_steps"))
    wanted = min(_MOST_STEPS, round(steps * _STEPS[name]))
    if not locked and steps > _LEAST_STEPS * 2:
        settings["num_inference_steps"] = max(_LEAST_STEPS, wanted)
    return settings
