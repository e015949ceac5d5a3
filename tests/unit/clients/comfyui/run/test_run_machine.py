"""The state machine of a ComfyUI run: the next state and the commands of every event in every state."""

from __future__ import annotations

import pytest
from support.state_tables import read_matrix

from movie_director.clients.comfyui.run.run_events import (
    EventKind,
    Fail,
    Finish,
    LogLine,
    LookUp,
    RenewSocket,
    ReportPreview,
    ReportProgress,
    ReportQueued,
    ReportReconnected,
    ReportStarted,
    RunEvent,
    SetMessage,
    event_for_error,
    event_for_item,
    event_for_result,
)
from movie_director.clients.comfyui.run.run_machine import RUN_TABLE, SERVER_TABLE, SOCKET_TABLE, RunMachine
from movie_director.clients.comfyui.run.run_states import RunState, ServerState, SocketState
from movie_director.clients.comfyui.server.event_socket import Down, Up
from movie_director.clients.comfyui.server.job_lookup import LookupResult, ServerJobState
from movie_director.clients.comfyui.server.messages import Message, NodeText, Preview
from movie_director.clients.comfyui.server.timings import Timings
from movie_director.clients.errors import AuthenticationError, ConnectionLost, GenerationError, JobLost

E = EventKind
TIMINGS = Timings()
IDLE_TIMEOUT_S = 60.0
PROMPT = {
    "1": {"class_type": "KSampler", "inputs": {}, "_meta": {"title": "Sampler"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Result"}},
}
OUTPUTS = {"2": {"images": [{"filename": "a.png"}]}}
LOST = ConnectionLost("cut", retryable=True)


class Clock:
    """A clock that the test turns."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def message(kind, **data):
    return event_for_item(Message(kind, {"prompt_id": "p", **data}, "p"))


def unnamed(kind, **data):
    return event_for_item(Message(kind, data))


def answer(place, **fields):
    return event_for_result(LookupResult(place, **fields), is_ours=lambda prompt_id: prompt_id == "ours")


EVENTS = {
    E.FOLLOWED: RunEvent(E.FOLLOWED),
    E.FETCHED: RunEvent(E.FETCHED),
    E.LOOKUP_DUE: RunEvent(E.LOOKUP_DUE),
    E.SILENCE: RunEvent(E.SILENCE),
    E.STUCK: RunEvent(E.STUCK),
    E.WORKER_IDLE: RunEvent(E.WORKER_IDLE),
    E.HELD_UP: RunEvent(E.HELD_UP),
    E.OUTAGE: RunEvent(E.OUTAGE),
    E.SOCKET_UP: event_for_item(Up()),
    E.SOCKET_DOWN: event_for_item(Down(LOST, was_up=True)),
    E.SOCKET_REFUSED: event_for_item(Down(LOST, was_up=False)),
    E.QUEUE_CHANGED: unnamed("status"),
    E.RUN_BEGUN: message("execution_cached", nodes=[]),
    E.NODE_STEP: message("executing", node="1"),
    E.UNNAMED_STEP: unnamed("executing", node="1"),
    E.NODE_BLOCKED: message(
        "execution_error", exception_type="ExecutionBlocked", node_id="2", exception_message="no.\nbecause"
    ),
    E.RUN_ENDED: message("execution_success"),
    E.PREVIEW: event_for_item(Preview(b"\x89PNG", "image/png", "p")),
    E.NODE_TEXT: event_for_item(NodeText("half way", "p")),
    E.PENDING: answer(ServerJobState.PENDING, position=2),
    E.PENDING_NEXT: answer(ServerJobState.PENDING, position=0, running=("theirs",)),
    E.PENDING_IDLE: answer(ServerJobState.PENDING, position=0, idle=True),
    E.IN_PROGRESS: answer(ServerJobState.RUNNING),
    E.FINISHED: answer(ServerJobState.SUCCEEDED, outputs=OUTPUTS),
    E.ABSENT: answer(ServerJobState.ABSENT),
    E.LOOKUP_FAILED: event_for_error(LOST),
    E.LOOKUP_REFUSED: event_for_error(AuthenticationError("no")),
    E.CONTACT_LOST: RunEvent(E.CONTACT_LOST),
    E.JOB_GONE: RunEvent(E.JOB_GONE),
    E.SERVER_RESTARTED: RunEvent(E.SERVER_RESTARTED),
}

_QUEUED = [E.SOCKET_UP, E.FOLLOWED]
_RUNNING = [*_QUEUED, E.RUN_BEGUN, E.NODE_STEP]
PATHS = {
    RunState.CONNECTING: [],
    RunState.QUEUED: _QUEUED,
    RunState.UNHEARD: [*_QUEUED, E.IN_PROGRESS],
    RunState.STARTED: [*_QUEUED, E.RUN_BEGUN],
    RunState.RUNNING: _RUNNING,
    RunState.ENDING: [*_RUNNING, E.RUN_ENDED],
    RunState.COLLECTING: [*_RUNNING, E.FINISHED],
    RunState.ENDED: [*_RUNNING, E.RUN_ENDED, E.FINISHED],
    ServerState.FOUND: _QUEUED,
    ServerState.UNSURE: [*_QUEUED, E.SOCKET_DOWN],
    ServerState.AWAY: [*_QUEUED, E.LOOKUP_FAILED],
    ServerState.MISSING: [*_QUEUED, E.ABSENT],
    ServerState.RESTARTED: [*_QUEUED, E.SOCKET_DOWN, E.ABSENT],
    ServerState.GONE: [*_QUEUED, E.ABSENT, E.ABSENT],
    SocketState.CONNECTING: [],
    SocketState.READY: [E.SOCKET_UP],
    SocketState.LATE: [E.FOLLOWED],
    SocketState.REFUSED: [E.SOCKET_REFUSED],
    SocketState.OPEN: _QUEUED,
    SocketState.LOST: [*_QUEUED, E.SOCKET_DOWN],
    SocketState.RENEWING: [*_QUEUED, E.SILENCE],
    SocketState.REOPENED: [*_QUEUED, E.SOCKET_DOWN, E.SOCKET_UP],
}
"""The events that lead to each state."""

RUN = """
                 CONNECTING QUEUED     UNHEARD    STARTED    RUNNING    ENDING COLLECTING ENDED
FOLLOWED         QUEUED     .          .          .          .          .      .          .
QUEUE_CHANGED    .          .          .          .          .          .      .          .
RUN_BEGUN        STARTED    STARTED    STARTED    .          .          .      .          .
NODE_STEP        RUNNING    RUNNING    RUNNING    RUNNING    .          .      .          .
UNNAMED_STEP     .          .          RUNNING    RUNNING    .          .      .          .
NODE_BLOCKED     .          .          .          .          .          .      .          .
RUN_ENDED        ENDING     ENDING     ENDING     ENDING     ENDING     .      ENDED      .
PREVIEW          .          .          .          .          .          .      .          .
NODE_TEXT        .          .          .          .          .          .      .          .
LOOKUP_DUE       .          .          .          .          .          .      .          .
PENDING          .          .          .          .          .          .      .          .
PENDING_NEXT     .          .          .          .          .          .      .          .
PENDING_IDLE     .          .          .          .          .          .      .          .
IN_PROGRESS      .          UNHEARD    .          .          .          .      .          .
FINISHED         .          COLLECTING COLLECTING COLLECTING COLLECTING ENDED  .          .
JOB_GONE         .          ENDED      ENDED      ENDED      ENDED      ENDED  .          .
SERVER_RESTARTED .          ENDED      ENDED      ENDED      ENDED      ENDED  .          .
STUCK            .          .          .          .          .          .      .          .
WORKER_IDLE      .          ENDED      .          .          .          .      .          .
HELD_UP          .          .          .          .          .          .      .          .
FETCHED          .          .          .          .          .          .      ENDED      .
"""

SERVER = """
                 FOUND      UNSURE     AWAY       MISSING    RESTARTED  GONE
PENDING          .          FOUND      FOUND      FOUND      FOUND      .
PENDING_NEXT     .          FOUND      FOUND      FOUND      FOUND      .
PENDING_IDLE     .          FOUND      FOUND      FOUND      FOUND      .
IN_PROGRESS      .          FOUND      FOUND      FOUND      FOUND      .
FINISHED         .          FOUND      FOUND      FOUND      FOUND      .
ABSENT           MISSING    RESTARTED  RESTARTED  GONE       GONE       .
LOOKUP_FAILED    AWAY       AWAY       .          AWAY       AWAY       .
LOOKUP_REFUSED   GONE       GONE       GONE       GONE       GONE       .
CONTACT_LOST     UNSURE     .          .          RESTARTED  .          .
OUTAGE           .          .          GONE       .          .          .
"""

SOCKET = """
                 CONNECTING READY      LATE       REFUSED    OPEN       LOST       RENEWING   REOPENED
FOLLOWED         LATE       OPEN       .          .          .          .          .          .
SOCKET_UP        READY      .          REOPENED   REOPENED   .          REOPENED   REOPENED   .
SOCKET_DOWN      .          CONNECTING REFUSED    .          LOST       .          .          LOST
SOCKET_REFUSED   REFUSED    CONNECTING REFUSED    .          LOST       .          .          LOST
SILENCE          .          .          .          .          RENEWING   .          .          RENEWING
"""

NEXT = {
    **read_matrix(RUN, RunState, E),
    **read_matrix(SERVER, ServerState, E),
    **read_matrix(SOCKET, SocketState, E),
}
_BEFORE_END = [state for state in RunState if state is not RunState.ENDED]
_FOLLOWED = [RunState.QUEUED, RunState.UNHEARD, RunState.STARTED, RunState.RUNNING, RunState.ENDING]
_UNDER_WAY = [RunState.STARTED, RunState.RUNNING, RunState.ENDING, RunState.COLLECTING]

COMMANDS = {
    **{(state, E.NODE_BLOCKED): [LogLine] for state in _BEFORE_END},
    **{(state, E.PREVIEW): [ReportPreview] for state in _BEFORE_END},
    **{(state, E.NODE_TEXT): [SetMessage] for state in _BEFORE_END},
    **{(state, E.LOOKUP_DUE): [LookUp] for state in _FOLLOWED},
    **{(state, E.FINISHED): [ReportStarted, Finish] for state in _FOLLOWED},
    **{(state, E.JOB_GONE): [Fail] for state in _FOLLOWED},
    **{(state, E.SERVER_RESTARTED): [Fail] for state in _FOLLOWED},
    **{(state, kind): [ReportProgress] for state in _UNDER_WAY for kind in (E.RUN_BEGUN, E.NODE_STEP, E.UNNAMED_STEP)},
    (RunState.CONNECTING, E.RUN_BEGUN): [ReportStarted, ReportProgress],
    (RunState.CONNECTING, E.NODE_STEP): [ReportStarted, ReportProgress],
    (RunState.QUEUED, E.RUN_BEGUN): [ReportStarted, ReportProgress],
    (RunState.QUEUED, E.NODE_STEP): [ReportStarted, ReportProgress],
    (RunState.QUEUED, E.PENDING): [ReportQueued],
    (RunState.QUEUED, E.PENDING_NEXT): [ReportQueued],
    (RunState.QUEUED, E.PENDING_IDLE): [ReportQueued],
    (RunState.QUEUED, E.IN_PROGRESS): [ReportStarted],
    (RunState.QUEUED, E.WORKER_IDLE): [Fail],
    (RunState.QUEUED, E.HELD_UP): [SetMessage],
    (RunState.UNHEARD, E.RUN_BEGUN): [ReportStarted, ReportProgress],
    (RunState.UNHEARD, E.NODE_STEP): [ReportStarted, ReportProgress],
    (RunState.UNHEARD, E.UNNAMED_STEP): [ReportStarted, ReportProgress],
    (RunState.STARTED, E.STUCK): [LogLine],
    (RunState.COLLECTING, E.FETCHED): [RenewSocket],
    **{(state, E.LOOKUP_FAILED): [SetMessage] for state in ServerState if state is not ServerState.GONE},
    **{(state, E.LOOKUP_REFUSED): [Fail] for state in ServerState if state is not ServerState.GONE},
    (ServerState.AWAY, E.PENDING): [SetMessage, ReportQueued],
    (ServerState.AWAY, E.PENDING_NEXT): [SetMessage, ReportQueued],
    (ServerState.AWAY, E.PENDING_IDLE): [SetMessage, ReportQueued],
    (ServerState.AWAY, E.IN_PROGRESS): [SetMessage, ReportStarted],
    (ServerState.AWAY, E.FINISHED): [SetMessage, ReportStarted, Finish],
    (ServerState.AWAY, E.ABSENT): [SetMessage],
    (ServerState.AWAY, E.OUTAGE): [Fail],
    (ServerState.MISSING, E.ABSENT): [Fail],
    (ServerState.RESTARTED, E.ABSENT): [Fail],
    (SocketState.CONNECTING, E.SOCKET_REFUSED): [LogLine],
    (SocketState.LATE, E.SOCKET_DOWN): [LogLine],
    (SocketState.LATE, E.SOCKET_REFUSED): [LogLine],
    (SocketState.OPEN, E.SILENCE): [RenewSocket],
    (SocketState.LOST, E.SOCKET_UP): [ReportReconnected],
    (SocketState.REOPENED, E.SILENCE): [RenewSocket],
}
"""The commands of all pairs; a pair that is not here has none. Of ``ServerState`` the job waits in the queue."""

_IN_QUEUE = {
    **{kind: [ReportQueued] for kind in (E.PENDING, E.PENDING_NEXT, E.PENDING_IDLE)},
    E.IN_PROGRESS: [ReportStarted],
}


def machine_after(*kinds, clock=None):
    machine = RunMachine(PROMPT, TIMINGS, IDLE_TIMEOUT_S, lambda text: text.replace("key", "***"), clock or Clock())
    for kind in kinds:
        machine.on(EVENTS[kind])
    return machine


def states_of(machine):
    return {type(state): state for state in (machine.run_state, machine.server_state, machine.socket_state)}


def commands_for(state, kind):
    if (state, kind) in COMMANDS:
        return COMMANDS[state, kind]
    if isinstance(state, ServerState) and state is not ServerState.GONE:  # the run's region acts on the answer
        return {**_IN_QUEUE, E.FINISHED: [ReportStarted, Finish]}.get(kind, [])
    return []


@pytest.mark.parametrize("table", [RUN_TABLE, SERVER_TABLE, SOCKET_TABLE], ids=["run", "server", "socket"])
def test_every_pair_of_a_region_is_in_its_table_and_in_this_file(table):
    (states,) = {type(state) for state in table}
    (kinds,) = {frozenset(row) for row in table.values()}
    assert set(table) == set(states)
    assert {pair for pair in NEXT if isinstance(pair[0], states)} == {
        (state, kind) for state in states for kind in kinds
    }


def test_every_event_concerns_a_region():
    assert {kind for _state, kind in NEXT} == set(EventKind) == set(EVENTS)
    assert all(event.kind is kind for kind, event in EVENTS.items())


@pytest.mark.parametrize(("state", "path"), PATHS.items())
def test_the_paths_of_this_file_lead_to_their_states(state, path):
    assert states_of(machine_after(*path))[type(state)] is state


@pytest.mark.parametrize(("state", "kind"), NEXT, ids=lambda each: each.name)
def test_an_event_leads_to_its_next_state_with_its_commands(state, kind):
    machine = machine_after(*PATHS[state])
    commands = machine.on(EVENTS[kind])
    assert states_of(machine)[type(state)] is NEXT[state, kind]
    assert [type(command) for command in commands] == commands_for(state, kind)


# When the server is asked

PLANNED = [
    ([E.SOCKET_UP, E.FOLLOWED], TIMINGS.position_every_s),
    ([E.FOLLOWED], 0.0),
    ([*_QUEUED, E.LOOKUP_DUE], TIMINGS.poll_with_socket_s),
    ([E.FOLLOWED, E.LOOKUP_DUE], TIMINGS.poll_without_socket_s),
    ([*_QUEUED, E.LOOKUP_DUE, E.QUEUE_CHANGED], TIMINGS.position_every_s),
    ([*_QUEUED, E.LOOKUP_DUE, E.PENDING_IDLE], TIMINGS.poll_without_socket_s),
    ([*_QUEUED, E.LOOKUP_DUE, E.IN_PROGRESS], TIMINGS.no_message_timeout_s),
    ([*_RUNNING, E.LOOKUP_DUE], TIMINGS.poll_with_socket_s),
    ([*_RUNNING, E.LOOKUP_DUE, E.SOCKET_DOWN], TIMINGS.poll_without_socket_s),
    ([*_RUNNING, E.LOOKUP_DUE, E.SOCKET_DOWN, E.SOCKET_UP], 0.0),
    ([*_RUNNING, E.LOOKUP_DUE, E.LOOKUP_FAILED], TIMINGS.poll_without_socket_s),
    ([*_RUNNING, E.LOOKUP_DUE, E.ABSENT], TIMINGS.recheck_missing_s),
    ([*_RUNNING, E.LOOKUP_DUE, E.RUN_ENDED], 0.0),
    ([*_RUNNING, E.RUN_ENDED, E.LOOKUP_DUE, E.IN_PROGRESS], TIMINGS.ask_soon_s),
    ([*_RUNNING, E.RUN_ENDED, *[E.LOOKUP_DUE, E.IN_PROGRESS] * 3], TIMINGS.ask_soon_s * 4),
    ([*_RUNNING, E.RUN_ENDED, *[E.LOOKUP_DUE, E.PENDING] * 9], TIMINGS.poll_without_socket_s),
]


@pytest.mark.parametrize(("path", "seconds"), PLANNED)
def test_the_next_lookup_is_planned(path, seconds):
    clock = Clock()
    assert machine_after(*path, clock=clock).next_lookup == pytest.approx(clock.now + seconds)


def test_nothing_is_looked_up_before_the_prompt_is_sent():
    assert machine_after(E.SOCKET_UP).next_lookup == float("inf")


@pytest.mark.parametrize(("path", "position"), [(_QUEUED, True), (_RUNNING, False)])
def test_the_position_is_asked_for_while_the_job_waits(path, position):
    assert machine_after(*path).on(EVENTS[E.LOOKUP_DUE]) == [LookUp(position)]


# Deadlines: each is confirmed by an answer before it counts

EXPIRED = [
    ([*_QUEUED, E.IN_PROGRESS], TIMINGS.no_message_timeout_s, E.IN_PROGRESS, [RenewSocket]),
    ([E.FOLLOWED, E.SOCKET_UP, E.IN_PROGRESS], IDLE_TIMEOUT_S, E.IN_PROGRESS, [RenewSocket]),
    (_RUNNING, IDLE_TIMEOUT_S, E.IN_PROGRESS, [RenewSocket]),
    ([*_RUNNING, E.SOCKET_DOWN, E.SOCKET_UP], IDLE_TIMEOUT_S, E.IN_PROGRESS, [RenewSocket]),
    ([*_RUNNING, E.SILENCE, E.SOCKET_UP], IDLE_TIMEOUT_S, E.IN_PROGRESS, [RenewSocket]),
    ([*_QUEUED, E.SOCKET_DOWN, E.RUN_BEGUN], TIMINGS.stuck_s, E.IN_PROGRESS, [LogLine]),
    ([*_QUEUED, E.PENDING_IDLE], TIMINGS.idle_s, E.PENDING_IDLE, [ReportQueued, Fail]),
    ([*_QUEUED, E.PENDING_NEXT], TIMINGS.next_s, E.PENDING_NEXT, [ReportQueued, SetMessage]),
    ([*_RUNNING, E.LOOKUP_FAILED], TIMINGS.outage_s, E.LOOKUP_FAILED, [SetMessage, Fail]),
]


@pytest.mark.parametrize(("path", "seconds", "kind", "commands"), EXPIRED)
def test_a_deadline_that_has_passed_has_its_effect_once_the_server_has_answered(path, seconds, kind, commands):
    clock = Clock()
    machine = machine_after(*path, clock=clock)
    clock.now += seconds - 0.01
    machine.on(EVENTS[E.LOOKUP_DUE])
    early = [type(command) for command in machine.on(EVENTS[kind])]
    assert early == commands[:-1]
    assert clock.now < machine.next_lookup <= clock.now + 0.02, "the server is asked when it has passed"
    clock.now += 0.01
    machine.on(EVENTS[E.LOOKUP_DUE])
    assert [type(command) for command in machine.on(EVENTS[kind])] == commands
    assert [type(command) for command in machine.on(EVENTS[kind])][len(early) :] == [], "once"


@pytest.mark.parametrize(
    ("path", "seconds", "answers"),
    [
        ([*_QUEUED, E.PENDING_IDLE], TIMINGS.idle_s, [E.PENDING, E.PENDING_IDLE]),
        ([*_QUEUED, E.PENDING_IDLE], TIMINGS.idle_s, [E.PENDING_NEXT, E.PENDING_IDLE]),
        ([*_QUEUED, E.PENDING_IDLE], TIMINGS.idle_s, [E.LOOKUP_FAILED]),
        ([*_QUEUED, E.RUN_BEGUN, E.NODE_STEP], TIMINGS.stuck_s, [E.FINISHED]),
        ([*_RUNNING, E.RUN_ENDED], IDLE_TIMEOUT_S, [E.IN_PROGRESS]),
        ([*_RUNNING, E.SOCKET_DOWN], IDLE_TIMEOUT_S, [E.IN_PROGRESS]),
        ([*_QUEUED, E.LOOKUP_FAILED], TIMINGS.outage_s, [E.PENDING, E.LOOKUP_FAILED]),
    ],
)
def test_an_answer_that_does_not_fit_dismisses_a_deadline(path, seconds, answers):
    clock = Clock()
    machine = machine_after(*path, clock=clock)
    clock.now += seconds
    made = [command for kind in answers for command in machine.on(EVENTS[kind])]
    assert not [command for command in made if isinstance(command, (Fail, RenewSocket, LogLine))]


@pytest.mark.parametrize("lost", [[E.SOCKET_DOWN], [E.IN_PROGRESS]], ids=["lost", "silent, so renewed"])
def test_the_silence_counts_anew_once_the_websocket_is_back(lost):
    clock = Clock()
    machine = machine_after(*_RUNNING, clock=clock)
    clock.now += IDLE_TIMEOUT_S
    for kind in (*lost, E.SOCKET_UP):
        machine.on(EVENTS[kind])
    assert machine.on(EVENTS[E.IN_PROGRESS]) == []
    clock.now += IDLE_TIMEOUT_S
    assert machine.on(EVENTS[E.IN_PROGRESS]) == [RenewSocket()]


@pytest.mark.parametrize("kind", [E.PENDING, E.PENDING_IDLE])
def test_a_job_counts_as_held_up_only_while_it_is_the_next(kind):
    clock = Clock()
    machine = machine_after(*_QUEUED, E.PENDING_NEXT, clock=clock)
    clock.now += TIMINGS.next_s
    assert [type(command) for command in machine.on(EVENTS[kind])] == [ReportQueued]
    assert [type(command) for command in machine.on(EVENTS[E.PENDING_NEXT])] == [ReportQueued]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"position": 0, "running": ("theirs",)}, E.PENDING_NEXT),
        ({"position": 0, "running": ("theirs", "ours")}, E.PENDING),
        ({"position": 1, "running": ("theirs",)}, E.PENDING),
        ({"running": ("theirs",)}, E.PENDING),
        ({"position": 0, "idle": True}, E.PENDING_IDLE),
    ],
)
def test_a_waiting_job_is_held_up_by_prompts_of_others_alone(fields, kind):
    assert answer(ServerJobState.PENDING, **fields).kind is kind


def test_a_server_that_stays_away_is_not_asked_without_a_pause():
    clock = Clock()
    machine = machine_after(*_RUNNING, E.LOOKUP_FAILED, clock=clock)
    clock.now += IDLE_TIMEOUT_S + 1.0  # the deadline of the websocket's silence is over
    assert machine.on(EVENTS[E.LOOKUP_DUE]) == [LookUp(position=False)]
    machine.on(EVENTS[E.LOOKUP_FAILED])
    assert machine.next_lookup == clock.now + TIMINGS.poll_without_socket_s


# Texts and results


def failure(*kinds):
    last = machine_after(*kinds[:-1]).on(EVENTS[kinds[-1]])[-1]
    assert isinstance(last, Fail)
    return last.error


@pytest.mark.parametrize(
    ("path", "kind", "code", "words"),
    [
        ([*_QUEUED, E.ABSENT, E.ABSENT], JobLost, "removed", "removed from the ComfyUI server's queue"),
        ([*_RUNNING, E.ABSENT, E.ABSENT], JobLost, "job_lost", "history was cleared"),
        ([*_RUNNING, E.SOCKET_DOWN, E.ABSENT, E.ABSENT], JobLost, "job_lost", "restarted during 'Sampler'"),
        ([*_QUEUED, E.LOOKUP_FAILED, E.ABSENT, E.ABSENT], JobLost, "job_lost", "was restarted and lost"),
        ([*_RUNNING, E.RUN_ENDED, E.ABSENT, E.ABSENT], JobLost, "job_lost", "history was cleared"),
        ([*_RUNNING, E.RUN_ENDED, E.LOOKUP_FAILED, E.ABSENT, E.ABSENT], JobLost, "job_lost", "restarted"),
        ([*_QUEUED, E.WORKER_IDLE], GenerationError, "worker_dead", "no longer runs them"),
        ([*_QUEUED, E.LOOKUP_REFUSED], AuthenticationError, "authentication", "no"),
        ([*_QUEUED, E.LOOKUP_FAILED, E.OUTAGE], ConnectionLost, "connection_lost", "cut"),
    ],
)
def test_a_failure_says_what_has_happened(path, kind, code, words):
    error = failure(*path)
    assert type(error) is kind
    assert error.code == code
    assert words in error.message


def test_a_renewed_websocket_does_not_count_as_a_lost_contact():
    error = failure(*_RUNNING, E.SILENCE, E.SOCKET_DOWN, E.SOCKET_UP, E.ABSENT, E.ABSENT)
    assert "history was cleared" in error.message


@pytest.mark.parametrize("between", [[], [E.SOCKET_DOWN]])
def test_messages_stand_in_for_a_history_that_was_cleared(between):
    machine = machine_after(*_RUNNING, *between)
    machine.on(message("executed", node="2", output=OUTPUTS["2"]))
    for kind in (E.RUN_ENDED, E.ABSENT):
        machine.on(EVENTS[kind])
    end = EVENTS[E.RUN_ENDED].message.data
    assert machine.on(EVENTS[E.ABSENT])[-1] == Finish(LookupResult(ServerJobState.SUCCEEDED, outputs=OUTPUTS, end=end))


def test_an_error_message_stands_in_for_a_history_that_was_cleared():
    machine = machine_after(*_RUNNING)
    ended = message("execution_error", node_id="2", exception_message="bad")
    for event in (ended, EVENTS[E.ABSENT]):
        machine.on(event)
    assert machine.on(EVENTS[E.ABSENT])[-1] == Finish(
        LookupResult(ServerJobState.FAILED, outputs={}, end=ended.message.data)
    )


def test_the_end_of_the_last_node_alone_is_no_result():
    machine = machine_after(*_RUNNING)
    machine.on(message("executing", node=None))
    machine.on(EVENTS[E.ABSENT])
    assert "history was cleared" in machine.on(EVENTS[E.ABSENT])[-1].error.message


def test_a_deaf_websocket_is_renewed_only_if_no_message_can_have_been_missed():
    assert machine_after(*_RUNNING, E.FINISHED).on(EVENTS[E.FETCHED]) == [RenewSocket()]
    assert machine_after(*_RUNNING, E.SOCKET_DOWN, E.SOCKET_UP, E.FINISHED).on(EVENTS[E.FETCHED]) == []
    assert machine_after(E.FOLLOWED, E.SOCKET_UP, E.FINISHED).on(EVENTS[E.FETCHED]) == []


def test_a_picture_belongs_to_the_node_that_runs():
    event = EVENTS[E.PREVIEW]
    assert machine_after(*_RUNNING).on(event) == [ReportPreview(event.preview, "1")]


@pytest.mark.parametrize(("path", "text"), [(_QUEUED, "half way"), (_RUNNING, "Sampler: half way")])
def test_the_text_of_a_node_names_the_node(path, text):
    assert machine_after(*path).on(EVENTS[E.NODE_TEXT]) == [SetMessage(text)]


def test_texts_of_the_server_are_redacted():
    event = message("execution_error", exception_type="ExecutionBlocked", node_id="2", exception_message="my key.")
    assert machine_after(*_RUNNING).on(event) == [LogLine("'Result' was blocked: my ***")]
    assert machine_after(*_QUEUED).on(event_for_item(NodeText("my key"))) == [SetMessage("my ***")]


def test_the_outputs_that_will_run_are_all_of_the_progress():
    machine = machine_after(E.SOCKET_UP)
    machine.expect(["1"])
    machine.on(EVENTS[E.FOLLOWED])
    finished = message("progress_state", nodes={"1": {"state": "finished", "value": 1, "max": 1}})
    assert machine.on(finished)[-1].progress.fraction == 1.0


@pytest.mark.parametrize(
    "item",
    [Message("crystools.monitor", {}), Message("feature_flags", {}), object()],
)
def test_what_says_nothing_about_a_run_is_no_event(item):
    assert event_for_item(item) is None


def test_the_end_of_a_node_without_a_prompt_id_is_no_end():
    assert unnamed("executing", node=None).kind is E.UNNAMED_STEP
    assert message("executing", node=None).kind is E.RUN_ENDED
