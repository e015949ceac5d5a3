"""The recorded traffic of WanGP's web page, played to the client."""

from __future__ import annotations

import pytest
from support.waiting import HANG_GUARD_S
from support.wan2gp import clip, failure, made, wan2gp_clients
from support.wan2gp_web import MOVIE, ReplayedPage

from movie_director.clients import errors, events


@pytest.fixture
def clients(tmp_path):
    with wan2gp_clients(tmp_path) as make:
        yield make


def test_a_recorded_generation(clients):
    server = ReplayedPage("gradio_generate_zip")
    job = clients(server).submit(clip(seed=42))
    told = list(job.events())
    result = job.result(HANG_GUARD_S)
    (artifact,) = result.artifacts
    assert artifact.path.read_bytes() == MOVIE
    assert result.metadata["server_version"] == "12.60"
    fractions = [each.progress.fraction for each in told if isinstance(each, events.Progressed)]
    assert fractions == sorted(fractions)
    assert any(0.0 < each < 1.0 for each in fractions)
    previews = [each for each in told if isinstance(each, events.Previewed)]
    assert previews
    assert all(each.data.startswith(b"\xff\xd8\xff") for each in previews)
    lines = [each.line for each in told if isinstance(each, events.Logged)]
    assert "Loading model Wan2.1 Text2video 1.3B..." in lines
    assert any(line.startswith("Total Generation Time") for line in lines)
    assert [each["fn_index"] for each in server.joined][:5] == [336, 338, 339, 340, 93]
    assert [each["fn_index"] for each in server.joined][-2:] == [341, 342]
    assert server.joined[0]["trigger_id"] == 791
    assert server.joined[0]["data"][0]["path"] == "/srv/gradio-tmp/abc/queue.zip"


def test_a_recorded_image_to_video_generation(clients, tmp_path):
    picture = tmp_path / "start.png"
    picture.write_bytes(b"\x89PNG picture")
    server = ReplayedPage("gradio_image_to_video_zip")
    result = made(clients(server), clip("move", "i2v", files={"image_start": picture}))
    assert len(result.artifacts) == 1
    (path,) = set(server.fetched)
    assert path.endswith("_seed42_1.mp4")


def test_a_recorded_out_of_memory(clients):
    server = ReplayedPage("gradio_model_error")
    error = failure(clients(server), kind=errors.OutOfMemory)
    assert "CUDA out of memory. Tried to allocate 2.00 GiB (stub)" in error.message
    assert 341 in [each["fn_index"] for each in server.joined]


def test_recorded_refusals_come_in_the_programs_words(clients):
    client = clients(ReplayedPage("gradio_invalid_settings"))
    error = failure(client, kind=errors.MissingResource)
    assert error.kind == "model"
    error = failure(client, kind=errors.ValidationError)
    assert error.problems == ("not enough values to unpack (expected 2, got 1)",)
    error = failure(client, kind=errors.ValidationError)
    assert error.problems == ("File is not a zip file",)


def test_a_recorded_load_that_did_nothing_is_no_success(clients):
    error = failure(clients(ReplayedPage("gradio_load_without_trigger_id")), kind=errors.ProtocolError)
    assert error.code == "queue_ignored"
    assert "12.60" in error.message


def test_a_recorded_generation_beside_another_session(clients):
    assert made(clients(ReplayedPage("gradio_two_sessions"))).artifacts


def test_a_recorded_abort_of_the_first_of_two_tasks(clients):
    """The recorded client had two tasks in its queue: progress goes over both, and the second one's file is there."""
    job = clients(ReplayedPage("gradio_abort")).submit(clip())
    fractions = [each.progress.fraction for each in job.events() if isinstance(each, events.Progressed)]
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert fractions == sorted(fractions)
    assert max(fractions[:-1]) > 0.5


def test_a_recorded_stream_that_was_dropped(clients):
    job = clients(ReplayedPage("gradio_disconnect_mid_generation")).submit(clip())
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert any(isinstance(each, events.Reconnected) for each in job.events())


def test_a_recorded_call_that_was_cancelled_by_gradio_itself(clients):
    job = clients(ReplayedPage("gradio_cancel_route_on_process_tasks")).submit(clip())
    (artifact,) = job.result(HANG_GUARD_S).artifacts  # the work went on: the file is in the output folder
    assert artifact.source == f"outputs/blend_{job.id}.mp4"


def test_a_recorded_queue_out_of_which_a_task_was_taken(clients):
    assert made(clients(ReplayedPage("gradio_abort_queued_by_client_id"))).artifacts
