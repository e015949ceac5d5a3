"""The state machine of a Gradio session's stream: the next state of every event in every state, and what fails."""

from __future__ import annotations

import pytest
from support.state_tables import read_matrix

from movie_director.clients.gradio.stream_machine import (
    MAX_CLOSES,
    STREAM_TABLE,
    StreamEvent,
    StreamEventKind,
    StreamMachine,
    StreamState,
)

E, S = StreamEventKind, StreamState
SETTLE_S = 0.5

NEXT = read_matrix(
    """
                     IDLE    READING  DRAINED  CLOSING  ENDING   SETTLING CLOSED
    CALL_ACCEPTED    READING .        READING  .        CLOSING  READING  .
    CALL_ENDED       .       .        .        .        .        .        .
    LAST_CALL_ENDED  .       DRAINED  .        ENDING   .        .        .
    CLOSE_ANNOUNCED  .       CLOSING  ENDING   .        .        .        .
    SERVER_STOPPED   .       SETTLING SETTLING SETTLING SETTLING .        .
    STREAM_ENDED     .       SETTLING SETTLING READING  IDLE     .        .
    STREAM_CUT       .       SETTLING SETTLING READING  IDLE     .        .
    READ_FAILED      .       SETTLING SETTLING SETTLING SETTLING .        .
    CLOSED_TOO_OFTEN .       .        .        SETTLING .        .        .
    CLIENT_CLOSED    CLOSED  CLOSED   CLOSED   CLOSED   CLOSED   CLOSED   .
    """,
    S,
    E,
)
_LOSSES = (E.SERVER_STOPPED, E.STREAM_ENDED, E.STREAM_CUT, E.READ_FAILED)
FAILS = {
    *((S.READING, kind) for kind in _LOSSES),
    *((S.CLOSED, kind) for kind in (*_LOSSES, E.CALL_ACCEPTED)),
    *((S.CLOSING, kind) for kind in (E.SERVER_STOPPED, E.READ_FAILED, E.CLOSED_TOO_OFTEN)),
}
"""The pairs after which the calls under way have failed."""

PATHS = {
    S.IDLE: [],
    S.READING: [E.CALL_ACCEPTED],
    S.DRAINED: [E.CALL_ACCEPTED, E.LAST_CALL_ENDED],
    S.CLOSING: [E.CALL_ACCEPTED, E.CLOSE_ANNOUNCED],
    S.ENDING: [E.CALL_ACCEPTED, E.LAST_CALL_ENDED, E.CLOSE_ANNOUNCED],
    S.SETTLING: [E.CALL_ACCEPTED, E.STREAM_ENDED],
    S.CLOSED: [E.CLIENT_CLOSED],
}


class Clock:
    """A clock that the test turns."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def machine_after(*kinds, clock=None, resumed=False):
    machine = StreamMachine(SETTLE_S, clock or Clock(), resumed=resumed)
    for kind in kinds:
        machine.on(StreamEvent(kind))
    return machine


def test_every_pair_is_in_the_table_and_in_this_file():
    assert set(STREAM_TABLE) == set(S)
    assert set(NEXT) == {(state, kind) for state in S for kind in E}
    assert set(NEXT) == {(state, kind) for state, row in STREAM_TABLE.items() for kind in row}


@pytest.mark.parametrize(("state", "path"), PATHS.items())
def test_the_paths_of_this_file_lead_to_their_states(state, path):
    assert machine_after(*path).state is state


@pytest.mark.parametrize(("state", "kind"), NEXT, ids=lambda each: each.name)
def test_an_event_leads_to_its_next_state_and_fails_the_calls_or_not(state, kind):
    machine = machine_after(*PATHS[state])
    event = StreamEvent(kind, "because", gone=True)
    failure = machine.on(event)
    assert machine.state is NEXT[state, kind]
    assert failure is (event if (state, kind) in FAILS else None)


@pytest.mark.parametrize("state", S)
def test_a_stream_is_read_from_the_first_call_to_its_end(state):
    machine = machine_after(*PATHS[state])
    assert machine.reading is (state in (S.READING, S.DRAINED, S.CLOSING, S.ENDING))
    assert machine.announced is (state in (S.CLOSING, S.ENDING))


@pytest.mark.parametrize("path", [PATHS[S.SETTLING], [*PATHS[S.DRAINED], E.STREAM_CUT]])
def test_a_call_after_a_loss_waits_until_the_server_has_taken_the_stream_down(path):
    clock = Clock()
    machine = machine_after(*path, clock=clock)
    assert machine.pause_s == SETTLE_S
    clock.now += SETTLE_S + 1.0
    assert machine.pause_s == 0.0


def test_a_session_from_before_may_have_had_a_stream_just_now():
    assert machine_after(resumed=True).pause_s == SETTLE_S
    assert machine_after().pause_s == 0.0


CLOSES = [E.CLOSE_ANNOUNCED, E.STREAM_ENDED]


@pytest.mark.parametrize("end", [E.STREAM_ENDED, E.STREAM_CUT])
def test_a_server_that_closes_again_and_again_has_lost_the_calls(end):
    machine = machine_after(E.CALL_ACCEPTED, *CLOSES * (MAX_CLOSES - 1), E.CLOSE_ANNOUNCED)
    failure = machine.on(StreamEvent(end))
    assert failure.reason == "the server closed it before the job ended."
    assert machine.state is S.SETTLING


@pytest.mark.parametrize("ended", [[E.CALL_ENDED], [E.LAST_CALL_ENDED, E.CALL_ACCEPTED]])
def test_the_closes_count_anew_after_a_call_has_ended(ended):
    machine = machine_after(E.CALL_ACCEPTED, *CLOSES * (MAX_CLOSES - 1), *ended, E.CLOSE_ANNOUNCED)
    assert machine.on(StreamEvent(E.STREAM_ENDED)) is None
    assert machine.state is S.READING
