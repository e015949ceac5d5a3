"""The Wan2GP client through WanGP's web page, against the mock."""

from __future__ import annotations

import io
import json
import threading
import urllib.request
import zipfile
from dataclasses import replace

import pytest
from support.waiting import HANG_GUARD_S, wait_for
from support.wan2gp import QUICK, clip, failure, made, wan2gp_clients

from movie_director.clients import JobState, Wan2GPClient, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.gradio.session import GradioSession
from movie_director.clients.mock import Fault
from movie_director.clients.mock.gradio.app import GradioError
from movie_director.clients.mock.http.responses import Response
from movie_director.clients.mock.wan2gp.server import MockWan2GP
from movie_director.clients.wan2gp.web.monitor import RunMonitor
from movie_director.clients.wan2gp.web.recovery import Searcher, make_session_hash

SPEED = 40.0
VERSIONS = ("12.60", "9.44", "6.7")


@pytest.fixture
def clients(tmp_path):
    with wan2gp_clients(tmp_path) as make:
        yield make


def server(*faults, speed=SPEED, **given):
    return MockWan2GP(faults=faults, speed=speed, **given)


def short(prompt="a paper boat", steps=4, **fields):
    settings = {"num_inference_steps": steps, "resolution": "128x80", "video_length": 5, **fields.pop("settings", {})}
    return clip(prompt, settings=settings, **fields)


def long(**fields):
    return short(steps=2000, **fields)


def joins(mock):
    """The bodies of the calls that the server has got."""
    return [request.json for request in mock.requests.matching("POST /gradio_api/queue/join")]


def queue_file(mock):
    """The task of the queue file that the server has got, and the names of the media beside it."""
    (request,) = mock.requests.matching("POST /gradio_api/upload")
    body = request.body
    data = body[body.index(b"PK\x03\x04") : body.rindex(b"\r\n--")]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        ((entry),) = json.loads(archive.read("queue.json"))
        return entry["params"], [name for name in archive.namelist() if name != "queue.json"]


def seen(job, kind):
    return [each for each in job.events() if isinstance(each, kind)]


# Making something


@pytest.mark.parametrize("version", VERSIONS)
def test_a_clip_is_made(clients, tmp_path, version):
    mock = server(version=version)
    job = clients(mock).submit(short(seed=42))
    result = job.result(HANG_GUARD_S)
    (artifact,) = result.artifacts
    assert artifact.path == tmp_path / "out" / "a_paper_boat_42.mp4"
    assert artifact.kind == "video"
    assert artifact.size == artifact.path.stat().st_size > 0
    assert result.metadata["seed"] == 42
    assert result.metadata["endpoint"] == "web"
    assert result.metadata["fps"] == 16.0
    params, media = queue_file(mock)
    assert params["output_filename"] == f"blend_{job.id}"
    assert params["client_id"] == job.id
    assert media == []


def test_the_functions_are_called_in_the_programs_order(clients):
    mock = server(shift=500)
    made(clients(mock), short())
    stems = [mock.app.dependencies[each["fn_index"]].api_name for each in joins(mock)]
    order = [
        "load_queue_action",
        "init_process_queue_if_any",
        "activate_status",
        "process_tasks",
        "refresh_status_async",
    ]
    assert [stem.rstrip("_0123456789") for stem in stems[:5]] == order
    rest = [stem.rstrip("_0123456789") for stem in stems[5:]]
    assert rest[-2:] == ["finalize_generation_with_state", "unload_model_if_needed"]
    assert len({each["session_hash"] for each in joins(mock)}) == 1
    (load,) = [each for each in joins(mock) if each.get("trigger_id") is not None]
    assert load["fn_index"] == joins(mock)[0]["fn_index"]


def test_each_job_has_its_own_session_and_only_one_is_on_the_server(clients):
    mock = server()
    client = clients(mock, max_workers=4)
    jobs = [client.submit(short(f"shot {number}", seed=number)) for number in range(3)]
    assert jobs[2].status.queue_position in (0, 1, 2, None)
    for job in jobs:
        job.result(HANG_GUARD_S)
    sessions = [each["session_hash"] for each in joins(mock)]
    assert list(dict.fromkeys(sessions)) == [make_session_hash(job.id) for job in jobs]
    assert sessions == sorted(sessions, key=[make_session_hash(job.id) for job in jobs].index)


