"""Demo mode's servers start with the first use and are gone after the last."""

from __future__ import annotations

import threading
import urllib.request

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
