"""What the user has set, as immutable values that threads can share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..clients.core.options import ClientOptions
    from ..clients.registry import BackendInfo


@dataclass(frozen=True)
class SpeechSettings:
    """Who reads lines for RVC: a server with OpenAI's ``/v1/audio/speech``, and Piper with a voice's ``.onnx`` file.

    What is empty is not there; an empty ``model`` is ``tts-1``.
    """

    server_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    piper_voice: str = ""


@dataclass(frozen=True)
class BackendSettings:
    """One backend's server. Time-outs in seconds; None is the backend's default. Key and headers never show in a
    repr. ``speech`` is for RVC.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    connect_timeout_s: float | None = None
    read_timeout_s: float | None = None
    job_timeout_s: float | None = None
    verify_tls: bool | Path = True
    concurrency: int | None = None
    speech: SpeechSettings | None = None


@dataclass(frozen=True)
class RuntimeSettings:
    """The whole runtime's settings. Results go to ``output_dir``, the journal to ``state_dir``."""

    backends: Mapping[str, BackendSettings]
    output_dir: Path
    state_dir: Path
    demo_mode: bool = False
    online_access: bool = False
    demo_speed: float = 1.0

    def options_for(self, info: BackendInfo) -> ClientOptions:
        """Return the client options for a backend; one generation at a time where it uses the GPU, unless set
        otherwise.
        """
        own = self.backends[info.name]
        options = info.client.default_options
        changes: dict[str, object] = {"output_dir": self.output_dir, "verify_tls": own.verify_tls}
        if own.connect_timeout_s is not None:
            changes["connect_timeout_s"] = own.connect_timeout_s
        if own.read_timeout_s is not None:
            changes["read_timeout_s"] = changes["first_byte_timeout_s"] = own.read_timeout_s
        if own.job_timeout_s is not None:
            changes["job_timeout_s"] = own.job_timeout_s
        changes["max_workers"] = own.concurrency or (1 if info.uses_gpu else options.max_workers)
        return replace(options, **changes)  # type: ignore[arg-type]  # the values are of the fields' types