def test_progress_previews_and_lines_are_told(clients):
    job = clients(server(speed=5.0)).submit(short(steps=20, settings={"repeat_generation": 2}))
    told = list(job.events())
    fractions = [each.progress.fraction for each in told if isinstance(each, events.Progressed)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(fractions) > 3
    assert not any(each.progress.estimated for each in told if isinstance(each, events.Progressed))
    previews = [each for each in told if isinstance(each, events.Previewed)]
    assert previews[0].media_type == "image/jpeg"
    assert previews[0].data.startswith(b"\xff\xd8\xff")
    lines = [each.line for each in told if isinstance(each, events.Logged)]
    assert any("Loading model" in line for line in lines)
    assert len(job.result(HANG_GUARD_S).artifacts) == 2


def test_media_go_into_the_queue_file(clients, tmp_path):
    picture = tmp_path / "start.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n picture")
    mock = server()
    made(clients(mock), short("move", model="i2v", files={"image_start": picture}))
    params, (name,) = queue_file(mock)
    assert params["image_start"] == [name]
    assert name.endswith("_image_start_0.png")


def test_warnings_go_into_the_log(clients):
    job = clients(server()).submit(short(settings={"temperature": 1.0}))
    job.result(HANG_GUARD_S)
    assert any("does not use it" in each.line for each in seen(job, events.Logged))


def test_probe_says_what_it_is(clients):
    mock = server()
    info = clients(mock).probe()
    assert info.dialect == "web"
    assert {"rejoin", "cancel", "previews", "progress", "upload"} <= info.capabilities
    assert "t2v_1.3B" in info.models


# Failing


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("out_of_memory", errors.OutOfMemory, "out_of_memory"),
        ("model_file_missing", errors.MissingResource, "model_file_missing"),
        ("generation_fails", errors.GenerationError, "generation_failed"),
        ("no_output", errors.GenerationError, "no_output"),
        ("load_refused", errors.ValidationError, "settings_refused"),
        ("load_ignored", errors.ProtocolError, "queue_ignored"),
        ("not_wangp", errors.ProtocolError, "not_wangp"),
        ("no_chain", errors.ProtocolError, "no_chain"),
    ],
)
def test_failures_are_typed_and_the_next_job_succeeds(clients, fault, kind, code):
    mock = server(Fault(fault))
    client = clients(mock)
    error = failure(client, short(), kind)
    assert error.code == code, error
    assert made(client, short()).artifacts


def test_a_failed_run_is_finalized(clients):
    mock = server(Fault("out_of_memory"))
    failure(clients(mock), short())
    stems = [mock.app.dependencies[each["fn_index"]].api_name for each in joins(mock)]
    assert stems[-2].startswith("finalize")


def test_an_unknown_model_is_told_with_the_nearest(clients):
    error = failure(clients(server()), short(model="t2v_1.3BX"), errors.MissingResource)
    assert error.kind == "model"
    assert "t2v_1.3B" in error.nearest


def test_what_is_refused_keeps_the_programs_words(clients):
    error = failure(clients(server()), short(settings={"resolution": "128"}, strict=False), errors.ValidationError)
    assert "not enough values to unpack" in error.message
    assert error.problems


def test_an_input_that_is_not_there(clients, tmp_path):
    mock = server()
    error = failure(
        clients(mock), short(model="i2v", files={"image_start": tmp_path / "none.png"}), errors.StorageError
    )
    assert error.code == "missing_file"
    assert not joins(mock)


def test_a_server_that_is_something_else(clients):
    class Page(MockWan2GP):
        def add_routes(self):
            pass

    error = failure(clients(Page()), short(), errors.ProtocolError)
    assert error.code == "not_wangp"


def test_nothing_listens(clients):
    mock = server()
    with mock:
        url = mock.url
    failure(clients(url), short(), errors.ConnectionFailed)


def test_a_server_with_sign_in(clients, canary):
    mock = server(login=("anna", canary))
    assert failure(clients(mock), short(), errors.AuthenticationError).code == "sign_in_needed"
    assert made(clients(mock.url, key=f"anna:{canary}"), short()).artifacts
    assert failure(clients(mock.url, key="anna:wrong"), short(), errors.AuthenticationError).code == "sign_in_refused"


# Progress without the status


def test_progress_is_estimated_while_another_session_has_the_status(clients):
    mock = server(Fault("status_slot_taken"), speed=2.0)
    job = clients(mock, timings=replace(QUICK, silence_s=0.05)).submit(short(steps=20))
    told = list(job.events())
    progress = [each.progress for each in told if isinstance(each, events.Progressed)]
    assert any(each.estimated for each in progress)
    assert any("status display" in each.line for each in told if isinstance(each, events.Logged))
    assert job.result(HANG_GUARD_S).artifacts


