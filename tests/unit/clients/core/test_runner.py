"""Jobs on background threads: the lane, cancelling, retention, listeners, closing."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from support.scripted import Gate, ScriptedClient, ScriptedRequest, scripted
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import errors, events
from movie_director.clients.core.model import BackendCancel, JobState, Result
from movie_director.clients.core.options import ClientOptions


def names(job):
    return [type(event).__name__ for event in job.events()]


def test_a_job_runs_and_its_events_end_with_exactly_one_terminal_event():
    with scripted() as client:
        job = client.submit(ScriptedRequest())
        assert job.result(HANG_GUARD_S) == Result(text="done")
        assert names(job) == ["Queued", "Succeeded"]
        assert job.status.state is JobState.SUCCEEDED
        assert job.exception(0) is None


def test_jobs_run_in_order_and_by_priority():
    gate, order = Gate(), []

    def behaviour(job):
        order.append(job.request.prompt)
        return gate(job)

    with scripted(behaviour, max_workers=1) as client:
        jobs = [client.runner.submit(ScriptedRequest("first"))]
        gate.wait_begun()
        jobs += [
            client.runner.submit(ScriptedRequest("second")),
            client.runner.submit(ScriptedRequest("third")),
            client.runner.submit(ScriptedRequest("urgent"), priority=5),
        ]
        assert [job.status.queue_position for job in jobs] == [None, 1, 2, 0]
        gate.open.set()
        for job in jobs:
            job.result(HANG_GUARD_S)
    assert order == ["first", "urgent", "second", "third"]


def test_waiting_jobs_hear_of_each_new_position():
    gate = Gate()
    with scripted(gate, max_workers=1) as client:
        client.submit(ScriptedRequest())
        gate.wait_begun()
        waiting = [client.submit(ScriptedRequest()) for _ in range(3)]
        last_reader = waiting[2].events()
        assert next(last_reader).position == 2
        waiting[0].cancel()
        assert next(last_reader).position == 1
        gate.open.set()
        waiting[2].result(HANG_GUARD_S)
        positions = [event.position for event in last_reader if isinstance(event, events.Queued)]
    assert positions[-1] == 0


def test_a_cancelled_waiting_job_never_reaches_the_backend():
    gate = Gate()
    with scripted(gate, max_workers=1) as client:
        first = client.submit(ScriptedRequest())
        gate.wait_begun()
        waiting = client.submit(ScriptedRequest())
        assert waiting.cancel()
        assert waiting.status.backend_cancel is BackendCancel.CONFIRMED
        assert not waiting.cancel()
        gate.open.set()
        first.result(HANG_GUARD_S)
    assert client.told == []
    assert names(waiting) == ["Queued", "Cancelled"]


def test_cancel_ends_the_job_at_once_and_a_worker_tells_the_backend_and_keeps_the_lane():
    gate, telling, told = Gate(), threading.Event(), threading.Event()

    def on_cancel(context):
        telling.set()
        assert told.wait(HANG_GUARD_S)
        return BackendCancel.CONFIRMED

    with scripted(gate, max_workers=1) as client:
        client.on_cancel = on_cancel
        job = client.submit(ScriptedRequest())
        gate.wait_begun()
        following = client.submit(ScriptedRequest())
        assert client.cancel(job.id)
        assert job.cancelled()
        assert job.status.backend_cancel is BackendCancel.PENDING
        with pytest.raises(errors.JobCancelled):
            job.result(0)
        with pytest.raises(errors.JobCancelled):
            job.exception(0)
        assert telling.wait(HANG_GUARD_S)
        assert not following.running()
        told.set()
        wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)
        gate.wait_begun()
        gate.open.set()
        following.result(HANG_GUARD_S)
    assert client.told == [job.id]


def test_a_job_cancelled_before_it_was_sent_tells_the_backend_nothing():
    gate = Gate(sent=False)
    with scripted(gate) as client:
        job = client.submit(ScriptedRequest())
        gate.wait_begun()
        assert job.cancel()
        wait_for(lambda: not client.runner.busy())
        assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert client.told == []


def test_a_backend_that_can_not_be_told_is_reported():
    gate = Gate()

    def on_cancel(_context):
        raise ZeroDivisionError

    with scripted(gate) as client:
        client.on_cancel = on_cancel
        job = client.submit(ScriptedRequest())
        gate.wait_begun()
        job.cancel()
        wait_for(lambda: job.status.backend_cancel is BackendCancel.FAILED)


def test_a_drain_is_bounded_and_says_so():
    gate, verdicts = Gate(), []

    def on_cancel(context):
        verdicts.append(context.wait(HANG_GUARD_S))
        return BackendCancel.FAILED

    with scripted(gate, drain_timeout_s=0.02) as client:
        client.on_cancel = on_cancel
        job = client.submit(ScriptedRequest())
        gate.wait_begun()
        job.cancel()
        wait_for(lambda: not client.runner.busy())
    assert verdicts == [False]


def test_a_drain_s_requests_pause_between_tries_and_end_with_its_time():
    gate, ends = Gate(), []

    def on_cancel(context):
        context.check()
        try:
            context.sleep(HANG_GUARD_S)
        except errors.JobCancelled as error:
            ends.append(error)
        return BackendCancel.FAILED

    with scripted(gate, drain_timeout_s=0.05) as client:
        client.on_cancel = on_cancel
        job = client.submit(ScriptedRequest())
        gate.wait_begun()
        job.cancel()
        wait_for(lambda: not client.runner.busy())
    assert len(ends) == 1


def test_cancel_after_the_end_is_false_and_changes_nothing():
    with scripted() as client:
        job = client.submit(ScriptedRequest())
        job.result(HANG_GUARD_S)
        assert not client.cancel(job.id)
        assert job.status.state is JobState.SUCCEEDED
        assert job.status.backend_cancel is None


def test_what_arrives_after_a_cancel_belongs_to_no_job():
    begun, go_on = threading.Event(), threading.Event()

    def stubborn(job):
        job.sending()
        begun.set()
        assert go_on.wait(HANG_GUARD_S)
        job.text("late")
        job.message("late")
        return Result(text="late")

    with scripted(stubborn) as client:
        job = client.submit(ScriptedRequest())
        assert begun.wait(HANG_GUARD_S)
        job.cancel()
        go_on.set()
        wait_for(lambda: not client.runner.busy())
        assert names(job) == ["Queued", "Cancelled"]
        assert job.status.message == ""


def test_cancel_and_completion_race_to_exactly_one_end():
    ends = []
    with scripted(max_workers=4) as client:
        for _ in range(200):
            job = client.submit(ScriptedRequest())
            cancelled = job.cancel()
            assert job._internals.ended.wait(HANG_GUARD_S)
            ends.append((cancelled, job.cancelled(), names(job)[-1]))
    assert all(cancelled == was and last == ("Cancelled" if was else "Succeeded") for cancelled, was, last in ends)


@pytest.mark.parametrize("raised", [ValueError("oops"), MemoryError(), SystemExit(3), KeyboardInterrupt()])
def test_whatever_a_backend_raises_fails_the_job_and_the_lane_goes_on(raised):
    def behaviour(job):
        if job.request.prompt == "bad":
            raise raised
        return Result(text="good")

    with scripted(behaviour, max_workers=1) as client:
        bad, good = client.submit(ScriptedRequest("bad")), client.submit(ScriptedRequest("good"))
        error = bad.exception(HANG_GUARD_S)
        assert error.code == "internal"
        assert error.__cause__ is raised
        assert error.backend == "scripted"
        assert good.result(HANG_GUARD_S).text == "good"
        assert bad.status.state is JobState.FAILED
        assert bad.status.error is error


def test_typed_errors_keep_their_type_and_get_the_backend_s_name():
    def behaviour(_job):
        raise errors.OutOfMemory("too big", hint="smaller")

    with scripted(behaviour) as client:
        job = client.submit(ScriptedRequest())
        with pytest.raises(errors.OutOfMemory) as caught:
            job.result(HANG_GUARD_S)
    assert caught.value.backend == "scripted"


def test_a_worker_survives_an_error_beside_the_job():
    with scripted(max_workers=1) as client:
        client.runner._cancel_on_backend = None
        gate = client.behaviour = Gate()
        job = client.submit(ScriptedRequest())
        gate.wait_begun()
        job.cancel()
        client.behaviour = lambda _job: Result(text="next")
        assert client.submit(ScriptedRequest()).result(HANG_GUARD_S).text == "next"


def test_a_job_s_time_limit_ends_it_and_tells_the_backend():
    with scripted(Gate(), job_timeout_s=0.05) as client:
        job = client.submit(ScriptedRequest())
        with pytest.raises(errors.NetworkTimeout) as caught:
            job.result(HANG_GUARD_S)
        assert caught.value.code == "job_timeout"
        wait_for(lambda: client.told == [job.id])


def test_a_job_s_time_limit_breaks_off_what_blocks():
    def blocked(job):
        broken = threading.Event()
        with job.interrupter.guard(broken.set):
            assert broken.wait(HANG_GUARD_S)
        job.check()

    with scripted(blocked, job_timeout_s=0.05) as client:
        error = client.submit(ScriptedRequest()).exception(HANG_GUARD_S)
    assert error.code == "job_timeout"


def test_waiting_for_a_result_ends_while_the_job_goes_on():
    gate = Gate()
    with scripted(gate) as client:
        job = client.submit(ScriptedRequest())
        with pytest.raises(errors.WaitTimeout):
            client.get_result(job.id, timeout=0.01)
        with pytest.raises(TimeoutError):
            job.exception(0.01)
        gate.open.set()
        assert client.get_result(job.id, timeout=HANG_GUARD_S).text == "done"


def test_listeners_get_all_events_in_order_on_one_thread_and_one_that_raises_harms_nobody():
    seen, threads, done = [], set(), threading.Event()

    def behaviour(job):
        job.started()
        for number in range(50):
            job.log(str(number))
        return Result()

    def listen(event):
        threads.add(threading.current_thread().name)
        seen.append(event)

    def broken(_event):
        raise RuntimeError("a bad listener")

    with scripted(behaviour) as client:
        job = client.submit(ScriptedRequest())
        job.add_listener(broken)
        job.add_listener(listen)
        job.add_done_callback(lambda _job: broken(None))
        job.add_done_callback(lambda each: done.set() if each is job else None)
        assert done.wait(HANG_GUARD_S)
        late = threading.Event()
        job.add_done_callback(lambda _job: late.set())
        assert late.wait(HANG_GUARD_S)
        assert job._internals._listeners == {}
    assert [event.line for event in seen if isinstance(event, events.Logged)] == [str(number) for number in range(50)]
    assert isinstance(seen[-1], events.Succeeded)
    assert threads == {"movie-director-scripted-dispatcher"}


def test_an_unsubscribed_listener_hears_nothing_more():
    gate, seen, first = Gate(), [], threading.Event()

    def listen(event):
        seen.append(type(event).__name__)
        first.set()

    with scripted(gate) as client:
        job = client.submit(ScriptedRequest())
        unsubscribe = job.add_listener(listen)
        assert first.wait(HANG_GUARD_S)
        gate.wait_begun()
        unsubscribe()
        unsubscribe()
        before = len(seen)
        gate.open.set()
        job.result(HANG_GUARD_S)
        ended = threading.Event()
        job.add_done_callback(lambda _job: ended.set())
        assert ended.wait(HANG_GUARD_S)
        assert len(seen) - before <= 3
        assert "Succeeded" not in seen


def test_after_close_callbacks_still_run_and_not_on_the_caller():
    client = scripted()
    job = client.submit(ScriptedRequest())
    job.result(HANG_GUARD_S)
    client.close()
    threads, called = [], threading.Event()

    def callback(_job):
        threads.append(threading.current_thread())
        called.set()

    job.add_done_callback(callback)
    assert called.wait(HANG_GUARD_S)
    assert threads[0] is not threading.current_thread()
    threads[0].join(HANG_GUARD_S)


def test_the_oldest_finished_jobs_are_dropped_from_memory():
    with scripted(keep_finished=3, max_workers=1) as client:
        jobs = [client.submit(ScriptedRequest()) for _ in range(6)]
        for job in jobs:
            job.result(HANG_GUARD_S)
        wait_for(lambda: not client.runner.busy())
        with pytest.raises(errors.JobNotFound):
            client.get_status(jobs[2].id)
        assert client.get_status(jobs[3].id).state is JobState.SUCCEEDED


def test_forget_takes_finished_jobs_only():
    gate = Gate()
    with scripted(gate) as client:
        job = client.submit(ScriptedRequest())
        with pytest.raises(errors.ValidationError) as caught:
            client.forget(job.id)
        assert caught.value.code == "job_active"
        gate.open.set()
        job.result(HANG_GUARD_S)
        wait_for(lambda: not client.runner.busy())
        client.forget(job.id)
        assert not job.cancel()
        for ask in (client.get_status, client.cancel, client.get_result, client.forget):
            with pytest.raises(errors.JobNotFound):
                ask(job.id)


def test_a_job_forgotten_before_its_worker_let_go_leaves_nothing():
    ended, go_on = threading.Event(), threading.Event()
    with scripted() as client:
        retire = client.runner._lane._finish

        def slow_retire(entry):
            ended.set()
            assert go_on.wait(HANG_GUARD_S)
            retire(entry)

        client.runner._lane._finish = slow_retire
        job = client.submit(ScriptedRequest())
        job.result(HANG_GUARD_S)
        assert ended.wait(HANG_GUARD_S)
        client.forget(job.id)
        go_on.set()
        wait_for(lambda: not client.runner.busy())
        assert client.runner._finished == {}


def test_resume_rejoins_what_was_sent_and_runs_what_was_not():
    gate = Gate()
    with scripted(gate) as client:
        sent = client.submit(ScriptedRequest("sent"))
        gate.wait_begun()
        record = sent.record()
        assert client.resume(record) is sent
        client.close(detach=True)
    with scripted() as fresh:
        fresh.on_rejoin = lambda job: Result(text=f"{job.backend_id} {job.state['step']} {job.request.prompt}")
        again = fresh.resume(record)
        assert again.id == sent.id
        assert again.result(HANG_GUARD_S).text == f"backend-{sent.id} sent sent"


def lost(_job):
    raise errors.JobLost("never heard of it")


def test_an_early_record_asks_the_server_before_anything_is_sent():
    with scripted() as client:
        record = client.submit(ScriptedRequest()).record()
    record = {**record, "stage": "queued"}
    with scripted() as fresh:
        fresh.on_rejoin = lambda _job: Result(text="found")
        assert fresh.resume(record).result(HANG_GUARD_S).text == "found"
    with scripted() as fresh:
        fresh.on_rejoin = lost
        assert fresh.resume(record).result(HANG_GUARD_S).text == "done"
        assert isinstance(fresh.resume({**record, "stage": "sent"}).exception(HANG_GUARD_S), errors.JobLost)
    with scripted() as fresh:
        fresh.on_rejoin, fresh.rejoins = lost, False
        assert isinstance(fresh.resume(record).exception(HANG_GUARD_S), errors.JobLost)
        assert fresh.runner.resume(record, newest=True).result(HANG_GUARD_S).text == "done"


def test_two_resumes_at_once_make_one_job():
    gate, jobs = Gate(), []
    with scripted() as client:
        record = {**client.submit(ScriptedRequest()).record(), "id": "twice"}
        client.on_rejoin = gate
        threads = [threading.Thread(target=lambda: jobs.append(client.resume(record))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_GUARD_S)
        gate.open.set()
        assert len({id(job) for job in jobs}) == 1


def test_a_request_is_a_copy_that_the_caller_can_not_change():
    gate = Gate()
    with scripted(gate, max_workers=1) as client:
        client.submit(ScriptedRequest())
        gate.wait_begun()
        metadata = {"take": [1]}
        job = client.submit(ScriptedRequest(metadata=metadata))
        metadata["take"].append(2)
        assert job.request.metadata == {"take": [1]}
        unpicklable = {"take": lambda: None}
        assert client.submit(ScriptedRequest(metadata=unpicklable)).request.metadata == unpicklable
        gate.open.set()


def test_a_lane_that_is_made_narrower_runs_fewer_jobs():
    gate, peak, running = Gate(), [], set()

    def behaviour(job):
        running.add(job.job_id)
        peak.append(len(running))
        try:
            return gate(job)
        finally:
            running.discard(job.job_id)

    with scripted(behaviour, max_workers=3) as client:
        first = [client.submit(ScriptedRequest()) for _ in range(3)]
        for _ in first:
            gate.wait_begun()
        client.runner.options = replace(client.options, max_workers=1)
        later = [client.submit(ScriptedRequest()) for _ in range(4)]
        gate.open.set()
        for job in (*first, *later):
            job.result(HANG_GUARD_S)
    assert peak[:3] == [1, 2, 3]
    assert max(peak[3:]) <= 3
    assert peak[-1] == 1


def test_a_minted_id_is_kept_though_the_job_was_cancelled_meanwhile():
    posting, answered, ids = threading.Event(), threading.Event(), []

    def behaviour(job):
        job.sending()
        posting.set()
        assert answered.wait(HANG_GUARD_S)
        job.submitted("minted")
        return Result()

    def on_cancel(context):
        ids.append(context.backend_id)
        return BackendCancel.CONFIRMED

    with scripted(behaviour) as client:
        client.on_cancel = on_cancel
        job = client.submit(ScriptedRequest())
        assert posting.wait(HANG_GUARD_S)
        job.cancel()
        answered.set()
        wait_for(lambda: ids == ["minted"])


def test_a_cancelled_job_is_not_sent_any_more():
    begun, go_on, kept = threading.Event(), threading.Event(), []

    class Recorder:
        def record(self, record):
            kept.append(record["stage"])

    def behaviour(job):
        begun.set()
        assert go_on.wait(HANG_GUARD_S)
        job.sending()
        return Result()

    client = ScriptedClient(options=ClientOptions(), recorder=Recorder())
    client.behaviour = behaviour
    with client:
        job = client.submit(ScriptedRequest())
        assert begun.wait(HANG_GUARD_S)
        job.cancel()
        go_on.set()
        wait_for(lambda: not client.runner.busy())
    assert kept == []


def test_a_listener_that_wants_to_exit_ends_nothing():
    heard = threading.Event()

    def leave(_event):
        raise SystemExit

    with scripted() as client:
        job = client.submit(ScriptedRequest())
        job.add_listener(leave)
        job.add_done_callback(lambda _job: heard.set())
        assert heard.wait(HANG_GUARD_S)


def test_a_job_that_ends_while_its_listeners_are_called_gets_its_callbacks():
    with scripted() as client:
        for _ in range(300):
            ended = threading.Event()
            job = client.runner.submit(
                ScriptedRequest(), prepare=lambda job, ended=ended: job.add_done_callback(lambda _job: ended.set())
            )
            assert ended.wait(HANG_GUARD_S)
            assert names(job)[0] == "Queued"


def test_a_closed_client_makes_no_new_connections():
    client = scripted()
    client.close()
    with pytest.raises(errors.BackendError) as caught:
        _ = client.http
    assert caught.value.code == "client_closed"


def test_a_waiting_resumed_job_that_is_cancelled_is_told_to_the_backend():
    gate = Gate()
    with scripted(gate, max_workers=1) as client:
        first = client.submit(ScriptedRequest())
        gate.wait_begun()
        record = {**first.record(), "id": "0-1"}
        waiting = client.resume(record)
        assert waiting.cancel()
        gate.open.set()
        wait_for(lambda: waiting.status.backend_cancel is BackendCancel.CONFIRMED)
        assert client.told == ["0-1"]


@pytest.mark.parametrize(
    "change",
    [{"version": 99}, {"backend": "other"}, {"request_type": "Nothing"}, {"request": {"nonsense": 1}}, {"state": 5}],
)
def test_what_is_no_record_is_refused(change):
    with scripted() as client:
        job = client.submit(ScriptedRequest())
        with pytest.raises(errors.ValidationError) as caught:
            client.resume({**job.record(), **change})
        assert caught.value.code in ("invalid_record", "invalid_request")
        with pytest.raises(errors.ValidationError):
            client.resume({})


def test_a_job_that_is_being_made_has_a_status_and_can_not_be_cancelled_yet():
    seen = []

    def prepare(job):
        seen.append(job.status.queue_position)
        with pytest.raises(errors.JobNotFound):
            job.cancel()

    with scripted() as client:
        client.runner.submit(ScriptedRequest(), prepare=prepare).result(HANG_GUARD_S)
    assert seen == [None]


def test_news_that_came_while_the_dispatcher_ended_is_still_delivered():
    holding, go_on, delivered = threading.Event(), threading.Event(), threading.Event()

    def hold(_event):
        holding.set()
        assert go_on.wait(HANG_GUARD_S)

    client = scripted()
    first, second = client.submit(ScriptedRequest()), client.submit(ScriptedRequest())
    second.result(HANG_GUARD_S)
    first.add_listener(hold)
    assert holding.wait(HANG_GUARD_S)
    client.runner._dispatcher._changed_jobs.put(None)
    second.add_done_callback(lambda _job: delivered.set())
    client.runner._dispatcher._changed_jobs.put(None)
    go_on.set()
    assert delivered.wait(HANG_GUARD_S)
    client.close()


def test_requests_are_checked_at_submit():
    with scripted() as client:
        assert client.submit({"prompt": "as a mapping"}).request == ScriptedRequest("as a mapping")
        with pytest.raises(errors.ValidationError):
            client.submit(ScriptedRequest(prompt=3))
        with pytest.raises(errors.ValidationError, match="did you mean prompt"):
            client.submit({"promt": "x"})
        with pytest.raises(errors.ValidationError, match="not a int"):
            client.submit(42)


def test_close_cancels_tells_and_joins_everything():
    gate = Gate()
    client = scripted(gate, max_workers=1)
    running = client.submit(ScriptedRequest())
    gate.wait_begun()
    waiting = client.submit(ScriptedRequest())
    client.close()
    client.close()
    assert running.cancelled()
    assert waiting.cancelled()
    assert client.told == [running.id]
    assert client.disconnected
    assert not [each.name for each in threading.enumerate() if each.name.startswith("movie-director-scripted")]
    with pytest.raises(errors.BackendError) as caught:
        client.submit(ScriptedRequest())
    assert caught.value.code == "client_closed"


def test_close_with_detach_leaves_what_can_be_resumed_and_cancels_the_rest():
    gate = Gate()
    client = scripted(gate, max_workers=1)
    running = client.submit(ScriptedRequest())
    gate.wait_begun()
    waiting = client.submit(ScriptedRequest())
    client.close(detach=True)
    assert isinstance(running.exception(0), errors.JobDetached)
    assert waiting.cancelled()
    assert client.told == []


def test_detach_cancels_where_the_backend_can_not_be_rejoined():
    gate = Gate()
    client = scripted(gate)
    client.rejoins = False
    job = client.submit(ScriptedRequest())
    gate.wait_begun()
    client.close(detach=True)
    assert job.cancelled()
    assert client.told == [job.id]


def test_close_breaks_off_a_blocked_worker_within_its_bound():
    released = threading.Event()
    begun = threading.Event()

    def blocked(job):
        with job.interrupter.guard(released.set):
            begun.set()
            assert released.wait(HANG_GUARD_S)
        return Result()

    def blocked_cancel(context):
        stop = threading.Event()
        with context.interrupter.guard(stop.set):
            assert stop.wait(HANG_GUARD_S)
        return BackendCancel.FAILED

    client = scripted(blocked)
    client.on_cancel = blocked_cancel
    job = client.submit(ScriptedRequest())
    assert begun.wait(HANG_GUARD_S)
    job._internals.stage = "sent"
    client.close(timeout_s=0.4)
    assert job.status.backend_cancel is BackendCancel.FAILED
    assert not [each.name for each in threading.enumerate() if each.name.startswith("movie-director-scripted")]


def test_close_ends_its_threads_also_when_a_job_was_forgotten_while_the_backend_drains():
    gate, draining = Gate(), threading.Event()

    def long_drain(context):
        stop = threading.Event()
        with context.interrupter.guard(stop.set):
            draining.set()
            assert stop.wait(HANG_GUARD_S)
        return BackendCancel.FAILED

    client = scripted(gate)
    client.on_cancel = long_drain
    job = client.submit(ScriptedRequest())
    gate.wait_begun()
    job.cancel()
    assert draining.wait(HANG_GUARD_S)
    client.forget(job.id)
    client.close(timeout_s=0.4)
    assert not [each.name for each in threading.enumerate() if each.name.startswith("movie-director-scripted")]


def test_closing_gives_the_transport_only_the_time_that_is_left(monkeypatch):
    client, given = scripted(), []
    close = client.http.transport.close
    monkeypatch.setattr(client.http.transport, "close", lambda *seconds: (given.extend(seconds), close(*seconds)))
    client.close(timeout_s=0.4)
    assert len(given) == 1
    assert 0 <= given[0] <= 0.4


def test_closing_from_a_listener_does_not_wait_for_itself():
    client = scripted()
    closed = threading.Event()
    job = client.submit(ScriptedRequest())

    def close(_job):
        client.close(timeout_s=0.2)
        closed.set()

    job.add_done_callback(close)
    assert closed.wait(HANG_GUARD_S)


def test_threads_stay_few_with_a_thousand_jobs():
    gate = Gate()
    before = threading.active_count()
    with scripted(gate, max_workers=2) as client:
        jobs = [client.submit(ScriptedRequest()) for _ in range(1000)]
        gate.wait_begun()
        assert threading.active_count() - before <= 4
        assert jobs[-1].status.queue_position == 997
        gate.open.set()
        for job in jobs:
            job.result(HANG_GUARD_S)


def test_progress_never_falls_and_repeats_are_dropped():
    def behaviour(job):
        job.progress(0.5, stage="one")
        job.progress(0.2, stage="two")
        job.progress(0.2, stage="two")
        job.progress(stage="three")
        job.progress(7.0)
        return Result()

    seen = []
    with scripted(behaviour) as client:
        gate = threading.Event()
        job = client.runner.submit(ScriptedRequest(), prepare=lambda job: job.add_listener(seen.append))
        job.add_done_callback(lambda _job: gate.set())
        job.result(HANG_GUARD_S)
        assert gate.wait(HANG_GUARD_S)
    fractions = [event.progress.fraction for event in seen if isinstance(event, events.Progressed)]
    assert fractions[-1] == 1.0
    assert [each for each in fractions if each is not None] == sorted(each for each in fractions if each is not None)
    assert job.status.progress.fraction == 1.0


def test_a_job_hears_its_inbox_until_it_is_stopped():
    got = []
    begun = threading.Event()

    def behaviour(job):
        job.post("hello")
        got.append(job.receive(HANG_GUARD_S))
        got.append(job.receive(0.01))
        job.reconnected()
        job.queued(3)
        job.queued(3)
        job.started()
        job.started()
        job.queued(1)
        job.preview(b"x", "image/png")
        begun.set()
        job.receive(HANG_GUARD_S)
        return Result()

    with scripted(behaviour) as client:
        job = client.submit(ScriptedRequest())
        assert begun.wait(HANG_GUARD_S)
        job.cancel()
        wait_for(lambda: not client.runner.busy())
    assert got == ["hello", None]
    assert names(job) == ["Queued", "Reconnected", "Queued", "Started", "Previewed", "Cancelled"]


def test_a_job_waiting_within_its_time_limit_gets_its_messages():
    def behaviour(job):
        job.post(1)
        return Result(data=job.receive(HANG_GUARD_S))

    with scripted(behaviour, job_timeout_s=HANG_GUARD_S) as client:
        assert client.submit(ScriptedRequest()).result(HANG_GUARD_S).data == 1


def test_records_reach_the_recorder_before_the_request_leaves():
    kept = []

    class Recorder:
        def record(self, record):
            kept.append((record["stage"], record["backend_id"], dict(record["state"])))

    client = ScriptedClient(options=ClientOptions(), recorder=Recorder())

    def behaviour(job):
        job.sending(prompt_id="p")
        assert [each[0] for each in kept] == ["sent"]
        job.submitted("b", number=4)
        return Result()

    client.behaviour = behaviour
    with client:
        client.submit(ScriptedRequest()).result(HANG_GUARD_S)
    assert kept == [("sent", None, {"prompt_id": "p"}), ("accepted", "b", {"prompt_id": "p", "number": 4})]


def test_a_client_names_its_address_and_no_key():
    with ScriptedClient("http://localhost:81/x", api_key="sk-canary-123") as client:
        assert repr(client) == "<ScriptedClient http://localhost:81/x>"
        assert client.auth_headers() == {"Authorization": "Bearer sk-canary-123"}
        assert "canary" not in repr(client.submit(ScriptedRequest()))
    with ScriptedClient(api_key="sk-canary", headers={"authorization": "Basic x"}) as client:
        assert client.auth_headers() == {"authorization": "Basic x"}


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_listeners_of_a_job_that_ends_before_any_worker_are_called(end):
    """Many times: whether a worker sees the job first is a matter of luck."""
    for _ in range(20):
        client = scripted(max_workers=1)
        job = client.submit(ScriptedRequest())
        done, events_seen = threading.Event(), []
        job.add_listener(events_seen.append)
        job.add_done_callback(lambda _job, done=done: done.set())
        if end == "cancel":
            client.cancel(job.id)
        else:
            client.close()
        assert done.wait(HANG_GUARD_S)
        client.close()
        assert isinstance(events_seen[-1], events.TERMINAL)


def test_a_drain_that_ends_leaves_the_resumed_job_of_its_id_alone():
    gate, draining = Gate(), threading.Event()

    def drain(context):
        assert draining.wait(HANG_GUARD_S)
        return BackendCancel.CONFIRMED

    resumed = Gate()
    client = scripted(gate, max_workers=2)
    client.on_cancel, client.on_rejoin = drain, resumed
    job = client.submit(ScriptedRequest())
    gate.wait_begun()
    record = {**job.record(), "stage": "sent"}
    job._internals.stage = "sent"
    assert client.cancel(job.id)
    again = client.resume(record)
    assert again is not job
    resumed.wait_begun()
    draining.set()
    wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)
    assert client.runner.busy()
    assert again.cancel()
    client.close()


def test_two_cancels_at_once_leave_nothing_behind(monkeypatch):
    gate = Gate()
    client = scripted(gate, max_workers=1)
    client.submit(ScriptedRequest("first"))
    gate.wait_begun()
    waiting = client.submit(ScriptedRequest("second"))
    entry = client.runner._lane.entry(waiting.id)
    waiting._internals.end(events.Cancelled(job_id=waiting.id, at=0.0), BackendCancel.PENDING)  # the other thread's
    assert not client.runner._cancel(entry)
    assert client.runner._lane.entry(waiting.id) is None
    assert waiting.status.backend_cancel is BackendCancel.CONFIRMED
    client.close()


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


def test_an_exception_without_a_text_ends_its_job():
    def fail(job):
        raise Unspeakable

    with scripted(fail) as client:
        error = client.submit(ScriptedRequest()).exception(HANG_GUARD_S)
    assert error.code == "internal"


def test_a_job_that_comes_while_the_client_closes_is_refused(monkeypatch):
    client = scripted()
    lane = client.runner._lane
    position_for = lane.position_for

    def close_first(entry):
        client.close()
        return position_for(entry)

    monkeypatch.setattr(lane, "position_for", close_first)
    with pytest.raises(errors.BackendError) as refused:
        client.submit(ScriptedRequest())
    assert refused.value.code == "client_closed"
    assert not client.runner.busy()
