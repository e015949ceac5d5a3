"""The address of a speech server."""

from __future__ import annotations

import pytest

from movie_director.clients import errors
from movie_director.clients.rvc.speech.server import SpeechServer


@pytest.mark.parametrize(
    ("typed", "server"),
    [
        ("http://v1.example.com", "http://v1.example.com"),
        ("http://v1.example.com/v1/", "http://v1.example.com"),
        ("http://127.0.0.1:8880/v1", "http://127.0.0.1:8880"),
        ("http://127.0.0.1:8880/v1/audio/speech", "http://127.0.0.1:8880"),
        ("http://studio.lan/v10/tts", "http://studio.lan/v10/tts"),
        ("studio.lan/tts/v1?token=abc", "http://studio.lan/tts"),
    ],
)
def test_a_speech_server_s_address_may_name_its_route(typed, server):
    assert repr(SpeechServer(typed)) == f"<SpeechServer {server}>"
    assert "token" not in typed or SpeechServer(typed)._url.query == "token=abc"


def test_a_speech_server_needs_an_address():
    with pytest.raises(errors.ValidationError) as caught:
        SpeechServer("file:///etc/passwd")
    assert caught.value.code == "invalid_url"
