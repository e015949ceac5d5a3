"""One mock server and one client for each contract test."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from movie_director.clients import BACKENDS, ClientOptions
from movie_director.clients.mock import MockBackends

sys.path.insert(0, str(Path(__file__).parent))  # the drivers stand beside the tests

CANARY = "sk-canary-contract-0123456789"


@pytest.fixture(autouse=True, scope="module")
def _echo_is_registered():
    """The backend of the worked example is one like the others while these tests run."""
    from echo.driver import INFO  # here, because pytest filters the warnings of imports only now

    BACKENDS["echo"] = INFO
    yield
    del BACKENDS["echo"]


@pytest.fixture
def backend(driver):
    """The driver's mock server, running."""
    with MockBackends(only=[driver.name], speed=20.0) as mocks:
        yield getattr(mocks, driver.name)


@pytest.fixture
def make_client(driver, backend, tmp_path):
    """Make clients of the mock server that are closed at the end."""
    clients = []

    def make(**changes):
        options = replace(
            driver.info.client.default_options, output_dir=tmp_path / "out", drain_timeout_s=5.0, **changes
        )
        assert isinstance(options, ClientOptions)
        clients.append(driver.info.client(backend.url, api_key=CANARY, options=options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client):
    """A client of the mock server."""
    return make_client()
