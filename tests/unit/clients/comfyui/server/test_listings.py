"""Rows of a ComfyUI server's lists, also of ones that are not as they should be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from movie_director.clients import JobState
from movie_director.clients.comfyui.server.listings import (
    PastPrompt,
    QueuedPrompt,
    SavedWorkflow,
    history_rows,
    queue_rows,
    saved_rows,
    user_id,
)

MARK = {"movie_director": {"job": "our job"}}


def api(**answers: Any) -> Any:
    """Return a server that gives these answers, whatever it is asked."""
    return cast(Any, SimpleNamespace(**{name: lambda *_, value=value: value for name, value in answers.items()}))


def test_the_queue_is_a_heap_and_is_told_in_order():
    pending = [[7.0, "c", {}, {}, []], [-2, "b", {"1": {}}, MARK, []], [None, "a", "odd"]]
    rows = queue_rows(api(queue=([[3, "r", {"1": {}, "2": {}}, {"movie_director": {"job": 5}}]], pending)))
    assert rows == [
        QueuedPrompt("r", None, 2, None),
        QueuedPrompt("b", 0, 1, "our job"),
        QueuedPrompt("a", 1, 0, None),
        QueuedPrompt("c", 2, 0, None),
    ]


def test_the_history_of_several_tools():
    entries = {
        "oldest": {"prompt": [0, "oldest", {}, MARK, []], "status": {"status_str": "success", "messages": "odd"}},
        "odd": ["no entry"],
        "failed": {
            "prompt": "odd",
            "outputs": {"1": {"images": [{"filename": "a.png", "type": "temp"}]}},
            "status": {"status_str": "error", "messages": [["execution_error", {"timestamp": 5000}]]},
        },
    }
    assert history_rows(api(latest_history=entries), 10) == [
        PastPrompt("failed", JobState.FAILED, 5.0, ("temp/a.png",), None),
        PastPrompt("oldest", JobState.SUCCEEDED, None, (), "our job"),
    ]


def test_files_that_are_no_workflows_are_passed_over():
    rows = [{"path": "b.json", "size": 3}, {"path": "a.json"}, {"path": "c.txt"}, {"path": 5}, "d.json", None]
    assert saved_rows(api(saved_files=rows), {}) == [SavedWorkflow("a.json", 0), SavedWorkflow("b.json", 3)]


@pytest.mark.parametrize("user", ["", "ann"])
def test_a_server_without_users_needs_none(user):
    assert user_id(api(users=None), user) == ""
