"""Asking the server where a job is: recorded answers of three releases, and answers that are odd."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from support.recordings import comfyui, exchanges

from movie_director.clients.comfyui.server.api import ComfyAPI
from movie_director.clients.comfyui.server.job_lookup import (
    JobLookup,
    LookupResult,
    ServerJobState,
    parse_history_entry,
)
from movie_director.clients.comfyui.server.server_info import ask_who, capabilities, parse_version, version_text
from movie_director.clients.errors import NotFound, ProtocolError
from movie_director.clients.http.transport import Timeouts


class Response:
    """An answer as the routes read it."""

    def __init__(self, status, value, content_type):
        self.status = status
        self.value = value
        self.content_type = content_type

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        pass

    def close(self):
        pass


class Server:
    """Answers requests from a table of path -> value, or -> (status, value); what is not there is a 404."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []
        self.timeouts = Timeouts(5.0, 120.0, 60.0)
        self.url = "http://127.0.0.1:8188"
        self.backend = "comfyui"

    def request(self, method, path, *, expect=(), timeouts=None, **_more):
        self.asked.append(path)
        if timeouts is not None:
            assert timeouts.first_byte_s == 30.0, "small requests do not wait as long as a prompt's validation may take"
        status, value = 200, self.answers.get(path, NotFound("no such path"))
        if isinstance(value, tuple):
            status, value = value
        if isinstance(value, NotFound):
            if 404 in expect:
                return Response(404, None, "application/octet-stream")
            raise value
        return Response(status, value, "application/json")

    post_json = request

    @staticmethod
    def json_of(response):
        return response.value


def lookup(answers):
    return JobLookup(ComfyAPI(Server(answers)))


UNKNOWN = (404, {"error": "Job not found"})


def recorded_jobs():
    for scenario in ("run_simple", "interrupt", "execution_errors", "queue_ops", "media_outputs", "worker_dead"):
        lines = comfyui("0.33.0", scenario)
        paths = {line["path"] for line in lines if line["channel"] == "http" and line["dir"] == "send"}
        for path in sorted(path for path in paths if path.startswith("/api/jobs/")):
            for exchange in exchanges(lines, "GET", path):
                yield pytest.param(path, exchange.answer, id=f"{scenario} {exchange.request['id']}")


PLACES = {
    "pending": ServerJobState.PENDING,
    "in_progress": ServerJobState.RUNNING,
    "completed": ServerJobState.SUCCEEDED,
    "failed": ServerJobState.FAILED,
    "cancelled": ServerJobState.INTERRUPTED,
    None: ServerJobState.ABSENT,
}


@pytest.mark.parametrize(("path", "answer"), list(recorded_jobs()))
def test_recorded_answers_of_the_jobs_api(path, answer):
    prompt_id = path.rpartition("/")[2]
    found = lookup({path: (answer["status"], answer["json"])}).ask(prompt_id)
    assert found.place is PLACES[answer["json"].get("status")]
    if found.place.ended:
        assert found.outputs == answer["json"]["outputs"]
        assert found.prompt == answer["json"].get("workflow", {}).get("prompt")
    if found.place is ServerJobState.FAILED and "execution_status" in answer["json"]:
        assert found.end["exception_type"]


def test_the_place_in_the_queue_comes_from_the_list_by_priority():
    jobs = [
        {"id": "c", "status": "pending", "priority": 3},
        {"id": "a", "status": "pending", "priority": -5.0},
        {"id": "b2", "status": "pending", "priority": 2},
        {"id": "b1", "status": "pending", "priority": 2},
        {"id": "r", "status": "in_progress", "priority": 1},
        {"status": "pending"},
        "odd",
    ]
    answers = {f"/api/jobs/{job}": {"status": "pending"} for job in ("a", "b1", "b2", "c", "gone")}
    asked = lookup(answers | {"/api/jobs?status=pending,in_progress": {"jobs": jobs}})
    positions = {job: asked.ask(job, position=True).position for job in ("a", "b1", "b2", "c", "gone")}
    assert positions == {"a": 0, "b1": 2, "b2": 3, "c": 4, "gone": None}
    assert asked.ask("a", position=True).idle is False
    assert asked.ask("a", position=True).running == ("r",)
    assert asked.ask("a") == LookupResult(ServerJobState.PENDING)


@pytest.mark.parametrize("listed", [None, {"jobs": None}, {"jobs": []}, []])
def test_a_list_of_jobs_that_is_odd_says_no_position(listed):
    answers = {"/api/jobs/a": {"status": "pending"}, "/api/jobs?status=pending,in_progress": listed}
    found = lookup(answers).ask("a", position=True)
    assert (found.place, found.position, found.idle) == (ServerJobState.PENDING, None, False)


