"""The requests to RVC."""

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
    """The settings of a conversion: ``pitch`` in semitones, the rest under RVC's names."""

    voice: str
    pitch: int
    index_rate: float
    f0_method: str
    protect: float
    rms_mix_rate: float
    filter_radius: int


@dataclass(frozen=True, kw_only=True)
class VoiceRequest(Request):
    """The common fields of conversion and speech.

    ``index_rate`` (0 to 1) is the share of the voice's own accent, ``f0_method`` one of ``F0_METHODS``; ``protect`` (0
    to 0.5) preserves consonants and breath, more so at lower values; ``rms_mix_rate`` (0 to 1) is the share of the
    voice's loudness against the recording's, ``filter_radius`` (0 to 7) smooths the pitch. ``rate`` is the result's
    sample rate in Hz. ``accept_terms`` is the user's consent to Applio's terms of use, without which it does nothing.
    """

    index_rate: float = 0.75
    f0_method: str = "rmvpe"
    protect: float = 0.33
    rms_mix_rate: float = 0.25
    filter_radius: int = 3
    rate: int = DEFAULT_RATE
    accept_terms: bool = False

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
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
    """A recording in another voice: ``audio`` is any sound file or film that the client's codec reads.

    ``pitch`` in semitones: about +12 from a low voice to a high one.
    """

    audio: Path
    voice: str
    pitch: int = 0

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
        return [
            *super().problems(),
            *path_problems("audio", self.audio),
            *text_problems("voice", self.voice),
            *_whole("pitch", self.pitch, -48, 48),
        ]

    @property
    def settings(self) -> VoiceSettings:
        """The settings of the conversion."""
        return self.settings_for(self.voice, self.pitch)


@dataclass(frozen=True)
class SpeakRequest(VoiceRequest):
    """A line of text: a ``speaker`` speaks it, and RVC converts it to the voice.

    ``speaker`` is ``espeak-ng``, ``piper``, ``server``, ``rvc-server`` or ``applio``; None: the best that is
    available. ``speaker_voice`` is the speaker's own name of a voice (a language for eSpeak, a file for Piper),
    ``speed`` 1.0 is normal. A ``recording`` of the line replaces any speaker.
    """

    text: str
    voice: str
    pitch: int = 0
    speaker: str | None = None
    speaker_voice: str | None = None
    speed: float = 1.0
    recording: Path | None = None

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
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
        """The settings of the conversion."""
        return self.settings_for(self.voice, self.pitch)


@dataclass(frozen=True)
class TrainRequest(Request):
    """A new voice from recordings.

    ``samples`` are sound files, or folders of them. ``voice`` may have ASCII letters, digits, ``-`` and ``_`` only:
    the servers put it into paths and command lines. ``rate`` in Hz is 32000, 40000 or 48000. ``gpus`` are the server's
    numbers (``0-1``), empty for its choice; ``processes`` are the server's for the preparation.

    The server must be able to read the samples: they are uploaded if it accepts uploads; a server on this machine
    reads this machine's disk. Otherwise ``shared_folder`` is a folder that both machines see, and ``server_folder``
    its path on the server. ``accept_terms`` as in ``VoiceRequest``.
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
        """Return the problems that show without a server."""
        found = [*super().problems(), *voice_name_problems(self.voice)]
        if not isinstance(self.samples, (list, tuple)) or not self.samples:
            found.append("samples: a list with at least one file or folder is required.")
        else:
            found += [problem for each in self.samples for problem in path_problems("samples", each)][:1]
        found += _whole("epochs", self.epochs, 1, 10_000)
        found += _choice_problems("rate", self.rate, TRAINING_RATES)
        found += _whole("batch_size", self.batch_size, 1, 128)
        found += _whole("save_every", self.save_every, 1, 10_000)
        found += _choice_problems("f0_method", self.f0_method, F0_METHODS)
        if not isinstance(self.gpus, str) or not re.fullmatch(r"(\d+(-\d+)*)?", self.gpus, re.ASCII):
            found.append("gpus: numbers joined with '-' are required, such as 0-1.")
        found += _whole("processes", self.processes, 1, 256)
        found += path_problems("shared_folder", self.shared_folder) if self.shared_folder is not None else []
        found += text_problems("server_folder", self.server_folder) if self.server_folder is not None else []
        return [*found, *_flag_problems("accept_terms", self.accept_terms)]


def voice_name_problems(value: Any) -> list[str]:
    """Return the problems of the name of a new voice."""
    if isinstance(value, str) and _VOICE_NAME.fullmatch(value):
        return []
    return ["voice: use only letters A-Z, digits, - and _ in the names of voices, 64 at most."]


def _whole(name: str, value: Any, least: int, most: int) -> list[str]:
    return (
        [f"{name}: a whole number is required."]
        if value is None
        else integer_problems(name, value, least=least, most=most)
    )


def _share_problems(name: str, value: Any, most: float) -> list[str]:
    return (
        [] if is_number(value) and 0.0 <= value <= most else [f"{name}: a number between 0 and {most:g} is required."]
    )


def _choice_problems(name: str, value: Any, choices: tuple[Any, ...]) -> list[str]:
    good = not isinstance(value, bool) and value in choices
    return [] if good else [f"{name}: one of {', '.join(map(str, choices))} is required."]


def _flag_problems(name: str, value: Any) -> list[str]:
    return [] if isinstance(value, bool) else [f"{name}: True or False is required."]
