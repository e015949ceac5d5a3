"""The ComfyUI client against the mock server: clients that are closed at the end, workflows, waits."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from movie_director.clients import ClientOptions, ComfyUIClient, Job
from movie_director.clients.comfyui.server.timings import Timings
from movie_director.clients.events import Event, Progressed
from movie_director.clients.mock import MockBackends
from movie_director.clients.mock.comfyui.server import MockComfyUI

VERSIONS = ("0.33.0", "0.3.64", "0.3.40")
QUICK = Timings(
    poll_with_socket_s=0.3,
    poll_without_socket_s=0.05,
    ask_soon_s=0.01,
    position_every_s=0.05,
    socket_wait_s=5.0,
    recheck_missing_s=0.1,
    settle_s=0.3,
    outage_s=10.0,
    no_message_timeout_s=0.2,
    idle_s=0.3,
    next_s=0.3,
    stuck_s=0.3,
    drain_every_s=0.02,
    in_flight_s=0.3,
    interrupt_again_s=0.2,
    reconnect_base_s=0.02,
    reconnect_max_s=0.2,
)
_numbers = itertools.count(1)


class Bench:
    """A mock server and the clients that a test makes of it."""

    def __init__(self, mock: MockComfyUI, folder: Path) -> None:
        self.mock = mock
        self.folder = folder
        self._clients: list[ComfyUIClient] = []

    def client(
        self, url: str = "", *, timings: Timings = QUICK, api_key: str | None = None, **options: Any
    ) -> ComfyUIClient:
        """Make a client that is closed at the test's end; ``options`` change the backend's defaults."""
        given = {"output_dir": self.folder / "out", "drain_timeout_s": 10.0, "backoff_base_s": 0.01, **options}
        made = ComfyUIClient(
            url or self.mock.url, api_key=api_key, options=replace(ComfyUIClient.default_options, **given)
        )
        assert isinstance(made.options, ClientOptions)
        made.timings = timings
        self._clients.append(made)
        return made

    def posts(self) -> list[dict[str, Any]]:
        """The bodies of all POST /prompt that the server got."""
        return [request.json for request in self.mock.requests.matching("POST /prompt")]

    def close(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def bench(folder: Path, version: str = "0.33.0", speed: float = 50.0, **options: Any) -> Iterator[Bench]:
    """Run a mock server of that version; threads of its clients are gone at the end."""
    with MockBackends(only=["comfyui"], speed=speed, options={"comfyui": {"version": version, **options}}) as mocks:
        made = Bench(mocks.comfyui, folder)
        try:
            yield made
        finally:
            made.close()
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("movie-director-comfyui")]
    assert names == [], names


def node(class_type: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    """Return a node of an API-format workflow."""
    made: dict[str, Any] = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title else {})


def picture_workflow(**changes: Any) -> dict[str, Any]:
    """Return a workflow that makes a picture at once, another each time."""
    return {
        "1": node("EmptyImage", "Source", width=16, height=8, batch_size=1, color=next(_numbers))
        | changes.pop("one", {}),
        "2": node("SaveImage", "Result", images=["1", 0], filename_prefix="test"),
    } | changes


def slow_workflow(steps: int = 200, delay: float = 1.0, *, previews: bool = False) -> dict[str, Any]:
    """Return a workflow with a node that takes ``steps`` times ``delay`` of the mock's seconds, another each time."""
    return {
        "1": node("EmptyImage", "Source", width=16, height=8, batch_size=1, color=255),
        "2": node(
            "ProbeSlow", "Slow", image=["1", 0], steps=steps, delay=delay, previews=previews, nonce=next(_numbers)
        ),
        "3": node("SaveImage", "Result", images=["2", 0], filename_prefix="slow"),
    }


def wait_for_event(job: Job, kind: type) -> Any:
    """Return the job's first event of that kind, waiting for it."""
    for event in job.events():
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the job ended as {job.status.state} without {kind.__name__}: {job.status.error!r}")


def stages_of(job: Job) -> list[str]:
    """Return a list that fills with the stages that the job's progress names: the log itself keeps only the newest."""
    stages: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, Progressed):
            stages.append(event.progress.stage)

    job.add_listener(note)
    return stages
