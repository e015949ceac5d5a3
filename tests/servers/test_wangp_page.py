"""The Wan2GP client against real servers of Gradio 5 and 6, wired as WanGP's page is: part of ``make test-gradio``.

The servers are started by the interpreters in ``MOVIE_DIRECTOR_GRADIO_5_PYTHON`` and ``..._6_PYTHON``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.gradio_process import real_app
from support.waiting import HANG_GUARD_S, wait_for
from support.wan2gp import clip, failure, made, wan2gp_clients

from movie_director.clients import errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.wan2gp.timings import Timings

PAGE = Path(__file__).with_name("wangp_page.py")
NAMES = ("GRADIO_5", "GRADIO_6")


@pytest.fixture(scope="module", params=NAMES)
def url(request, tmp_path_factory):
    python = os.environ.get(f"MOVIE_DIRECTOR_{request.param}_PYTHON", "")
    assert python, "run it by make test-gradio"
    with real_app(python, tmp_path_factory.mktemp(request.param.lower()), app=PAGE) as address:
        yield address


@pytest.fixture
def client(url, tmp_path):
    with wan2gp_clients(tmp_path) as make:
        yield make(url, timings=Timings())


def short(prompt="a paper boat", steps=8):
    return clip(prompt, settings={"num_inference_steps": steps}, seed=5)


def test_a_clip_with_progress_and_previews(client):
    assert client.probe().version == "12.60"
    job = client.submit(short())
    told = list(job.events())
    assert job.result(HANG_GUARD_S).artifacts[0].path.name == "a_paper_boat_5.mp4"
    assert any(isinstance(each, events.Previewed) for each in told)
    fractions = [each.progress.fraction for each in told if isinstance(each, events.Progressed)]
    assert fractions == sorted(fractions)
    assert any(0.0 < each < 1.0 for each in fractions)


def test_a_failure_and_the_next_job(client):
    failure(client, short("fail"), errors.OutOfMemory)
    assert made(client, short()).artifacts


def test_a_cancel_stops_the_work_and_leaves_the_page_in_order(client):
    job = client.submit(short(steps=2000))
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert made(client, short()).artifacts


def test_a_lost_stream_and_an_old_record(client, url, tmp_path):
    job = client.submit(short(steps=40))
    wait_for(lambda: job.status.progress is not None)
    client._endpoint._live[job.id].session.close()  # as if the connection had broken
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    record = {**job.record(), "stage": "queued", "backend_id": None, "state": {}}
    with wan2gp_clients(tmp_path) as make:
        again = make(url).resume(record).result(HANG_GUARD_S)
    assert again.artifacts[0].source == f"outputs/blend_{job.id}.mp4"


def test_closing_aborts_within_its_bound(client):
    job = client.submit(short(steps=2000))
    wait_for(lambda: job.status.progress is not None)
    client.close(detach=True)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
