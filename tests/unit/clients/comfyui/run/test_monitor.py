"""Following a ComfyUI prompt: what comes over the websocket after the server was asked."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from movie_director.clients.comfyui.run.monitor import RunMonitor
from movie_director.clients.comfyui.server.event_socket import Down, Up
from movie_director.clients.comfyui.server.messages import Message, Preview
from movie_director.clients.comfyui.server.timings import Timings
from movie_director.clients.errors import ConnectionLost

PNG = b"\x89PNG\r\n\x1a\n and so on"


LOST = ConnectionLost("cut")


def follower_of(items: Iterable[Any], folder: Any, class_type: str, renewed: list[bool] | None = None) -> RunMonitor:
    left = [Up(), None, *items]
    return waiting_follower(left, folder, class_type, [] if renewed is None else renewed)


def waiting_follower(
    left: list[Any], folder: Any, class_type: str, renewed: list[bool], logged: list[str] | None = None
) -> RunMonitor:
    """Return a follower that has waited for its websocket; ``left`` is what its job's inbox gives, None for nothing."""
    job = SimpleNamespace(
        output_dir=folder,
        receive=lambda _timeout_s: left.pop(0) if left else None,
        started=lambda: None,
        preview=lambda *_: None,
        progress=lambda *_, **__: None,
        reconnected=lambda: None,
        log=lambda line: None if logged is None else logged.append(line),
    )
    connection = SimpleNamespace(renew=lambda: renewed.append(True))
    prompt = {"2": {"class_type": class_type, "inputs": {}, "_meta": {"title": "Hero"}}}
    follower = RunMonitor(cast(Any, job), cast(Any, None), cast(Any, connection), Timings(), str, prompt)
    follower.wait_for_socket()
    return follower


def test_pictures_on_their_way_are_waited_for_when_the_end_is_known_before_it_was_told(tmp_path):
    items = [
        Message("executing", {"node": "2", "prompt_id": "p"}, "p"),
        Preview(PNG, "image/png", "p", "2"),
        Message("executing", {"node": None, "prompt_id": "p"}, "p"),
    ]
    follower = follower_of(items, tmp_path, "SaveImageWebsocket")
    with follower.pictures:
        follower.take_rest()
        (artifact,) = follower.pictures.publish()
    assert artifact.path.read_bytes() == PNG
    assert artifact.path.name == "Hero.png"


def test_without_such_nodes_nothing_is_waited_for(tmp_path):
    follower = follower_of([None, Preview(PNG, "image/png", "p", "2")], tmp_path, "SaveImage")
    with follower.pictures:
        follower.take_rest()
        assert follower.pictures.publish() == []


def test_an_end_that_is_not_told_on_a_websocket_that_was_open_all_the_time_renews_it(tmp_path):
    renewed: list[bool] = []
    follower_of([], tmp_path, "SaveImage", renewed).finish()
    assert renewed == [True]


@pytest.mark.parametrize("between", [[Down(LOST, was_up=True)], [Down(LOST, was_up=True), Up()]])
def test_a_websocket_that_was_down_for_a_while_is_not_taken_for_deaf(between, tmp_path):
    renewed: list[bool] = []
    follower_of(between, tmp_path, "SaveImage", renewed).finish()
    assert renewed == []


def test_a_websocket_that_came_up_after_the_job_was_sent_is_not_taken_for_deaf(tmp_path):
    renewed: list[bool] = []
    waiting_follower([Down(LOST, was_up=False), None, Up()], tmp_path, "SaveImage", renewed).finish()
    assert renewed == []


def test_a_job_waits_for_a_websocket_that_was_lost_before_it_is_sent(tmp_path):
    left = [Up(), Down(LOST, was_up=True), Message("status", {}, ""), Up(), None, "not looked at"]
    logged: list[str] = []
    waiting_follower(left, tmp_path, "SaveImage", [], logged)
    assert left == ["not looked at"]
    assert logged == []


def test_a_job_waits_no_longer_for_a_websocket_that_can_not_be_opened(tmp_path):
    left = [Down(LOST, was_up=False), None, "not looked at"]
    logged: list[str] = []
    waiting_follower(left, tmp_path, "SaveImage", [], logged)
    assert left == ["not looked at"]
    assert logged == ["No live progress: cut"]
