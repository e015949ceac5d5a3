"""Validates settings against the table before a request is sent. Pure.

Certain mistakes are problems, possible ones are warnings: WanGP's ranges are those of its own sliders, which it does
not enforce, and they vary by model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.json_fields import is_number
from ...core.request import nearest_names
from ...files.names import kind_and_type
from ..catalogue import Catalogue, Model, Setting
from .prompt_type_flags import CONTROL, MAIN, SOUND
from .resolutions import parse_seconds, parse_size

OWN_FIELDS: Mapping[str, str] = {"prompt": "prompt", "model_type": "model", "seed": "seed"}
"""Settings that are fields of the request."""

NOT_SETTINGS = frozenset({"state", "task", "send_cmd", "plugin_data"})
SEED_MOST = 999_999_999
_OLDER = frozenset({"type"})
"""Keys of exported settings files without a meaning."""

_CLIP = re.compile(r"\A(.+?)(\|(?:(?:start_frame|end_frame|audio_track_no)=\d+,?)+)", re.DOTALL)


@dataclass
class SettingsProblems:
    """The certain and the possible problems of settings."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_settings(table: Catalogue, model: Model | None, settings: Mapping[str, Any]) -> SettingsProblems:
    """Check each setting's name, type, range and choices, and whether the model uses it."""
    found_problems = SettingsProblems()
    for name, value in settings.items():
        if name in OWN_FIELDS:
            found_problems.problems.append(f"{name}: use the request's own field {OWN_FIELDS[name]!r}.")
        elif name in NOT_SETTINGS:
            found_problems.problems.append(f"{name}: WanGP does not accept this setting from outside.")
        elif name in table.settings:
            _check(found_problems, table, model, table.settings[name], value)
        elif name not in _OLDER:
            near = nearest_names(name, table.settings)
            found_problems.problems.append(
                f"{name}: unknown setting; did you mean {' or '.join(near)}?" if near else f"{name}: unknown setting."
            )
    return found_problems


