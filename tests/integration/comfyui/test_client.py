"""The ComfyUI client end to end, against the mock server in three releases."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from support.comfyui import QUICK, VERSIONS, bench, node, picture_workflow, slow_workflow, wait_for_event
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ComfyUIClient, events
from movie_director.clients.comfyui import WorkflowRequest, bundled_workflow
from movie_director.clients.core.context import JobContext
from movie_director.clients.errors import (
    AuthenticationError,
    ConnectionFailed,
    ConnectionLost,
    GenerationError,
    MissingResource,
    NodeError,
    OutOfMemory,
    PermissionDenied,
    ProtocolError,
    StorageError,
    ValidationError,
)
from movie_director.clients.mock import Fault, MockBackends

PNG = b"\x89PNG\r\n\x1a\n"


def text_to_image(**inputs):
    return WorkflowRequest(bundled_workflow("text_to_image"), inputs={"Sampler.steps": 3, **inputs})


def failed(job, kind):
    """Return the job's error, which must be of that kind."""
    error = job.exception(HANG_GUARD_S)
    assert type(error) is kind, repr(error)
    assert error.backend == "comfyui"
    assert error.hint
    return error


def logs(job):
    return [event.line for event in job.events() if isinstance(event, events.Logged)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_picture_from_words(version, tmp_path):
    with bench(tmp_path, version) as made:
        job = made.client().submit(text_to_image(**{"Positive prompt": "a cat", "Size.width": 64, "Size.height": 48}))
        result = job.result(HANG_GUARD_S)
        seen = list(job.events())

        (artifact,) = result.artifacts
        data = artifact.path.read_bytes()
        assert data.startswith(PNG)
        assert artifact.path.parent == tmp_path / "out"
        assert (artifact.kind, artifact.media_type, artifact.size) == ("image", "image/png", len(data))
        assert artifact.sha256 == hashlib.sha256(data).hexdigest()
        assert artifact.source.startswith("output/movie_director/image_")

        (post,) = made.posts()
        assert post["prompt_id"] == job.id
        assert post["extra_data"]["movie_director"] == {"job": job.id}
        assert "number" not in post
        assert (job.backend_id == job.id) is (version != "0.3.40")
        assert post["prompt"]["6"]["inputs"]["text"] == "a cat"

        metadata = result.metadata
        assert metadata["prompt"] == post["prompt"]
        assert metadata["seed"] == post["prompt"]["3"]["inputs"]["seed"]
        assert metadata["prompt_id"] == job.backend_id
        assert metadata["server_version"] == version
        assert metadata["inputs"]["Positive prompt"] == "a cat"
        assert metadata["models"] == ["v1-5-pruned-emaonly-fp16.safetensors"]
        assert json.loads(json.dumps(result.to_dict()))["metadata"] == metadata

        kinds = [type(event) for event in seen]
        assert kinds.index(events.Submitted) < kinds.index(events.Started) < kinds.index(events.Succeeded)
        fractions = [event.progress.fraction for event in seen if isinstance(event, events.Progressed)]
        assert fractions == sorted(fractions)
        assert job.status.progress.fraction == 1.0
        assert [path.name for path in (tmp_path / "out").iterdir()] == [artifact.path.name]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_websocket_is_one_and_begins_with_the_feature_flags(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        for _ in range(3):
            client.submit(picture_workflow_request()).result(HANG_GUARD_S)
        handshakes = made.mock.requests.matching("GET /ws")
        (first,) = made.mock.requests.matching("WS /ws")
        assert len(handshakes) == 1
        assert first.json == {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
        assert len({post["client_id"] for post in made.posts()}) == 1
        assert f"clientId={made.posts()[0]['client_id']}" in handshakes[0].path


def picture_workflow_request(**fields):
    return WorkflowRequest(picture_workflow(), **fields)


def test_a_job_costs_few_requests(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        client.submit(picture_workflow_request()).result(HANG_GUARD_S)
        made.mock.requests.clear()
        client.submit(picture_workflow_request()).result(HANG_GUARD_S)
        sent = [(request.method, request.route.split("/")[1]) for request in made.mock.requests]
    assert sent[0] == ("POST", "prompt")
    assert sent[-1] == ("GET", "view")
    assert set(sent[1:-1]) == {("GET", "api")}


def test_a_mapping_of_fields_is_a_request_too(tmp_path):
    with bench(tmp_path) as made:
        job = made.client().submit({"workflow": picture_workflow(), "metadata": {"scene": "S"}})
        assert job.result(HANG_GUARD_S).metadata["request_metadata"] == {"scene": "S"}


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_a_given_seed_is_sent_and_recorded(seed, tmp_path):
    with bench(tmp_path) as made:
        request = WorkflowRequest(bundled_workflow("text_to_image"), inputs={"Sampler.steps": 1}, seed=seed)
        assert made.client().submit(request).result(HANG_GUARD_S).metadata["seed"] == seed
        assert made.posts()[0]["prompt"]["3"]["inputs"]["seed"] == seed


@pytest.mark.parametrize("version", VERSIONS)
def test_an_input_picture_is_uploaded_once_under_the_name_of_its_content(version, tmp_path):
    cat, copy = tmp_path / "my cat.PNG", tmp_path / "copy.png"
    with bench(tmp_path, version) as made:
        client = made.client()
        first = client.submit(picture_workflow_request()).result(HANG_GUARD_S).artifacts[0]
        cat.write_bytes(first.path.read_bytes())
        copy.write_bytes(first.path.read_bytes())
        request = {"workflow": bundled_workflow("image_to_image"), "inputs": {"Sampler.steps": 1}}
        for path in (cat, copy):
            job = client.submit({**request, "files": {"Input image": path}})
            assert job.result(HANG_GUARD_S).metadata["files"] == {"Input image": str(path)}
        uploads = made.mock.requests.matching("POST /upload/image")
        values = [post["prompt"]["10"]["inputs"]["image"] for post in made.posts()[1:]]
    assert len(uploads) == 1
    assert values == [f"movie_director/{first.sha256[:40]}.png"] * 2
    assert b'name="image"; filename=' in uploads[0].body
    assert b"my cat" not in uploads[0].body


def test_the_upload_is_said(tmp_path):
    cat = tmp_path / "cat.png"
    cat.write_bytes(PNG + b"x" * 600_000)
    with bench(tmp_path) as made:
        made.mock.inject(Fault("slow_body", on="/upload/image", value=0.05))
        request = WorkflowRequest(bundled_workflow("image_to_image"), files={"Input image": cat})
        job = made.client().submit(request)
        wait_for(lambda: job.status.message == "Uploading cat.png")
        job.cancel()


def test_an_upload_that_the_server_may_have_lost_is_made_again(tmp_path):
    cat = tmp_path / "cat.png"
    with bench(tmp_path) as made:
        client = made.client()
        cat.write_bytes(client.submit(picture_workflow_request()).result(HANG_GUARD_S).artifacts[0].path.read_bytes())
        workflow = {
            "1": node("LoadImage", "In", image="x"),
            "2": node("SaveImage", images=["1", 0], filename_prefix="u"),
        }
        scale = node("ImageScale", "Bad", image=["1", 0], upscale_method="area", width=-1, height=8, crop="disabled")
        bad = {**workflow, "3": scale, "4": node("PreviewImage", images=["3", 0])}
        bad.pop("2")
        failed(client.submit(WorkflowRequest(bad, files={"In": cat})), ValidationError)
        client.submit(WorkflowRequest(workflow, files={"In": cat})).result(HANG_GUARD_S)
        assert len(made.mock.requests.matching("POST /upload/image")) == 2


def test_where_replacements_can_not_be_asked_for_the_server_judges_alone(tmp_path):
    workflow = picture_workflow() | {"5": node("Nowhere", "Odd")}
    workflow["2"]["inputs"]["images"] = ["5", 0]
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:403", on="/node_replacements"))
        error = failed(made.client().submit(WorkflowRequest(workflow)), MissingResource)
        assert (error.kind, error.name) == ("node", "Nowhere")
        assert len(made.posts()) == 1


def test_the_checkpoint_of_a_bundled_workflow_adapts_to_the_server(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.comfyui.run.prepare.choices_of", lambda *_: ["only.safetensors"])
    with bench(tmp_path) as made:
        job = made.client().submit(text_to_image())
        assert failed(job, MissingResource).name == "only.safetensors"
        assert made.posts() == []
        assert logs(job) == [
            (
                "The server does not have the checkpoint v1-5-pruned-emaonly-fp16.safetensors; "
                "using only.safetensors instead."
            )
        ]


def test_a_checkpoint_that_the_request_names_is_not_replaced(tmp_path):
    with bench(tmp_path) as made:
        job = made.client().submit(text_to_image(Checkpoint="dreamshaper_9.safetensors"))
        error = failed(job, MissingResource)
    assert (error.code, error.kind, error.name) == ("missing_model", "model", "dreamshaper_9.safetensors")
    assert error.nearest[0] == "dreamshaper_8.safetensors"


def test_a_server_without_any_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.comfyui.run.prepare.choices_of", lambda *_: [])
    with bench(tmp_path) as made:
        error = failed(made.client().submit(text_to_image()), MissingResource)
        assert made.posts() == []
    assert error.code == "missing_model"


def test_a_picture_that_comfyui_saved_is_a_workflow(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        first = client.submit(picture_workflow_request()).result(HANG_GUARD_S).artifacts[0]
        job = client.submit(WorkflowRequest(first.path, inputs={"Source.color": 1000}))
        assert job.result(HANG_GUARD_S).artifacts[0].sha256 != first.sha256
        assert made.posts()[1]["prompt"]["1"]["inputs"]["color"] == 1000


@pytest.mark.parametrize(
    ("request_", "kind", "code"),
    [
        (lambda folder: WorkflowRequest({"nodes": [], "links": []}), ValidationError, "invalid_workflow"),
        (lambda folder: WorkflowRequest({"1": {}}), ValidationError, "invalid_workflow"),
        (lambda folder: WorkflowRequest(folder / "none.json"), StorageError, "missing_file"),
        (
            lambda folder: picture_workflow_request(files={"Source.color": folder / "none.png"}),
            StorageError,
            "missing_file",
        ),
        (lambda folder: picture_workflow_request(inputs={"Sorce.color": 1}), ValidationError, "unknown_input"),
        (
            lambda folder: WorkflowRequest(
                picture_workflow(one=node("EmptyImage", width=float("inf"), height=8, batch_size=1, color=1))
            ),
            ValidationError,
            "not_json",
        ),
    ],
    ids=["empty editor's", "no workflow", "missing workflow", "missing input file", "unknown address", "not json"],
)
def test_what_is_wrong_with_a_request_is_said_before_it_is_sent(request_, kind, code, tmp_path):
    with bench(tmp_path) as made:
        error = failed(made.client().submit(request_(tmp_path)), kind)
        assert error.code == code
        assert made.posts() == []


def test_an_output_folder_that_can_not_be_made_is_said_before_it_is_sent(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with bench(tmp_path) as made:
        error = failed(
            made.client(output_dir=tmp_path / "file" / "out").submit(picture_workflow_request()), StorageError
        )
        assert len(made.mock.requests) == 0
    assert str(tmp_path / "file") in error.message


@pytest.mark.parametrize("version", VERSIONS)
def test_a_node_that_the_server_lacks(version, tmp_path):
    workflow = picture_workflow() | {
        "8": node("ImageScal", image=["1", 0]),
        "9": node("OtherMissing", image=["8", 0]),
        "10": node("SaveImage", images=["9", 0], filename_prefix="x"),
    }
    with bench(tmp_path, version) as made:
        error = failed(made.client().submit(WorkflowRequest(workflow)), MissingResource)
    assert (error.code, error.kind) == ("missing_node", "node")
    assert set(error.context["missing"]) == {"ImageScal", "OtherMissing"}
    assert "ImageScale" in error.nearest or error.name == "OtherMissing"


def test_a_missing_node_is_told_also_when_the_list_of_nodes_can_not_be_had(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:404", on="/object_info"))
        workflow = picture_workflow() | {"1": node("NoSuch")}
        assert failed(made.client().submit(WorkflowRequest(workflow)), MissingResource).name == "NoSuch"


@pytest.mark.parametrize("version", VERSIONS)
def test_inputs_that_the_server_refuses(version, tmp_path):
    workflow = picture_workflow()
    del workflow["1"]["inputs"]["width"]
    workflow["2"]["inputs"].pop("filename_prefix")
    with bench(tmp_path, version) as made:
        error = failed(made.client().submit(WorkflowRequest(workflow)), ValidationError)
    assert error.code == "workflow_refused"
    assert "'Source': input 'width' is not connected or not set." in error.problems
    assert "'Result': input 'filename_prefix' is not connected or not set." in error.problems


@pytest.mark.parametrize("version", VERSIONS)
def test_outputs_that_the_server_leaves_out_are_problems_of_the_result(version, tmp_path):
    workflow = picture_workflow() | {"5": node("SaveImage", "Second", images=["1", 0])}
    with bench(tmp_path, version) as made:
        job = made.client().submit(WorkflowRequest(workflow))
        result = job.result(HANG_GUARD_S)
        said = logs(job)
    assert len(result.artifacts) == 1
    (problem,) = result.problems
    assert isinstance(problem, ValidationError)
    assert "'Second': input 'filename_prefix'" in problem.message
    assert said == ["Skipped by the server: 'Second': input 'filename_prefix' is not connected or not set."]


LACKS_MODEL = {
    "5": node("CheckpointLoaderSimple", "Model", ckpt_name="nosuch.safetensors"),
    "6": node("EmptyLatentImage", width=16, height=16, batch_size=1),
    "7": node("VAEDecode", samples=["6", 0], vae=["5", 2]),
    "8": node("SaveImage", "Wanted", images=["7", 0], filename_prefix="wanted"),
}
TOO_SMALL = {
    "5": node("EmptyImage", "Small", width=0, height=8, batch_size=1, color=1),
    "8": node("SaveImage", "Wanted", images=["5", 0], filename_prefix="wanted"),
}
PREVIEW = node("PreviewImage", "Look", images=["1", 0])


def refused(kind, workflow, tmp_path, version="0.33.0", **inputs):
    """Return the error of a job a part of which the server refuses, and that has made one picture all the same."""
    with bench(tmp_path, version) as made:
        error = failed(made.client().submit(WorkflowRequest(workflow, inputs=inputs)), kind)
        assert len(made.posts()) == 1
    (picture,) = error.partial.artifacts
    assert picture.path.is_file()
    return error


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refused_output_is_the_failure_if_nothing_is_left_that_saves_a_file(version, tmp_path):
    error = refused(MissingResource, picture_workflow(**LACKS_MODEL) | {"2": PREVIEW}, tmp_path, version)
    assert (error.code, error.name) == ("missing_model", "nosuch.safetensors")
    error = refused(ValidationError, picture_workflow(**TOO_SMALL) | {"2": PREVIEW}, tmp_path, version)
    assert error.code == "workflow_refused"
    assert "'Small': 'width'" in error.message


@pytest.mark.parametrize(
    ("part", "inputs"),
    [(LACKS_MODEL, {"Wanted.filename_prefix": "mine"}), (TOO_SMALL, {"Small.width": 0})],
    ids=["its output is named", "its value was refused"],
)
def test_a_refused_output_is_the_failure_if_the_request_has_chosen_it(part, inputs, tmp_path):
    kind = MissingResource if part is LACKS_MODEL else ValidationError
    refused(kind, picture_workflow(**part), tmp_path, **inputs)


@pytest.mark.parametrize("saved", [node("SaveImage", images=["1", 0], filename_prefix="test"), PREVIEW])
def test_a_refused_preview_is_a_problem_of_a_result_that_has_come(saved, tmp_path):
    workflow = picture_workflow(**TOO_SMALL) | {"2": saved, "8": node("PreviewImage", images=["5", 0])}
    with bench(tmp_path) as made:
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    assert len(result.artifacts) == 1
    assert [problem.code for problem in result.problems] == ["workflow_refused"]


def test_a_refused_model_of_a_part_that_was_not_chosen_is_a_problem_that_names_it(tmp_path):
    with bench(tmp_path) as made:
        result = made.client().submit(WorkflowRequest(picture_workflow(**LACKS_MODEL))).result(HANG_GUARD_S)
    assert [problem.code for problem in result.problems] == ["missing_model"]


def test_nothing_listens_there(tmp_path):
    with bench(tmp_path) as made:
        client = made.client("http://127.0.0.1:9")
        error = failed(client.submit(picture_workflow_request()), ConnectionFailed)
        assert error.code == "refused"
        with pytest.raises(ConnectionFailed):
            client.probe()


def test_a_login_page_before_the_server(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("html_login_page", times=None))
        client = made.client()
        assert failed(client.submit(picture_workflow_request()), ProtocolError).code == "web_page"
        with pytest.raises(ProtocolError) as caught:
            client.probe()
        assert caught.value.code == "web_page"


@pytest.mark.parametrize("other", ["litellm", "rvc", "wan2gp", "audioldm"])
def test_another_kind_of_server(other, tmp_path):
    with bench(tmp_path) as made, MockBackends(only=[other]) as others:
        client = made.client(getattr(others, other).url)
        error = failed(client.submit(picture_workflow_request()), ProtocolError)
        assert error.code == "not_comfyui"
        assert "8188" in error.hint
        with pytest.raises(ProtocolError) as caught:
            client.probe()
        assert caught.value.code == "not_comfyui"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_a_path_prefix_and_a_proxy_that_wants_both(version, tmp_path):
    with bench(tmp_path, version, prefix="/comfy", auth="Bearer canary-key-123456") as made:
        error = failed(made.client(api_key="wrong-canary-key").submit(picture_workflow_request()), AuthenticationError)
        assert "wrong-canary-key" not in str(error.to_dict())
        client = made.client(api_key="canary-key-123456")
        job = client.submit(picture_workflow_request())
        job.result(HANG_GUARD_S)
        assert client.probe().version == version
        assert all(request.path.startswith("/comfy/") for request in made.mock.requests)
        assert made.mock.requests.matching("WS /ws"), "the key goes with the handshake too"
        assert "canary" not in json.dumps(job.record())


def test_an_error_of_the_server_that_quotes_the_key(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("node_error", on="EmptyImage", value="key canary-key-123456 is bad"))
        job = made.client(api_key="canary-key-123456").submit(picture_workflow_request())
        error = failed(job, NodeError)
        assert "canary" not in str(error) + str(error.to_dict())
        workflow = picture_workflow()
        workflow["1"]["inputs"]["width"] = "canary-key-123456"
        refused = failed(made.client(api_key="canary-key-123456").submit(WorkflowRequest(workflow)), ValidationError)
        assert "canary" not in str(refused) + str(refused.to_dict()) + str(refused.problems)


def test_a_key_that_a_long_error_quotes_is_not_cut_into_a_part_that_stays(tmp_path):
    with bench(tmp_path) as made:
        client = made.client(api_key="canary-key-123456")
        for width in (390, 395):
            made.mock.inject(Fault("node_error", on="EmptyImage", value=f"{'x' * width} canary-key-123456"))
            error = failed(client.submit(picture_workflow_request()), NodeError)
            assert "canary" not in str(error) + str(error.to_dict())


def test_what_nodes_say_as_they_run_quotes_no_key(tmp_path, monkeypatch):
    workflow = picture_workflow() | {
        "5": node("ProbeBlock", image=["1", 0], message="canary-key-123456"),
        "6": node("SaveImage", images=["5", 0], filename_prefix="blocked"),
        "7": node("ProbeText", text="at canary-key-123456"),
    }
    with bench(tmp_path) as made:
        said: list[str] = []
        monkeypatch.setattr(JobContext, "message", lambda _job, message: said.append(message))
        job = made.client(api_key="canary-key-123456").submit(WorkflowRequest(workflow))
        job.result(HANG_GUARD_S)
        said += logs(job)
    assert "was blocked: Execution Blocked: [redacted]" in "".join(said)
    assert "at [redacted]" in "".join(said)
    assert "canary" not in "".join(said)


@pytest.mark.parametrize("version", VERSIONS)
def test_out_of_memory(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        made.mock.inject(Fault("oom"))
        error = failed(client.submit(text_to_image()), OutOfMemory)
        client.free()
        assert client.submit(text_to_image()).result(HANG_GUARD_S).artifacts
    assert "'Sampler'" in error.message
    assert "Free the server's memory" in error.hint


@pytest.mark.parametrize("version", VERSIONS)
def test_a_failed_node_and_what_had_been_made_before(version, tmp_path):
    workflow = picture_workflow() | {
        "5": node("ImageInvert", "Breaks", image=["1", 0]),
        "6": node("SaveImage", images=["5", 0], filename_prefix="never"),
    }
    with bench(tmp_path, version) as made:
        made.mock.inject(Fault("node_error", on="ImageInvert", value="no such luck"))
        error = failed(made.client().submit(WorkflowRequest(workflow)), NodeError)
    assert (error.node_id, error.node_type) == ("5", "ImageInvert")
    assert "'Breaks' (ImageInvert) failed: no such luck." in error.message
    assert [artifact.source for artifact in error.partial.artifacts] == ["output/test_00001_.png"]
    assert error.partial.artifacts[0].path.is_file()


@pytest.mark.parametrize(("fault", "kind"), [("status:401", AuthenticationError), ("reset", ConnectionLost)])
def test_what_a_failed_run_had_made_and_is_gone_is_a_problem_of_the_partial_result(fault, kind, tmp_path):
    workflow = picture_workflow() | {
        "5": node("ImageInvert", image=["1", 0]),
        "6": node("SaveImage", images=["5", 0], filename_prefix="never"),
    }
    with bench(tmp_path) as made:
        made.mock.inject(Fault("node_error", on="ImageInvert"))
        made.mock.inject(Fault(fault, on="/view", times=None))
        error = failed(made.client().submit(WorkflowRequest(workflow)), NodeError)
    assert error.partial.artifacts == ()
    assert [type(problem) for problem in error.partial.problems] == [kind]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_again_comes_from_the_servers_memory(version, tmp_path):
    workflow = picture_workflow()
    with bench(tmp_path, version) as made:
        client = made.client()
        first = client.submit(WorkflowRequest(workflow)).result(HANG_GUARD_S).artifacts[0]
        job = client.submit(WorkflowRequest(workflow))
        again = job.result(HANG_GUARD_S).artifacts[0]
        assert again.source == first.source
        assert again.path != first.path
        assert job.status.progress.fraction == 1.0

        made.mock.inject(Fault("view_404"))
        error = failed(client.submit(WorkflowRequest(workflow)), GenerationError)
        assert error.code == "output_gone"
        assert "seed" in error.hint
        assert error.partial is None


@pytest.mark.parametrize(("fault", "kind"), [("status:403", PermissionDenied), ("html_login_page", ProtocolError)])
def test_one_file_that_can_not_be_fetched_does_not_keep_the_others(fault, kind, tmp_path):
    workflow = picture_workflow()
    workflow["1"]["inputs"]["batch_size"] = 3
    with bench(tmp_path) as made:
        made.mock.inject(Fault(fault, on="/view"))
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
        assert [artifact.path.name for artifact in result.artifacts] == ["test_00002_.png", "test_00003_.png"]
        assert [type(problem) for problem in result.problems] == [kind]
        made.mock.inject(Fault(fault, on="/view", times=None))
        error = failed(made.client().submit(picture_workflow_request()), kind)
        assert error.partial is None


def test_one_file_of_several_that_is_gone(tmp_path):
    workflow = picture_workflow()
    workflow["1"]["inputs"]["batch_size"] = 3
    with bench(tmp_path) as made:
        made.mock.inject(Fault("view_404", after=1))
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    assert [artifact.source for artifact in result.artifacts] == ["output/test_00001_.png", "output/test_00003_.png"]
    assert [problem.code for problem in result.problems] == ["output_gone"]


@pytest.mark.parametrize("refused", [False, True], ids=["feeds nothing", "its output is refused"])
def test_nodes_that_never_run_do_not_count_in_the_progress(refused, tmp_path, monkeypatch):
    workflow = picture_workflow() | {
        "5": node("EmptyImage", width=8, height=8, batch_size=1, color=1),
        "6": node("ProbeSlow", image=["5", 0], steps=1, delay=0.1, previews=False, nonce=1),
    }
    if refused:
        workflow["7"] = node("SaveImage", "Second", images=["6", 0])
    fractions: list[float] = []

    def note(_job, fraction, *, stage, **_more):
        if stage != "Fetching the result":
            fractions.append(fraction)

    monkeypatch.setattr(JobContext, "progress", note)
    with bench(tmp_path) as made:
        # asked for only at its end, so that nothing that was told before is missed
        client = made.client(timings=replace(QUICK, poll_with_socket_s=600.0, position_every_s=600.0))
        assert len(client.submit(WorkflowRequest(workflow)).result(HANG_GUARD_S).problems) == refused
    assert fractions[-1] == 1.0


def test_texts_are_the_results_text(tmp_path):
    workflow = {"1": node("PrimitiveString", value="hello"), "2": node("PreviewAny", source=["1", 0])}
    with bench(tmp_path) as made:
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    assert (result.text, result.artifacts) == ("hello", ())


def test_a_run_that_leaves_nothing_says_so(tmp_path):
    workflow = picture_workflow() | {"5": node("ProbeBlock", image=["1", 0], message="no")}
    workflow["2"]["inputs"]["images"] = ["5", 0]
    with bench(tmp_path) as made:
        job = made.client().submit(WorkflowRequest(workflow))
        assert job.result(HANG_GUARD_S).artifacts == ()
        assert "produced no files" in logs(job)[-1]


def socket_workflow(*titles: str):
    saves = {str(at): node("SaveImageWebsocket", title, images=["1", 0]) for at, title in enumerate(titles, start=2)}
    return {"1": picture_workflow()["1"] | {"inputs": {"width": 8, "height": 8, "batch_size": 2, "color": 9}}} | saves


@pytest.mark.parametrize("version", VERSIONS)
def test_pictures_that_are_sent_over_the_websocket_only(version, tmp_path):
    with bench(tmp_path, version) as made:
        result = made.client().submit(WorkflowRequest(socket_workflow("Hero", "Hero"))).result(HANG_GUARD_S)
    names = [artifact.path.name for artifact in result.artifacts]
    assert names == ["Hero.png", "Hero_2.png", "Hero_3.png", "Hero_4.png"]
    assert [artifact.source for artifact in result.artifacts] == ["websocket/2"] * 2 + ["websocket/3"] * 2
    for artifact in result.artifacts:
        assert artifact.path.read_bytes().startswith(PNG)
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == names


def test_pictures_that_went_past_a_websocket_that_was_down(tmp_path):
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:404", on="/ws", times=None))
        error = failed(made.client().submit(WorkflowRequest(socket_workflow("Hero"))), GenerationError)
    assert error.code == "socket_images_lost"
    assert "'Hero'" in error.message
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:404", on="/ws", times=None))
        workflow = socket_workflow("Hero") | {"9": node("SaveImage", images=["1", 0], filename_prefix="kept")}
        result = made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    assert [problem.code for problem in result.problems] == ["socket_images_lost"]
    assert len(result.artifacts) == 2


def test_pictures_of_a_run_that_fails_later_are_kept_in_its_partial_result(tmp_path):
    workflow = socket_workflow("Hero") | {
        "8": node("ProbeSlow", image=["1", 0], steps=2, delay=0.5, previews=False, nonce=1),
        "9": node("ProbeError", image=["8", 0], kind="value", nonce=1),
        "10": node("SaveImage", images=["9", 0], filename_prefix="never"),
    }
    with bench(tmp_path) as made:
        error = failed(made.client().submit(WorkflowRequest(workflow)), NodeError)
    assert error.partial is not None
    assert [artifact.path.name for artifact in error.partial.artifacts] == ["Hero.png", "Hero_2.png"]


@pytest.mark.parametrize("version", VERSIONS)
def test_previews_and_the_nodes_own_words(version, tmp_path):
    workflow = slow_workflow(3, 0.1, previews=True) | {"7": node("ProbeText", "Words", text="half way")}
    with bench(tmp_path, version) as made:
        job = made.client().submit(WorkflowRequest(workflow))
        preview = wait_for_event(job, events.Previewed)
        job.result(HANG_GUARD_S)
    assert preview.media_type in ("image/png", "image/jpeg")


def test_the_words_of_a_node_are_the_jobs_message(tmp_path, monkeypatch):
    said = []
    real = JobContext.message
    monkeypatch.setattr(JobContext, "message", lambda self, text: (said.append(text), real(self, text))[1])
    with bench(tmp_path) as made:
        workflow = {"7": node("ProbeText", "Words", text="half way")}
        made.client().submit(WorkflowRequest(workflow)).result(HANG_GUARD_S)
    assert "Words: half way" in said


@pytest.mark.parametrize("version", VERSIONS)
def test_the_place_in_the_servers_queue(version, tmp_path):
    with bench(tmp_path, version) as made:
        client, other = made.client(), made.client()
        running = other.submit(WorkflowRequest(slow_workflow()))
        wait_for_event(running, events.Started)
        first = client.submit(WorkflowRequest(slow_workflow()))
        wait_for_event(first, events.Submitted)
        second = client.submit(WorkflowRequest(slow_workflow()))
        wait_for(lambda: (first.status.queue_position, second.status.queue_position) == (0, 1))
        running.cancel()
        wait_for(lambda: (first.status.queue_position, second.status.queue_position) == (None, 0))
        first.cancel()
        second.cancel()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_probe_says_who_the_server_is(version, tmp_path):
    with bench(tmp_path, version) as made:
        info = made.client().probe()
    assert (info.version, info.dialect) == (version, "comfyui")
    assert "demo_film_look.safetensors" in info.models
    assert 0 < info.latency_s < HANG_GUARD_S
    assert "rejoin" in info.capabilities
    expected = {
        "0.33.0": {"own_prompt_id", "feature_flags", "jobs_api", "jobs_cancel", "interrupt_by_id"},
        "0.3.64": {"own_prompt_id", "feature_flags", "interrupt_by_id"},
        "0.3.40": set(),
    }
    asked = {"own_prompt_id", "feature_flags", "jobs_api", "jobs_cancel", "interrupt_by_id"}
    assert info.capabilities & asked == expected[version]


def test_a_time_limit_of_the_job_tells_the_server_too(tmp_path):
    with bench(tmp_path) as made:
        job = made.client(job_timeout_s=0.5).submit(WorkflowRequest(slow_workflow()))
        error = job.exception(HANG_GUARD_S)
        assert error.code == "job_timeout"
        wait_for(lambda: made.mock.engine.remaining() == 0)


def test_a_client_that_was_never_used_closes(tmp_path):
    client = ComfyUIClient("http://127.0.0.1:9")
    client.close()
    client.close()
