"""A process is killed in mid-job; the next one finds the job in the journal and its result on the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import events
from movie_director.clients.comfyui import bundled_workflow
from movie_director.clients.mock import MockBackends
from movie_director.runtime import BackendSettings, JobEvent, Recovered, Runtime, RuntimeSettings

DOOMED = """
import sys
from pathlib import Path
from movie_director.clients import events
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.runtime import BackendSettings, Runtime, RuntimeSettings
url, folder, workflow = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
settings = RuntimeSettings({"comfyui": BackendSettings(url)}, folder / "out", folder / "state")
runtime = Runtime(settings)
job = runtime.submit("comfyui", WorkflowRequest(workflow, seed=7), tag={"scene": "S"})
waiting = runtime.submit("comfyui", WorkflowRequest(workflow, seed=8), tag={"scene": "W"})
for event in job.events():
    if isinstance(event, events.Progressed):
        print(job.id, waiting.id, flush=True)
        sys.stdin.read()
"""


def drain_until(runtime, condition):
    items = []
    deadline = time.monotonic() + HANG_GUARD_S
    while not condition(items):
        assert time.monotonic() < deadline, items
        runtime.channel.wait(0.05)
        items += runtime.channel.drain(budget_s=1.0)
    return items


def results(items):
    return {
        item.job.id: item.event.result
        for item in items
        if isinstance(item, JobEvent) and isinstance(item.event, events.Succeeded)
    }


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_process_s_jobs_are_finished_by_the_next(tmp_path):
    workflow = bundled_workflow("text_to_image")
    with MockBackends(only=["comfyui"], speed=4.0) as mocks:
        command = [sys.executable, "-c", DOOMED, mocks.comfyui.url, str(tmp_path), str(workflow)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as doomed:
            sent, waiting = doomed.stdout.readline().decode().split()
            doomed.send_signal(signal.SIGKILL)
            doomed.wait(HANG_GUARD_S)
        posts = mocks.comfyui.requests.matching("POST /prompt")
        assert [post.json["prompt_id"] for post in posts] == [sent]

        settings = RuntimeSettings(
            {"comfyui": BackendSettings(mocks.comfyui.url)}, tmp_path / "out", tmp_path / "state"
        )
        runtime = Runtime(settings)
        runtime.recover()
        items = drain_until(runtime, lambda items: len(results(items)) == 2)
        runtime.close()
        posts = mocks.comfyui.requests.matching("POST /prompt")

    assert Recovered((sent, waiting)) in items
    assert [post.json["prompt_id"] for post in posts] == [sent, waiting]
    assert {item.job.id: item.tag for item in items if isinstance(item, JobEvent)} == {
        sent: {"scene": "S"},
        waiting: {"scene": "W"},
    }
    for result in results(items).values():
        assert result.artifacts[0].path.read_bytes()[:4] == b"\x89PNG"
    assert {result.metadata["seed"] for result in results(items).values()} == {7, 8}
    assert list((tmp_path / "state").iterdir()) == []
