"""What can be asked of RVC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.json_fields import is_number
from ..core.request import Request, integer_problems, number_problems, path_problems, text_problems

F0_METHODS = ("rmvpe", "fcpe", "crepe", "crepe-tiny", "harvest", "pm", "dio")
"""How the pitch is found; no server knows all of them. ``harvest`` is slow, ``pm`` quick and rough."""

TRAINING_RATES = (32_000, 40_000, 48_000)
DEFAULT_RATE = 48_000
_VOICE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class VoiceSettings:
    """How a recording is to sound: ``pitch`` in semitones, the rest as RVC names it."""

    voice: str
    pitch: int
    index_rate: float
    f0_method: str
    protect: float
    rms_mix_rate: float
    filter_radius: int


@dataclass(frozen=True, kw_only=True)
class VoiceRequest(Request):
    """What conversion and speech have in common.

    ``index_rate`` (0 to 1) is how much of the voice's own accent is used, ``f0_method`` one of ``F0_METHODS``,
    ``protect`` (0 to 0.5) saves consonants and breath, less of it more; ``rms_mix_rate`` (0 to 1) is how much of the
    loudness is the voice's and not the recording's, ``filter_radius`` (0 to 7) smooths the pitch. ``rate`` is the
    result's in Hz. ``accept_terms`` says that the user agrees to Applio's terms of use, without which it does nothing.
    """

    index_rate: float = 0.75
    f0_method: str = "rmvpe"
    protect: float = 0.33
    rms_mix_rate: float = 0.25
    filter_radius: int = 3
    rate: int = DEFAULT_RATE
    accept_terms: bool = False

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [
            *super().problems(),
            *_share_problems("index_rate", self.index_rate, 1.0),
            *_choice_problems("f0_method", self.f0_method, F0_METHODS),
            *_share_problems("protect", self.protect, 0.5),
            *_share_problems("rms_mix_rate", self.rms_mix_rate, 1.0),
            *integer_problems("filter_radius", self.filter_radius, least=0, most=7),
            *integer_problems("rate", self.rate, least=8_000, most=192_000),
            *_flag_problems("accept_terms", self.accept_terms),
        ]

    def settings_for(self, voice: str, pitch: int) -> VoiceSettings:
        """Return the settings of a conversion."""
        return VoiceSettings(
            voice, pitch, self.index_rate, self.f0_method, self.protect, self.rms_mix_rate, self.filter_radius
        )


@dataclass(frozen=True)
class ConvertRequest(VoiceRequest):
    """A recording in another voice: ``audio`` is any sound file (or film) that the client's codec reads.

    ``pitch`` in semitones: about +12 from a low voice to a high one.
    """

    audio: Path
    voice: str
    pitch: int = 0

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        return [
            *super().problems(),
            *path_problems("audio", self.audio),
            *text_problems("voice", self.voice),
            *_whole("pitch", self.pitch, -48, 48),
        ]

    @property
    def settings(self) -> VoiceSettings:
        """How it is to sound."""
        return self.settings_for(self.voice, self.pitch)


@dataclass(frozen=True)
class SpeakRequest(VoiceRequest):
    """A line of text spoken in a voice: a ``speaker`` speaks it, and RVC gives that the voice.

    ``speaker`` names who speaks (``espeak-ng``, ``piper``, ``server``, ``rvc-server``, ``applio``); None: the best
    there is. ``speaker_voice`` is the speaker's own name of a voice (a language for eSpeak, a file for Piper),
    ``speed`` 1.0 is normal. A ``recording`` of the line is used instead of any speaker: the best acting there is.
    """

    text: str
    voice: str
    pitch: int = 0
    speaker: str | None = None
    speaker_voice: str | None = None
    speed: float = 1.0
    recording: Path | None = None

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        found = [*super().problems(), *text_problems("text", self.text), *text_problems("voice", self.voice)]
        found += _whole("pitch", self.pitch, -48, 48)
        for name in ("speaker", "speaker_voice"):
            value = getattr(self, name)
            found += text_problems(name, value) if value is not None else []
        found += number_problems("speed", self.speed, above=0.0) or _share_problems("speed", self.speed, 4.0)
        found += path_problems("recording", self.recording) if self.recording is not None else []
        return found

    @property
    def settings(self) -> VoiceSettings:
        """How it is to sound."""
        return self.settings_for(self.voice, self.pitch)


@dataclass(frozen=True)
class TrainRequest(Request):
    """A new voice made of recordings.

    ``samples`` are sound files, or folders of them. ``voice`` may have ASCII letters, digits, ``-`` and ``_`` only: the
    servers put it into paths and command lines. ``rate`` in Hz is 32000, 40000 or 48000. ``gpus`` as the server numbers
    them (``0-1``), empty for its choice; ``processes`` are the server's for the preparation.

    The samples must lie where the server reads them: it gets them over HTTP if it can, or reads this machine's disk if
    it runs here. Else ``shared_folder`` is a folder that both see, and ``server_folder`` what the server calls it.
    ``accept_terms`` as in ``VoiceRequest``.
    """

    voice: str
    samples: list[Path]
    epochs: int = 100
    rate: int = 40_000
    batch_size: int = 4
    save_every: int = 10
    f0_method: str = "rmvpe"
    gpus: str = ""
    processes: int = 2
    shared_folder: Path | None = None
    server_folder: str | None = None
    accept_terms: bool = False

    def problems(self) -> list[str]:
        """Return what is wrong on the face of it."""
        found = [*super().problems(), *voice_name_problems(self.voice)]
        if not isinstance(self.samples, (list, tuple)) or not self.samples:
            found.append("samples: a list with at least one file or folder is needed.")
        else:
            found += [problem for each in self.samples for problem in path_problems("samples", each)][:1]
        found += _whole("epochs", self.epochs, 1, 10_000)
        found += _choice_problems("rate", self.rate, TRAINING_RATES)
        found += _whole("batch_size", self.batch_size, 1, 128)
        found += _whole("save_every", self.save_every, 1, 10_000)
        found += _choice_problems("f0_method", self.f0_method, F0_METHODS)
        if not isinstance(self.gpus, str) or not re.fullmatch(r"(\d+(-\d+)*)?", self.gpus, re.ASCII):
            found.append("gpus: numbers joined with '-' are needed, such as 0-1.")
        found += _whole("processes", self.processes, 1, 256)
        found += path_problems("shared_folder", self.shared_folder) if self.shared_folder is not None else []
        found += text_problems("server_folder", self.server_folder) if self.server_folder is not None else []
        return [*found, *_flag_problems("accept_terms", self.accept_terms)]


def voice_name_problems(value: Any) -> list[str]:
    """Return what is wrong with the name of a new voice."""
    if isinstance(value, str) and _VOICE_NAME.fullmatch(value):
        return []
    return ["voice: use only letters A-Z, digits, - and _ in the names of voices, 64 at most."]


def _whole(name: str, value: Any, least: int, most: int) -> list[str]:
    return (
        [f"{name}: a whole number is needed."]
        if value is None
        else integer_problems(name, value, least=least, most=most)
    )


def _share_problems(name: str, value: Any, most: float) -> list[str]:
    return [] if is_number(value) and 0.0 <= value <= most else [f"{name}: a number between 0 and {most:g} is needed."]


def _choice_problems(name: str, value: Any, choices: tuple[Any, ...]) -> list[str]:
    good = not isinstance(value, bool) and value in choices
    return [] if good else [f"{name}: one of {', '.join(map(str, choices))} is needed."]


def _flag_problems(name: str, value: Any) -> list[str]:
    return [] if isinstance(value, bool) else [f"{name}: True or False is needed."]
