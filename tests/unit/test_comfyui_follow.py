"""Following a ComfyUI prompt: what comes over the websocket after the server was asked."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

from movie_director.clients.comfyui.follow import Follower
from movie_director.clients.comfyui.frames import Message, Preview
from movie_director.clients.comfyui.pace import Pace

PNG = b"\x89PNG\r\n\x1a\n and so on"


def follower_of(items: Iterable[Any], folder: Any, class_type: str) -> Follower:
    left = list(items)
    job = SimpleNamespace(
        output_dir=folder,
        receive=lambda _timeout_s: left.pop(0) if left else None,
        started=lambda: None,
        preview=lambda *_: None,
        progress=lambda *_, **__: None,
    )
    connection = SimpleNamespace(live=True, tried=True)
    prompt = {"2": {"class_type": class_type, "inputs": {}, "_meta": {"title": "Hero"}}}
    follower = Follower(cast(Any, job), cast(Any, None), cast(Any, connection), Pace(), prompt)
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
