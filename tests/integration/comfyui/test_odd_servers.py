"""The ComfyUI client against servers that do odd things: huge messages, slow previews, ids of their own, no history."""

from __future__ import annotations

import pytest
from support.comfyui import VERSIONS, bench, picture_workflow, slow_workflow
from support.waiting import HANG_GUARD_S

from movie_director.clients import events
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.mock import Fault


@pytest.mark.parametrize("version", VERSIONS)
def test_a_huge_message_of_a_custom_node_is_passed_over(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("huge_message", on="executing", value=20))
        result = made.client().submit(WorkflowRequest(picture_workflow())).result(HANG_GUARD_S)
    assert len(result.artifacts) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_node_whose_output_text_is_huge(version, tmp_path):
    workflow = {"1": {"class_type": "ProbeBigText", "inputs": {"kilobytes": 8192}}}
    with bench(tmp_path, version) as made:
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    assert len(result.text) == 8192 * 1024


def test_a_preview_that_takes_its_time_holds_nothing_up_for_good(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("slow_preview", on="2", times=3))
        job = made.client().submit(WorkflowRequest(slow_workflow(5, 0.01, previews=True)))
        job.result(HANG_GUARD_S)
        (preview,) = [event for event in job.events() if isinstance(event, events.Previewed)]
    assert preview.media_type == "image/jpeg"
    assert preview.data.startswith(b"\xff\xd8")


def test_an_id_of_the_server_s_own_is_followed(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("minted_id"))
        job = made.client().submit(WorkflowRequest(picture_workflow()))
        assert len(job.result(HANG_GUARD_S).artifacts) == 1
        assert len(made.posts()) == 1
    assert job.backend_id != job.id


@pytest.mark.parametrize("version", VERSIONS)
def test_a_history_that_is_gone_at_once_costs_nothing_that_was_told(version, tmp_path):
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("lost_history"))
        result = made.client().submit(WorkflowRequest(picture_workflow())).result(HANG_GUARD_S)
    assert len(result.artifacts) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_movies_and_sounds_are_artifacts_of_their_kind(version, tmp_path):
    workflow = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 16, "batch_size": 4, "color": 255}},
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
        "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "v", "format": "auto"}},
        "4": {
            "class_type": "SaveAnimatedWEBP",
            "inputs": {
                "images": ["1", 0],
                "filename_prefix": "w",
                "fps": 8.0,
                "lossless": True,
                "quality": 80,
                "method": "default",
            },
        },
    }
    workflow["3"]["inputs"]["codec"] = "auto"
    if version != "0.3.40":
        sound = {"duration": 0.5, "sample_rate": 44100, "channels": 2}
        workflow["5"] = {"class_type": "EmptyAudio", "inputs": sound}
        workflow["6"] = {"class_type": "SaveAudio", "inputs": {"audio": ["5", 0], "filename_prefix": "a"}}
    with bench(tmp_path, version) as made:
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    told = {artifact.path.suffix: (artifact.kind, artifact.media_type) for artifact in result.artifacts}
    assert told.pop(".mp4") == ("video", "video/mp4")
    assert told.pop(".webp")[1] == "image/webp"
    assert told == ({".flac": ("audio", "audio/flac")} if version != "0.3.40" else {})
