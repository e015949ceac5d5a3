"""Every row of the contract's tables, for every backend of the registry."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
from conftest import CANARY
from drivers import DRIVERS
from support.sockets import open_sockets_to
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ClientOptions, JobState, Result, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.http.transport import Transport
from movie_director.clients.mock import Fault

every = pytest.mark.parametrize("driver", DRIVERS, ids=str)


def end_of(job):
    """Wait for the job's end and return it as a word."""
    assert job._internals.ended.wait(HANG_GUARD_S), "the job did not end"
    return job.status.state


def running(client, driver):
    job = client.submit(driver.slow())
    wait_for(lambda: job.running() or job.done())
    assert job.running(), job.status
    return job


# --- making a client


@every
@pytest.mark.parametrize(
    "url", ["", "   ", "file:///etc/passwd", "http://", "http://host:99999", "http://a b", "ftp://x"]
)
def test_a_bad_url_is_refused_when_the_client_is_made(driver, url):
    with pytest.raises(errors.ValidationError) as caught:
        driver.info.client(url)
    assert caught.value.code == "invalid_url"
    assert caught.value.hint


@every
def test_a_client_is_a_context_manager_and_made_without_threads(driver):
    before = threading.active_count()
    with driver.info.client("http://127.0.0.1:9") as client:
        assert client.name == driver.name
        assert threading.active_count() == before


@every
def test_the_key_shows_nowhere(driver, client):
    job = client.submit(driver.quick())
    end_of(job)
    texts = [repr(client), repr(job), json.dumps(job.record()), json.dumps(job.status.to_dict())]
    texts += [repr(event) for event in job.events()]
    assert not any(CANARY in text for text in texts)


# --- submit


@every
def test_submit_does_no_io_on_the_calling_thread(driver, client, monkeypatch):
    callers = []

    def watched(name):
        original = getattr(socket.socket, name)

        def call(self, *args, **kwargs):
            callers.append(threading.current_thread())
            return original(self, *args, **kwargs)

        return call

    for name in ("connect", "connect_ex", "send", "sendall", "recv", "recv_into"):
        monkeypatch.setattr(socket.socket, name, watched(name))
    job = client.submit(driver.quick())
    end_of(job)
    job.cancel()
    assert threading.main_thread() not in callers
    assert callers


@every
def test_submit_takes_a_mapping_of_the_fields(driver, client):
    request = driver.quick()
    fields = {name: value for name, value in vars(request).items() if value is not None}
    assert client.submit(fields).request == request


@every
def test_what_is_wrong_on_its_face_raises_at_once(driver, client):
    with pytest.raises(errors.ValidationError) as caught:
        client.submit(driver.wrong)
    assert caught.value.problems
    for nonsense in (None, 5, "text", {"no_such_field": 1}, object()):
        with pytest.raises(errors.ValidationError):
            client.submit(nonsense)


@every
def test_requests_survive_json(driver):
    request = driver.quick()
    again = type(request).from_dict(json.loads(json.dumps(request.to_dict())))
    assert again.to_dict() == request.to_dict()
    again.validate()


@every
def test_after_close_submit_is_refused(driver, client):
    client.close()
    client.close()
    with pytest.raises(errors.BackendError) as caught:
        client.submit(driver.quick())
    assert caught.value.code == "client_closed"


@every
def test_the_client_ends_each_job_with_one_terminal_event(driver, client):
    job = client.submit(driver.quick())
    assert end_of(job) is JobState.SUCCEEDED
    seen = list(job.events())
    assert [isinstance(event, events.TERMINAL) for event in seen] == [False] * (len(seen) - 1) + [True]
    assert isinstance(seen[0], events.Queued)
    assert all(event.job_id == job.id and event.at > 0 for event in seen)


# --- status, result, forget


@every
def test_an_unknown_id_is_not_found(driver, client):
    for ask in (client.get_status, client.cancel, client.get_result, client.forget):
        with pytest.raises(errors.JobNotFound):
            ask("nothing")


@every
def test_status_has_times_and_becomes_json(driver, client):
    before = time.time()
    job = client.submit(driver.quick())
    end_of(job)
    status = client.get_status(job.id)
    assert before - 1 <= status.submitted_at <= status.finished_at <= time.time() + 1
    assert status.queue_position is None
    assert json.loads(json.dumps(status.to_dict()))["state"] == status.state.value


@every
def test_get_result_waits_for_the_result(driver, client):
    job = client.submit(driver.quick())
    assert isinstance(client.get_result(job.id, timeout=HANG_GUARD_S), Result)
    assert job.exception(0) is None


