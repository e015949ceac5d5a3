"""What is taken of ``gradio_client``, and what is kept from it."""

from __future__ import annotations

import inspect
import logging
import subprocess
import sys
import threading
import time

import gradio_client
import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.gradio_app.library import LibraryClient, Threads, check_library
from movie_director.clients.http.log_filter import filter_queries


def test_the_private_parts_that_are_replaced_are_there():
    """Those of 2.7.2: a version that has renamed one would read the app itself, and report home."""
    for name in ("_get_config", "_get_api_info", "_telemetry_thread"):
        assert list(inspect.signature(getattr(gradio_client.Client, name)).parameters) == ["self"]
        assert getattr(LibraryClient, name) is not getattr(gradio_client.Client, name)
    made = inspect.getsource(gradio_client.Client.__init__)
    assert all(f"self.{each} = " in made for each in ("executor", "helper_executor", "stream_executor", "endpoints"))
    assert "token=False" in inspect.getsource(LibraryClient.__init__), "it would send the user's own for the hub"


def test_another_version_is_refused(monkeypatch):
    check_library()
    monkeypatch.setattr(gradio_client, "__version__", "1.10.0")
    with pytest.raises(errors.BackendError) as caught:
        check_library()
    assert caught.value.code == "wrong_library"
    assert "1.10.0" in caught.value.message


def test_the_package_is_imported_without_the_library():
    code = (
        "import sys; from movie_director.clients.gradio_app import GradioAppClient; "
        "GradioAppClient('http://127.0.0.1:1').close(); "
        "assert not {'gradio_client', 'httpx', 'huggingface_hub', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_threads_give_results_and_errors():
    threads = Threads()
    assert threads.submit(lambda number: number + 1, 2).result(HANG_GUARD_S) == 3
    failure = threads.submit(int, "no number").exception(HANG_GUARD_S)
    assert isinstance(failure, ValueError)
    assert threads.join(time.monotonic() + HANG_GUARD_S)


def test_a_thread_that_hangs_is_not_waited_for():
    threads, event = Threads(), threading.Event()
    future = threads.submit(event.wait)
    assert not threads.join(time.monotonic() + 0.01)
    assert threading.enumerate()[-1].daemon
    event.set()
    assert future.result(HANG_GUARD_S)
    assert threads.join(time.monotonic() + HANG_GUARD_S)


def test_queries_are_kept_out_of_httpx_s_log(caplog):
    logger = logging.getLogger("httpx")
    with caplog.at_level(logging.INFO, "httpx"):
        logger.info('HTTP Request: %s %s "%s"', "GET", "http://127.0.0.1/data?token=secret", "HTTP/1.1")
        logger.info("nothing to hide")
    assert [each.message for each in caplog.records] == [
        'HTTP Request: GET http://127.0.0.1/data "HTTP/1.1"',
        "nothing to hide",
    ]
    filter_queries("httpx")
    assert [type(each).__name__ for each in logger.filters] == ["_WithoutQuery"], "a reload replaces it"
