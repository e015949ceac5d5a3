"""What can be asked of Wan2GP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..core.errors import ValidationError
from ..core.request import Request, integer_problems, mapping_problems, nearest_names, number_problems, text_problems
from ..files.input_file import read_start
from .catalogue import Model, catalogue
from .settings.presets import PRESETS
from .settings.prompt_type_flags import flags_for
from .settings.resolutions import LONGEST_S, SIDE_MOST
from .settings.validation import SEED_MOST, SettingsProblems, check_settings, file_problems, unsendable

Files = Path | str | Sequence[Path | str]

_DROPPED = frozenset({"type", "state", "task", "send_cmd", "plugin_data", "settings_version", "client_id"})
_MAX_SETTINGS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class VideoRequest(Request):
    """A clip, a still, or for some models music or speech.

    ``settings`` are the program's own; ``files`` maps the name of an attachment (``image_start``, ``audio_guide``, ...)
    to a local file or, where it takes several, to a list of them; ``path|start_frame=0,end_frame=48`` is a part of a
    video. ``seed`` None is random. ``duration_s`` in seconds, ``width`` and ``height`` in pixels become the length and
    size nearest to them that the model takes; ``settings`` with ``video_length`` or ``resolution`` go first. The flag
    strings (``image_prompt_type`` and its like) are set from the files given. ``preset`` is one of
    ``presets.PRESETS``. ``strict`` False sends what the table of settings calls wrong all the same: for newer servers
    and the user's own models.
    """

    prompt: str
    model: str
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    preset: str = ""
    strict: bool = True

    # Ways to ask

    @classmethod
    def text_to_video(cls, prompt: str, model: str, **fields: Any) -> Self:
        """Ask for a clip of what the prompt says."""
        return cls(prompt, model, **fields)

    @classmethod
    def image_to_video(
        cls,
        prompt: str,
        model: str,
        *,
        start: Path | str | None = None,
        end: Path | str | None = None,
        references: Sequence[Path | str] = (),
        **fields: Any,
    ) -> Self:
        """Ask for a clip that begins or ends with a picture, or shows what is in the reference pictures."""
        given = {"image_start": start, "image_end": end, "image_refs": list(references)}
        return cls(prompt, model, **_with_files(fields, given))

    @classmethod
    def video_to_video(
        cls,
        prompt: str,
        model: str,
        *,
        control: Path | str | None = None,
        mask: Path | str | None = None,
        source: Path | str | None = None,
        references: Sequence[Path | str] = (),
        **fields: Any,
    ) -> Self:
        """Ask for a clip that follows the ``control`` video (where the ``mask`` is white), or goes on where the
        ``source`` ends.
        """
        given = {"video_guide": control, "video_mask": mask, "video_source": source, "image_refs": list(references)}
        return cls(prompt, model, **_with_files(fields, given))

    @classmethod
    def sound_driven(
        cls,
        prompt: str,
        model: str,
        *,
        sound: Path | str,
        second_sound: Path | str | None = None,
        start: Path | str | None = None,
        references: Sequence[Path | str] = (),
        **fields: Any,
    ) -> Self:
        """Ask for a clip that moves to a sound: speech, song."""
        given = {
            "audio_guide": sound,
            "audio_guide2": second_sound,
            "image_start": start,
            "image_refs": list(references),
        }
        return cls(prompt, model, **_with_files(fields, given))

    @classmethod
    def still(
        cls, prompt: str, model: str, *, references: Sequence[Path | str] = (), settings: Any = None, **fields: Any
    ) -> Self:
        """Ask for a picture."""
        fields = _with_files(fields, {"image_refs": list(references)})
        return cls(prompt, model, settings={"image_mode": 1, **(settings or {})}, **fields)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any] | str | Path, **fields: Any) -> Self:
        """Make a request of settings as WanGP exports them, or of the .json file; ``fields`` go before them.

        Raises ``StorageError`` for a file that can't be read, ``ValidationError`` (code ``invalid_settings_file``) for
        one that holds no settings.
        """
        values = dict(settings) if isinstance(settings, Mapping) else _read(Path(settings))
        made: dict[str, Any] = {"prompt": values.pop("prompt", ""), "model": values.pop("model_type", "")}
        seed = values.pop("seed", -1)
        if isinstance(seed, int) and seed >= 0:
            made["seed"] = seed
        paths = {name: values.pop(name) for name in catalogue().attachments if values.get(name)}
        made["files"] = paths
        made["settings"] = {name: value for name, value in values.items() if name not in _DROPPED and value is not None}
        return cls(**{**made, **fields})

    # Checks

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        found = self._field_problems()
        if found or not self.strict:
            return found
        return self.findings().problems

    def warnings(self) -> list[str]:
        """Return what may be wrong: values outside the program's ranges, settings that the model does not use."""
        findings = self.findings()
        return findings.warnings if self.strict else [*findings.problems, *findings.warnings]

    def findings(self) -> SettingsProblems:
        """Check settings, files and flags against the table; the fields themselves must be right."""
        table, model = catalogue(), self.definition()
        findings = check_settings(table, model, self.settings)
        findings.problems += file_problems(table, self.files)
        if not findings.problems:
            findings.problems += flags_for(model, self.settings, self.given()).problems
        if self.model not in table.models and not self.edits:
            near = table.nearest_models(self.model)
            guess = f" Did you mean {' or '.join(near)}?" if near else ""
            findings.warnings.append(f"model: {self.model} is no model of WanGP {table.wangp_version}.{guess}")
        return findings

    def definition(self) -> Model | None:
        """Return what is known of the model, None for one of the user's own."""
        return catalogue().model(self.model, str(self.settings.get("base_model_type") or ""))

    def given(self) -> set[str]:
        """Return the names of the attachments that are given, as files or as settings."""
        named = {name for name in catalogue().attachments if self.settings.get(name)}
        return named | {name for name, value in self.files.items() if value}

    @property
    def edits(self) -> bool:
        """Whether it only works on a finished file; that needs no model."""
        return str(self.settings.get("mode") or "").startswith("edit_")

    def _field_problems(self) -> list[str]:
        found = [
            *super().problems(),
            *mapping_problems("settings", self.settings),
            *mapping_problems("files", self.files),
            *integer_problems("seed", self.seed, least=0, most=SEED_MOST),
            *integer_problems("width", self.width, least=1, most=SIDE_MOST),
            *integer_problems("height", self.height, least=1, most=SIDE_MOST),
        ]
        if not mapping_problems("settings", self.settings):
            found += unsendable(self.settings)
        if self.duration_s is not None:
            found += number_problems("duration_s", self.duration_s, above=0.0) or _too_long(self.duration_s)
        if not isinstance(self.preset, str) or (self.preset and self.preset not in PRESETS):
            near = nearest_names(str(self.preset), PRESETS) or tuple(PRESETS)
            found.append(f"preset: unknown; did you mean {' or '.join(near)}?")
        if (self.width is None) != (self.height is None):
            found.append("width, height: both are needed, or neither.")
        if found or self.edits:
            return found
        return [*text_problems("prompt", self.prompt), *text_problems("model", self.model)]


def _too_long(seconds: float) -> list[str]:
    return [f"duration_s: at most {LONGEST_S} seconds can be asked for."] if seconds > LONGEST_S else []


def _with_files(fields: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    files = {name: value for name, value in given.items() if value}
    return {**fields, "files": {**files, **fields.get("files", {})}}


def _read(path: Path) -> dict[str, Any]:
    text = read_start(path, _MAX_SETTINGS_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_settings(path) from error
    if not isinstance(values, dict):
        raise _no_settings(path)
    return values


def _no_settings(path: Path) -> ValidationError:
    return ValidationError(
        f"{path.name} holds no settings of WanGP.",
        code="invalid_settings_file",
        backend="wan2gp",
        hint="Export the settings in WanGP with 'Export Settings to File' and take that .json.",
    )