def test_a_server_that_runs_nothing_though_jobs_wait():
    jobs = [{"id": "a", "status": "pending"}]
    answers = {"/api/jobs/a": {"status": "pending"}, "/api/jobs?status=pending,in_progress": {"jobs": jobs}}
    assert lookup(answers).ask("a", position=True).idle is True
    assert lookup({"/api/queue": {"queue_running": [], "queue_pending": [[1, "a", {}]]}}).ask("a").idle is True


def test_the_queue_says_what_runs_before_the_job():
    queue = {"queue_running": [[0, "r", {}]], "queue_pending": [[1, "a", {}]]}
    found = lookup({"/api/queue": queue}).ask("a")
    assert (found.position, found.idle, found.running) == (0, False, ("r",))


def test_without_the_jobs_api_the_queue_is_asked_before_the_history():
    server = Server({"/api/queue": {"queue_running": [], "queue_pending": []}, "/api/history/a": {}})
    asked = JobLookup(ComfyAPI(server))
    assert asked.ask("a") == LookupResult(ServerJobState.ABSENT)
    assert asked.ask("a") == LookupResult(ServerJobState.ABSENT)
    assert server.asked == ["/api/jobs/a", *["/api/queue", "/api/history/a"] * 2]


def test_the_queue_is_sorted_by_number():
    pending = [[5, "b", {"1": {}}, {}, ["9", 3]], [-1.0, "a", "<prompt>"], [5, "aa", {}], [None, "n", {}]]
    queue = {"queue_running": [[0, "r", {}, {}, None]], "queue_pending": [*pending, [1], "odd", None]}
    asked = lookup({"/api/queue": queue})
    found = {job: asked.locate(job) for job in ("a", "aa", "b", "n", "r")}
    assert {job: each.position for job, each in found.items()} == {"a": 0, "n": 1, "aa": 2, "b": 3, "r": None}
    assert found["r"].place is ServerJobState.RUNNING
    assert (found["b"].prompt, found["b"].targets) == ({"1": {}}, ["9"])
    assert (found["a"].prompt, found["a"].targets) == (None, None)


@pytest.mark.parametrize("queue", [None, [], "odd"])
def test_a_queue_that_is_none(queue):
    with pytest.raises(ProtocolError) as caught:
        lookup({"/api/queue": queue}).locate("a")
    assert caught.value.code == "not_comfyui"


EMPTY_QUEUE = {"/api/queue": {"queue_running": None, "queue_pending": None}}


def marked(job_id):
    return {"movie_director": {"job": job_id}}


def test_a_prompt_with_another_id_is_found_by_its_mark_in_the_queue():
    queue = {"queue_running": [[1, "minted", {}, marked("j"), []]], "queue_pending": [[2, "other", {}, {}, []]]}
    asked = lookup({"/api/queue": queue, "/api/history/x": {}})
    assert asked.locate("x", job_id="j").prompt_id == "minted"
    assert asked.locate("x").place is ServerJobState.ABSENT


def test_a_prompt_with_another_id_is_found_by_its_mark_in_the_history():
    success = {"status_str": "success", "completed": True, "messages": []}
    history = {
        "odd": None,
        "shapeless": {"prompt": 5},
        "unmarked": {"prompt": [0, "unmarked", {}, {"movie_director": 5}, []], "status": success},
        "minted": {"prompt": [1, "minted", {"1": {}}, marked("j"), []], "status": success, "outputs": {}},
    }
    answers = {**EMPTY_QUEUE, "/api/history/x": {}, "/api/history?max_items=100": history}
    found = lookup(answers).locate("x", job_id="j")
    assert (found.place, found.prompt_id, found.prompt) == (ServerJobState.SUCCEEDED, "minted", {"1": {}})
    assert lookup(answers).locate("x", job_id="k").place is ServerJobState.ABSENT
    assert lookup(answers | {"/api/history?max_items=100": []}).locate("x", job_id="j").place is ServerJobState.ABSENT


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"status": None, "outputs": {"1": {}}}, ServerJobState.SUCCEEDED),
        ({"status": None, "outputs": {}}, ServerJobState.FAILED),
        ({}, ServerJobState.FAILED),
        ({"status": {"status_str": "error", "messages": None}}, ServerJobState.FAILED),
        (
            {"status": {"messages": [None, ["execution_interrupted"], ["execution_interrupted", None]]}},
            ServerJobState.FAILED,
        ),
        ({"status": {"messages": [["execution_interrupted", {}]]}}, ServerJobState.INTERRUPTED),
    ],
)
def test_odd_history_entries(entry, place):
    assert parse_history_entry(entry, "a").place is place


