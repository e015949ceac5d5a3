"""Jobs that are re-joined from their record: by another client, by another process, after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from support.comfyui import VERSIONS, bench, node, picture_workflow, slow_workflow, stages_of, wait_for_event
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import events
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.errors import ConnectionFailed, JobDetached, JobLost, NodeError, ValidationError
from movie_director.clients.mock import Fault


def through_json(record):
    return json.loads(json.dumps(record))


def slow(steps=40, delay=0.5):
    return WorkflowRequest(slow_workflow(steps, delay), metadata={"scene": "S"})


def detached(made, request):
    """Return the record of a job that runs on the server and that its client has let go."""
    client = made.client()
    job = client.submit(request)
    wait_for_event(job, events.Started)
    record = job.record()
    client.close(detach=True)
    assert isinstance(job.exception(HANG_GUARD_S), JobDetached)
    assert made.mock.engine.remaining() == 1, "it was left running"
    return through_json(record)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_runs_is_joined_again_with_its_progress(version, tmp_path):
    with bench(tmp_path, version) as made:
        record = detached(made, slow(100, 0.5))
        job = made.client().resume(record)
        stages = stages_of(job)
        result = job.result(HANG_GUARD_S)
        assert (job.id, job.backend_id) == (record["id"], record["backend_id"])
        assert result.artifacts[0].path.is_file()
        assert len(made.posts()) == 1
        kinds = [type(event) for event in job.events()]
        assert kinds.index(events.Submitted) < kinds.index(events.Started) < kinds.index(events.Succeeded)
        assert "Slow" in stages, "the new client listens under the old one's id"
        metadata = result.metadata
        assert metadata["prompt"] == made.posts()[0]["prompt"]
        assert metadata["request_metadata"] == {"scene": "S"}


def test_a_client_that_has_its_own_websocket_asks_instead(tmp_path):
    with bench(tmp_path) as made:
        record = detached(made, slow(100, 0.5))
        client = made.client()
        client.submit(WorkflowRequest(picture_workflow()))
        wait_for(lambda: made.mock.engine.remaining() == 2)
        job = client.resume(record)
        assert job.result(HANG_GUARD_S).artifacts
        assert len(made.mock.requests.matching("GET /ws")) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_has_ended_meanwhile_is_fetched(version, tmp_path):
    with bench(tmp_path, version) as made:
        record = detached(made, WorkflowRequest(slow_workflow(4, 0.5), seed=5))
        wait_for(lambda: made.mock.engine.remaining() == 0)
        job = made.client().resume(record)
        result = job.result(HANG_GUARD_S)
        assert result.artifacts[0].path.is_file()
        assert len(made.posts()) == 1
        assert len(made.mock.requests.matching("GET /ws")) == 1, "for this no websocket is needed"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_has_failed_meanwhile_says_so(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("node_error", on="SaveImage", value="disk is full"))
        record = detached(made, slow(4, 0.5))
        wait_for(lambda: made.mock.engine.remaining() == 0)
        error = made.client().resume(record).exception(HANG_GUARD_S)
        assert isinstance(error, NodeError)
        assert "'Result' (SaveImage) failed: disk is full." in error.message


@pytest.mark.parametrize("ended", [False, True])
def test_a_wanted_output_that_was_refused_fails_the_joined_job_too(ended, tmp_path):
    workflow = slow_workflow(4 if ended else 100, 0.5)
    workflow["7"] = node("SaveImage", "Wanted", images=["1", 0])
    with bench(tmp_path) as made:
        request = WorkflowRequest(workflow, inputs={"Wanted.images": ["1", 0]})
        record = detached(made, request)
        wait_for(lambda: not ended or made.mock.engine.remaining() == 0)
        error = made.client().resume(record).exception(HANG_GUARD_S)
        assert isinstance(error, ValidationError)
        assert "'Wanted': input 'filename_prefix'" in error.message
        assert error.partial.artifacts


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_waits_is_joined_again(version, tmp_path):
    with bench(tmp_path, version) as made:
        running = made.client().submit(slow(2000, 1.0))
        wait_for_event(running, events.Started)
        client = made.client()
        waiting = client.submit(slow(2, 0.1))
        wait_for_event(waiting, events.Submitted)
        record = through_json(waiting.record())
        client.close(detach=True)
        job = made.client().resume(record)
        wait_for(lambda: job.status.queue_position == 0 and job.backend_id)
        running.cancel()
        assert job.result(HANG_GUARD_S).artifacts


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_the_server_no_longer_knows_is_lost(version, tmp_path):
    with bench(tmp_path, version) as made:
        record = detached(made, slow(2000, 1.0))
        made.mock.vanish()
        error = made.client().resume(record).exception(HANG_GUARD_S)
        assert isinstance(error, JobLost)
        assert error.code == "job_lost"
        assert len(made.posts()) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_whose_answer_never_came_is_found_and_not_sent_again(version, tmp_path):
    with bench(tmp_path, version) as made:
        record = detached(made, slow(100, 0.5)) | {"stage": "sent", "backend_id": None}
        record["state"].pop("prompt_id" if version == "0.3.40" else "none", None)
        job = made.client().resume(record)
        assert job.result(HANG_GUARD_S).artifacts
        assert job.backend_id
        assert len(made.posts()) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_may_never_have_arrived_is_not_sent_again(version, tmp_path):
    with bench(tmp_path, version) as made:
        record = detached(made, slow(2000, 1.0)) | {"stage": "sent", "backend_id": None}
        made.mock.vanish()
        error = made.client().resume(record).exception(HANG_GUARD_S)
        assert isinstance(error, JobLost)
        assert error.code == "outcome_unknown"
        assert len(made.posts()) == 1


def test_a_job_that_was_not_sent_is_sent_now(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("stall", on="/system_stats"))
        client = made.client()
        job = client.submit(WorkflowRequest(picture_workflow()))
        made.mock.wait_for_request("GET /system_stats")
        record = through_json(job.record())
        client.close(detach=True)
        again = made.client().resume(record)
        assert again.result(HANG_GUARD_S).artifacts
        assert [post["prompt_id"] for post in made.posts()] == [job.id]


def test_a_resumed_job_can_be_cancelled(tmp_path):
    with bench(tmp_path) as made:
        job = made.client().resume(detached(made, slow(2000, 1.0)))
        wait_for_event(job, events.Started)
        job.cancel()
        wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)
        assert made.mock.engine.remaining() == 0


def test_a_server_that_is_not_there_can_be_asked_again_later(tmp_path):
    with bench(tmp_path) as made:
        record = detached(made, slow(2000, 1.0))
        error = made.client("http://127.0.0.1:9").resume(record).exception(HANG_GUARD_S)
        assert isinstance(error, ConnectionFailed)
        job = made.client().resume(record)
        wait_for_event(job, events.Started)
        job.cancel()


DOOMED = """
import json, sys
from pathlib import Path
from movie_director.clients import ClientOptions, ComfyUIClient, events
from movie_director.clients.comfyui import WorkflowRequest
client = ComfyUIClient(sys.argv[1], options=ClientOptions(output_dir=Path(sys.argv[2])))
job = client.submit(WorkflowRequest(json.loads(sys.argv[3])))
for event in job.events():
    if isinstance(event, events.Progressed):
        print(json.dumps(job.record()), flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_killed_process_loses_no_result(version, tmp_path):
    with bench(tmp_path, version) as made:
        arguments = [made.mock.url, str(tmp_path / "dead"), json.dumps(slow_workflow(40, 0.5))]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-c", DOOMED, *arguments]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as doomed:
            record = json.loads(doomed.stdout.readline())
            doomed.send_signal(signal.SIGKILL)
            assert doomed.wait(HANG_GUARD_S) == -signal.SIGKILL
        job = made.client().resume(record)
        assert job.id == record["id"]
        assert job.result(HANG_GUARD_S).artifacts[0].path.is_file()
        assert len(made.posts()) == 1