# Cancelling


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cancel_aborts_in_the_same_session_and_waits_for_the_end(clients, version):
    mock = server(version=version, speed=2.0)
    client = clients(mock)
    job = client.submit(long())
    wait_for(lambda: job.status.progress is not None)
    assert job.cancel()
    assert job.status.state is JobState.CANCELLED
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    stems = [mock.app.dependencies[each["fn_index"]].api_name for each in joins(mock)]
    assert any(stem.startswith("abort_generation") for stem in stems)
    assert not mock.requests.matching("POST /gradio_api/cancel")
    assert mock.outputs == []
    assert made(client, short()).artifacts  # with progress of its own: the status place is free
    assert len({each["session_hash"] for each in joins(mock)}) == 2


def test_a_late_abort_keeps_the_lane_until_it_works(clients):
    mock = server(Fault("late_abort"), speed=5.0)
    client = clients(mock)
    job, after = client.submit(long()), client.submit(short())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    assert after.result(HANG_GUARD_S).artifacts
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


def test_an_abort_that_takes_too_long_is_left_to_end_by_itself(clients):
    mock = server(Fault("late_abort", value=60.0), speed=1.0)
    client = clients(mock, drain_timeout_s=0.3)
    job = client.submit(long())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.FAILED


def test_a_job_cancelled_before_it_began_leaves_nothing_on_the_server(clients):
    mock = server(Fault("slow_body:0.2", on="POST /gradio_api/upload"))
    client = clients(mock)
    job = client.submit(short())
    mock.wait_for_request("POST /gradio_api/upload")
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert mock.outputs == []


def crashed(clients, mock, request):
    """A job whose client's process has died: its stream is cut, and it does not come back."""
    job = clients(mock, timings=replace(QUICK, gallery_first_s=HANG_GUARD_S)).submit(request)
    wait_for(lambda: job.status.progress is not None)
    mock._listener.reset_all()
    wait_for(lambda: "connection broke" in job.status.message)
    return job


def test_a_job_of_another_process_is_cancelled_by_its_record(clients):
    mock = server(Fault("late_abort", value=0.3), speed=1.0)
    job = crashed(clients, mock, long())
    again = clients(mock.url).resume(job.record())
    wait_for(again.running)
    again.cancel()
    wait_for(lambda: again.status.backend_cancel is not BackendCancel.PENDING)
    assert again.status.backend_cancel is BackendCancel.CONFIRMED
    assert mock.outputs == []


def test_closing_aborts_and_waits_within_its_bound(clients):
    mock = server(speed=1.0)
    client = clients(mock)
    job = client.submit(long())
    wait_for(lambda: job.status.progress is not None)
    assert not client.can_detach()
    client.close(detach=True, timeout_s=2.0)
    assert job.cancelled()
    stems = [mock.app.dependencies[each["fn_index"]].api_name for each in joins(mock)]
    assert any(stem.startswith("abort_generation") for stem in stems)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


# Lost connections


def test_a_lost_stream_does_not_lose_the_job(clients):
    mock = server(speed=5.0)
    client = clients(mock)
    job = client.submit(short(steps=20))
    wait_for(lambda: job.status.progress is not None)
    mock._listener.reset_all()
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert seen(job, events.Reconnected)
    stems = [mock.app.dependencies[each["fn_index"]].api_name for each in joins(mock)]
    assert len(mock.outputs) == 1
    assert not any(stem.startswith("abort") for stem in stems)


def test_a_server_that_is_away_for_a_while_is_waited_for(clients):
    mock = server(speed=5.0)
    job = clients(mock, max_retries=0).submit(short(steps=20))
    wait_for(lambda: job.status.progress is not None)
    mock.go_down(0.5)
    assert len(job.result(HANG_GUARD_S).artifacts) == 1


def test_a_restarted_server_has_lost_the_job(clients):
    error = clients(server(Fault("restart"), speed=5.0)).submit(short(steps=20)).exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost), error
    assert error.hint


def test_a_lost_answer_to_the_start_is_looked_for_and_not_repeated(clients):
    mock = server()
    client = clients(mock)
    made(client, short())

    original = mock._push

    def push(event):
        answer = original(event)
        if (event.dependency.api_name or "").startswith("process_tasks"):
            mock.inject(Fault("lost_answer", on="POST /gradio_api/queue/join"))
        return answer

    mock._push = push
    job = client.submit(short("another"))
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert len(mock.outputs) == 2


def progress_of(job):
    """Return a job's fractions that are measured, not estimated; it must end well."""
    found = []
    job.add_listener(lambda event: found.append(event) if isinstance(event, events.Progressed) else None)
    assert job.result(HANG_GUARD_S).artifacts
    return [each.progress.fraction for each in found if not each.progress.estimated and each.progress.total_steps]


