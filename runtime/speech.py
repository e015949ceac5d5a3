"""Who reads the lines that RVC is to speak, as the user has set it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..clients.http.url import parse_server_url
from .settings import SpeechSettings

if TYPE_CHECKING:
    from ..clients.rvc.speech.speaker import Speaker


def speakers_for(settings: SpeechSettings, *, online_access: bool) -> tuple[Speaker, ...]:
    """Return the speakers that are set; a server on another machine is left out while Blender's online access is off.

    Raises ``ValidationError`` (code ``invalid_url``) for a bad address.
    """
    from ..clients.rvc.speech.local_programs import Piper
    from ..clients.rvc.speech.server import DEFAULT_MODEL, SpeechServer

    speakers: list[Speaker] = []
    if settings.server_url and (online_access or parse_server_url(settings.server_url).is_loopback):
        model = settings.model or DEFAULT_MODEL
        speakers.append(SpeechServer(settings.server_url, api_key=settings.api_key, model=model))
    if settings.piper_voice:
        speakers.append(Piper(settings.piper_voice))
    return tuple(speakers)
