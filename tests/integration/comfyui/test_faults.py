"""What goes wrong on the way and on the server: nothing is sent twice, nothing is lost, and what is lost is said."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from support import http
from support.comfyui import QUICK, VERSIONS, bench, node, picture_workflow, slow_workflow, stages_of, wait_for_event
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import events
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.errors import (
    APIError,
    ConnectionLost,
    GenerationError,
    JobLost,
    NetworkError,
    NetworkTimeout,
    ProtocolError,
    ServerError,
    StorageError,
)
from movie_director.clients.mock import Fault
from movie_director.clients.websocket.connection import WebSocketConnection

NO_PUSH = replace(QUICK, poll_with_socket_s=600.0)
"""A pace at which only messages make a job end soon."""


def quick():
    return WorkflowRequest(picture_workflow())


def slow(steps=40, delay=0.5):
    return WorkflowRequest(slow_workflow(steps, delay))


def failed(job, kind):
    error = job.exception(HANG_GUARD_S)
    assert type(error) is kind, repr(error)
    assert error.backend == "comfyui"
    assert error.hint
    return error


def kinds(job):
    return [type(event) for event in job.events()]


def logs(job):
    return [event.line for event in job.events() if isinstance(event, events.Logged)]


# The websocket


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fault", ["ws_drop", "ws_cut"])
def test_a_websocket_that_ends_in_mid_job_is_opened_again(fault, version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        made.mock.inject(Fault(fault, on="progress", after=2))
        job = client.submit(slow())
        assert job.result(HANG_GUARD_S).artifacts
        assert events.Reconnected in kinds(job)
        shakes = made.mock.requests.matching("GET /ws")
        assert len(shakes) == 2
        assert len({shake.path for shake in shakes}) == 1, "the same client id"
        flags = made.mock.requests.matching("WS /ws")
        assert [flag.json["type"] for flag in flags] == ["feature_flags"] * 2


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("on", ["execution_start", "execution_success", "executed"])
def test_an_end_that_nobody_heard_of_is_found_by_asking(on, version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("ws_cut", on=on))
        assert made.client().submit(quick()).result(HANG_GUARD_S).artifacts


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_without_a_websocket_a_job_ends_all_the_same(status, version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault(f"ws_refuse:{status}", times=None))
        client = made.client()
        job = client.submit(slow(4, 0.5))
        assert job.result(HANG_GUARD_S).artifacts
        assert len(logs(job)) == 1
        assert logs(job)[0].startswith("No live progress: ")
        assert str(status) in logs(job)[0]
        assert events.Started in kinds(job)
        again = client.submit(quick())
        assert again.result(HANG_GUARD_S).artifacts


def test_a_refused_key_on_the_handshake_is_not_tried_in_a_hurry(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("ws_refuse:401", times=None))
        timings = replace(QUICK, reconnect_max_s=600.0)
        made.client(timings=timings).submit(slow(10, 0.5)).result(HANG_GUARD_S)
        assert len(made.mock.requests.matching("GET /ws")) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_websocket_that_has_gone_deaf_is_found_out_and_opened_again(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        client.submit(quick()).result(HANG_GUARD_S)
        made.mock.inject(Fault("ws_deaf", on="status"))
        job = client.submit(slow(100, 0.5))
        stages = stages_of(job)
        assert job.result(HANG_GUARD_S).artifacts
        assert "Slow" in stages, "its progress is heard of again"
        assert events.Reconnected not in kinds(job), "the client did it, the user need not know"
        assert len(made.mock.requests.matching("GET /ws")) == 2


def test_a_websocket_that_goes_deaf_right_before_the_end_is_opened_again(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        made.mock.inject(Fault("ws_deaf", on="executed"))
        client.submit(quick()).result(HANG_GUARD_S)
        wait_for(lambda: made.mock.hub is not None)
        again = client.submit(slow(4, 0.5))
        assert again.result(HANG_GUARD_S).artifacts
        assert len(made.mock.requests.matching("GET /ws")) == 2


def test_a_websocket_that_is_silent_in_mid_job_is_opened_again_after_its_idle_time(tmp_path):
    with bench(tmp_path) as made:
        client = made.client(stream_idle_timeout_s=0.5)
        made.mock.inject(Fault("ws_deaf", on="progress", after=1))
        job = client.submit(slow(200, 0.5))
        stages = stages_of(job)
        assert job.result(HANG_GUARD_S).artifacts
        assert len(made.mock.requests.matching("GET /ws")) >= 2
        assert "Result" in stages, "its progress is heard of again"


@pytest.mark.parametrize("version", VERSIONS)
def test_noise_on_the_websocket_is_passed_over(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("foreign_messages", times=None))
        job = made.client().submit(slow(4, 0.1))
        stages = stages_of(job)
        assert job.result(HANG_GUARD_S).artifacts
        assert set(stages) <= {"", "Source", "Slow", "Result", "Fetching the result"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_history_that_comes_late_is_waited_for(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("slow_history", value=20))
        job = made.client(timings=NO_PUSH).submit(quick())
        assert job.result(HANG_GUARD_S).artifacts


def test_nothing_is_reconnected_while_there_is_nothing_to_do(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        client.submit(quick()).result(HANG_GUARD_S)
        made.mock.inject(Fault("ws_cut", on="status"))
        made.mock.hub.send_status(0)
        connection = client._workflow_runner().connection
        wait_for(lambda: not connection.live)
        assert len(made.mock.requests.matching("GET /ws")) == 1
        assert client.submit(quick()).result(HANG_GUARD_S).artifacts
        assert len(made.mock.requests.matching("GET /ws")) == 2


def socket_workflow():
    """Return a workflow whose picture comes over the websocket only."""
    return picture_workflow() | {"2": node("SaveImageWebsocket", "Sent", images=["1", 0])}


def slow_handshakes(monkeypatch, seconds):
    """Make each opening of a websocket take that long, as it does to a server far away."""
    real = WebSocketConnection.open

    def open_slowly(*args, **options):
        threading.Event().wait(seconds)
        return real(*args, **options)

    monkeypatch.setattr(WebSocketConnection, "open", open_slowly)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_lost_websocket_costs_nothing_of_the_jobs_after_it(workers, tmp_path, monkeypatch):
    slow_handshakes(monkeypatch, 0.1)
    with bench(tmp_path) as made:
        client = made.client(max_workers=workers)
        client.submit(WorkflowRequest(socket_workflow())).result(HANG_GUARD_S)
        made.mock.inject(Fault("ws_cut", on="status"))
        made.mock.hub.send_status(0)
        wait_for(lambda: not client._workflow_runner().connection.live)
        jobs = [client.submit(WorkflowRequest(socket_workflow())) for _ in range(8)]
        assert [len(job.result(HANG_GUARD_S).artifacts) for job in jobs] == [1] * 8
        assert len(made.mock.requests.matching("GET /ws")) == 2


# The answer to POST /prompt


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("request_", [quick, slow], ids=["ended by then", "still running"])
def test_a_lost_answer_is_settled_by_asking(request_, version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("lost_answer", on="POST /prompt"))
        job = made.client().submit(request_())
        assert job.result(HANG_GUARD_S).artifacts
        assert len(made.posts()) == 1
        assert made.mock.engine.remaining() == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_is_cut_is_settled_by_asking(version, tmp_path):
    for fault in ("cut_body", "bad_json", "wrong_length"):
        with bench(tmp_path, version) as made:
            made.mock.inject(Fault(fault, on="POST /prompt"))
            assert made.client().submit(quick()).result(HANG_GUARD_S).artifacts
            assert len(made.posts()) == 1


@pytest.mark.parametrize("version", ["0.33.0", "0.3.64"])
def test_a_prompt_that_certainly_did_not_arrive_is_sent_again_under_its_id(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("reset", on="POST /prompt"))
        job = made.client().submit(quick())
        assert job.result(HANG_GUARD_S).artifacts
        assert [post["prompt_id"] for post in made.posts()] == [job.id, job.id]


def test_it_is_not_sent_for_ever(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("reset", on="POST /prompt", times=None))
        failed(made.client().submit(quick()), ConnectionLost)
        assert len(made.posts()) == 3


def test_where_the_server_mints_ids_a_lost_prompt_is_not_sent_again(tmp_path):
    with bench(tmp_path, "0.3.40") as made:
        made.mock.inject(Fault("reset", on="POST /prompt"))
        error = failed(made.client().submit(quick()), JobLost)
        assert error.code == "outcome_unknown"
        assert len(made.posts()) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_after_a_time_out_a_prompt_is_never_sent_again(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("stall", on="POST /prompt"))
        error = failed(made.client(first_byte_timeout_s=0.3).submit(quick()), JobLost)
        assert error.code == "outcome_unknown"
        assert isinstance(error.__cause__, NetworkTimeout)
        assert len(made.posts()) == 1


def test_a_server_that_can_not_be_asked_after_a_lost_answer(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("lost_answer", on="POST /prompt"))
        made.mock.inject(Fault("status:401", on="/queue", times=None))
        error = failed(made.client().submit(quick()), JobLost)
        assert error.code == "outcome_unknown"


@pytest.mark.parametrize(("status", "kind"), [(500, ServerError), (502, ServerError), (413, APIError)])
def test_an_error_instead_of_an_answer(status, kind, tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault(f"status:{status}", on="POST /prompt"))
        failed(made.client().submit(quick()), kind)
        assert len(made.posts()) == 1


def test_a_refusal_for_the_moment_is_sent_again(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:429", on="POST /prompt", retry_after=0))
        assert made.client().submit(quick()).result(HANG_GUARD_S).artifacts
        assert len(made.posts()) == 2


def test_a_login_page_for_the_prompt_alone(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("html_login_page", on="POST /prompt"))
        assert failed(made.client().submit(quick()), ProtocolError).code == "web_page"


def test_an_answer_without_an_id_is_not_of_a_comfyui(tmp_path, monkeypatch):
    with bench(tmp_path) as made:
        monkeypatch.setattr(
            "movie_director.clients.comfyui.server.api.ComfyAPI.post_prompt", lambda *_: (200, {"status": "ok"})
        )
        assert failed(made.client().submit(quick()), ProtocolError).code == "not_comfyui"


# The server


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_was_restarted_has_lost_the_job(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("vanish", on="progress", after=3, value=0.3))
        error = failed(made.client().submit(slow()), JobLost)
        assert error.code == "job_lost"
        assert "restarted during 'Slow'" in error.message
        assert "memory" in error.hint
        assert error.retryable


def test_what_is_known_of_a_server_is_asked_for_again_after_a_restart(tmp_path):
    """It may have come back with other nodes, as another version."""

    def asked():
        routes = [request.route for request in made.mock.requests]
        return [sum(route.startswith(path) for route in routes) for path in ("/system_stats", "/object_info/")]

    def answers():
        with suppress(NetworkError):
            return client.queue() == []
        return False

    with bench(tmp_path) as made:
        client = made.client()
        client.submit(quick()).result(HANG_GUARD_S)
        client.submit(quick()).result(HANG_GUARD_S)
        assert asked() == [1, 2]
        made.mock.vanish(0.05)
        wait_for(lambda: not client._workflow_runner().connection.live)
        wait_for(answers)
        before = asked()
        client.submit(quick()).result(HANG_GUARD_S)
        client.submit(quick()).result(HANG_GUARD_S)
        assert [now - then for now, then in zip(asked(), before, strict=True)] == [2, 4], (
            "also when the websocket is back"
        )


def test_a_result_is_not_lost_with_what_was_known_of_the_server(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("ws_cut", on="progress", after=2))
        made.mock.inject(Fault("status:500", on="/system_stats", after=1, times=None))
        result = made.client().submit(slow()).result(HANG_GUARD_S)
        assert result.metadata["server_version"] == "0.33.0"


def test_a_form_is_of_the_server_as_it_is_now(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        client.template(picture_workflow())
        client.template(picture_workflow())
        assert len(made.mock.requests.matching("GET /object_info/EmptyImage")) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_someone_took_out_of_the_queue(version, tmp_path):
    with bench(tmp_path, version) as made:
        running = made.client().submit(slow(2000, 1.0))
        wait_for_event(running, events.Started)
        waiting = made.client().submit(slow())
        wait_for_event(waiting, events.Submitted)
        made.mock.engine.delete([waiting.backend_id])
        assert failed(waiting, JobLost).code == "removed"
        running.cancel()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_that_someone_else_stopped(version, tmp_path):
    with bench(tmp_path, version) as made:
        job = made.client().submit(slow(2000, 1.0))
        wait_for_event(job, events.Started)
        made.mock.engine.interrupt(None)
        error = failed(job, GenerationError)
        assert error.code == "interrupted"
        assert "'Slow'" in error.message


@pytest.mark.parametrize("version", VERSIONS)
def test_a_history_that_was_cleared_costs_nothing_if_the_end_was_told(version, tmp_path):
    with bench(tmp_path, version) as made:
        real = made.mock.engine._history
        made.mock.engine._history = _Forgetful()
        assert made.client().submit(quick()).result(HANG_GUARD_S).artifacts
        made.mock.inject(Fault("node_error", on="EmptyImage"))
        assert failed_code(made.client().submit(quick())) == "node_failed"
        made.mock.engine._history = real


def test_a_history_that_was_cleared_while_nobody_listened(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("ws_refuse:404", times=None))
        job = made.client().submit(slow(30, 0.5))
        wait_for_event(job, events.Started)
        made.mock.engine._history = _Forgetful()
        error = failed(job, JobLost)
        assert "history was cleared" in error.message


class _Forgetful(dict):
    """A history that keeps nothing."""

    def __setitem__(self, key, value):
        pass


def failed_code(job):
    return getattr(job.exception(HANG_GUARD_S), "code", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_is_away_for_a_while_is_waited_for(version, tmp_path):
    with bench(tmp_path, version) as made:
        job = made.client(max_retries=0).submit(slow(60, 0.5))
        wait_for_event(job, events.Progressed)
        made.mock.go_down(0.4)
        wait_for(lambda: "trying again" in job.status.message or job.done())
        assert job.result(HANG_GUARD_S).artifacts
        assert events.Reconnected in kinds(job)


def test_a_server_that_stays_away_ends_the_job_after_a_while(tmp_path):
    with bench(tmp_path) as made:
        job = made.client(max_retries=0, timings=replace(QUICK, outage_s=0.5)).submit(slow(2000, 1.0))
        wait_for_event(job, events.Started)
        made.mock.go_down(600.0)
        error = job.exception(HANG_GUARD_S)
        assert error.retryable
        assert type(error).__name__ in ("ConnectionFailed", "ConnectionLost")


def test_a_server_that_wants_a_key_all_of_a_sudden_ends_the_job(tmp_path):
    with bench(tmp_path) as made:
        job = made.client().submit(slow(2000, 1.0))
        wait_for_event(job, events.Started)
        made.mock.auth = "Bearer new"
        assert failed_code(job) == "authentication"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_worker_that_died_of_the_job_is_said(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("worker_dead"))
        job = made.client(drain_timeout_s=0.5).submit(quick())
        assert "restart ComfyUI" in wait_for_event(job, events.Logged).line
        job.cancel()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_that_runs_nothing_while_jobs_wait_is_found_out(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.engine._dead = True  # its worker thread died between two jobs
        error = failed(made.client().submit(quick()), GenerationError)
        assert error.code == "worker_dead"
        assert "Restart ComfyUI" in error.hint


@pytest.mark.parametrize("version", VERSIONS)
def test_a_job_behind_a_prompt_that_is_nobody_s_says_what_can_be_done(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("worker_dead"))
        body = json.dumps({"prompt": picture_workflow(), "client_id": "gone"})
        assert http.request("POST", f"{made.mock.url}/prompt", body=body).status == 200
        job = made.client(drain_timeout_s=0.5).submit(quick())
        wait_for(lambda: "restart ComfyUI" in job.status.message)
        assert job.status.queue_position == 0
        job.cancel()


def test_a_job_behind_one_of_the_same_client_is_not_held_up(tmp_path):
    with bench(tmp_path) as made:
        client = made.client(max_workers=2, timings=replace(QUICK, next_s=0.0))
        running = client.submit(slow(2000, 1.0))
        wait_for_event(running, events.Started)
        waiting = client.submit(quick())
        wait_for(lambda: waiting.status.queue_position == 0 and waiting.backend_id)
        wait_for(lambda: sum("status=pending" in request.path for request in made.mock.requests) >= 3)
        assert waiting.status.message == ""
        running.cancel()
        assert waiting.result(HANG_GUARD_S).artifacts


def test_an_output_that_was_blocked_is_said_and_is_not_the_end(tmp_path):
    blocked = {"node_id": "3", "exception_type": "ExecutionBlocked", "exception_message": "No picture today.\n"}
    with bench(tmp_path) as made:
        job = made.client().submit(slow(20, 0.5))
        wait_for_event(job, events.Started)
        client_id = made.posts()[0]["client_id"]
        made.mock.hub.send("execution_error", blocked | {"prompt_id": job.backend_id}, client_id)
        assert job.result(HANG_GUARD_S).artifacts
        assert logs(job) == ["'Result' was blocked: No picture today"]


def test_an_input_file_that_goes_away_before_its_upload(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"x")
    workflow = picture_workflow() | {"1": node("LoadImage", "In", image="x")}
    with bench(tmp_path) as made:
        made.mock.inject(Fault("slow_body", on="/system_stats", value=0.05))
        job = made.client().submit(WorkflowRequest(workflow, files={"In": picture}))
        made.mock.wait_for_request("GET /system_stats")
        picture.unlink()
        assert failed(job, StorageError).code == "missing_file"
        assert made.posts() == []


def test_a_probe_of_a_mute_server_takes_seconds_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.comfyui.client.PROBE_TIMEOUT_S", 0.3)
    with bench(tmp_path) as made:
        made.mock.inject(Fault("stall", times=None))
        with pytest.raises(NetworkTimeout):
            made.client().probe()
        assert len(made.mock.requests) == 1


# Files


def test_a_result_that_is_cut_on_its_way_is_fetched_again(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("view_truncated"))
        (artifact,) = made.client().submit(quick()).result(HANG_GUARD_S).artifacts
        assert artifact.path.stat().st_size == artifact.size
        assert len(made.mock.requests.matching("GET /view")) >= 2


def test_a_folder_that_goes_away_in_mid_job_keeps_what_there_is_on_the_server(tmp_path):
    workflow = picture_workflow()
    workflow["1"]["inputs"]["batch_size"] = 2
    with bench(tmp_path) as made:
        made.mock.inject(Fault("slow_body", on="/view", value=0.03, times=None))
        job = made.client().submit(WorkflowRequest(workflow))
        out = tmp_path / "out"
        wait_for(lambda: out.is_dir() and any(path.suffix == ".png" for path in out.iterdir()))
        out.rename(tmp_path / "moved")
        out.write_text("in the way")
        error = failed(job, StorageError)
        assert [artifact.source for artifact in error.partial.artifacts] == ["output/test_00001_.png"]
        assert made.mock.files.get("output", "", "test_00002_.png") is not None


def test_names_from_the_server_do_not_leave_the_folder(tmp_path):
    workflow = picture_workflow() | {"2": node("SaveImage", images=["1", 0], filename_prefix="deep/er/name")}
    with bench(tmp_path) as made:
        (artifact,) = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S).artifacts
    assert artifact.path == tmp_path / "out" / "name_00001_.png"
    assert artifact.source == "output/deep/er/name_00001_.png"