@pytest.mark.parametrize("lost_by", ["connection", "crash"])
def test_progress_comes_back_for_everybody_after_a_lost_stream(clients, lost_by):
    mock = server(speed=5.0)
    client = clients(mock)
    if lost_by == "crash":
        record = crashed(clients, mock, short(steps=20)).record()
        assert clients(mock.url).resume(record).result(HANG_GUARD_S).artifacts
    else:
        job = client.submit(short(steps=20))
        wait_for(lambda: job.status.progress is not None)
        mock._listener.reset_all()
        assert job.result(HANG_GUARD_S).artifacts
    assert len(progress_of(client.submit(short("the next", steps=20)))) > 1
    assert len(mock.outputs) == 2


@pytest.mark.parametrize("version", ["12.60", "9.44"])
def test_progress_comes_back_after_a_lost_job_was_cancelled(clients, version):
    mock = server(speed=5.0, version=version)
    job = crashed(clients, mock, short(steps=400))
    (call,) = [each for each in joins(mock) if is_called(mock, each, "process_tasks")]
    wait_for(lambda: not mock.queue._running[f"fn-{call['fn_index']}"])
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)
    assert len(progress_of(clients(mock.url).submit(short("the next", steps=20)))) > 1


def test_a_server_that_refuses_to_bring_progress_back_gives_the_result_all_the_same(clients):
    class Refusing(MockWan2GP):
        starts = 0

        def _push(self, event):
            self.starts += (event.dependency.api_name or "").startswith("process_tasks")
            return Response(500, b"no", {"content-type": "text/plain"}) if self.starts == 2 else super()._push(event)

    mock = Refusing(speed=5.0)
    job = clients(mock).submit(short(steps=20))
    wait_for(lambda: job.status.progress is not None)
    mock._listener.reset_all()
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert mock.starts == 2


def test_a_task_that_never_began_is_not_begun_by_looking_for_it(clients):
    class Proxied(MockWan2GP):
        starts = 0

        def _push(self, event):
            self.starts += (event.dependency.api_name or "").startswith("process_tasks")
            first = self.starts == 1 and (event.dependency.api_name or "").startswith("process_tasks")
            return Response(502, b"Bad Gateway", {"content-type": "text/html"}) if first else super()._push(event)

    mock = Proxied(speed=SPEED)
    job = clients(mock).submit(short())
    assert isinstance(job.exception(HANG_GUARD_S), errors.JobLost)
    record = {**job.record(), "stage": "accepted", "backend_id": "event"}
    assert isinstance(clients(mock.url).resume(record).exception(HANG_GUARD_S), errors.JobLost)
    assert mock.starts == 1


def test_a_stream_without_a_sign_of_life_is_given_up_if_the_server_answers(clients):
    mock = server(Fault("sse_silent", on="progress", after=2), speed=5.0)
    job = clients(mock, timings=replace(QUICK, heartbeat_s=0.5)).submit(short(steps=20))
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert seen(job, events.Reconnected)
    assert len(mock.outputs) == 1


def test_a_silent_stream_of_a_server_that_does_not_answer_is_kept(clients):
    """A server that loads a model may hold up everything."""
    mock = server(Fault("slow_load", value=10.0), speed=5.0)
    mock.heartbeat_s = HANG_GUARD_S
    mock.inject(Fault("stall", on="POST /gradio_api/run/", times=None))
    timings = replace(QUICK, heartbeat_s=0.1, gallery_timeout_s=0.05)
    job = clients(mock, timings=timings).submit(short())
    assert len(job.result(HANG_GUARD_S).artifacts) == 1
    assert not seen(job, events.Reconnected)


# Found again


def test_a_job_is_joined_again_while_another_client_follows_it(clients):
    mock = server(speed=5.0)
    first = clients(mock).submit(short(steps=20))
    wait_for(lambda: first.status.progress is not None)
    second = clients(mock.url).resume(first.record())
    results = [job.result(HANG_GUARD_S) for job in (first, second)]
    assert [len(result.artifacts) for result in results] == [1, 1]
    assert not seen(first, events.Reconnected), "nobody took its messages"
    assert len(mock.outputs) == 1


def test_a_job_is_joined_again_while_the_server_holds_a_stream_that_is_half_open(clients):
    mock = server(speed=5.0)
    job = crashed(clients, mock, short(steps=20))
    session = make_session_hash(job.id)
    with urllib.request.urlopen(f"{mock.url}/gradio_api/queue/data?session_hash={session}", timeout=HANG_GUARD_S):
        again = clients(mock.url).resume(job.record())
        assert len(again.result(HANG_GUARD_S).artifacts) == 1