@every
def test_waiting_may_end_before_the_job(driver, client):
    job = running(client, driver)
    with pytest.raises(errors.WaitTimeout):
        client.get_result(job.id, timeout=0.01)
    assert job.running()


@every
def test_forget_and_retention(driver, make_client):
    client = make_client(keep_finished=1, max_workers=1)
    first, second = client.submit(driver.quick()), client.submit(driver.quick())
    end_of(first)
    end_of(second)
    wait_for(lambda: not client.runner.busy())
    with pytest.raises(errors.JobNotFound):
        client.get_status(first.id)
    client.forget(second.id)
    with pytest.raises(errors.JobNotFound):
        client.get_status(second.id)


@every
def test_a_result_s_files_are_whole_and_inside_the_output_folder(driver, client):
    result = client.submit(driver.quick()).result(HANG_GUARD_S)
    assert result.artifacts or result.text
    for artifact in result.artifacts:
        assert artifact.path.parent == client.options.output_dir
        assert artifact.path.stat().st_size == artifact.size > 0
        assert artifact.kind in ("image", "video", "audio", "text", "model", "other")
        assert len(artifact.sha256) == 64
    assert not list(client.options.output_dir.glob(".*.part"))
    assert json.loads(json.dumps(result.to_dict()))["metadata"]


# --- cancel


@every
def test_cancel_ends_a_running_job_at_once_and_the_backend_is_told(driver, client):
    job = running(client, driver)
    assert client.cancel(job.id)
    assert job.cancelled()
    assert not client.cancel(job.id)
    with pytest.raises(errors.JobCancelled):
        job.result(0)
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is driver.cancelled
    assert isinstance(list(job.events())[-1], events.Cancelled)
    assert client.submit(driver.quick()).result(HANG_GUARD_S)


@every
def test_cancel_takes_a_waiting_job_out(driver, make_client):
    client = make_client(max_workers=1)
    job = running(client, driver)
    waiting = client.submit(driver.quick())
    assert waiting.status.queue_position == 0
    assert waiting.cancel()
    assert waiting.status.backend_cancel is BackendCancel.CONFIRMED
    assert job.running()


@every
def test_cancel_after_the_end_is_false(driver, client):
    job = client.submit(driver.quick())
    end_of(job)
    assert not client.cancel(job.id)
    assert job.status.state is JobState.SUCCEEDED


# --- resume


@every
def test_a_detached_job_is_resumed_by_its_record_in_another_client(driver, make_client):
    client = make_client()
    job = running(client, driver)
    client.close(detach=True)
    if not client.can_detach():
        assert job.cancelled()
        return
    assert isinstance(job.exception(0), errors.JobDetached)
    record = json.loads(json.dumps(job.record()))
    again = make_client().resume(record)
    assert again.id == job.id
    wait_for(lambda: again.running() or again.done())
    assert again.running(), again.status
    assert again.cancel()
    wait_for(lambda: again.status.backend_cancel is not BackendCancel.PENDING)


@every
def test_a_record_taken_at_once_never_submits_twice(driver, backend, make_client):
    client = make_client()
    job = client.submit(driver.quick())
    record = {**job.record(), "stage": "queued", "backend_id": None, "state": {}}
    job.result(HANG_GUARD_S)
    posts = len([request for request in backend.requests if request.method == "POST"])
    again = make_client().resume(record)
    list(again.events())
    assert len([request for request in backend.requests if request.method == "POST"]) == posts
    assert client.can_rejoin() == (again.status.state is JobState.SUCCEEDED)


@every
def test_a_finished_job_s_result_is_fetched_again_by_its_record(driver, make_client):
    first = make_client()
    job = first.submit(driver.quick())
    result = job.result(HANG_GUARD_S)
    resumed = make_client().resume(job.record())
    if not first.can_rejoin():
        assert isinstance(resumed.exception(HANG_GUARD_S), errors.JobLost)
        assert resumed.exception(0).code == "outcome_unknown"
        return
    again = resumed.result(HANG_GUARD_S)
    assert [each.sha256 for each in again.artifacts] == [each.sha256 for each in result.artifacts]


@every
def test_what_is_no_record_is_refused(driver, client):
    for nonsense in ({}, {"version": 1}, {"version": 1, "backend": "nothing"}):
        with pytest.raises(errors.ValidationError):
            client.resume(nonsense)


# --- probe


@every
def test_probe_says_who_the_server_is(driver, client):
    info = client.probe()
    assert info.version
    assert info.dialect
    assert isinstance(info.capabilities, frozenset)
    assert info.latency_s > 0
    assert ("rejoin" in info.capabilities) == client.can_rejoin()


