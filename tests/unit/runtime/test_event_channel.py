"""The way from the workers to the main thread."""

from __future__ import annotations

import threading

from support.scripted import ScriptedRequest
from support.waiting import HANG_GUARD_S

from movie_director.clients import events
from movie_director.clients.core.job import Job
from movie_director.clients.core.job_internals import JobInternals
from movie_director.clients.core.model import Progress
from movie_director.runtime import EventChannel, JobEvent, ProbeFinished

JOB = Job(JobInternals("job-1", "scripted", ScriptedRequest(), owner=None))
OTHER = Job(JobInternals("job-2", "scripted", ScriptedRequest(), owner=None))


def put(channel, event_type, *values, job=JOB):
    channel.put(JobEvent(job, {}, event_type(*values, job_id=job.id, at=0.0)))


def drained(channel, **bounds):
    return [item.event for item in channel.drain(**{"budget_s": HANG_GUARD_S, **bounds})]


def test_state_changes_keep_their_order_and_all_arrive():
    channel = EventChannel()
    put(channel, events.Submitted, "b")
    put(channel, events.Started)
    put(channel, events.Started, job=OTHER)
    put(channel, events.Cancelled)
    assert [(type(event).__name__, event.job_id) for event in drained(channel)] == [
        ("Submitted", "job-1"),
        ("Started", "job-1"),
        ("Started", "job-2"),
        ("Cancelled", "job-1"),
    ]
    assert channel.empty()


def test_of_progress_previews_and_positions_only_the_newest_of_each_job_waits():
    channel = EventChannel()
    for number in range(10_000):
        put(channel, events.Progressed, Progress(step=number))
        put(channel, events.Previewed, b"%d" % number, "image/png")
        put(channel, events.Queued, number)
    put(channel, events.Progressed, Progress(step=7), job=OTHER)
    got = drained(channel)
    assert [getattr(event, "progress", None) and event.progress.step for event in got] == [9999, None, None, 7]
    assert got[1].data == b"9999"
    assert got[2].position == 9999


def test_text_is_joined_exactly():
    channel = EventChannel()
    put(channel, events.TextDelta, "Once ")
    put(channel, events.TextDelta, "upon", job=OTHER)
    put(channel, events.TextDelta, "more")
    assert [(event.job_id, event.text) for event in drained(channel)] == [("job-1", "Once more"), ("job-2", "upon")]
    put(channel, events.TextDelta, "again")
    assert [event.text for event in drained(channel)] == ["again"]


def test_a_flood_of_log_lines_is_bounded_and_room_comes_back():
    channel = EventChannel()
    for number in range(5000):
        put(channel, events.Logged, str(number))
    assert len(drained(channel)) == 200
    put(channel, events.Logged, "after")
    assert [event.line for event in drained(channel)] == ["after"]


def test_a_drain_keeps_to_its_limit_and_its_budget():
    channel = EventChannel()
    for number in range(5):
        put(channel, events.Submitted, str(number))
    assert [event.backend_id for event in drained(channel, limit=2)] == ["0", "1"]
    assert [event.backend_id for event in drained(channel, budget_s=0.0)] == ["2"]
    assert len(drained(channel)) == 2


def test_waiting_ends_when_something_comes():
    channel = EventChannel()
    assert not channel.wait(0.01)
    threading.Thread(target=channel.put, args=(ProbeFinished("p", "scripted", None, None),)).start()
    assert channel.wait(HANG_GUARD_S)
    assert channel.drain()[0].probe_id == "p"
    assert channel.drain() == []
    assert not channel.wait(0.0)