def test_a_running_job_is_found_again_by_its_record(clients):
    mock = server(speed=5.0)
    job = crashed(clients, mock, short(steps=20))
    again = clients(mock.url).resume(job.record())
    result = again.result(HANG_GUARD_S)
    assert len(result.artifacts) == 1
    assert result.metadata["seed"] == queue_file(mock)[0]["seed"]
    assert len(mock.outputs) == 1


def test_a_finished_job_is_found_by_an_old_record_without_another_call(clients):
    mock = server()
    client = clients(mock)
    job = client.submit(short())
    first = job.result(HANG_GUARD_S)
    calls = len(joins(mock))
    record = {**job.record(), "stage": "queued", "backend_id": None, "state": {}}
    again = clients(mock.url).resume(record).result(HANG_GUARD_S)
    assert [each.sha256 for each in again.artifacts] == [each.sha256 for each in first.artifacts]
    assert len(joins(mock)) == calls


def test_a_job_that_was_never_sent_is_sent(clients):
    mock = server()
    with_nothing = clients(mock, max_workers=1)
    blocker = with_nothing.submit(long())
    waiting = with_nothing.submit(short("later"))
    record = waiting.record()
    waiting.cancel()
    blocker.cancel()
    wait_for(lambda: blocker.status.backend_cancel is not BackendCancel.PENDING)
    assert len(clients(mock.url).resume(record).result(HANG_GUARD_S).artifacts) == 1


def test_a_job_that_is_nowhere_is_lost(clients):
    mock = server()
    client = clients(mock)
    job = client.submit(short())
    job.result(HANG_GUARD_S)
    record = {**job.record(), "id": "00000000-0000-0000-0000-000000000000"}
    error = clients(mock.url).resume(record).exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost)


def test_no_thread_outlives_the_client(clients):
    client = clients(server())
    made(client, short())
    client.close()
    names = [each.name for each in threading.enumerate() if each.name.startswith("movie-director")]
    assert names == []


# Servers that are odd


def odd(**methods):
    """A server some of whose functions are the given ones."""
    made = type("Odd", (MockWan2GP,), methods)
    return made(speed=SPEED)


def refuse(*_arguments):
    raise GradioError("no")


def test_a_finalizer_that_fails_is_made_up_for_by_the_gallery(clients):
    mock = odd(do_finalize_generation_with_state=refuse, do_unload_model_if_needed=refuse)
    assert len(made(clients(mock), short()).artifacts) == 1


def test_a_status_that_can_not_be_asked_for_is_done_without(clients):
    class Busy(MockWan2GP):
        def _push(self, event):
            if (event.dependency.api_name or "").startswith("refresh_status"):
                return Response.json({"detail": "Queue is full. Max size is 1 and size is 1."}, 503)
            return super()._push(event)

    job = clients(Busy(speed=SPEED), max_retries=0).submit(short())
    assert job.result(HANG_GUARD_S).artifacts
    assert any("No progress" in each.line for each in seen(job, events.Logged))


def test_a_preview_that_fails_is_left_out(clients):
    job = clients(odd(do_refresh_preview=refuse)).submit(short())
    assert job.result(HANG_GUARD_S).artifacts
    assert not seen(job, events.Previewed)


def test_a_call_that_was_cancelled_on_the_server_goes_on_there(clients):
    """/cancel on the generating function ends the call, not the work."""
    mock = server(speed=5.0)
    job = clients(mock).submit(short(steps=20))
    wait_for(lambda: job.status.progress is not None)
    (call,) = [each for each in joins(mock) if is_called(mock, each, "process_tasks")]
    payload = {"session_hash": call["session_hash"], "fn_index": call["fn_index"], "event_id": job.backend_id}
    request = urllib.request.Request(
        f"{mock.url}/gradio_api/cancel", json.dumps(payload).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=HANG_GUARD_S) as answer:
        assert json.load(answer)["success"] is True
    assert len(job.result(HANG_GUARD_S).artifacts) == 1


def is_called(mock, call, stem):
    return (mock.app.dependencies[call["fn_index"]].api_name or "").startswith(stem)


def test_a_page_that_was_read_before_a_restart_is_read_again(clients):
    mock = server()
    client = clients(mock)
    made(client, short())
    mock.app_id += 1
    made(client, short())
    assert len(mock.requests.matching("GET /config")) == 2


