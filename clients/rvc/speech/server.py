"""Speakers over HTTP: servers with OpenAI's ``POST /v1/audio/speech``, or the RVC server itself if it has the route."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ...core.errors import ProtocolError
from ...core.options import ClientOptions
from ...core.scope import Scope
from ...http.session import HTTPSession
from ...http.transport import Transport
from ...http.url import ServerURL, parse_server_url
from ..dialect import SPEECH_ROUTE
from ..errors import BACKEND
from ..http import save_body
from .speaker import Line, Speaker, Spoken

DEFAULT_MODEL = "tts-1"
DEFAULT_VOICE = "alloy"
_VERSION = "/v1"
_SOUNDS = ("audio/", "application/octet-stream")


class SpeechServer(Speaker):
    """A server with OpenAI's speech route (openedai-speech, Kokoro-FastAPI, LocalAI, AllTalk ...) at ``url``.

    ``model`` and ``voice`` are its own names. ``ValidationError`` (code ``invalid_url``) for a bad address.
    """

    name: ClassVar[str] = "server"

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        model: str = DEFAULT_MODEL,
        voice: str = DEFAULT_VOICE,
        options: ClientOptions | None = None,
    ) -> None:
        self._url = _parse_base_url(parse_server_url(url))
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._model = model
        self._voice = voice
        self._options = options or ClientOptions(first_byte_timeout_s=300.0, max_retries=1)

    def __repr__(self) -> str:
        return f"<SpeechServer {self._url}>"

    def available(self, line: Line) -> bool:
        """Return True: only a request shows if the server responds."""
        return True

    def speak(self, line: Line, target: Path, scope: Scope) -> Spoken:
        """Have the server speak the line into ``target``; raises the typed error of a failed request."""
        with Transport.for_options(self._options) as transport:
            http = HTTPSession(transport, self._url, BACKEND, self._options, self._headers)
            voice = line.voice or self._voice
            return request_speech(http, self.name, self._model, voice, line, target, scope)


class RVCServerSpeech(Speaker):
    """The speech route of the RVC server itself, at its own address."""

    name: ClassVar[str] = "rvc-server"

    def __init__(self, http: HTTPSession) -> None:
        self._http = http

    def available(self, line: Line) -> bool:
        """Return True: it is created only for servers that list the route."""
        return True

    def speak(self, line: Line, target: Path, scope: Scope) -> Spoken:
        """Have the server speak the line into ``target``."""
        voice = line.voice or DEFAULT_VOICE
        return request_speech(self._http, self.name, DEFAULT_MODEL, voice, line, target, scope)


def _parse_base_url(url: ServerURL) -> ServerURL:
    """Return the address without the speech route, or a part of it."""
    path = url.path.removesuffix(SPEECH_ROUTE).removesuffix(_VERSION)
    return replace(url, path=path)


def request_speech(
    http: HTTPSession, name: str, model: str, voice: str, line: Line, target: Path, scope: Scope
) -> Spoken:
    """Request the speech and write it to ``target``; ``ProtocolError`` (code ``no_sound``) if the response is no
    sound.
    """
    payload = {"model": model, "input": line.text, "voice": voice, "response_format": "wav", "speed": line.speed}
    with http.request(
        "POST",
        SPEECH_ROUTE,
        scope=scope,
        body=json.dumps(payload, allow_nan=False).encode(),
        headers={"Content-Type": "application/json"},
    ) as response:
        if not response.content_type.startswith(_SOUNDS):
            raise ProtocolError(
                f"{http.url} returned {response.content_type or 'something'} instead of a sound.",
                code="no_sound",
                backend=BACKEND,
                hint=f"Is it a server with {SPEECH_ROUTE}, like OpenAI's?",
            )
        save_body(response, target)
    return Spoken(target, {"name": name, "server": str(http.url), "model": model, "voice": voice})
