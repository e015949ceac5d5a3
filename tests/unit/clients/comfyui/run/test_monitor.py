"""The I/O around a run's state machine: a job's inbox, answers of the server, the commands carried out."""

from __future__ import annotations

import pytest
from support.scripted import ScriptedRequest, scripted
from support.waiting import HANG_GUARD_S

from movie_director.clients import events
from movie_director.clients.comfyui.run.monitor import RunMonitor
from movie_director.clients.comfyui.server.event_socket import Down, Up
from movie_director.clients.comfyui.server.job_lookup import LookupResult, ServerJobState
from movie_director.clients.comfyui.server.messages import Message, NodeText, Preview
from movie_director.clients.comfyui.server.timings import Timings
from movie_director.clients.core.job import Result
from movie_director.clients.errors import AuthenticationError, ConnectionLost, JobLost

PNG = b"\x89PNG\r\n\x1a\n and so on"
LOST = ConnectionLost("cut", retryable=True)
QUICK = Timings(
    socket_wait_s=0.2, poll_with_socket_s=0.01, position_every_s=0.0, recheck_missing_s=0.01, ask_soon_s=0.0
)
ENDED = LookupResult(ServerJobState.SUCCEEDED, outputs={})
RUNNING = LookupResult(ServerJobState.RUNNING)
ABSENT = LookupResult(ServerJobState.ABSENT)


class Lookup:
    """Answers as given, the last answer again and again; an answer that is an error is raised. An answer may be a pair:
    the result, and what then comes over the websocket.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def ask(self, prompt_id, job, *, position):
        self.asked.append((prompt_id, position))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer, items = answer if isinstance(answer, tuple) else (answer, [])
        for item in items:
            job.post(item)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Socket:
    """Counts how often it was renewed."""

    renewals = 0

    def serves(self, _prompt_id):
        return False

    def renew(self):
        self.renewals += 1


class Run:
    """One job whose behaviour is ``work(monitor, job)``, with the lookup and the socket of its monitor."""

    def __init__(self, folder, work, *answers, class_type="SaveImage"):
        self.lookup, self.socket = Lookup(*answers), Socket()
        prompt = {"2": {"class_type": class_type, "inputs": {}, "_meta": {"title": "Hero"}}}

        def behaviour(job):
            monitor = RunMonitor(job, self.lookup, self.socket, QUICK, str, prompt)
            with monitor.pictures:
                work(monitor, job)
                return Result(tuple(monitor.pictures.publish()))

        with scripted(behaviour, output_dir=folder) as client:
            self.job = client.submit(ScriptedRequest())
            self.error = self.job.exception(HANG_GUARD_S)
            self.events = list(self.job.events())

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def message(kind, **data):
    return Message(kind, {"prompt_id": "p", **data}, "p")


def whole_run(monitor, job):
    """Wait for the websocket, follow and finish."""
    job.post(Up())
    monitor.wait_for_socket()
    monitor.follow("p")
    monitor.collect()
    monitor.finish()


def test_a_run_is_reported_from_its_queue_to_its_end(tmp_path):
    begun = [message("execution_start"), message("executing", node="2"), Preview(PNG, "image/png", "p")]
    ended = [NodeText("half way", "p"), Down(LOST, was_up=True), Up(), message("execution_success")]
    waiting = LookupResult(ServerJobState.PENDING, position=1)
    run = Run(tmp_path, whole_run, (waiting, begun), RUNNING, (LOST, ended), ENDED)
    assert run.error is None
    assert run.lookup.asked == [("p", True), ("p", False), ("p", False), ("p", False)]
    assert [event.progress.stage for event in run.of(events.Progressed)] == ["Hero"]
    assert [event.data for event in run.of(events.Previewed)] == [PNG]
    assert len(run.of(events.Started)) == len(run.of(events.Reconnected)) == 1
    assert 1 in [event.position for event in run.of(events.Queued)]
    assert run.socket.renewals == 0


def test_a_websocket_that_stays_silent_to_the_end_is_renewed(tmp_path):
    assert Run(tmp_path, whole_run, RUNNING, ENDED).socket.renewals == 1


@pytest.mark.parametrize(
    ("answers", "kind", "asked"),
    [([AuthenticationError("no")], AuthenticationError, 1), ([LOST, ABSENT], JobLost, 3)],
)
def test_a_failure_ends_the_job(answers, kind, asked, tmp_path):
    run = Run(tmp_path, whole_run, *answers)
    assert type(run.error) is kind
    assert len(run.lookup.asked) == asked


def test_pictures_on_their_way_are_waited_for_when_the_end_is_known_before_its_message(tmp_path):
    def work(monitor, job):
        job.post(Up())
        monitor.wait_for_socket()
        monitor.follow("p")
        for item in (message("executing", node="2"), Preview(PNG, "image/png", "p"), message("executing", node=None)):
            job.post(item)
        monitor.collect()

    run = Run(tmp_path, work, ENDED, class_type="SaveImageWebsocket")
    (artifact,) = run.job.result(HANG_GUARD_S).artifacts
    assert artifact.path.read_bytes() == PNG
    assert artifact.path.name == "Hero.png"


def waited(tmp_path, *items):
    """Return the log lines of a job that waits for its websocket, and what is left in its inbox."""
    left = []

    def work(monitor, job):
        for item in items:
            job.post(item)
        monitor.wait_for_socket()
        job.post("the end")
        left.append(job.receive(HANG_GUARD_S))

    run = Run(tmp_path, work, ENDED)
    assert run.error is None
    assert left == ["the end"]
    return [event.line for event in run.of(events.Logged)]


@pytest.mark.parametrize(
    ("items", "lines"),
    [
        ([Up()], []),
        ([], []),
        ([Up(), Down(LOST, was_up=True), Message("status", {}), Up()], []),
        ([Down(LOST, was_up=False)], ["No live progress: cut"]),
    ],
    ids=["open", "not yet open", "lost and open again", "can't be opened"],
)
def test_a_job_waits_for_its_websocket(items, lines, tmp_path):
    assert waited(tmp_path, *items) == lines
