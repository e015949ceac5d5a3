"""From a request to what WanGP is sent: one settings object and the files that go with it."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .catalogue import Model, catalogue
from .request import VideoRequest
from .settings.presets import preset_settings
from .settings.prompt_type_flags import flags_for
from .settings.resolutions import frames_for, snapped_size
from .settings.validation import SEED_MOST, split_clip

STEM_PREFIX = "blend_"
_NAME_CHARS = 48


@dataclass(frozen=True)
class Attachment:
    """An input file: for which setting, where it is, which part of it is meant (``|start_frame=...``, or empty)."""

    setting: str
    path: Path
    clip: str = ""


@dataclass(frozen=True)
class Task:
    """One task: ``params`` without attachments, the ``attachments`` in order, and the ``seed`` in use.

    The server's files of it have names that begin with ``stem``; those saved here with ``name``.
    """

    params: dict[str, Any]
    attachments: tuple[Attachment, ...]
    seed: int
    stem: str
    name: str

    def with_media(self, names: Mapping[Attachment, str]) -> dict[str, Any]:
        """Return the settings with the attachments under the names that the server knows."""
        params = dict(self.params)
        for key in dict.fromkeys(each.setting for each in self.attachments):
            values = [names[each] + each.clip for each in self.attachments if each.setting == key]
            setting = catalogue().settings.get(key)
            many = len(values) > 1 or (setting is not None and setting.many)
            params[key] = values if many else values[0]
        return params


def make_task(request: VideoRequest, job_id: str, seed: int | None = None) -> Task:
    """Return the request's task, named by the job's id; its seed is the request's, else ``seed``, else a random one."""
    model = request.definition()
    chosen = request.seed if request.seed is not None else seed
    chosen = random.randint(0, SEED_MOST) if chosen is None else chosen
    stem = STEM_PREFIX + job_id
    params: dict[str, Any] = {"multi_prompts_gen_type": "FG", "settings_version": catalogue().settings_version}
    params |= _shape(request, model)
    params |= {name: value for name, value in request.settings.items() if name != "output_filename"}
    params |= flags_for(model, request.settings, request.given()).values
    params |= {"prompt": request.prompt, "seed": chosen, "output_filename": stem, "client_id": job_id}
    if request.model:
        params["model_type"] = request.model
    return Task(params, _attachments(request), chosen, stem, _file_name(request, chosen))


def _shape(request: VideoRequest, model: Model | None) -> dict[str, Any]:
    """Length, size and what a preset says of them."""
    size = None
    if request.width is not None and request.height is not None:
        size = snapped_size(model, request.width, request.height)
    shape: dict[str, Any] = {"resolution": f"{size[0]}x{size[1]}"} if size else {}
    if request.preset:
        shape |= preset_settings(request.preset, model, size)
    if request.duration_s is not None:
        shape |= _length(request.duration_s, model, request.settings.get("force_fps"))
    return shape


def _length(seconds: float, model: Model | None, force_fps: Any) -> dict[str, Any]:
    slider = model.facts.get("duration_slider") if model is not None else None
    if slider:
        step = slider.get("increment", 1)
        wanted = min(max(round(seconds / step) * step, slider["min"]), slider["max"])
        return {"duration_seconds": wanted}
    fps = float(force_fps) if isinstance(force_fps, str) and re.fullmatch(r"[1-9]\d{0,2}", force_fps) else None
    return {"video_length": frames_for(model, seconds, fps)}


def _attachments(request: VideoRequest) -> tuple[Attachment, ...]:
    found = []
    for name, value in request.files.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            path, clip = split_clip(str(each))
            found.append(Attachment(name, Path(path), clip))
    return tuple(found)


def _file_name(request: VideoRequest, seed: int) -> str:
    """What results are called here: as the user wants, else the prompt's first words and the seed."""
    own = request.settings.get("output_filename")
    if isinstance(own, str) and own.strip():
        return own.strip()
    words = re.sub(r"[\W_]+", "_", request.prompt).strip("_")[:_NAME_CHARS].rstrip("_")
    return f"{words or 'wan2gp'}_{seed}"
