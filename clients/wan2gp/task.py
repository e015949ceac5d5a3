"""Makes WanGP's task from a request: one settings object and its files."""

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
from .settings.prompt_type_flags import make_flags
from .settings.resolutions import get_frames, snap_size
from .settings.validation import SEED_MOST, split_clip

STEM_PREFIX = "blend_"
_NAME_CHARS = 48


@dataclass(frozen=True)
class Attachment:
    """An input file: its setting, its path, and the part of it (``|start_frame=...``, or empty)."""

    setting: str
    path: Path
    clip: str = ""


@dataclass(frozen=True)
class Task:
    """One task: ``params`` without attachments, the ``attachments`` in order, and the ``seed``.

    Its files on the server have names that begin with ``stem``; local ones begin with ``name``.
    """

    params: dict[str, Any]
    attachments: tuple[Attachment, ...]
    seed: int
    stem: str
    name: str

    def with_media(self, names: Mapping[Attachment, str]) -> dict[str, Any]:
        """Return the settings with the attachments under their names on the server."""
        params = dict(self.params)
        for key in dict.fromkeys(each.setting for each in self.attachments):
            values = [names[each] + each.clip for each in self.attachments if each.setting == key]
            setting = catalogue().settings.get(key)
            many = len(values) > 1 or (setting is not None and setting.many)
            params[key] = values if many else values[0]
        return params


def make_task(request: VideoRequest, job_id: str, seed: int | None = None) -> Task:
    """Return the request's task, named by the job's id; its seed is the request's, else ``seed``, else random."""
    model = request.definition()
    chosen = request.seed if request.seed is not None else seed
    chosen = random.randint(0, SEED_MOST) if chosen is None else chosen
    stem = STEM_PREFIX + job_id
    params: dict[str, Any] = {"multi_prompts_gen_type": "FG", "settings_version": catalogue().settings_version}
    params |= _make_shape(request, model)
    params |= {name: value for name, value in request.settings.items() if name != "output_filename"}
    params |= make_flags(model, request.settings, request.attached()).values
    params |= {"prompt": request.prompt, "seed": chosen, "output_filename": stem, "client_id": job_id}
    if request.model:
        params["model_type"] = request.model
    return Task(params, _list_attachments(request), chosen, stem, _make_file_name(request, chosen))


def _make_shape(request: VideoRequest, model: Model | None) -> dict[str, Any]:
    """Return the settings of length, size and preset."""
    size = None
    if request.width is not None and request.height is not None:
        size = snap_size(model, request.width, request.height)
    shape: dict[str, Any] = {"resolution": f"{size[0]}x{size[1]}"} if size else {}
    if request.preset:
        shape |= preset_settings(request.preset, model, size)
    if request.duration_s is not None:
        shape |= _make_length(request.duration_s, model, request.settings.get("force_fps"))
    return shape


def _make_length(seconds: float, model: Model | None, force_fps: Any) -> dict[str, Any]:
    slider = model.facts.get("duration_slider") if model is not None else None
    if slider:
        step = slider.get("increment", 1)
        duration = min(max(round(seconds / step) * step, slider["min"]), slider["max"])
        return {"duration_seconds": duration}
    fps = float(force_fps) if isinstance(force_fps, str) and re.fullmatch(r"[1-9]\d{0,2}", force_fps) else None
    return {"video_length": get_frames(model, seconds, fps)}


def _list_attachments(request: VideoRequest) -> tuple[Attachment, ...]:
    found = []
    for name, value in request.files.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            path, clip = split_clip(str(each))
            found.append(Attachment(name, Path(path), clip))
    return tuple(found)


def _make_file_name(request: VideoRequest, seed: int) -> str:
    """Return the local name of the results: the user's, else from the prompt and the seed."""
    own = request.settings.get("output_filename")
    if isinstance(own, str) and own.strip():
        return own.strip()
    slug = re.sub(r"[\W_]+", "_", request.prompt).strip("_")[:_NAME_CHARS].rstrip("_")
    return f"{slug or 'wan2gp'}_{seed}"
