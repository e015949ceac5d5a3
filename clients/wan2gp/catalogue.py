"""WanGP's settings and models, known without a server: read from ``settings.json`` on first use.

The file describes one version of the program (``wangp_version``): for each setting its type, range, choices and
default, for each model definition its defaults and limits. Servers may be older or newer, and users add their own
models: a value that is missing here may be right on the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.request import nearest_names

_FILE = Path(__file__).resolve().parent / "settings.json"

STEP_DEFAULT = 30
FPS_DEFAULT = 16.0
LENGTH_DEFAULT = 81
SIZE_DEFAULT = (832, 480)


@dataclass(frozen=True)
class Setting:
    """One of the program's settings.

    ``type`` is ``int``, ``float``, ``bool``, ``text``, ``texts``, ``ints``, ``flags``, ``size`` (``WIDTHxHEIGHT``),
    ``length`` (frames, or seconds as in ``5s``), ``object``, ``media`` or ``any``. ``media`` is the kind of file of an
    attachment: ``image``, ``video``, ``audio`` or ``file``; ``many`` is True if it takes several. The ``choices`` of
    an ``open`` setting are incomplete. ``models`` are the models that use it, None if unknown.
    """

    name: str
    type: str
    group: str
    description: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    step: float | None = None
    choices: tuple[Any, ...] = ()
    open: bool = False
    media: str = ""
    many: bool = False
    models: frozenset[str] | None = None


@dataclass(frozen=True)
class Selector:
    """One of the program's drop-down lists that set letters of a flag string."""

    choices: tuple[str, ...]
    default: str | None = None

    @property
    def letters(self) -> frozenset[str]:
        """All letters that it can set."""
        return frozenset("".join(self.choices))


@dataclass(frozen=True)
class Model:
    """A model definition; ``base`` is its architecture, ``facts`` are its limits."""

    name: str
    title: str
    family: str
    base: str
    outputs: tuple[str, ...]
    defaults: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def fps(self) -> float:
        """Frames per second of its videos."""
        return float(self.facts.get("fps", FPS_DEFAULT))

    @property
    def makes_video(self) -> bool:
        """True if it makes videos."""
        return "video" in self.outputs

    @property
    def makes_images(self) -> bool:
        """True if it can make stills."""
        return "image" in self.outputs or bool(self.facts.get("v2i_switch_supported"))

    @property
    def makes_sound_only(self) -> bool:
        """True if it makes music or speech without a picture."""
        return bool(self.facts.get("audio_only"))

    @property
    def makes_sound(self) -> bool:
        """True if its results have sound."""
        return "audio" in self.outputs

    @property
    def main_sources(self) -> str:
        """The letters of ``image_prompt_type`` that it allows; ``T`` stands for none of them."""
        return str(self.facts.get("image_prompt_types_allowed", ""))

    @property
    def control_selectors(self) -> tuple[Selector, ...]:
        """The drop-down lists for the letters of ``video_prompt_type``."""
        names = ("guide_preprocessing", "guide_custom_choices", "mask_preprocessing", "image_ref_choices")
        return tuple(_make_selector(self.facts[name]) for name in names if name in self.facts)

    @property
    def sound_selectors(self) -> tuple[Selector, ...]:
        """The drop-down lists for the letters of ``audio_prompt_type``."""
        name = "audio_prompt_type_sources"
        return (_make_selector(self.facts[name]),) if name in self.facts else ()


def _make_selector(fact: Mapping[str, Any]) -> Selector:
    return Selector(tuple(fact.get("selection") or fact.get("choices") or ()), fact.get("default"))


@dataclass(frozen=True)
class Catalogue:
    """All settings and models of one version of the program."""

    wangp_version: str
    settings_version: float
    flags: Mapping[str, Mapping[str, str]]
    settings: Mapping[str, Setting]
    models: Mapping[str, Model]

    @property
    def attachments(self) -> tuple[str, ...]:
        """The settings that take a file."""
        return tuple(each.name for each in self.settings.values() if each.type == "media")

    def model(self, name: str, base: str = "") -> Model | None:
        """Return the model, or for a user's own definition the one of its architecture; None if unknown."""
        if name in self.models:
            return self.models[name]
        if base in self.models:
            return self.models[base]
        return next((each for each in self.models.values() if base and each.base == base), None)

    def nearest_models(self, name: str) -> tuple[str, ...]:
        """Return the ids of the models most similar to ``name``, by id or title."""
        titles = {each.title.lower(): each.name for each in self.models.values()}
        near = [*nearest_names(name, self.models), *(titles[title] for title in nearest_names(name.lower(), titles))]
        return tuple(dict.fromkeys(near))[:3]


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Return the table; the first call takes about 3 ms."""
    data = json.loads(_FILE.read_text(encoding="utf-8"))
    return Catalogue(
        data["wangp_version"],
        data["settings_version"],
        data["flags"],
        {name: _make_setting(name, fields) for name, fields in data["settings"].items()},
        {name: _make_model(name, fields) for name, fields in data["models"].items()},
    )


def _make_setting(name: str, fields: Mapping[str, Any]) -> Setting:
    models = fields.get("models")
    return Setting(
        name,
        fields["type"],
        fields["group"],
        fields["description"],
        fields.get("default"),
        fields.get("min"),
        fields.get("max"),
        fields.get("step"),
        tuple(fields.get("choices", ())),
        fields.get("open", False),
        fields.get("media", ""),
        fields.get("list", False),
        None if models is None else frozenset(models),
    )


def _make_model(name: str, fields: dict[str, Any]) -> Model:
    facts = {key: value for key, value in fields.items() if key not in _MODEL_FIELDS}
    return Model(
        name, fields["name"], fields["family"], fields["base"], tuple(fields["outputs"]), fields["defaults"], facts
    )


_MODEL_FIELDS = frozenset({"name", "family", "base", "outputs", "inputs", "defaults"})
