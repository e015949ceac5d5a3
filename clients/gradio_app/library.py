"""Adapts ``gradio_client`` for one call. A worker thread imports this module with the first call, never before.

Facts (2.7.2, pinned): a ``Client`` reads the app, starts a thread that reports the server's address to the library's
authors and one for the heartbeat, and runs calls in thread pools that Python joins at its exit. Without ``token`` it
sends the user's token for the hub to any server. It uploads files whole and downloads any file that a server names.
Here it gets the app already read, no token, and threads that can be ended; it reports nothing and transfers no files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from typing import Any

import gradio_client
from gradio_client.client import Endpoint as LibraryEndpoint
from gradio_client.client import Job as LibraryJob

from ..core.errors import BackendError
from ..http.log_filter import filter_queries
from .app import App
from .endpoints import Endpoint, find_dependency
from .wire import Wire

SUPPORTED = 2
"""The major version of the library whose private members this module uses."""

_COMPONENT_KEYS = ("id", "type", "skip_api", "api_info")


filter_queries("httpx")


def check_library() -> None:
    """Raise ``BackendError`` (code ``wrong_library``) if another add-on has brought another ``gradio_client``."""
    version = str(gradio_client.__version__)
    if version.partition(".")[0] == str(SUPPORTED):
        return
    raise BackendError(
        f"Another add-on has installed gradio_client {version}; version {SUPPORTED} is required.",
        code="wrong_library",
        hint="Update or disable the other add-on, and restart Blender.",
    )


class Threads(Executor):
    """Runs each function on its own daemon thread, so that a hanging function blocks no other and no exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start the function."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        thread = threading.Thread(target=run, name="movie-director-gradio-call", daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
        thread.start()
        return future

    def join(self, deadline: float) -> bool:
        """Wait for all threads until the ``deadline`` of the monotonic clock; return True if all have ended."""
        with self._lock:
            threads = list(self._threads)
        for each in threads:
            each.join(max(0.0, deadline - time.monotonic()))
        return not any(each.is_alive() for each in threads)


class _LibraryEndpoint(LibraryEndpoint):
    """An endpoint whose files are uploaded already."""

    def process_input_files(self, *data: Any) -> tuple[Any, ...]:
        """Leave the files as they are."""
        return data


class LibraryClient(gradio_client.Client):
    """``gradio_client`` for one call of one endpoint of a known app; its requests go over the ``wire``.

    It gets only this endpoint of the app, because its constructor processes all endpoints.
    """

    def __init__(self, app: App, endpoint: Endpoint, wire: Wire, headers: Mapping[str, str]) -> None:
        self.threads = Threads()
        self._app = app
        self._endpoint = endpoint
        super().__init__(
            wire.base_url,
            token=False,
            verbose=False,
            headers={name.lower(): value.encode("latin-1") for name, value in headers.items()},
            download_files=False,
            ssl_verify=wire.tls,
            httpx_kwargs=wire.httpx_settings(),
            analytics_enabled=False,
        )
        self.executor = self.helper_executor = self.stream_executor = self.threads
        number = endpoint.number
        dependency = self.config["dependencies"][0]
        self.endpoints = {number: _LibraryEndpoint(self, number, dependency, self.protocol)}

    def call(self, values: list[Any]) -> LibraryJob:
        """Send the call; the library runs it on ``threads``."""
        job: LibraryJob = self.submit(*values, api_name=self._endpoint.name)
        return job

    def end(self, deadline: float) -> bool:
        """End the heartbeat and wait for all threads; return True if they have ended. Cut the wire first."""
        self._kill_heartbeat.set()
        if self.heartbeat.is_alive():
            self.heartbeat.join(max(0.0, deadline - time.monotonic()))
        return self.threads.join(deadline) and not self.heartbeat.is_alive()

    # Overridden methods of the library

    def _get_config(self) -> dict[str, Any]:
        raw, config = self._app.raw_config, self._app.config
        dependency = {"cancels": [], **(find_dependency(raw, self._endpoint.name) or {})}
        wanted = {*dependency["inputs"], *dependency["outputs"]}
        return {
            "version": f"{config.generation}.0",
            "protocol": config.protocol,
            "api_prefix": config.api_prefix,
            "connect_heartbeat": raw.get("connect_heartbeat") is not False,
            "dependencies": [dependency],
            "components": [
                {key: each[key] for key in _COMPONENT_KEYS if key in each}
                for each in raw["components"]
                if each.get("id") in wanted
            ],
        }

    def _get_api_info(self) -> dict[str, Any]:
        name = self._endpoint.name
        return {"named_endpoints": {name: self._app.info["named_endpoints"][name]}, "unnamed_endpoints": {}}

    def _telemetry_thread(self) -> None:
        """Report nothing: ``analytics_enabled`` alone does not turn it off."""
