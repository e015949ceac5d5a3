"""Every recorded call of Gradio 4.44.1, 5.29.0 and 6.31.0, replayed through the session's own reading of its stream."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from faultserver import FaultServer, always, answer
from support import gradio_scenarios
from support.gradio import JobScope, bench
from support.gradio_proto import RECORDINGS, VERSIONS, recorded

from movie_director.clients import errors
from movie_director.clients.gradio.config import Dependency, parse_config
from movie_director.clients.gradio.errors import read_call_error
from movie_director.clients.gradio.messages import Completed, Failed, Log, Progress, Queued, Started, Yielded
from movie_director.clients.gradio.queue_call import GradioCall
from movie_director.clients.gradio.run_endpoint import run_endpoint

ROOT = Path(__file__).resolve().parents[4]
SCENARIOS = gradio_scenarios.SCENARIOS
RECORDED = sorted({path.stem for version in VERSIONS for path in (RECORDINGS / version).glob("*.jsonl")})
WITH_CALLS = [
    (version, name)
    for version in VERSIONS
    for name in RECORDED
    if (RECORDINGS / version / f"{name}.jsonl").exists() and gradio_scenarios.REPLAY in SCENARIOS.get(name, ())
]
FN = Dependency(0, "fn", (), (), (), None, True, False, True)
TYPES = {
    "estimation": Queued,
    "process_starts": Started,
    "progress": Progress,
    "log": Log,
    "process_generating": Yielded,
}


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        yield made


def calls_of(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the messages of each call that ended on the stream."""
    calls: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        message = line.get("data")
        if line["channel"] == "sse" and isinstance(message, dict) and message.get("event_id"):
            calls.setdefault(message["event_id"], []).append(message)
    return {key: each for key, each in calls.items() if each[-1]["msg"] == "process_completed"}


@pytest.mark.parametrize(("version", "scenario"), WITH_CALLS)
def test_every_recorded_call_ends_as_it_should(at, version, scenario):
    access = at.access("http://127.0.0.1:1")
    calls = calls_of(recorded(version, scenario))
    assert calls
    for event_id, messages in calls.items():
        call = GradioCall(
            access, Dependency(0, "fn", (), (), (), None, True, False, True), event_id, threading.Condition()
        )
        for serial, message in enumerate(messages):
            call.take(serial, message)
        told = list(call.messages(JobScope()))
        assert [type(each) for each in told[:-1]] == [TYPES[each["msg"]] for each in messages[:-1]]
        _check_end(call, told, messages[-1])


def _check_end(call: GradioCall, told: list[Any], last: dict[str, Any]) -> None:
    output = last["output"]
    if not last["success"]:
        assert isinstance(told[-1], Failed)
        with pytest.raises(errors.GenerationError) as caught:
            call.result(JobScope())
        said = output["error"]
        assert (caught.value.code == "no_reason") is (said is None)
        if said is not None:
            assert said.strip("'") in caught.value.message
        return
    assert isinstance(told[-1], Completed)
    assert told[-1].raw == output.get("data")
    assert told[-1].cancelled is ("data" not in output)
    yields = [each for each in told if isinstance(each, Yielded)]
    if yields and not told[-1].cancelled:
        assert yields[-1].raw == output["data"], "the edits lead to the final values"


def requests_of(version: str, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the requests of a scenario that have an answer of their own, with it."""
    lines = recorded(version, name)
    answers = {line["x"]: line for line in lines if line["channel"] == "http" and line["dir"] == "recv"}
    return [(line, answers[line["x"]]) for line in lines if "method" in line and line["x"] in answers]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", [name for name, tests in SCENARIOS.items() if gradio_scenarios.SMALL in tests])
def test_calls_without_a_stream_end_as_they_should(at, version, name):
    if not (RECORDINGS / version / f"{name}.jsonl").exists():
        pytest.skip("recorded with another version")
    config = parse_config({"version": version, "dependencies": []})
    assert config is not None
    seen = 0
    for sent, got in requests_of(version, name):
        body = json.dumps(got["json"]).encode() if "json" in got else got.get("text", "").encode()
        kind = got["headers"].get("content-type", "")
        raw = answer(body, f"Content-Type: {kind}", status=f"{got['status']} Recorded")
        if "/run/" in sent["path"] and got["status"] == 200:
            with FaultServer(always(raw)) as server:
                assert run_endpoint(at.access(server.url), config, FN, [], "h", at.scope).raw == got["json"]["data"]
        elif sent["method"] == "POST" and got["status"] >= 400:
            with FaultServer(always(raw)) as server:
                access = at.access(server.url)
                response = access.request("POST", "/x", scope=at.scope, expect=(got["status"],), repeatable=False)
                error = read_call_error(access, response, "fn")
            assert error.message
            assert error.hint
            assert isinstance(error, (errors.APIError, errors.ValidationError, errors.MissingResource))
        else:
            continue
        seen += 1
    assert seen


def test_every_recorded_scenario_is_covered_by_tests_that_exist():
    assert sorted(SCENARIOS) == RECORDED
    for tests in SCENARIOS.values():
        assert tests
        for test in tests:
            file, _, function = test.partition("::")
            assert re.search(rf"^def {function}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), test