@every
def test_probe_of_nothing_fails_quickly_and_says_what_to_do(driver):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with driver.info.client(f"http://127.0.0.1:{port}") as client, pytest.raises(errors.ConnectionFailed) as caught:
        client.probe()
    assert caught.value.code == "refused"
    assert caught.value.hint


@every
def test_a_job_s_time_limit_holds_for_a_mute_server_too(driver, tmp_path):
    options = ClientOptions(job_timeout_s=0.3, drain_timeout_s=0.2, output_dir=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with driver.info.client(url, options=options) as client:
            error = client.submit(driver.quick()).exception(10.0)  # sooner than any other limit
    assert error.code == "job_timeout"


# --- close


@every
def test_close_cancels_and_leaves_no_thread(driver, make_client):
    client = make_client()
    job = running(client, driver)
    client.close()
    assert job.cancelled()
    names = [each.name for each in threading.enumerate() if each.name.startswith(f"movie-director-{driver.name}")]
    assert names == []


@every
def test_close_leaves_no_socket_open(driver, backend, make_client):
    """Whatever is still referenced: the errors of jobs keep what they came from alive."""
    client = make_client(max_retries=0)
    kept = [client.submit(driver.quick()), running(client, driver)]
    wait_for(kept[0].done)
    kept[1].cancel()
    failures = []
    for fault in ("reset", "cut_body"):
        backend.inject(Fault(fault))
        try:
            client.probe()
        except errors.BackendError as error:
            failures.append(error)
    backend.inject(Fault("cut_body", times=None))
    kept.append(client.submit(driver.quick()))
    backend.inject(Fault("stall", times=None))
    kept.append(client.submit(driver.quick()))
    client.close()
    assert open_sockets_to(urlsplit(backend.url).port) == []
    assert all(job.done() for job in kept)
    assert all(each.__traceback__ for each in failures)


@every
def test_a_shared_transport_stays_open(driver, backend):
    with Transport() as transport:
        for _ in range(2):
            client = driver.info.client(backend.url, transport=transport)
            end_of(client.submit(driver.quick()))
            client.close()


# --- events and listeners


@every
def test_any_number_of_readers_and_listeners_see_the_same_end(driver, client):
    heard, threads = [], []
    ended = threading.Event()

    def listen(event):
        threads.append(threading.current_thread())
        heard.append(event)

    job = client.submit(driver.quick())
    job.add_listener(listen)
    job.add_done_callback(lambda _job: ended.set())
    readers = [list(job.events()) for _ in range(3)]
    assert ended.wait(HANG_GUARD_S)
    assert {type(reader[-1]) for reader in readers} == {type(heard[-1])}
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()


# --- aio


@every
def test_aio_has_the_same_members(driver, client):
    async def main():
        job_id = await client.aio.submit(driver.quick())
        seen = [event async for event in client.aio.events(job_id)]
        assert isinstance(seen[-1], events.TERMINAL)
        status = await client.aio.get_status(job_id)
        assert status.state is JobState.SUCCEEDED
        assert not await client.aio.cancel(job_id)
        with pytest.raises(errors.JobNotFound):
            await client.aio.get_result("nothing")
        assert await client.aio.get_result(job_id)
        assert (await client.aio.probe()).version
        record = client.job(job_id).record()
        assert await client.aio.resume(record) == job_id

    asyncio.run(main())


@every
def test_aio_waits_for_a_job_that_is_under_way(driver, client):
    async def main():
        job_id = await client.aio.submit(driver.quick())
        result = await client.aio.get_result(job_id, timeout=HANG_GUARD_S)
        assert result.artifacts or result.text

    asyncio.run(main())


@every
def test_aio_waits_hold_no_thread_and_a_cancelled_await_leaves_the_job(driver, client):
    async def main():
        job_id = await client.aio.submit(driver.slow())
        wait_for(lambda: client.get_status(job_id).state is JobState.RUNNING)
        before = threading.active_count()
        waits = [asyncio.ensure_future(client.aio.get_result(job_id)) for _ in range(50)]
        await asyncio.sleep(0)
        assert threading.active_count() == before
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert client.get_status(job_id).state is JobState.RUNNING
        with pytest.raises(errors.WaitTimeout):
            await client.aio.get_result(job_id, timeout=0.01)
        assert await client.aio.cancel(job_id)
        with pytest.raises(errors.JobCancelled):
            await client.aio.get_result(job_id)

    asyncio.run(main())
