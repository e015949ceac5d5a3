"""The request to Wan2GP."""

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
from .settings.prompt_type_flags import make_flags
from .settings.resolutions import LONGEST_S, SIDE_MOST
from .settings.validation import SEED_MOST, SettingsProblems, check_settings, find_file_problems, find_unsendable

Files = Path | str | Sequence[Path | str]

_DROPPED = frozenset({"type", "state", "task", "send_cmd", "plugin_data", "settings_version", "client_id"})
_MAX_SETTINGS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class VideoRequest(Request):
    """A clip, a still, or for some models music or speech.

    ``settings`` are the program's own; ``files`` maps the name of an attachment (``image_start``, ``audio_guide``,
    ...) to a local file or, if it takes several, to a list of them; ``path|start_frame=0,end_frame=48`` is a part of a
    video. ``seed`` None is random. ``duration_s`` in seconds, ``width`` and ``height`` in pixels become the nearest
    length and size that the model allows; ``settings`` with ``video_length`` or ``resolution`` take precedence. The
    flag strings (``image_prompt_type`` and so on) are set from the files. ``preset`` is one of ``presets.PRESETS``.
    ``strict`` False sends a request despite problems with the table of settings: for newer servers and the user's own
    models.
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

    # Constructors

    @classmethod
    def text_to_video(cls, prompt: str, model: str, **fields: Any) -> Self:
        """Create a request for a clip from a prompt."""
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
        """Create a request for a clip that begins or ends with a picture, or shows the subjects of reference "
        "pictures."""
        attached = {"image_start": start, "image_end": end, "image_refs": list(references)}
        return cls(prompt, model, **_add_files(fields, attached))

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
        """Create a request for a clip that follows the ``control`` video (where the ``mask`` is white), or continues
        ``source``.
        """
        attached = {"video_guide": control, "video_mask": mask, "video_source": source, "image_refs": list(references)}
        return cls(prompt, model, **_add_files(fields, attached))

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
        """Create a request for a clip driven by a sound: speech, song."""
        attached = {
            "audio_guide": sound,
            "audio_guide2": second_sound,
            "image_start": start,
            "image_refs": list(references),
        }
        return cls(prompt, model, **_add_files(fields, attached))

    @classmethod
    def still(
        cls, prompt: str, model: str, *, references: Sequence[Path | str] = (), settings: Any = None, **fields: Any
    ) -> Self:
        """Create a request for a picture."""
        fields = _add_files(fields, {"image_refs": list(references)})
        return cls(prompt, model, settings={"image_mode": 1, **(settings or {})}, **fields)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any] | str | Path, **fields: Any) -> Self:
        """Create a request from exported settings of WanGP, or from their .json file; ``fields`` take precedence.

        Raises ``StorageError`` for a file that can't be read, ``ValidationError`` (code ``invalid_settings_file``) for
        one without settings.
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
        """Return the problems that show without a server."""
        found = self._field_problems()
        if found or not self.strict:
            return found
        return self.find_problems().problems

    def warnings(self) -> list[str]:
        """Return possible problems: values outside the program's ranges, settings that the model does not use."""
        found_problems = self.find_problems()
        return found_problems.warnings if self.strict else [*found_problems.problems, *found_problems.warnings]

    def find_problems(self) -> SettingsProblems:
        """Check settings, files and flags against the table; the fields themselves must be right."""
        table, model = catalogue(), self.definition()
        found_problems = check_settings(table, model, self.settings)
        found_problems.problems += find_file_problems(table, self.files)
        if not found_problems.problems:
            found_problems.problems += make_flags(model, self.settings, self.attached()).problems
        if self.model not in table.models and not self.edits:
            near = table.nearest_models(self.model)
            guess = f" Did you mean {' or '.join(near)}?" if near else ""
            found_problems.warnings.append(f"model: {self.model} is not a model of WanGP {table.wangp_version}.{guess}")
        return found_problems

    def definition(self) -> Model | None:
        """Return the table's entry of the model, None for a user's own."""
        return catalogue().model(self.model, str(self.settings.get("base_model_type") or ""))

    def attached(self) -> set[str]:
        """Return the names of the attachments in the request, as files or as settings."""
        named = {name for name in catalogue().attachments if self.settings.get(name)}
        return named | {name for name, value in self.files.items() if value}

    @property
    def edits(self) -> bool:
        """True if it only edits a finished file, which needs no model."""
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
            found += find_unsendable(self.settings)
        if self.duration_s is not None:
            found += number_problems("duration_s", self.duration_s, above=0.0) or _check_duration(self.duration_s)
        if not isinstance(self.preset, str) or (self.preset and self.preset not in PRESETS):
            near = nearest_names(str(self.preset), PRESETS) or tuple(PRESETS)
            found.append(f"preset: unknown; did you mean {' or '.join(near)}?")
        if (self.width is None) != (self.height is None):
            found.append("width, height: give both, or neither.")
        if found or self.edits:
            return found
        return [*text_problems("prompt", self.prompt), *text_problems("model", self.model)]


def _check_duration(seconds: float) -> list[str]:
    return [f"duration_s: at most {LONGEST_S} seconds are allowed."] if seconds > LONGEST_S else []


def _add_files(fields: dict[str, Any], attached: Mapping[str, Any]) -> dict[str, Any]:
    files = {name: value for name, value in attached.items() if value}
    return {**fields, "files": {**files, **fields.get("files", {})}}


def _read(path: Path) -> dict[str, Any]:
    text = read_start(path, _MAX_SETTINGS_BYTES)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_settings_error(path) from error
    if not isinstance(values, dict):
        raise _no_settings_error(path)
    return values


def _no_settings_error(path: Path) -> ValidationError:
    return ValidationError(
        f"{path.name} contains no WanGP settings.",
        code="invalid_settings_file",
        backend="wan2gp",
        hint="Export the settings in WanGP with 'Export Settings to File' and use that .json.",
    )
