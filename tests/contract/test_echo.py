"""Echo, the worked example: what each true backend is tested for in folders of its own."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from echo.client import EchoClient, parse_report
from echo.mock import MockEcho
from echo.program import Handler
from echo.record import SCENARIOS, Recorder
from echo.request import EchoRequest
from support.replay import shape
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import JobState, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.mock import Fault

RECORDINGS = Path(__file__).parent / "echo" / "recordings" / "echo-1.4"
ON_THE_WAY = ("queued", "running")


@pytest.fixture
def mock():
    with MockEcho(speed=20.0) as server:
        yield server


@pytest.fixture
def program():
    """The address of the server itself."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clients(tmp_path):
    """Make clients that are closed at the end."""
    made = []

    def make(url):
        made.append(EchoClient(url, options=replace(EchoClient.default_options, output_dir=tmp_path / "out")))
        return made[-1]

    yield make
    for client in made:
        client.close()


# --- the recordings judge the mock


def answers(lines):
    """Return each kind of answer once: to what, its status and form."""
    found = set()
    for sent, told in zip(lines[::2], lines[1::2], strict=True):
        data = told.get("json")
        state = data.get("state", "") if isinstance(data, dict) else ""
        found.add((sent["method"], sent["path"], told["status"], state, str(shape(data)), told.get("text", "")))
    return found


def assert_like_the_recording(url, scenario):
    """A server's answers are the recorded ones; of a job on its way the states that were met."""
    text = (RECORDINGS / f"{scenario.__name__}.jsonl").read_text(encoding="utf-8")
    recorded = answers([json.loads(line) for line in text.splitlines()])
    recorder = Recorder(url)
    scenario(recorder)
    met = answers(recorder.lines)
    assert met <= recorded
    assert {each for each in recorded if each[3] not in ON_THE_WAY} <= met


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_mock_answers_as_recorded(scenario):
    with MockEcho() as mock:
        assert_like_the_recording(mock.url, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_recording_is_what_the_server_says(program, scenario):
    assert_like_the_recording(program, scenario)


def test_the_client_works_with_the_server_itself(program, clients):
    client = clients(program)
    assert client.probe().version == "1.4"
    result = client.submit(EchoRequest("Anybody there?", times=2)).result(HANG_GUARD_S)
    assert result.artifacts[0].path.read_text() == "Anybody there?\nAnybody there?\n"
    job = client.submit(EchoRequest("Anybody there?", times=10_000))
    assert wait_for(job.running)
    assert job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)


# --- at most once


@pytest.mark.parametrize(
    ("fault", "kind", "code", "stage"),
    [
        ("lost_answer", type(None), "", "accepted"),
        ("reset", errors.JobLost, "outcome_unknown", "sent"),
        ("close_before_answer", errors.JobLost, "outcome_unknown", "sent"),
        ("status:502", errors.JobLost, "outcome_unknown", "sent"),
        ("status:400", errors.ValidationError, "invalid_request", "queued"),
        ("status:401", errors.AuthenticationError, "authentication", "queued"),
        ("html_login_page", errors.ProtocolError, "web_page", "queued"),
        ("cut_body", type(None), "", "accepted"),
    ],
)
def test_a_job_is_sent_once_whatever_becomes_of_the_answer(mock, clients, fault, kind, code, stage):
    mock.inject(Fault(fault, on="POST /jobs"))
    job = clients(mock.url).submit(EchoRequest("Anybody there?"))
    error = job.exception(HANG_GUARD_S)
    assert type(error) is kind
    assert getattr(error, "code", "") == code
    assert job.record()["stage"] == stage
    assert len(mock.requests.matching("POST /jobs")) == 1


def test_a_server_that_can_not_be_asked_leaves_the_outcome_unknown(mock, clients):
    mock.inject(Fault("lost_answer", on="POST /jobs"))
    mock.inject(Fault("status:403", on="GET /jobs", times=None))
    error = clients(mock.url).submit(EchoRequest("Anybody there?")).exception(HANG_GUARD_S)
    assert (type(error), error.code) == (errors.JobLost, "outcome_unknown")
    assert isinstance(error.__cause__, errors.ConnectionLost)


def test_a_server_that_was_restarted_has_lost_the_job(mock, clients):
    job = clients(mock.url).submit(EchoRequest("Anybody there?", times=10_000))
    assert wait_for(job.running)
    mock.forget_jobs()
    assert type(job.exception(HANG_GUARD_S)) is errors.JobLost
    resumed = clients(mock.url).resume({**job.record(), "stage": "accepted"})
    assert type(resumed.exception(HANG_GUARD_S)) is errors.JobLost
    assert len(mock.requests.matching("POST /jobs")) == 1


# --- progress, cancel, errors


def test_progress_counts_the_repeated_texts(mock, clients):
    job = clients(mock.url).submit(EchoRequest("Anybody there?", times=200))
    job.result(HANG_GUARD_S)
    met = [event.progress for event in job.events() if isinstance(event, events.Progressed)]
    assert met
    assert all(each.total_steps == 200 and 0 < each.step <= 200 for each in met)


def test_a_cancel_that_has_no_effect_is_said_to_have_failed(mock, tmp_path):
    mock.inject(Fault("ignore_cancel"))
    options = replace(EchoClient.default_options, output_dir=tmp_path, drain_timeout_s=0.2)
    with EchoClient(mock.url, options=options) as client:
        job = client.submit(EchoRequest("Anybody there?", times=10_000))
        assert wait_for(job.running)
        job.cancel()
        assert wait_for(lambda: job.status.backend_cancel is BackendCancel.FAILED)
        assert job.status.state is JobState.CANCELLED


def test_a_job_that_never_arrived_is_cancelled_for_certain(mock, clients):
    mock.inject(Fault("stall", on="POST /jobs"))
    job = clients(mock.url).submit(EchoRequest("Anybody there?"))
    mock.wait_for_request("POST /jobs")
    job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [("oom", errors.OutOfMemory, "no memory left"), ("run_error", errors.GenerationError, "does not say why")],
)
def test_failures_are_typed(mock, clients, fault, kind, said):
    mock.inject(Fault(fault))
    error = clients(mock.url).submit(EchoRequest("Anybody there?")).exception(HANG_GUARD_S)
    assert type(error) is kind
    assert said in error.message
    assert error.hint
    assert error.backend == "echo"


@pytest.mark.parametrize("answer", [None, [], {}, {"said": "x", "times": 1}, {"said": 1, "times": 2, "state": "done"}])
def test_what_the_server_would_not_say_is_malformed(answer):
    with pytest.raises(errors.ProtocolError) as caught:
        parse_report(answer)
    assert caught.value.code == "bad_answer"


def test_another_program_is_no_echo_server(clients):
    mock = MockEcho()
    mock._routes.clear()
    mock.route("GET", "/version", lambda _: type(mock.missing(_)).json({"program": "hello"}))
    with mock, pytest.raises(errors.ProtocolError) as caught:
        clients(mock.url).probe()
    assert caught.value.code == "not_echo"