def test_a_second_file_that_can_not_be_fetched_leaves_the_first(clients):
    mock = server()
    job = clients(mock, max_retries=0).submit(short(settings={"repeat_generation": 2}))
    mock.inject(Fault("status:403", on="GET /gradio_api/file=*", after=1, times=9))
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, errors.PermissionDenied), error
    assert len(error.partial.artifacts) == 1


def test_a_lost_job_that_takes_too_long_is_given_up(clients):
    mock = server(speed=1.0)
    job = clients(mock, timings=replace(QUICK, lost_s=0.3)).submit(long())
    wait_for(lambda: job.status.progress is not None)
    mock._listener.reset_all()
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost), error
    assert isinstance(error.__cause__, errors.StreamInterrupted)


def test_a_server_that_stays_away_ends_the_job(clients):
    mock = server(speed=1.0)
    job = clients(mock, max_retries=0, timings=replace(QUICK, outage_s=0.2)).submit(long())
    wait_for(lambda: job.status.progress is not None)
    mock.go_down(HANG_GUARD_S)
    assert isinstance(job.exception(HANG_GUARD_S), errors.NetworkError)
    mock._down_until = 0.0


def test_a_job_that_failed_unseen_is_lost(clients):
    mock = server(Fault("out_of_memory"), Fault("slow_load", value=4.0), speed=4.0)
    job = clients(mock).submit(short())
    wait_for(lambda: "Loading" in job.status.message)
    mock._listener.reset_all()
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost), error


def test_a_file_that_only_the_output_folder_has_is_found(clients):
    class Forgetful(MockWan2GP):
        def do_refresh_gallery(self, call, session):
            return []

    mock = Forgetful(speed=1.0)
    job = clients(mock).submit(long())
    wait_for(lambda: job.status.progress is not None)
    name = f"blend_{job.id}.mp4"
    mock.files.put(f"outputs/{name}", b"\0\0\0\x18ftypmp42" + bytes(64))
    mock._listener.reset_all()
    (artifact,) = job.result(HANG_GUARD_S).artifacts
    assert artifact.source == f"outputs/{name}"


@pytest.mark.parametrize("saved", [True, False])
def test_a_session_that_is_gone_leaves_the_output_folder(clients, saved):
    mock = odd(do_refresh_gallery=refuse)
    mock.clock.speed = 1.0
    job = clients(mock).submit(long())
    wait_for(lambda: job.status.progress is not None)
    if saved:
        mock.files.put(f"outputs/blend_{job.id}.mkv", b"\x1a\x45\xdf\xa3" + bytes(64))
    mock._listener.reset_all()
    if saved:
        assert len(job.result(HANG_GUARD_S).artifacts) == 1
    else:
        assert isinstance(job.exception(HANG_GUARD_S), errors.JobLost)


def test_a_file_that_grows_is_not_whole(clients, monkeypatch):
    sizes = iter(range(1000))
    monkeypatch.setattr(Searcher, "_fetch_size", lambda self, name: str(next(sizes)))
    mock = server()
    job = clients(mock).submit(short())
    job.result(HANG_GUARD_S)
    record = {**job.record(), "stage": "queued", "backend_id": None, "state": {}}
    again = clients(mock.url).resume(record).result(HANG_GUARD_S)  # found in the gallery instead
    assert len(again.artifacts) == 1
    assert len(mock.outputs) == 1


def test_a_waiting_job_of_another_process_is_cancelled_without_being_followed(clients):
    mock = server(speed=1.0)
    job = crashed(clients, mock, long())
    client = clients(mock.url)
    first = client.resume(job.record())
    again = client.resume({**job.record(), "id": "00000000-0000-0000-0000-000000000000"})
    wait_for(first.running)
    again.cancel()
    first.cancel()
    wait_for(lambda: again.status.backend_cancel is not BackendCancel.PENDING)
    assert again.status.backend_cancel is BackendCancel.CONFIRMED


def test_a_start_that_never_left_is_the_networks_error(clients, monkeypatch):
    mock = server()
    client = clients(mock)
    join = GradioSession.join

    def fail(self, target, data, **given):
        if (self.dependency(target).api_name or "").startswith("process_tasks"):
            raise errors.NetworkTimeout("no connection", code="connect", hint="Try again.", backend="wan2gp")
        return join(self, target, data, **given)

    monkeypatch.setattr(GradioSession, "join", fail)
    assert failure(client, short(), errors.NetworkTimeout).code == "connect"


def test_an_abort_that_fails_is_said_to_have_failed(clients):
    mock = odd(do_abort_generation=refuse)
    mock.clock.speed = 1.0
    job = clients(mock).submit(long())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.FAILED