def test_a_job_without_its_status_goes_by_its_own_word():
    for status, place in (
        ("completed", ServerJobState.SUCCEEDED),
        ("failed", ServerJobState.FAILED),
        ("cancelled", ServerJobState.INTERRUPTED),
    ):
        found = lookup({"/api/jobs/a": {"status": status, "outputs": {}}}).ask("a")
        assert (found.place, found.prompt) == (place, None)


def test_a_job_of_an_older_release_that_calls_an_interrupted_one_failed():
    status = {"status_str": "error", "messages": [["execution_interrupted", {"node_id": "2"}]]}
    assert (
        lookup({"/api/jobs/a": {"status": "failed", "execution_status": status}}).ask("a").place
        is ServerJobState.INTERRUPTED
    )


def test_a_job_of_a_status_that_is_not_known_goes_by_its_history():
    status = {"status_str": "success", "messages": []}
    assert (
        lookup({"/api/jobs/a": {"status": "archived", "execution_status": status}}).ask("a").place
        is ServerJobState.SUCCEEDED
    )


def test_a_history_that_is_none_is_no_entry():
    assert lookup({**EMPTY_QUEUE, "/api/history/a": {"a": 5}}).locate("a").place is ServerJobState.ABSENT
    assert lookup({**EMPTY_QUEUE, "/api/history/a": []}).locate("a").place is ServerJobState.ABSENT


# Who the server is


@pytest.mark.parametrize("stats", [None, [], {}, {"system": None}])
def test_a_server_that_is_no_comfyui(stats):
    with pytest.raises(ProtocolError) as caught:
        ComfyAPI(Server({"/api/system_stats": stats})).system_stats()
    assert caught.value.code == "not_comfyui"


@pytest.mark.parametrize("answer", [None, {}, {"exec_info": None}, {"exec_info": {"queue_remaining": "1"}}])
def test_a_queue_length_that_is_none(answer):
    with pytest.raises(ProtocolError):
        ComfyAPI(Server({"/api/prompt": answer})).remaining()


@pytest.mark.parametrize("answer", [None, {}, {"name": ""}, {"name": 5}, []])
def test_an_upload_without_a_name_in_its_answer(answer):
    with pytest.raises(ProtocolError):
        ComfyAPI(Server({"/api/upload/image": answer})).upload(SimpleNamespace(headers={}), None)


def test_an_upload_without_a_subfolder():
    assert ComfyAPI(Server({"/api/upload/image": {"name": "a.png"}})).upload(SimpleNamespace(headers={}), None) == (
        "a.png",
        "",
    )


@pytest.mark.parametrize("answer", [None, [], "odd"])
def test_object_info_that_is_none(answer):
    assert ComfyAPI(Server({"/api/object_info": answer})).object_info() == {}


def test_the_old_names_of_nodes():
    assert ComfyAPI(Server({"/api/node_replacements": {"Old": []}})).replaceable_nodes() == {"Old"}
    assert ComfyAPI(Server({"/api/node_replacements": []})).replaceable_nodes() == frozenset()
    assert ComfyAPI(Server({})).replaceable_nodes() == frozenset()


def test_names_are_encoded_in_paths():
    server = Server({"/api/object_info/A%20%2F%20B%20%28x%29": {"A / B (x)": {}}, "/api/models/a%2Fb": ["m", 5]})
    assert ComfyAPI(server).object_info("A / B (x)") == {"A / B (x)": {}}
    assert ComfyAPI(server).models("a/b") == ["m"]
    assert ComfyAPI(server).models("none") == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("0.33.0", (0, 33, 0)),
        ("v0.3.40-12-gabc", (0, 3, 40)),
        ("1.2", (1, 2, 0)),
        ("", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_versions(text, version):
    assert parse_version(text) == version


def test_a_fork_that_says_no_version():
    assert version_text({"system": {}}) == ""
    assert version_text({}) == ""
    assert "jobs_cancel" not in capabilities(None, {"supports_preview_metadata": False}, has_jobs=True)
    assert "preview_metadata" not in capabilities(None, {"supports_preview_metadata": False}, has_jobs=True)
    assert "jobs_api" in capabilities(None, None, has_jobs=True)


def test_who_a_server_is_when_it_tells_little():
    answers = {
        "/api/system_stats": {"system": {}, "devices": None},
        "/api/prompt": {"exec_info": {"queue_remaining": 0}},
    }
    info = ask_who(ComfyAPI(Server(answers)))
    assert (info.version, info.models) == ("", ())
    assert info.details == {"devices": [], "max_upload_bytes": None}
