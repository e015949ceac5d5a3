"""The mock Gradio server compared with recordings of Gradio 4.44.1, 5.29.0 and 6.31.0: see support/gradio_replay.py."""

from __future__ import annotations

from typing import Any

import pytest
from support import gradio_replay
from support.gradio_proto import RECORDINGS, VERSIONS, MockProto, recorded
from support.gradio_replay import Replay, differences, form
from support.http import request

from movie_director.clients.mock.gradio.messages import Dialect
from movie_director.clients.mock.gradio.queue import EventQueue

SPEED = 20.0
SLOWER = {  # what is cancelled or waited for must still be running then, on a busy machine too
    "cancel_while_queued": 1.0,
    "cancel_plain_function": 1.0,
    "cancel_event_endpoint": 5.0,
    "client_disconnect_mid_job": 5.0,
    "queue_rank_eta": 3.0,
    "limits_queue_full_max_file_show_error": 3.0,
}
OPTIONS = {
    "auth_login": {"login": ("user", "secret")},
    "limits_queue_full_max_file_show_error": {"max_queue": 1, "max_file_size": 1024, "show_error": True},
}
APART = ("config_info",)
SCENARIOS = [
    (version, path.stem)
    for version in VERSIONS
    for path in sorted((RECORDINGS / version).glob("*.jsonl"))
    if path.stem not in APART
]


@pytest.mark.parametrize(("version", "scenario"), SCENARIOS)
def test_the_mock_answers_as_the_recorded_server_did(version: str, scenario: str) -> None:
    lines = recorded(version, scenario)
    speed = SLOWER.get(scenario, SPEED)
    with MockProto(version=version, speed=speed, **OPTIONS.get(scenario, {})) as mock:
        mock.heartbeat_s /= SPEED
        replay = Replay(mock.url, lines)
        try:
            replay.run()
        finally:
            replay.stop()
    found = differences(replay)
    assert not found, "\n".join(found)


NOT_SERVED = ("/theme.css", "/openapi.json", "/gradio_api/openapi.json", "/login_check")


@pytest.mark.parametrize("version", VERSIONS)
def test_config_and_info_have_the_recorded_keys(version: str) -> None:
    lines = recorded(version, "config_info")
    sent = {line["x"]: line["path"] for line in lines if line["dir"] == "send"}
    with MockProto(version=version) as mock:
        for line in lines:
            path = sent[line["x"]]
            if line["dir"] == "send" or path in NOT_SERVED:
                continue
            answer = request("GET", mock.url + path)
            assert answer.status == line["status"], path
            told = line.get("json", line.get("json_outline", line.get("text")))
            if path.endswith("/config"):
                assert list(answer.json()) == list(told)
                assert answer.json()["version"] == version
                _same_parts(answer.json(), told)
            elif path.endswith("/info") and line["status"] == 200:
                _same_endpoints(answer.json(), told)
            elif "text" in line:
                assert answer.data.decode().split() == told.split()
            else:
                assert form(answer.json()) == form(told), path


def _same_parts(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    if isinstance(theirs["components"], str):
        return  # recorded as an outline
    assert form(mine["dependencies"]) == form(theirs["dependencies"])
    for own, part in zip(mine["components"], theirs["components"], strict=True):
        assert (own["id"], own["type"], own["skip_api"]) == (part["id"], part["type"], part["skip_api"])
        assert list(own) == list(part)


def _same_endpoints(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert list(mine["named_endpoints"]) == list(theirs["named_endpoints"])
    assert mine["unnamed_endpoints"] == theirs["unnamed_endpoints"]
    for name, told in theirs["named_endpoints"].items():
        own = mine["named_endpoints"][name]
        assert list(own) == list(told)
        for kind in ("parameters", "returns"):
            assert [list(each) for each in own[kind]] == [list(each) for each in told[kind]], name
            assert [each["component"] for each in own[kind]] == [each["component"] for each in told[kind]]
    echo = mine["named_endpoints"]["/echo"]["parameters"]
    assert [each["parameter_name"] for each in echo] == ["text", "n", "flag"]


def _without(method: Any, key: str) -> Any:
    def cut(self: Any, *args: Any, **more: Any) -> Any:
        told = method(self, *args, **more)
        told.pop(key, None)
        return told

    return cut


BREAKS = {
    "a key less": ("log_info_warning", Dialect, "log", _without(Dialect.log, "title")),
    "no start": ("whoami_request", Dialect, "starts", lambda self, event_id, eta: {"msg": "process_begins"}),
    "whole values, no edits": ("generator_progress_diffs", EventQueue, "_diffs", lambda self, event, old, new: new),
    "no close": ("session_state", Dialect, "close_stream", lambda self: {"msg": "closing", "event_id": None}),
    "errors told": ("error_exception", Dialect, "error", lambda self, text, **more: {"error": text}),
    "a cancel without effect": ("cancel_event_endpoint", EventQueue, "cancel", lambda self, session, event_id: None),
}


@pytest.mark.parametrize("what", BREAKS)
def test_the_comparison_notices_a_mock_that_does_otherwise(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, owner, name, broken = BREAKS[what]
    monkeypatch.setattr(owner, name, broken)
    monkeypatch.setattr(gradio_replay, "HANG_GUARD_S", 1.0)
    with MockProto(version="5.29.0", speed=SPEED) as mock:
        replay = Replay(mock.url, recorded("5.29.0", scenario))
        try:
            replay.run()
        finally:
            replay.stop()
    assert differences(replay)


def test_the_comparison_tells_one_version_from_another() -> None:
    with MockProto(version="4.44.1", speed=SPEED) as mock:
        mock.dialect = Dialect("6.31.0")
        mock.queue._dialect = mock.dialect
        replay = Replay(mock.url, recorded("4.44.1", "error_gr_error"))
        replay.run()
        replay.stop()
    assert differences(replay)
