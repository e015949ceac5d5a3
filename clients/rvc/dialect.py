"""The interface of each kind of RVC server."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ..core.context import CancelContext, JobContext
from ..core.model import BackendCancel
from ..core.scope import Scope
from ..http.session import HTTPSession
from .errors import unsupported
from .request import SpeakRequest, TrainRequest, VoiceSettings
from .samples import Samples
from .uninterruptible import UninterruptibleCall

CONVERT, LIST, TRAIN, SPEAK, UPLOAD_MODEL, SPEECH_SERVER = (
    "convert",
    "list",
    "train",
    "speak",
    "upload_model",
    "speech_server",
)

SPEECH_ROUTE = "/v1/audio/speech"
"""The route of OpenAI's text to speech, on servers that have it."""


@dataclass(frozen=True)
class ConversionJob:
    """One conversion: ``recording`` is a 16-bit mono WAV of ``seconds``; the server's sound is written to ``raw``."""

    recording: Path
    seconds: float
    raw: Path
    settings: VoiceSettings
    accept_terms: bool


class Dialect(abc.ABC):
    """One kind of server, for the client of one address. Methods block; all but ``voices`` are for worker threads.

    ``f0_methods`` are the pitch-detection methods of the server. Callers of ``convert`` and ``speak`` hold the server
    lock, after a cancel until ``cancel`` of the same dialect has returned. ``rejoins_training`` is True if a running
    training can be followed again.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    f0_methods: ClassVar[tuple[str, ...]]
    rejoins_training: ClassVar[bool] = False

    def __init__(self, http: HTTPSession, version: str, capabilities: frozenset[str]) -> None:
        self.http = http
        self.version = version
        self.capabilities = capabilities
        self.calls = UninterruptibleCall()

    @property
    def known_as(self) -> tuple[str, str, frozenset[str]]:
        """The name, version and capabilities, for comparison with another dialect."""
        return self.name, self.version, self.capabilities

    @abc.abstractmethod
    def voices(self, scope: Scope) -> list[str]:
        """Return the names of the server's voices."""

    @abc.abstractmethod
    def convert(self, job: JobContext, conversion: ConversionJob) -> str:
        """Convert a recording and return the server's name for the result; marks the job as sent first."""

    def speak(self, job: JobContext, request: SpeakRequest, raw: Path) -> tuple[str, str]:
        """Speak the line on the server, with its own speech; return the name of the result and of the voice."""
        raise unsupported("speak", self.label, "Leave the speaker empty, or choose another one.")

    def train(self, job: JobContext, request: TrainRequest, samples: Samples) -> Mapping[str, object]:
        """Train a voice; the returned mapping goes into the result's metadata. For servers with ``TRAIN``."""
        raise AssertionError(f"{self.name} does not train")  # pragma: no cover - Work looks at the capabilities first

    def rejoin_training(self, job: JobContext, request: TrainRequest) -> Mapping[str, object] | None:
        """Follow a running training; None if this kind of server can't find it again."""
        return None

    @abc.abstractmethod
    def cancel(self, job: CancelContext) -> BackendCancel:
        """Stop the job if possible, and wait until the server is free or the drain time is over."""
