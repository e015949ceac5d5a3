"""What the ComfyUI client can ask of a server beside running workflows, against the mock in three releases."""

from __future__ import annotations

import json

import pytest
from support.comfyui import VERSIONS, bench, picture_workflow, slow_workflow
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ComfyUIClient, JobState
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.errors import BackendError, MissingResource, ProtocolError, ServerError, ValidationError
from movie_director.clients.mock import Fault
from movie_director.clients.mock.comfyui.versions import ServerFlags

EDITORS = {"nodes": [], "links": [], "version": 0.4}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_queue_in_the_order_in_which_it_runs(version, tmp_path):
    with bench(tmp_path, version, speed=1.0) as made:
        client = made.client()
        jobs = [client.submit(WorkflowRequest(slow_workflow(100, 0.1))) for _ in range(3)]
        wait_for(lambda: all(job.backend_id for job in jobs))
        wait_for(lambda: [row.position for row in client.queue()] == [None, 0, 1])
        rows = client.queue()
        assert {row.job_id for row in rows} == {job.id for job in jobs}
        assert {row.prompt_id for row in rows} == {job.backend_id for job in jobs}
        assert {row.nodes for row in rows} == {len(slow_workflow(1, 1.0))}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_history_newest_first(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        assert client.queue() == []
        assert client.history() == []
        first, second = [client.submit(WorkflowRequest(picture_workflow())) for _ in range(2)]
        result = second.result(HANG_GUARD_S)
        first.result(HANG_GUARD_S)
        slow = made.client(drain_timeout_s=HANG_GUARD_S).submit(WorkflowRequest(slow_workflow(100, 5.0)))
        wait_for(slow.running)
        slow.cancel()
        wait_for(lambda: len(client.history()) == 3)
        rows = client.history()
        assert rows[0].state is JobState.CANCELLED
        assert rows[0].job_id == slow.id
        assert {row.state for row in rows[1:]} == {JobState.SUCCEEDED}
        row = next(row for row in rows if row.job_id == second.id)
        assert row.files == (result.artifacts[0].source,)
        assert row.ended_at == pytest.approx(second.status.finished_at, abs=60.0)
        assert client.history(1) == rows[:1]


def test_prompts_of_others_have_no_job(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        api = client._api()
        api.post_prompt({"prompt": picture_workflow(), "extra_data": {"movie_director": "odd"}}, api.http.free_scope())
        wait_for(client.history)
        (row,) = client.history()
        assert row.job_id is None
        assert row.files


def test_history_entries_that_other_tools_made_are_read_as_far_as_they_go(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        made.mock.engine._history.update({"a": {"status": None, "outputs": {}}, "b": "odd"})
        (row,) = client.history()
    assert (row.prompt_id, row.state, row.ended_at, row.files, row.job_id) == ("a", JobState.FAILED, None, (), None)


@pytest.mark.parametrize("version", VERSIONS)
def test_freed_memory_makes_the_same_picture_anew(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        request = WorkflowRequest(picture_workflow())
        (one,) = client.submit(request).result(HANG_GUARD_S).artifacts
        (again,) = client.submit(request).result(HANG_GUARD_S).artifacts
        assert again.source == one.source
        client.free()
        (anew,) = client.submit(request).result(HANG_GUARD_S).artifacts
        assert anew.source != one.source
        (free,) = made.mock.requests.matching("POST /free")
        assert free.json == {"unload_models": True, "free_memory": True}


def save(client: ComfyUIClient, path: str, content: bytes, **headers: str) -> None:
    name = path.replace("/", "%2F")
    client.http.request("POST", f"/api/userdata/workflows%2F{name}", body=content, headers=headers).close()


@pytest.mark.parametrize("version", VERSIONS)
def test_workflows_that_the_editor_saved_on_the_server(version, tmp_path):
    with bench(tmp_path, version) as made:
        client = made.client()
        assert client.saved_workflows() == []
        save(client, "shots/first shot.json", json.dumps(picture_workflow()).encode())
        save(client, "draft.json", json.dumps(EDITORS).encode())
        save(client, "notes.txt", b"no workflow")
        rows = client.saved_workflows()
        assert [row.path for row in rows] == ["draft.json", "shots/first shot.json"]
        assert rows[1].size == len(json.dumps(picture_workflow()))
        assert client.saved_workflow("draft.json") == EDITORS
        workflow = client.saved_workflow("shots/first shot.json")
        assert client.submit(WorkflowRequest(workflow)).result(HANG_GUARD_S).artifacts


def test_a_saved_workflow_that_is_none_and_one_that_is_not_there(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        save(client, "broken.json", b"{")
        with pytest.raises(ValidationError) as broken:
            client.saved_workflow("broken.json")
        assert broken.value.code == "invalid_workflow"
        with pytest.raises(MissingResource) as missing:
            client.saved_workflow("brokn.json")
    assert missing.value.code == "missing_workflow"
    assert missing.value.nearest == ("broken.json",)
    assert "'broken.json'" in missing.value.message


def with_two_users(made):
    client = made.client()
    ids = {}
    for name in ("ann", "bob"):
        with client.http.post_json("/api/users", {"username": name}) as response:
            ids[name] = client.http.json_of(response)
    save(client, "hers.json", json.dumps(EDITORS).encode(), **{"comfy-user": ids["ann"]})
    save(client, "his.json", json.dumps(EDITORS).encode(), **{"comfy-user": ids["bob"]})
    return client, ids


def test_each_of_several_users_has_workflows_of_their_own(tmp_path):
    with bench(tmp_path, flags=ServerFlags(multi_user=True)) as made:
        with pytest.raises(ValidationError) as nobody:
            made.client().saved_workflows()
        assert "none yet" in nobody.value.hint
        client, ids = with_two_users(made)
        assert [row.path for row in client.saved_workflows("ann")] == ["hers.json"]
        assert [row.path for row in client.saved_workflows(ids["bob"])] == ["his.json"]
        assert client.saved_workflow("hers.json", "ann") == EDITORS
        with pytest.raises(ValidationError) as unnamed:
            client.saved_workflows()
        assert unnamed.value.code == "user_needed"
        assert "ann, bob" in unnamed.value.hint
        with pytest.raises(MissingResource) as unknown:
            client.saved_workflows("anne")
        assert (unknown.value.code, unknown.value.nearest) == ("missing_user", ("ann",))


def test_the_user_can_stand_among_the_headers(tmp_path):
    with bench(tmp_path, flags=ServerFlags(multi_user=True)) as made:
        _, ids = with_two_users(made)
        for name in ("bob", ids["bob"]):
            with ComfyUIClient(made.mock.url, headers={"Comfy-User": name}) as client:
                assert [row.path for row in client.saved_workflows()] == ["his.json"]
                assert [row.path for row in client.saved_workflows("ann")] == ["hers.json"]


def test_the_key_for_partner_nodes_goes_with_the_prompt_and_nowhere_else(tmp_path):
    key = "comfyui-4711-secret"
    with bench(tmp_path) as made:
        made.mock.inject(Fault("status:500", on="POST /prompt"))
        given = made.client().options
        with ComfyUIClient(made.mock.url, headers={"comfy-org-api-KEY": key}, options=given) as client:
            failed = client.submit(WorkflowRequest(picture_workflow()))
            assert isinstance(failed.exception(HANG_GUARD_S), ServerError)
            job = client.submit(WorkflowRequest(picture_workflow()))
            result = job.result(HANG_GUARD_S)
            assert made.posts()[-1]["extra_data"]["api_key_comfy_org"] == key
            assert key not in repr(client) + json.dumps(job.record()) + json.dumps(result.to_dict())
            assert key not in client.http.redact(f"the server says {key}")
        for request in made.mock.requests:
            assert key not in str(request.headers) + request.path
            assert (key.encode() in request.body) is (request.route == "/prompt")


def test_without_a_key_for_partner_nodes_none_is_sent(tmp_path):
    with bench(tmp_path) as made:
        made.client().submit(WorkflowRequest(picture_workflow())).result(HANG_GUARD_S)
        assert "api_key_comfy_org" not in made.posts()[0]["extra_data"]


def test_what_answers_oddly_is_said(tmp_path):
    with bench(tmp_path) as made:
        client = made.client()
        made.mock.inject(Fault("html_login_page", on="GET /queue"))
        with pytest.raises(ProtocolError):
            client.queue()
        client.close()
        with pytest.raises(BackendError) as closed:
            client.free()
        assert closed.value.code == "client_closed"
