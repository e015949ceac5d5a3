"""Words and wishes: the parts of the edge that know no Blender."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import own


def test_a_wish_survives_as_plain_strings() -> None:
    wish_type = own("blender.state.placement_request").PlacementTarget
    target = wish_type(
        title="t", prompt="p\nq", scene="S", scene_uid=7, blend_file="/f", frame=-3, length=9, as_strip=False
    )
    tag = target.to_tag()
    assert all(isinstance(value, str) for value in tag.values())
    assert wish_type.from_tag(json.loads(json.dumps(tag))) == target
    assert target.of_this_process
    assert not wish_type.from_tag({**tag, "process": "another"}).of_this_process


def test_a_damaged_wish_gets_defaults() -> None:
    target = own("blender.state.placement_request").PlacementTarget.from_tag({"frame": "soon", "unknown": "x"})
    assert (target.title, target.frame, target.as_strip) == ("", 1, True)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (4200, "1 h 10 min"), (-5, "0 s")],
)
def test_durations(seconds: float, words: str) -> None:
    assert own("blender.platform.formatting").duration(seconds) == words


def test_progress_in_words() -> None:
    words, progress = own("blender.platform.formatting"), own("clients.core.model").Progress
    assert words.progress_text(None) == ""
    assert words.progress_text(progress()) == "Working"
    assert words.progress_text(progress(stage="Sampler", step=3, total_steps=9)) == "Sampler 3/9"
    assert words.progress_text(progress(stage="Sampler", eta_s=8, estimated=True)) == "Sampler, about 8 s left"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"state": "QUEUED"}, "Waiting"),
        ({"state": "QUEUED", "queue_position": 0}, "Next in the queue"),
        ({"state": "QUEUED", "queue_position": 4}, "4 ahead of it in the queue"),
        ({"state": "RUNNING"}, "Working"),
        ({"state": "RUNNING", "message": "Uploading"}, "Uploading"),
        ({"state": "SUCCEEDED"}, "Done"),
        ({"state": "SUCCEEDED", "started_at": 10.0, "finished_at": 22.0}, "Done in 12 s"),
        ({"state": "CANCELLED"}, "Cancelled"),
        (
            {"state": "CANCELLED", "backend_cancel": "UNSUPPORTED"},
            "Cancelled here; the server can't stop it and is still working",
        ),
        (
            {"state": "CANCELLED", "backend_cancel": "FAILED"},
            "Cancelled here; the job could not be stopped on the server",
        ),
    ],
)
def test_states_in_words(status: dict[str, Any], words: str) -> None:
    jobs = own("clients.core.model")
    given = {**status, "state": jobs.JobState[status["state"]]}
    if "backend_cancel" in given:
        given["backend_cancel"] = jobs.BackendCancel[given["backend_cancel"]]
    assert own("blender.platform.formatting").status_text(jobs.JobStatus(**given)) == words


def test_every_state_has_its_word_and_its_icon() -> None:
    jobs = own("clients.core.model")
    values = {state.value for state in jobs.JobState}
    assert set(own("blender.platform.formatting").STATE_WORDS) == values
    assert set(own("ui.job_list").ICONS) == values
    assert set(own("blender.platform.formatting").CANCEL_WORDS) == {outcome.value for outcome in jobs.BackendCancel}