def test_a_stream_lost_while_aborting_is_made_up_for_by_the_gallery(clients):
    mock = server(Fault("late_abort", value=0.5), speed=2.0)
    job = clients(mock).submit(long())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: any(is_called(mock, each, "abort") for each in joins(mock)))
    mock._listener.reset_all()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel in (BackendCancel.CONFIRMED, BackendCancel.FAILED)


def test_a_server_that_does_not_tell_its_id_is_read_anew(clients):
    mock = server()
    client = clients(mock)
    made(client, short())
    mock.inject(Fault("status:404", on="GET /gradio_api/app_id"))
    made(client, short())
    assert len(mock.requests.matching("GET /config")) == 2


def test_a_form_for_a_model_needs_no_server():
    with Wan2GPClient("http://127.0.0.1:9") as client:
        assert client.settings_schema("t2v_1.3B")["known"]
        assert not client.can_detach()


def test_a_page_that_is_too_old_for_us(clients):
    class Old(MockWan2GP):
        def config(self):
            return {**super().config(), "version": "2.9.4"}

    assert failure(clients(Old()), short(), errors.ProtocolError).code == "gradio_version"


def test_a_page_without_a_heading_has_no_version(clients):
    class Bare(MockWan2GP):
        def config(self):
            return {**super().config(), "components": []}

    assert clients(Bare()).probe().version == "unknown"


def test_a_status_that_ends_before_the_job_is_asked_for_again(clients):
    class Hasty(MockWan2GP):
        looks = 0

        def do_refresh_status_async(self, call, session):
            self.looks += 1
            if self.looks < 3:
                return
            yield from super().do_refresh_status_async(call, session)

    mock = Hasty(speed=5.0)
    job = clients(mock).submit(short(steps=20))
    told = list(job.events())
    assert any(isinstance(each, events.Progressed) and 0.0 < each.progress.fraction < 1.0 for each in told)
    assert job.result(HANG_GUARD_S).artifacts


def test_a_status_that_is_refused_the_second_time_is_done_without(clients):
    class Refusing(MockWan2GP):
        looks = 0

        def _push(self, event):
            if (event.dependency.api_name or "").startswith("refresh_status"):
                self.looks += 1
                if self.looks > 1:
                    return Response.json({"detail": "no"}, 400)
            return super()._push(event)

        def do_refresh_status_async(self, call, session):
            yield from ()

    mock = Refusing(speed=20.0)
    assert made(clients(mock), short()).artifacts
    assert mock.looks == 2


# What must not be lost, dropped or sent again


@pytest.mark.parametrize("answer", [(b"<html>Bad Gateway</html>", 502), (b"timed out", 504), (b"{}", 200)])
@pytest.mark.parametrize("taken", [True, False])
def test_a_start_that_a_proxy_answers_for_is_looked_for_and_not_repeated(clients, taken, answer):
    body, status = answer

    class Proxied(MockWan2GP):
        starts = 0

        def _push(self, event):
            if not (event.dependency.api_name or "").startswith("process_tasks"):
                return super()._push(event)
            self.starts += 1
            if taken:
                super()._push(event)
            return Response(status, body, {"content-type": "text/html" if status != 200 else "application/json"})

    mock = Proxied(speed=SPEED)
    job = clients(mock).submit(short())
    if taken:
        assert len(job.result(HANG_GUARD_S).artifacts) == 1
    else:
        error = job.exception(HANG_GUARD_S)
        assert isinstance(error, errors.JobLost), error
        assert error.__cause__.message in error.message
    assert mock.starts == 1


def test_a_yield_that_makes_no_sense_does_not_lose_the_result(clients):
    class Odd(MockWan2GP):
        def _messages(self, session):
            messages = super()._messages(session) or []
            for each in messages:
                if each["msg"] == "process_generating" and len(each["output"]["data"]) == 3 and self.spoil:
                    self.spoil = False
                    each["output"] = None
            return messages

        spoil = True

    mock = Odd(speed=5.0)
    assert len(made(clients(mock), short(steps=20)).artifacts) == 1
    assert not mock.spoil
    assert len(mock.outputs) == 1


def test_a_session_put_aside_outlives_a_hiccup_of_the_server(clients):
    """Its stream, if dropped, takes the progress from everybody."""
    mock = server(Fault("late_abort", value=60.0), speed=1.0)
    client = clients(mock, drain_timeout_s=0.3, max_retries=0)
    job = client.submit(long())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    (aside,) = client._endpoint._ending
    for fault in ("status:502", "status:404", "lost_answer"):
        mock.inject(Fault(fault, on="GET /gradio_api/app_id"))
        second = client.submit(short("another"))
        if fault == "status:404":  # a proxy's, say: the page is still the same
            wait_for(lambda: len(mock.requests.matching("POST /gradio_api/upload")) == 2)
            second.cancel()
        else:
            assert isinstance(second.exception(HANG_GUARD_S), errors.BackendError)
        assert aside.streaming, fault
        assert client._endpoint._ending[:1] == [aside]
    assert not aside._stream._scope.interrupter.fired


