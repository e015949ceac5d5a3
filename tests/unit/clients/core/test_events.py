"""The events of a job: immutable, comparable, all with a job and a time."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from movie_director.clients import errors, events
from movie_director.clients.core.model import Progress, Result

STAMP = {"job_id": "j", "at": 1.5}
ALL = [
    events.Queued(0, **STAMP),
    events.Submitted("b", **STAMP),
    events.Started(**STAMP),
    events.Progressed(Progress(0.5), **STAMP),
    events.Previewed(b"x", "image/png", **STAMP),
    events.TextDelta("x", **STAMP),
    events.Logged("x", **STAMP),
    events.Reconnected(**STAMP),
    events.Succeeded(Result(), **STAMP),
    events.Failed(errors.BackendError("x"), **STAMP),
    events.Cancelled(**STAMP),
]


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_each_names_its_job_and_time_and_can_not_be_changed(event):
    assert (event.job_id, event.at) == ("j", 1.5)
    assert dataclasses.replace(event, at=2.0) != event
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.at = 3.0
    assert type(pickle.loads(pickle.dumps(event))) is type(event)


def test_the_terminal_ones():
    assert [type(each).__name__ for each in ALL if isinstance(each, events.TERMINAL)] == [
        "Succeeded",
        "Failed",
        "Cancelled",
    ]
    assert {type(each) for each in ALL} == set(events.Event.__subclasses__())
