"""The registry of backends: what a backend registered at run time reaches, and that it leaves nothing behind."""

from __future__ import annotations

import threading
import urllib.request
from dataclasses import replace

import pytest
from support.waiting import HANG_GUARD_S

import movie_director.clients as clients
from movie_director.clients import BACKENDS, BackendInfo, LiteLLMClient, errors
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock import Fault, MockBackends
from movie_director.clients.mock.litellm import MockLiteLLM
from movie_director.runtime import BackendSettings, ProbeFinished, Runtime, RuntimeSettings
from movie_director.runtime.demo import DemoServers


class SixthClient(LiteLLMClient):
    name = "sixth"


class MockSixth(MockLiteLLM):
    name = "sixth"


@pytest.fixture
def sixth():
    """A backend that is registered while the test runs."""
    info = BackendInfo(SixthClient, SixthClient.request_types, MockSixth, "http://127.0.0.1:6666", uses_gpu=False)
    BACKENDS["sixth"] = info
    yield info
    BACKENDS.pop("sixth", None)


def test_an_info_says_what_the_program_needs_to_know(sixth):
    assert (sixth.name, sixth.label, sixth.purpose, sixth.uses_gpu) == ("sixth", "sixth", "", False)
    assert (sixth.demo_label, sixth.demo_options, sixth.expanded) == ("test results", {}, False)
    assert not sixth.frees_memory
    assert BACKENDS["comfyui"].frees_memory
    assert BACKENDS["comfyui"].expanded
    assert repr(sixth) == "<BackendInfo sixth>"
    assert clients.SixthClient is SixthClient


def test_package_and_classes_of_a_backend_may_be_named_other_than_it():
    info = BackendInfo(
        ".audioldm.client:AudioLDMClient", None, ".mock.rvc.applio:MockApplio", "http://127.0.0.1:1", True, name="seven"
    )
    assert (info.name, info.label, info.client_name) == ("seven", "seven", "AudioLDMClient")
    assert info.client is clients.AudioLDMClient
    assert info.requests == clients.AudioLDMClient.request_types
    assert info.mock.__name__ == "MockApplio"


def test_the_clients_of_all_built_in_backends_are_exported():
    exported = {name for name in clients.__all__ if name.endswith("Client")} - {"BaseAPIClient"}
    assert exported == {info.client_name for info in BACKENDS.values()}
    assert all(getattr(clients, name).__name__ == name for name in exported)


@pytest.mark.parametrize("name", ["", "my sixth", "six-th", "6th"])
def test_a_name_that_can_not_be_an_attribute_is_refused(name, sixth):
    with pytest.raises(ValueError, match="can't be the name of a backend"):
        BACKENDS[name] = sixth
    assert name not in BACKENDS


def test_who_watches_hears_of_each_backend_that_comes_and_goes(sixth):
    heard = []
    stop = BACKENDS.watch(lambda name, info: heard.append((name, info)))
    BACKENDS["seventh"] = sixth
    del BACKENDS["seventh"]
    BACKENDS.update(eighth=sixth)
    BACKENDS.pop("eighth")
    stop()
    BACKENDS["ninth"] = sixth
    del BACKENDS["ninth"]
    assert heard == [("seventh", sixth), ("seventh", None), ("eighth", sixth), ("eighth", None)]


def test_the_mocks_serve_it(sixth):
    with MockBackends(only=["sixth"], faults={"sixth": [Fault("reset")]}, options={"sixth": {"prefix": "/six"}}) as six:
        assert isinstance(six.sixth, MockSixth)
        assert six.sixth.url.endswith("/six")
        with pytest.raises(AttributeError, match="no comfyui"):
            _ = six.comfyui
    assert isinstance(MockBackends().sixth, MockSixth)
    del BACKENDS["sixth"]
    with pytest.raises(ValueError, match="no such mock backend: sixth; there are comfyui, "):
        MockBackends(only=["sixth"])


def test_demo_mode_serves_it_also_when_it_comes_later(request):
    servers = DemoServers()
    servers.url("litellm", 100.0)
    info = request.getfixturevalue("sixth")
    info.demo_options = {"prefix": "/demo"}
    url = servers.url("sixth", 100.0)
    assert url.endswith("/demo")
    with urllib.request.urlopen(f"{url}/v1/models") as answer:
        assert answer.status == 200
    servers.stop()
    assert not [each.name for each in threading.enumerate() if "mock" in each.name]


def test_the_runtime_runs_its_jobs_in_demo_mode_and_tests_its_connection(sixth, tmp_path):
    settings = RuntimeSettings(
        {"sixth": BackendSettings(sixth.default_url)}, tmp_path / "out", tmp_path / "state", demo_mode=True
    )
    runtime = Runtime(replace(settings, demo_speed=100.0))
    try:
        assert runtime.submit("sixth", ChatRequest(prompt="A logline")).result(HANG_GUARD_S).text
        asked = runtime.probe("sixth")
        answers = []
        while not answers:
            runtime.channel.wait(1.0)
            answers = [each for each in runtime.channel.drain(budget_s=1.0) if isinstance(each, ProbeFinished)]
        assert answers[0].probe_id == asked
        assert answers[0].info.dialect == "litellm"
    finally:
        runtime.close()


def test_registered_anew_it_gets_a_new_client_and_a_new_demo_server(sixth, tmp_path):
    settings = RuntimeSettings(
        {"sixth": BackendSettings(sixth.default_url)},
        tmp_path / "out",
        tmp_path / "state",
        demo_mode=True,
        demo_speed=100.0,
    )
    runtime = Runtime(settings)
    try:
        first = runtime.submit("sixth", ChatRequest(prompt="A logline"))
        first.result(HANG_GUARD_S)
        again = type("SixthClient", (SixthClient,), {"default_options": replace(SixthClient.default_options)})
        BACKENDS["sixth"] = BackendInfo(again, None, MockSixth, sixth.default_url, uses_gpu=False)
        runtime.configure(replace(settings, demo_speed=50.0))
        second = runtime.submit("sixth", ChatRequest(prompt="A logline"))
        assert second.result(HANG_GUARD_S).text
        assert type(runtime._client(BACKENDS["sixth"])) is again
        assert {view.id for view in runtime.jobs()} == {first.id, second.id}
        assert runtime.job(first.id) is first
    finally:
        runtime.close()


def test_jobs_of_a_backend_that_was_taken_out_stay_in_the_list(sixth, tmp_path):
    settings = RuntimeSettings(
        {"sixth": BackendSettings(sixth.default_url)}, tmp_path / "out", tmp_path / "state", demo_mode=True
    )
    runtime = Runtime(replace(settings, demo_speed=100.0))
    try:
        job = runtime.submit("sixth", ChatRequest(prompt="A logline"))
        job.result(HANG_GUARD_S)
        del BACKENDS["sixth"]
        runtime.configure(replace(settings, backends={}))
        with pytest.raises(errors.ValidationError, match="no backend 'sixth'"):
            runtime.submit("sixth", ChatRequest(prompt="A logline"))
        runtime.forget(job.id)
        assert runtime.jobs() == []
    finally:
        runtime.close()