def test_a_server_that_is_another_one_now_is_found_out(clients):
    mock = server()
    client = clients(mock)
    made(client, short())
    page = mock.config
    mock.config = lambda: {"hello": "world"}
    mock.inject(Fault("status:404", on="GET /gradio_api/app_id"))
    assert failure(client, short(), errors.ProtocolError).code == "not_wangp"
    mock.config = page
    assert made(client, short()).artifacts


def test_an_abort_by_id_that_fails_is_followed_by_the_plain_one(clients):
    class Odd(MockWan2GP):
        def do_abort_generation(self, call, session, client_id=None):
            if client_id is not None:
                raise GradioError("no such argument")
            return super().do_abort_generation(call, session)

    mock = Odd(speed=2.0)
    job = clients(mock).submit(long())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert mock.outputs == []


def test_an_abort_whose_answer_is_lost_is_sent_again(clients):
    mock = server(speed=2.0)
    job = clients(mock).submit(long())
    wait_for(lambda: job.status.progress is not None)
    mock.inject(Fault("lost_answer", on="POST /gradio_api/queue/join"))
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


def test_an_abort_that_fails_leaves_the_stream_of_what_still_runs(clients):
    mock = odd(do_abort_generation=refuse)
    mock.clock.speed = 1.0
    client = clients(mock)
    job = client.submit(long())
    wait_for(lambda: job.status.progress is not None)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.FAILED
    assert [each.streaming for each in client._endpoint._ending] == [True]


def test_a_defect_of_ours_leaves_the_stream_of_what_still_runs(clients, monkeypatch):
    def broken(*_given):
        raise RuntimeError("a defect")

    mock = server(speed=2.0)
    client = clients(mock)
    monkeypatch.setattr(RunMonitor, "_take_process", broken)
    assert failure(client, long()).code == "internal"
    assert [each.streaming for each in client._endpoint._ending] == [True]
    mock.stop()


def test_a_preview_that_never_comes_does_not_hold_up_the_job(clients):
    held = threading.Event()

    class Stuck(MockWan2GP):
        def do_refresh_preview(self, call, session):
            assert held.wait(HANG_GUARD_S)
            return ""

    try:
        assert made(clients(Stuck(speed=SPEED), timings=replace(QUICK, preview_s=0.05)), short()).artifacts
    finally:
        held.set()


def test_an_outage_while_the_output_folder_is_looked_at_is_borne(clients):
    class Forgetful(MockWan2GP):
        def do_refresh_gallery(self, call, session):
            return []

    mock = Forgetful(speed=1.0)
    job = clients(mock, max_retries=0).submit(long())
    wait_for(lambda: job.status.progress is not None)
    mock.files.put(f"outputs/blend_{job.id}.mp4", b"\0\0\0\x18ftypmp42" + bytes(64))
    mock.inject(Fault("status:502", on="/gradio_api/file=outputs/*", times=3))
    mock._listener.reset_all()
    assert len(job.result(HANG_GUARD_S).artifacts) == 1


def test_many_log_lines_of_a_load_are_not_kept(clients):
    class Chatty(MockWan2GP):
        def do_load_queue_action(self, call, file, session):
            loaded = super().do_load_queue_action(call, file, session)
            for number in range(300):
                call.info(f"line {number}")
            return loaded

    assert made(clients(Chatty(speed=SPEED)), short()).artifacts


def test_what_a_server_says_keeps_no_secret(clients):
    mock = server(Fault("load_refused", value="You must provide hunter2-secret"))
    error = failure(clients(mock, key="hunter2-secret"), short(), errors.ValidationError)
    assert "hunter2" not in f"{error} {error.problems} {error.context}"
    assert "You must provide" in error.message


def test_steps_without_measure_are_not_told(clients):
    class Boundless(MockWan2GP):
        def do_refresh_status_async(self, call, session):
            call.progress((10**300, 10**301), "Denoising" + " " * 200_000)
            yield from super().do_refresh_status_async(call, session)

    told = list(clients(Boundless(speed=SPEED)).submit(short()).events())
    steps = [each.progress.step for each in told if isinstance(each, events.Progressed)]
    assert all(each is None or each < 2**31 for each in steps), steps