def find_unsendable(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of settings with a value without a JSON form, at any depth."""
    for name, value in settings.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            yield f"{name}: it can't be sent: use only finite numbers, text, lists and mappings."


def _check(
    found_problems: SettingsProblems, table: Catalogue, model: Model | None, setting: Setting, value: Any
) -> None:
    problem = _TYPES[setting.type](value)
    if problem:
        found_problems.problems.append(f"{setting.name}: {problem}")
        return
    if setting.type in ("int", "float"):
        _check_number(found_problems, setting, value)
    if setting.type == "flags":
        _check_letters(found_problems, table, model, setting, value)
    _check_choice(found_problems, model, setting, value)
    if model is not None and not uses(model, setting):
        found_problems.warnings.append(f"{setting.name}: {model.title} does not use it.")


def _check_number(found_problems: SettingsProblems, setting: Setting, value: float) -> None:
    if value < 0 and setting.least is not None and setting.least >= 0:
        found_problems.problems.append(f"{setting.name}: it can't be below 0.")
        return
    low = setting.least is not None and value < setting.least
    high = setting.most is not None and value > setting.most
    if low or high:
        found_problems.warnings.append(
            f"{setting.name}: {value:g} is outside WanGP's own range of {setting.least:g} to {setting.most:g}."
        )


def _check_letters(
    found_problems: SettingsProblems, table: Catalogue, model: Model | None, setting: Setting, value: str
) -> None:
    known = _get_letters(table, model, setting.name)
    odd = sorted({letter for letter in value if letter not in known})
    if not odd:
        return
    text = f"{setting.name}: {', '.join(odd)} is not one of its letters ({''.join(sorted(known))})."
    (found_problems.problems if setting.name == MAIN else found_problems.warnings).append(text)


def _get_letters(table: Catalogue, model: Model | None, name: str) -> Collection[str]:
    general = set(table.flags.get(name, ()))
    if model is None:
        return general
    if name == MAIN:
        return set(model.main_sources) or general
    selectors = {CONTROL: model.control_selectors, SOUND: model.sound_selectors}.get(name, ())
    return general | {letter for selector in selectors for letter in selector.letters}


def _check_choice(found_problems: SettingsProblems, model: Model | None, setting: Setting, value: Any) -> None:
    choices, open_list = get_choices(model, setting)
    values = value if setting.type == "ints" else [value]
    wrong = [each for each in values if choices and each not in choices]
    if not wrong:
        return
    near = nearest_names(str(wrong[0]), [str(each) for each in choices])
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(repr(each) for each in choices[:20])}."
    (found_problems.warnings if open_list else found_problems.problems).append(
        f"{setting.name}: {wrong[0]!r} is unknown; {hint}"
    )


def get_choices(model: Model | None, setting: Setting) -> tuple[tuple[Any, ...], bool]:
    """Return a setting's choices, the model's own if it has some, and whether there may be others."""
    if model is not None and setting.name == "sample_solver" and model.facts.get("sample_solvers"):
        return ("", *model.facts["sample_solvers"]), False
    if model is not None and setting.name == "model_mode" and model.facts.get("model_modes"):
        return (None, *model.facts["model_modes"].get("choices", ())), False
    return setting.choices, setting.open or model is None


# The settings that a model uses, as far as the program's own limits show it.

_RULES: Mapping[str, Callable[[Model], bool]] = {
    "negative_prompt": lambda model: not model.facts.get("no_negative_prompt"),
    "flow_shift": lambda model: bool(model.facts.get("flow_shift")),
    "embedded_guidance_scale": lambda model: bool(model.facts.get("embedded_guidance")),
    "duration_seconds": lambda model: bool(model.facts.get("duration_slider")),
    "guidance2_scale": lambda model: _get_phases(model) >= 2,
    "switch_threshold": lambda model: _get_phases(model) >= 2,
    "guidance3_scale": lambda model: _get_phases(model) >= 3,
    "switch_threshold2": lambda model: _get_phases(model) >= 3,
    "model_switch_phase": lambda model: _get_phases(model) >= 3,
    "video_length": lambda model: model.makes_video,
    "resolution": lambda model: not model.makes_sound_only,
    "batch_size": lambda model: model.makes_images,
    "skip_steps_cache_type": lambda model: bool(model.facts.get("tea_cache") or model.facts.get("mag_cache")),
    "custom_settings": lambda model: bool(model.facts.get("custom_settings")),
    "model_mode": lambda model: bool(model.facts.get("model_modes")),
    "sample_solver": lambda model: bool(model.facts.get("sample_solvers")),
    "num_inference_steps": lambda model: not model.facts.get("lock_inference_steps"),
    **{
        name: lambda model: bool(model.facts.get("sliding_window"))
        for name in (
            "sliding_window_size",
            "sliding_window_overlap",
            "sliding_window_overlap_noise",
            "sliding_window_discard_last_frames",
            "sliding_window_trim_first_frames",
            "sliding_window_color_correction_strength",
        )
    },
}


def _get_phases(model: Model) -> int:
    return int(model.facts.get("guidance_max_phases", 1))


def uses(model: Model, setting: Setting) -> bool:
    """Return False if the model is known not to use a setting."""
    rule = _RULES.get(setting.name)
    if rule is not None:
        return rule(model)
    if setting.models is not None:
        return model.name in setting.models
    return True


# Types


def _int_problem(value: Any) -> str:
    return "" if not _float_problem(value) and float(value).is_integer() else "a whole number is required."


def _float_problem(value: Any) -> str:
    return "" if is_number(value) else "a number is required."


def _length_problem(value: Any) -> str:
    if isinstance(value, str):
        good = (parse_seconds(value) or 0.0) > 0
    else:
        good = not _int_problem(value) and value > 0
    return "" if good else "a number of frames above 0, or seconds as in '5s', is required."


def _size_problem(value: Any) -> str:
    return "" if parse_size(value) else "a size as in '832x480' is required."


def _list_problem(kind: type, name: str) -> Callable[[Any], str]:
    def problem(value: Any) -> str:
        good = isinstance(value, (list, tuple)) and all(type(each) is kind for each in value)
        return "" if good else f"a list of {name} is required."

    return problem


def _of(kind: type, what: str) -> Callable[[Any], str]:
    return lambda value: "" if isinstance(value, kind) else f"{what} is needed."


def _media_problem(value: Any) -> str:
    values = value if isinstance(value, (list, tuple)) else [value]
    good = value is None or all(isinstance(each, str) and each for each in values)
    return "" if good else "a path or id that the server knows is required; local files go into 'files'."


def _object_problem(value: Any) -> str:
    return "" if value is None or isinstance(value, Mapping) else "a mapping is required."


_TYPES: Mapping[str, Callable[[Any], str]] = {
    "int": _int_problem,
    "float": _float_problem,
    "bool": _of(bool, "true or false"),
    "text": _of(str, "a text"),
    "flags": _of(str, "a text of letters"),
    "texts": _list_problem(str, "texts"),
    "ints": _list_problem(int, "whole numbers"),
    "size": _size_problem,
    "length": _length_problem,
    "object": _object_problem,
    "media": _media_problem,
    "any": lambda _value: "",
}


# Files


def find_file_problems(table: Catalogue, files: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of the names and forms of input files; their existence is checked later."""
    for name, value in files.items():
        setting = table.settings.get(name)
        if setting is None or setting.type != "media":
            near = nearest_names(name, table.attachments)
            yield f"{name}: no setting takes a file under this name" + (
                f"; did you mean {' or '.join(near)}?" if near else "."
            )
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values or not all(
            isinstance(each, (str, Path)) and str(each) and "\0" not in str(each) for each in values
        ):
            yield f"{name}: a file is required."
        elif len(values) > 1 and not setting.many:
            yield f"{name}: it takes one file only."
        else:
            yield from (f"{name}: {each} is no {setting.media}." for each in values if not _fits(setting, str(each)))


def _fits(setting: Setting, path: str) -> bool:
    """Return True if a file has an extension of the setting's kind; sound is taken from videos too."""
    kind = kind_and_type(split_clip(path)[0])[0]
    if setting.media == "audio":
        return kind in ("audio", "video", "other")
    return setting.media == "file" or kind in (setting.media, "other")


def split_clip(path: str) -> tuple[str, str]:
    """Split ``path|start_frame=a,end_frame=b`` (a part of a video) into path and part, the latter with its bar."""
    found = _CLIP.fullmatch(path)
    return (found[1], found[2]) if found else (path, "")
