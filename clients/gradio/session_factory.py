"""Makes the session for a server's generation of Gradio."""

from __future__ import annotations

from .config import GradioConfig
from .gradio3 import Gradio3Session
from .http import GradioHTTP
from .session import IDLE_TIMEOUT_S, GradioSession


def make_session(
    access: GradioHTTP,
    config: GradioConfig,
    session_hash: str | None = None,
    *,
    idle_timeout_s: float = IDLE_TIMEOUT_S,
) -> GradioSession | Gradio3Session:
    """Return a session for the server's generation; both kinds have ``call``, ``iterate``, ``upload``, ``download``.

    Raises ``ProtocolError`` (code ``gradio_version``) for an unsupported generation.
    """
    if config.generation == 3:
        return Gradio3Session(access, config, session_hash)
    return GradioSession(access, config, session_hash, idle_timeout_s=idle_timeout_s)
