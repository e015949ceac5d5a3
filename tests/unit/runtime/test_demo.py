"""Demo mode's servers start with the first use and are gone after the last."""

from __future__ import annotations

import threading
import urllib.request
from dataclasses import replace

from support.waiting import HANG_GUARD_S

from movie_director.clients import RVCClient
from movie_director.clients.mock.media.sound import effect_wave
from movie_director.clients.rvc import SpeakRequest, TrainRequest
from movie_director.runtime.demo import DemoServers


def test_the_servers_start_once_and_stop():
    servers = DemoServers()
    servers.stop()
    url = servers.url("comfyui", 2.0)
    assert servers.url("comfyui", 2.0) == url
    assert servers.url("litellm", 2.0) != url
    with urllib.request.urlopen(f"{url}/system_stats") as answer:
        assert answer.status == 200
    servers.stop()
    assert not [each.name for each in threading.enumerate() if "mock" in each.name.lower()]


def test_the_demo_s_voices_are_spoken_and_trained_with_nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    sample = tmp_path / "sample.wav"
    sample.write_bytes(effect_wave("horn", 12.0, rate=16_000))
    servers = DemoServers()
    options = replace(RVCClient.default_options, output_dir=tmp_path / "out")
    with RVCClient(servers.url("rvc", 100.0), options=options) as client:
        assert client.submit(TrainRequest("mara", [sample], epochs=2)).result(HANG_GUARD_S).data == {"voice": "mara"}
        spoken = client.submit(SpeakRequest("Where is the lighthouse?", "mara")).result(HANG_GUARD_S)
        assert spoken.metadata["speaker"]["name"] == "rvc-server"
        assert spoken.problems == ()
    servers.stop()
