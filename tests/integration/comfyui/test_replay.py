"""Recordings of three ComfyUI releases played to the client: every recorded prompt ends here as it ended there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.comfyui import wait_for_event
from support.comfyui_replay import ENDS, ReplayServer
from support.recordings import COMFYUI_VERSIONS, comfyui, exchanges, messages
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ClientOptions, ComfyUIClient, events
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.comfyui.server.outputs import collect
from movie_director.clients.comfyui.server.timings import Timings
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.errors import JobCancelled

QUICK = Timings(
    poll_with_socket_s=0.5,
    poll_without_socket_s=0.05,
    ask_soon_s=0.01,
    position_every_s=0.05,
    recheck_missing_s=0.2,
    drain_every_s=0.02,
)
SCENARIOS = (
    "run_simple",
    "run_cached",
    "interrupt",
    "reconnect_midjob",
    "previews_flag_on",
    "previews_flag_off",
    "progress_flood",
    "execution_errors",
    "expand_and_async",
)


@pytest.fixture
def client_of(tmp_path):
    """Make clients that are closed at the end."""
    clients = []

    def make(server):
        client = ComfyUIClient(server.url, options=replace(ClientOptions(), output_dir=tmp_path, max_workers=8))
        client.timings = QUICK
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def play(server, client, *, at_once=False):
    """Do what the recording needs of a client until it ends; the jobs in the order of the recorded prompts.

    As the recorder did, each prompt is sent when the one before has ended, or ``at_once`` when the recording has it.
    """
    jobs = []
    while (wanted := server.next_wanted()) is not None:
        kind, what = wanted
        if kind == "post":
            if jobs and not at_once:
                jobs[-1].exception(HANG_GUARD_S)
            jobs.append(client.submit(WorkflowRequest(what)))
        else:
            wait_for_event(jobs[what], events.Started)
            jobs[what].cancel()
    return jobs


def recorded_ends(version, scenario):
    """How each recorded prompt ended and with which outputs, in the order of the prompts."""
    lines = comfyui(version, scenario)
    for exchange in exchanges(lines, "POST", "/prompt"):
        prompt_id = exchange.answer["json"]["prompt_id"]
        told = dict(messages(lines, prompt_id))
        end = next((kind for kind in ENDS if kind in told), "")
        outputs = {data["node"]: data["output"] for kind, data in messages(lines, prompt_id) if kind == "executed"}
        for each in exchanges(lines, "GET", f"/history/{prompt_id}"):
            entry = each.answer["json"][prompt_id]
            kinds = [message[0] for message in entry.get("status", entry)["messages"]]
            end = next(kind for kind in ENDS if kind in kinds)
            outputs = entry.get("outputs", outputs)
        yield exchange, end, collect(outputs, exchange.request["json"]["prompt"])


def all_events(job):
    return [type(event) for event in job.events()]


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_recorded_prompt_ends_as_it_did(version, scenario, client_of):
    with ReplayServer(version, scenario) as server:
        jobs = play(server, client_of(server), at_once=scenario == "interrupt")
        recorded = list(recorded_ends(version, scenario))
        assert len(jobs) == len(recorded) > 0
        codes = [getattr(job.exception(HANG_GUARD_S), "code", "") for job in jobs]
    for job, code, (exchange, end, outputs) in zip(jobs, codes, recorded, strict=True):
        if end == "execution_interrupted":
            assert code == "interrupted"
        elif end == "execution_error":
            assert code in ("node_failed", "out_of_memory")
        elif "/view says 404" in exchange.note:
            assert code == "output_gone"
        else:
            assert code == ""
            assert job.status.progress.fraction == 1.0
        if end and not code:
            assert [artifact.source for artifact in job.result(0).artifacts] == [file.source for file in outputs.files]
            assert job.result(0).text == ("\n".join(outputs.texts) or None)


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_a_plain_run_in_its_events(version, client_of):
    with ReplayServer(version, "run_simple") as server:
        job = play(server, client_of(server))[0]
        job.result(HANG_GUARD_S)
        kinds = all_events(job)
    assert kinds[0] is events.Queued
    assert kinds.index(events.Submitted) < kinds.index(events.Started) < kinds.index(events.Succeeded)
    assert events.Progressed in kinds
    assert job.backend_id == (job.id if version != "0.3.40" else "a17ff92c-6b1e-4db5-87ff-6c3551b0454c")
    assert job.result(0).metadata["server_version"] == version


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_a_lost_websocket_is_back_in_mid_job(version, client_of):
    with ReplayServer(version, "reconnect_midjob") as server:
        jobs = play(server, client_of(server))
        for job in jobs:
            job.result(HANG_GUARD_S)
        kinds = [all_events(job) for job in jobs]
    assert events.Reconnected in kinds[0], "closed in good order"
    assert events.Reconnected in kinds[1], "cut"
    previews = [event for job in jobs for event in job.events() if isinstance(event, events.Previewed)]
    assert previews
    assert {event.media_type for event in previews} <= {"image/jpeg", "image/png"}


@pytest.mark.parametrize("version", COMFYUI_VERSIONS)
def test_interrupts_of_the_client_reach_the_job_and_only_this_one(version, client_of):
    with ReplayServer(version, "interrupt", own_interrupts=True) as server:
        jobs = play(server, client_of(server), at_once=True)
        cancelled = [job for job in jobs if job.cancelled()]
        assert len(cancelled) >= 5
        for job in jobs:
            if job in cancelled:
                with pytest.raises(JobCancelled):
                    job.result(HANG_GUARD_S)
                wait_for(lambda job=job: job.status.backend_cancel is not BackendCancel.PENDING)
                assert job.status.backend_cancel is BackendCancel.CONFIRMED
            else:
                assert job.result(HANG_GUARD_S).problems == ()
        assert set(server.told) == {job.backend_id for job in cancelled}
