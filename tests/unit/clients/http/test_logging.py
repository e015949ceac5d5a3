"""What the libraries beneath log of our requests holds no secret."""

from __future__ import annotations

import logging

import pytest

from movie_director.clients import ComfyUIClient
from movie_director.clients.mock import MockBackends


@pytest.mark.parametrize("logger", ["urllib3", ""])
def test_no_query_reaches_a_log(caplog, logger):
    caplog.set_level(logging.DEBUG, logger=logger)
    with MockBackends(only=["comfyui"]) as mocks, ComfyUIClient(f"{mocks.comfyui.url}?token=sk-canary-query") as client:
        client.probe()
        assert any("token=sk-canary-query" in request.path for request in mocks.comfyui.requests)
    assert "/api/system_stats" in caplog.text
    assert "canary" not in caplog.text


def test_lines_without_values_pass(caplog):
    caplog.set_level(logging.DEBUG, logger="urllib3")
    logging.getLogger("urllib3.connectionpool").debug("plain")
    assert "plain" in caplog.text
