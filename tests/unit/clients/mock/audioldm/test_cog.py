"""The mock Cog server's own rules; the recordings in tests/integration judge its answers."""

from __future__ import annotations

import http.client
import json

import pytest
from support.http import request

from movie_director.clients.mock.audioldm.server import MockAudioLDM


@pytest.mark.parametrize(
    ("webhook", "posted"),
    [
        ("http://127.0.0.1:9/hook", ["127.0.0.1", "127.0.0.1"]),
        ("http://localhost:9/hook", ["localhost", "localhost"]),
        ("http://films.example/hook", []),
        ("http://10.0.0.5/hook", []),
        ("no address", []),
    ],
)
def test_a_webhook_elsewhere_is_not_called(monkeypatch: pytest.MonkeyPatch, webhook: str, posted: list[str]) -> None:
    hosts: list[str] = []

    class Connection:
        def __init__(self, host: str, *_: object, **__: object) -> None:
            hosts.append(host)
            raise OSError("not in this test")

    body = {"input": {"text": "rain"}, "webhook": webhook, "webhook_events_filter": ["start", "completed"]}
    with MockAudioLDM(speed=1000.0) as mock:
        monkeypatch.setattr(http.client, "HTTPConnection", Connection)
        answer = request("POST", f"{mock.url}/predictions", body=json.dumps(body))
    assert answer.json()["status"] == "succeeded"
    assert hosts == posted
