"""The names that other programs import."""

from __future__ import annotations

import dataclasses
import inspect
import os
import subprocess
import sys

import pytest
from drivers import DRIVERS

import movie_director.clients as clients
from movie_director.clients import BACKENDS, BackendInfo, BaseAPIClient, ComfyUIClient, errors, events
from movie_director.clients.mock import Fault, MockBackends

EXPORTED = [
    "BaseAPIClient",
    "ComfyUIClient",
    "Wan2GPClient",
    "LiteLLMClient",
    "RVCClient",
    "AudioLDMClient",
    "GradioAppClient",
    "BACKENDS",
    "ClientOptions",
    "Job",
    "JobState",
    "JobStatus",
    "Progress",
    "Result",
    "Artifact",
    "ServerInfo",
    "errors",
    "events",
]
REQUESTS = {
    "comfyui": ["WorkflowRequest", "ui_to_api"],
    "wan2gp": ["VideoRequest"],
    "litellm": ["ChatRequest", "Conversation"],
    "rvc": ["ConvertRequest", "SpeakRequest", "TrainRequest"],
    "audioldm": ["SoundRequest"],
    "gradio_app": ["GradioAppClient", "EndpointRequest"],
}
ERROR_TREE = {
    "NetworkError": ["ConnectionFailed", "ConnectionLost", "NetworkTimeout", "TLSError", "StreamInterrupted"],
    "APIError": ["AuthenticationError", "PermissionDenied", "NotFound", "RateLimited", "ServerError", "Overloaded"],
    "GenerationError": ["NodeError", "OutOfMemory", "ContextWindowExceeded", "InvalidOutput"],
    "BackendError": [
        *(
            "NetworkError",
            "APIError",
            "ValidationError",
            "MissingResource",
            "ProtocolError",
            "GenerationError",
            "JobLost",
        ),
        *("StorageError", "OfflineRefused", "JobCancelled", "JobDetached", "JobNotFound", "WaitTimeout"),
    ],
}
EVENTS = [
    "Queued",
    "Submitted",
    "Started",
    "Progressed",
    "Previewed",
    "TextDelta",
    "Logged",
    "Reconnected",
    "Succeeded",
    "Failed",
    "Cancelled",
]
OPTIONS = [
    "connect_timeout_s",
    "first_byte_timeout_s",
    "read_timeout_s",
    "stream_idle_timeout_s",
    "job_timeout_s",
    "drain_timeout_s",
    "max_retries",
    "backoff_base_s",
    "backoff_max_s",
    "pool_size",
    "max_workers",
    "keep_finished",
    "output_dir",
    "max_response_bytes",
    "verify_tls",
    "max_file_bytes",
]


@pytest.mark.parametrize("name", EXPORTED)
def test_the_package_exports(name):
    assert name in clients.__all__
    assert getattr(clients, name) is not None


@pytest.mark.parametrize("module", [errors, events])
def test_modules_are_names_of_the_package_also_before_they_were_imported(module):
    assert clients.__getattr__(module.__name__.rpartition(".")[2]) is module


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = clients.Nothing


@pytest.mark.parametrize(("module", "names"), REQUESTS.items())
def test_each_backend_exports_its_requests(module, names):
    package = __import__(f"movie_director.clients.{module}", fromlist=names)
    assert all(hasattr(package, name) for name in names)


@pytest.mark.parametrize(("parent", "children"), ERROR_TREE.items())
def test_the_error_tree(parent, children):
    for child in children:
        assert getattr(errors, parent) in getattr(errors, child).__bases__
    assert issubclass(errors.WaitTimeout, TimeoutError)


def test_every_backend_of_the_registry_is_in_good_order():
    assert list(BACKENDS)[:6] == ["comfyui", "wan2gp", "litellm", "rvc", "audioldm", "gradio"]
    assert [driver.name for driver in DRIVERS] == list(BACKENDS)
    for name, info in BACKENDS.items():
        assert issubclass(info.client, BaseAPIClient)
        assert info.client.name == info.mock.name == info.name == name
        assert info.requests == info.client.request_types
        assert info.default_url.startswith("http://127.0.0.1:")
        assert name in repr(info)
    plain = BackendInfo(
        ComfyUIClient, ComfyUIClient.request_types, BACKENDS["comfyui"].mock, "http://127.0.0.1:1", True
    )
    assert (plain.name, plain.label, plain.uses_gpu) == ("comfyui", "comfyui", True)
    assert not BACKENDS["litellm"].uses_gpu
    assert BACKENDS["comfyui"].uses_gpu


@pytest.mark.parametrize("name", BACKENDS)
def test_every_constructor_names_and_documents_its_arguments(name):
    client = BACKENDS[name].client
    parameters = inspect.signature(client).parameters
    assert next(iter(parameters)) == "base_url"
    assert {"api_key", "headers", "options", "transport"} <= set(parameters)
    assert all(each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) for each in parameters.values())
    assert all(each.annotation not in (each.empty, "Any") for each in parameters.values())
    assert client.__init__.__doc__


def test_options_have_the_contract_s_fields():
    assert [each.name for each in dataclasses.fields(clients.ClientOptions)] == OPTIONS


def test_events_are_frozen_and_carry_job_and_time():
    for name in EVENTS:
        kind = getattr(events, name)
        assert kind.__dataclass_params__.frozen
        assert {"job_id", "at"} <= {each.name for each in dataclasses.fields(kind)}


def test_the_mocks_are_loopback_servers():
    with MockBackends() as mocks:
        urls = [getattr(mocks, name).url for name in BACKENDS]
        mocks.comfyui.inject(Fault("stall", on="/nothing", after=1, times=2))
    assert all(url.startswith("http://127.0.0.1:") for url in urls)
    assert len(set(urls)) == len(BACKENDS)


IMPORTS = """
import sys, threading
before = set(sys.modules)
import movie_director, movie_director.clients
from movie_director.clients import BACKENDS
from movie_director.runtime import Runtime, RuntimeSettings, BackendSettings
for info in BACKENDS.values():
    info.requests
heavy = {"urllib3", "requests", "websocket", "wsproto", "gradio_client", "ssl", "http.client", "filelock", "bpy"}
heavy |= {"fastjsonschema", "idna", "charset_normalizer", "httpx", "huggingface_hub"}
print(sorted(heavy & set(sys.modules) - before), threading.active_count())
"""


def test_importing_is_cheap_and_starts_nothing():
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True, env=subprocess_env()
    )
    assert done.stdout.split("\n")[0] == "[] 1"


def subprocess_env():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
