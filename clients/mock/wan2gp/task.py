"""One task of a mock WanGP: the check of its settings, with the program's messages, and its output files."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...wan2gp.catalogue import Model, catalogue
from ..media.jpeg import encode
from ..media.movie import Movie
from ..media.pixels import Pixels
from ..media.png import NotAPicture, decode
from ..media.sound import effect_wave, speech_wave
from .rules import find_missing_media

STEPS = 30
FRAMES = 81
SIZE = "832x480"
SECONDS = 10.0
MAX_SEED = 999_999_999


class Refused(Exception):
    """The program refuses the settings; the text is the program's."""


@dataclass
class Output:
    """An output file: its name without counter, its content, and its type."""

    stem: str
    ending: str
    data: bytes
    media_type: str
    seed: int

    @property
    def kind(self) -> str:
        return self.media_type.partition("/")[0]


@dataclass
class Task:
    """A task of a queue. ``media`` are the files that came with it, by name; ``number`` is its id."""

    number: int
    params: Mapping[str, Any]
    media: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seed = self.value("seed", -1)
        self.seed = int(seed) if int(seed) >= 0 else random.randrange(MAX_SEED)

    def value(self, name: str, default: Any) -> Any:
        """Return a setting, or ``default`` if it was left out or is null."""
        found = self.params.get(name)
        return default if found is None else found

    @property
    def client_id(self) -> str:
        return str(self.value("client_id", ""))

    @property
    def prompt(self) -> str:
        return str(self.value("prompt", ""))

    @property
    def model(self) -> Model | None:
        known = catalogue()
        return known.model(str(self.value("model_type", "")), str(self.value("base_model_type", "")))

    @property
    def title(self) -> str:
        """The model's name in status lines."""
        return self.model.title if self.model is not None else ""

    @property
    def steps(self) -> int:
        return max(1, int(self.value("num_inference_steps", self._default("num_inference_steps", STEPS))))

    @property
    def samples(self) -> int:
        return max(1, int(self.value("repeat_generation", 1)))

    @property
    def windows(self) -> int:
        size = int(self.value("sliding_window_size", 0) or 0)
        overlap = int(self.value("sliding_window_overlap", 0) or 0)
        if not 0 < size < self.frames:
            return 1
        return 1 + -(-(self.frames - size) // max(1, size - overlap))

    @property
    def phases(self) -> int:
        return max(1, int(self.value("guidance_phases", 1)))

    @property
    def frames(self) -> int:
        """The number of frames, rounded down to the model's minimum plus a number of its steps."""
        facts = self.model.facts if self.model is not None else {}
        least, step = int(facts.get("frames_minimum", 5)), int(facts.get("frames_steps", 4))
        wanted = int(self.value("video_length", self._default("video_length", FRAMES)))
        return max(least, (wanted - least) // step * step + least)

    @property
    def fps(self) -> float:
        forced = str(self.value("force_fps", ""))
        if re.fullmatch(r"\d+(\.\d+)?", forced) and float(forced) > 0:
            return float(forced)
        return self.model.fps if self.model is not None else 16.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height; a wrong form raises ``Refused``."""
        parts = str(self.value("resolution", self._default("resolution", SIZE))).split("x")
        if len(parts) != 2:
            raise Refused(f"not enough values to unpack (expected 2, got {len(parts)})")
        if not all(each.isdecimal() and int(each) > 0 for each in parts):
            raise Refused(f"invalid literal for int() with base 10: {parts[0]!r}")
        return int(parts[0]), int(parts[1])

    def _default(self, name: str, otherwise: Any) -> Any:
        return self.model.defaults.get(name, otherwise) if self.model is not None else otherwise

    # Checking

    def check(self) -> None:
        """Raise ``Refused`` for settings that the program refuses when it loads a task."""
        if self.model is None:
            raise Refused("Settings must contain 'model_type'")
        if not self.prompt.strip() and not self.params.get("mode"):
            raise Refused("Prompt cannot be empty.")
        _ = self.size
        there = [name for name in catalogue().attachments if self.attached(name)]
        missing = find_missing_media(lambda name: str(self.value(name, "")), there, still=self.makes == "image")
        if missing is not None:
            raise Refused(missing)

    def attached(self, name: str) -> list[str]:
        """Return the file names of an attachment."""
        given = self.params.get(name)
        return [str(each) for each in (given if isinstance(given, list) else [given] if given else [])]

    # Making

    @property
    def makes(self) -> str:
        """``video``, ``image`` or ``audio``."""
        model = self.model
        if model is not None and model.makes_sound_only:
            return "audio"
        still = int(self.value("image_mode", 0)) > 0 or (model is not None and not model.makes_video)
        return "image" if still else "video"

    @property
    def has_sound(self) -> bool:
        """True if the video has sound: the model's own, an attachment's, or sound that is added afterwards."""
        added = bool(self.value("MMAudio_setting", 0)) or bool(self.value("audio_prompt_type", ""))
        return added or (self.model is not None and self.model.makes_sound)

    def film(self, seed: int) -> Movie:
        width, height = self.size
        return Movie(self.prompt, seed, width, height, self.frames, self.fps, self.has_sound, self._base())

    def _base(self) -> Pixels | None:
        """Return the picture that the result is built on; None: there is none."""
        for name in ("image_start", "image_refs", "image_guide"):
            for file in self.attached(name):
                try:
                    return decode(self.media.get(file.rpartition("/")[2], b""))
                except NotAPicture:
                    continue
        return None

    def outputs(self, number: int) -> list[Output]:
        """Make the files of sample ``number`` (from 0)."""
        seed = (self.seed + number) % MAX_SEED
        stem = str(self.value("output_filename", "")).strip() or self._dated(seed)
        if self.makes == "audio":
            length = float(self.value("duration_seconds", self._default("duration_seconds", SECONDS)))
            spoken = self.model is not None and self.model.family == "tts"
            data = speech_wave(self.prompt, "", seed=seed) if spoken else effect_wave(self.prompt, length, seed=seed)
            return [Output(stem, ".wav", data, "audio/wav", seed)]
        if self.makes == "image":
            still = self.film(seed).still()
            return [Output(stem, ".jpg", encode(still), "image/jpeg", seed)]
        # WanGP writes the settings, with the actual seed, into a video's comment tag.
        comment = json.dumps({**self.params, "seed": seed}, ensure_ascii=False, default=str)
        return [Output(stem, ".mp4", self.film(seed).file(comment=comment), "video/mp4", seed)]

    def _dated(self, seed: int) -> str:
        title = re.sub(r"[^\w .,-]", "_", self.prompt)[:50].strip()
        return f"{time.strftime('%Y-%m-%d-%Hh%Mm%Ss')}_seed{seed}_{title}"

    def sketch(self) -> Pixels:
        """Make a small still for previews."""
        width, height = self.size
        small = Movie(self.prompt, self.seed, 320, round(320 * height / width), 1, 1, False, self._base())
        return small.still()
