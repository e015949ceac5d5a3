"""Cancelling at every stage: the job ends at once, the server is told, and only this job is hit."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from support.comfyui import QUICK, VERSIONS, bench, node, picture_workflow, slow_workflow, wait_for_event
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ComfyUIClient, events
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.errors import JobCancelled
from movie_director.clients.mock import Fault


def slow(steps=2000, delay=1.0):
    return WorkflowRequest(slow_workflow(steps, delay))


def cancelled(job, outcome=BackendCancel.CONFIRMED):
    """Check that the job has ended by the cancel, and wait until the server's part of it is known."""
    assert job.cancelled()
    with pytest.raises(JobCancelled):
        job.result(0)
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is outcome
    assert isinstance(list(job.events())[-1], events.Cancelled)


def stops_of(mock):
    return [
        request
        for request in mock.requests
        if request.method == "POST" and (request.route in ("/interrupt", "/queue") or request.route.endswith("/cancel"))
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_while_it_runs(version, tmp_path):
    with bench(tmp_path, version) as made:
        job = made.client().submit(slow())
        wait_for_event(job, events.Started)
        began = time.monotonic()
        assert job.cancel() is True
        assert time.monotonic() - began < 5.0
        cancelled(job)
        assert made.mock.engine.remaining() == 0
        stop = stops_of(made.mock)[-1]
        if version == "0.33.0":
            assert stop.route == f"/api/jobs/{job.backend_id}/cancel"
        else:
            assert (stop.route, stop.json) == ("/interrupt", {"prompt_id": job.backend_id})


@pytest.mark.parametrize("version", VERSIONS)
def test_while_it_waits_on_the_server_and_only_this_one(version, tmp_path):
    with bench(tmp_path, version) as made:
        running = made.client().submit(slow(30, 0.5))
        wait_for_event(running, events.Started)
        client = made.client()
        waiting, after = client.submit(slow()), client.submit(WorkflowRequest(picture_workflow()))
        for job in (waiting, after):
            wait_for_event(job, events.Submitted)
        waiting.cancel()
        cancelled(waiting)
        assert [(stop.route, stop.json) for stop in stops_of(made.mock)] == [
            ("/queue", {"delete": [waiting.backend_id]})
        ]
        assert running.result(HANG_GUARD_S).artifacts
        assert after.result(HANG_GUARD_S).artifacts


def test_while_it_waits_here(tmp_path):
    with bench(tmp_path) as made:
        client = made.client(max_workers=1)
        running, waiting = client.submit(slow()), client.submit(slow())
        wait_for_event(running, events.Started)
        assert waiting.cancel() is True
        cancelled(waiting)
        assert len(made.posts()) == 1
        running.cancel()
        cancelled(running)


def test_while_an_input_is_uploaded(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"x" * 100_000)
    with bench(tmp_path) as made:
        made.mock.inject(Fault("stall", on="/upload/image"))
        workflow = picture_workflow() | {"1": node("LoadImage", "In", image="x")}
        job = made.client().submit(WorkflowRequest(workflow, files={"In": picture}))
        made.mock.wait_for_request("POST /upload/image")
        job.cancel()
        cancelled(job)
        assert made.posts() == []
        assert stops_of(made.mock) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_while_it_is_being_sent_and_the_server_takes_it(version, tmp_path):
    with bench(tmp_path, version) as made:
        held, seen = threading.Event(), threading.Event()
        real = made.mock.engine.put

        def put(item):
            seen.set()
            assert held.wait(HANG_GUARD_S)
            real(item)

        made.mock.engine.put = put
        job = made.client().submit(slow())
        assert seen.wait(HANG_GUARD_S)
        job.cancel()
        threading.Timer(0.05, held.set).start()
        cancelled(job)
        assert made.mock.engine.remaining() == 0
        assert len(stops_of(made.mock)) >= 1


def test_while_it_is_being_sent_and_the_server_never_gets_it(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("stall", on="POST /prompt"))
        job = made.client().submit(slow())
        made.mock.wait_for_request("POST /prompt")
        job.cancel()
        cancelled(job)
        assert stops_of(made.mock) == []


def test_while_the_result_is_fetched(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("slow_body", on="/view", value=5))
        job = made.client().submit(WorkflowRequest(picture_workflow()))
        wait_for(lambda: job.status.message.startswith("Downloading"))
        began = time.monotonic()
        job.cancel()
        cancelled(job)
        assert time.monotonic() - began < 5.0
        wait_for(lambda: list((tmp_path / "out").iterdir()) == [])


def test_when_it_is_done_and_twice(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        job = client.submit(WorkflowRequest(picture_workflow()))
        job.result(HANG_GUARD_S)
        assert job.cancel() is False
        assert not job.cancelled()
        assert job.status.backend_cancel is None
        again = client.submit(slow())
        wait_for_event(again, events.Started)
        assert [again.cancel(), again.cancel()] == [True, False]
        cancelled(again)


@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_elses_job_is_stopped(version, tmp_path):
    with bench(tmp_path, version) as made:
        mine = made.client().submit(slow())
        wait_for_event(mine, events.Started)
        others = made.client().submit(WorkflowRequest(slow_workflow(20, 0.2)))
        wait_for_event(others, events.Submitted)
        mine.cancel()
        cancelled(mine)
        assert others.result(HANG_GUARD_S).artifacts


@pytest.mark.parametrize("version", VERSIONS)
def test_a_node_that_does_not_listen_lets_the_drain_run_out(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("ignore_interrupt", times=None))
        client = made.client(drain_timeout_s=0.6)
        job = client.submit(slow())
        wait_for_event(job, events.Started)
        job.cancel()
        cancelled(job, BackendCancel.FAILED)
        assert len(stops_of(made.mock)) >= 2, "it is told again"


def test_a_node_that_takes_long_to_listen_is_waited_for(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("ignore_interrupt", times=None))
        job = made.client().submit(slow(100, 0.5))
        wait_for_event(job, events.Started)
        job.cancel()
        assert job.status.backend_cancel is BackendCancel.PENDING
        cancelled(job)
        assert made.mock.engine.remaining() == 0
    assert ComfyUIClient.default_options.drain_timeout_s == 300.0


def test_a_server_that_is_away_is_not_waited_for_so_long(tmp_path):
    with bench(tmp_path) as made:
        client = made.client(timings=replace(QUICK, drain_outage_s=0.2), max_retries=0, drain_timeout_s=HANG_GUARD_S)
        job = client.submit(slow())
        wait_for_event(job, events.Started)
        made.mock.inject(Fault("status:503", on="/queue", times=None))
        began = time.monotonic()
        job.cancel()
        cancelled(job, BackendCancel.FAILED)
        assert time.monotonic() - began < HANG_GUARD_S / 2
        made.mock.clear_faults()


def test_a_cancel_that_the_server_refuses(tmp_path):
    with bench(tmp_path) as made:
        job = made.client().submit(slow())
        wait_for_event(job, events.Started)
        made.mock.inject(Fault("status:403", on="/queue", times=None))
        job.cancel()
        cancelled(job, BackendCancel.FAILED)
        made.mock.clear_faults()


def test_a_server_that_is_away_for_a_moment_is_told_later(tmp_path):
    with bench(tmp_path) as made:
        job = made.client(max_retries=0).submit(slow())
        wait_for_event(job, events.Started)
        made.mock.inject(Fault("status:503", on="/queue", times=3))
        job.cancel()
        cancelled(job)
        assert made.mock.engine.remaining() == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_closing_the_client_cancels_and_tells_the_server(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        running = client.submit(slow())
        wait_for_event(running, events.Started)
        waiting = client.submit(slow())
        wait_for_event(waiting, events.Submitted)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 5.0
        assert running.cancelled()
        assert waiting.cancelled()
        wait_for(lambda: made.mock.engine.remaining() == 0)


def test_closing_does_not_wait_for_a_websocket_that_never_opens(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("stall", on="/ws", times=None))
        client = made.client(connect_timeout_s=600.0, timings=replace(QUICK, socket_wait_s=0.05))
        running = client.submit(slow())
        wait_for_event(running, events.Started)
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began < 5.0
        assert running.cancelled()


def test_the_lane_is_kept_until_the_server_is_free(tmp_path):
    with bench(tmp_path) as made:
        client = made.client(max_workers=1)
        first = client.submit(slow())
        wait_for_event(first, events.Started)
        second = client.submit(WorkflowRequest(picture_workflow()))
        first.cancel()
        second.result(HANG_GUARD_S)
        ends = [request.time for request in made.mock.requests if request.route.endswith("/cancel")]
        assert made.mock.requests.matching("POST /prompt")[1].time > ends[0]
