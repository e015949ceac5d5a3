"""Makes the flag strings for the given media: the letters that the program needs before it uses an attachment. Pure.

Facts: a letter without its attachment is rejected ("You must provide a Control Video"), an attachment without its
letter is ignored. ``image_prompt_type``: S start image, E end image, V video to continue. ``video_prompt_type``: V
control media, A mask, I reference images. ``audio_prompt_type``: A and B sounds, K the sound of the control video.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..catalogue import Model, Selector

MAIN, CONTROL, SOUND = "image_prompt_type", "video_prompt_type", "audio_prompt_type"

_MEDIA: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    MAIN: {"S": ("image_start",), "E": ("image_end",), "V": ("video_source",)},
    CONTROL: {
        "V": ("video_guide", "image_guide", "video_guide2", "custom_guide"),
        "A": ("video_mask", "image_mask"),
        "I": ("image_refs",),
    },
    SOUND: {"A": ("audio_guide",), "B": ("audio_guide2",), "K": ("video_guide",)},
}
_OWN_MEDIA: Mapping[str, str] = {MAIN: "SEV", CONTROL: "VAI", SOUND: "AB"}
"""The letters that are set because their media are there; a control video's sound is used only if asked for."""

NAMES: Mapping[str, str] = {
    "image_start": "a start image",
    "image_end": "an end image",
    "video_source": "a video to continue",
    "video_guide": "a control video",
    "image_guide": "a control image",
    "video_mask": "a mask video",
    "image_mask": "a mask",
    "image_refs": "reference images",
    "audio_guide": "a sound",
    "audio_guide2": "a second sound",
}
_INPAINTING = 2


@dataclass
class Flags:
    """The flag strings of a request, and their problems."""

    values: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def make_flags(model: Model | None, settings: Mapping[str, Any], attached: Collection[str]) -> Flags:
    """Return the flag strings for the ``attached`` media; letters in ``settings`` are kept and completed.

    Strings without letters from user or media are left to the program's defaults. An unknown model is assumed to take
    everything.
    """
    flags = Flags()
    if str(settings.get("mode") or "").startswith("edit_"):
        return flags
    for name in (MAIN, CONTROL, SOUND):
        _add(flags, name, model, settings, attached)
    return flags


def _add(
    flags: Flags,
    name: str,
    model: Model | None,
    settings: Mapping[str, Any],
    attached: Collection[str],
) -> None:
    explicit = settings.get(name)
    default = str(model.defaults.get(name, "")) if model is not None else ""
    there = {letter for letter, media in _MEDIA[name].items() if any(each in attached for each in media)}
    if isinstance(explicit, str):
        base = explicit
        flags.problems += [_lacking_problem(name, letter) for letter in _find_lacking(name, base, there)]
    else:
        missing = _find_missing(name, model, default, there) if model is not None else []
        if missing:
            flags.problems += missing
            return
        base = "" if _find_lacking(name, default, there) else default
    wanted = frozenset(letter for letter in _OWN_MEDIA[name] if letter in there and letter not in base)
    added, refused = "".join(sorted(wanted)), frozenset[str]()
    if model is not None:
        added, refused = _find_letters(name, model, base, wanted, settings)
        flags.problems += [_not_taken_problem(name, letter, model, attached) for letter in sorted(refused)]
    value = base + "".join(letter for letter in added if letter not in base)
    if isinstance(explicit, str) or value != default:
        flags.values[name] = value


def _find_letters(
    name: str, model: Model, base: str, wanted: frozenset[str], settings: Mapping[str, Any]
) -> tuple[str, frozenset[str]]:
    """Return the letters to add, and the required letters that the model does not take.

    Letters of control media and sounds are set by choices of the program's own lists, each of which sets several at
    once.
    """
    if name == MAIN:
        taken = [letter for letter in _OWN_MEDIA[MAIN] if letter in wanted and letter in model.main_sources]
        return "".join(taken), wanted - set(taken)
    added, left = "", set(wanted)
    for selector in model.control_selectors if name == CONTROL else model.sound_selectors:
        choice = _choose(selector, frozenset(left), frozenset(_MEDIA[name]), wanted | set(base))
        added += choice
        left -= set(choice)
    loose = _find_loose_letters(name, model, settings)
    return added + "".join(sorted(left & loose)), frozenset(left - loose)


def _find_loose_letters(name: str, model: Model, settings: Mapping[str, Any]) -> frozenset[str]:
    """Return the letters that the program sets without a list."""
    if name == SOUND and model.facts.get("any_audio_prompt"):
        return frozenset("AB")
    if name == CONTROL and model.facts.get("inpaint_support") and settings.get("image_mode") == _INPAINTING:
        return frozenset("VA")
    return frozenset()


def _choose(selector: Selector, left: frozenset[str], media: frozenset[str], there: Collection[str]) -> str:
    """Return the choice that sets most of the required letters and none without media.

    Of several the default, else one that takes the media unprocessed, else the shortest.
    """
    wanted = left & selector.letters
    fitting = [choice for choice in selector.choices if wanted & set(choice) and not (set(choice) & media) - set(there)]
    if not fitting:
        return ""
    return max(fitting, key=lambda each: (len(wanted & set(each)), each == selector.default, "U" in each, -len(each)))


def _find_lacking(name: str, value: str, there: Collection[str]) -> list[str]:
    return [letter for letter in _MEDIA[name] if letter in value and letter not in there]


def _lacking_problem(name: str, letter: str) -> str:
    key = _MEDIA[name][letter][0]
    return f"{key}: {name} has the letter {letter}, so {NAMES[key]} is required."


def _not_taken_problem(name: str, letter: str, model: Model, attached: Collection[str]) -> str:
    key = next(each for each in _MEDIA[name][letter] if each in attached)
    return f"{key}: {model.title} takes no such input."


def _find_missing(name: str, model: Model, default: str, there: Collection[str]) -> list[str]:
    """Return the problems of a model that needs media."""
    if name == MAIN:
        sources = [letter for letter in "SEV" if letter in model.main_sources]
        if not sources or "T" in model.main_sources or set(sources) & set(there):
            return []
        keys = [_MEDIA[MAIN][letter][0] for letter in sources]
        return [f"{keys[0]}: {model.title} needs {' or '.join(NAMES[key] for key in keys)}."]
    needed = [letter for letter in _OWN_MEDIA[name] if letter in default and letter not in there]
    keys = [_MEDIA[name][letter][0] for letter in needed if _is_forced(name, model, letter)]
    return [f"{key}: {model.title} needs {NAMES[key]}." for key in keys]


def _is_forced(name: str, model: Model, letter: str) -> bool:
    """Return True if every choice of a list has the letter."""
    selectors = model.control_selectors if name == CONTROL else model.sound_selectors
    return any(selector.choices and all(letter in choice for choice in selector.choices) for selector in selectors)
