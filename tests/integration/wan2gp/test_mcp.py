"""The Wan2GP client through the MCP server: the recordings replayed, and what they do not show."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.waiting import HANG_GUARD_S, wait_for
from support.wan2gp import QUICK, clip, failure, made, wan2gp_clients
from support.wan2gp_mcp import ReplayedMCP, event, finished, snapshot, tool

from movie_director.clients import JobState, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.mock import Fault
from movie_director.clients.mock.http.responses import Response
from movie_director.clients.mock.wan2gp.mcp import MockWan2GPMCP
from movie_director.clients.wan2gp.mcp.run import MCPEndpoint

POST = "POST /mcp/"
FILE = "outputs/blend_x.mp4"


@pytest.fixture
def clients(tmp_path):
    with wan2gp_clients(tmp_path) as make:
        yield make


def happy(**more):
    """Answers of a server that makes a movie."""
    item = {"gallery_id": "visual:9", "path": FILE, "media_type": "video"}
    return {
        "wangp_generate": snapshot(),
        "wangp_get_job": snapshot(result=finished(f"/srv/{FILE}", items=[item])),
        "wangp_create_gallery_download": {"download_url": "/wangp_api/gallery/download/abc", "filename": "blend_x.mp4"},
        "wangp_create_gallery_upload": {"upload_url": "/wangp_api/gallery/upload/abc", "method": "PUT"},
        **more,
    }


# Recorded


def test_a_recorded_generation_is_followed_to_its_file(clients, tmp_path):
    server = ReplayedMCP("mcp_generate_ok")
    client = clients(server)
    job = client.submit(clip(seed=5))
    result = job.result(HANG_GUARD_S)
    (artifact,) = result.artifacts
    assert artifact.path == tmp_path / "out" / "a_paper_boat_5.mp4"
    assert artifact.media_type == "video/mp4"
    assert artifact.path.read_bytes() == server.movie
    assert result.metadata["seed"] == 5
    assert result.metadata["endpoint"] == "mcp"
    assert job.backend_id == "1cd16416f8424ad4a2d0b9bffeec2d98"
    (sent,) = server.called("wangp_generate")
    assert sent["wait"] is False
    assert sent["source"]["model_type"] == "t2v_1.3B"
    assert sent["source"]["output_filename"] == f"blend_{job.id}"


def test_recorded_progress_never_falls_and_the_servers_own_log_is_left_out(clients):
    job = clients(ReplayedMCP("mcp_generate_ok")).submit(clip(seed=5))
    seen = [each for each in job.events() if isinstance(each, (events.Progressed, events.Logged))]
    lines = [each.line for each in seen if isinstance(each, events.Logged)]
    assert "Loading model Wan2.1 Text2video 1.3B..." in lines
    assert not [line for line in lines if "CallToolRequest" in line or "Processing request" in line]
    assert job.status.progress.fraction == 1.0


def test_a_recorded_image_to_video_job_uploads_its_picture(clients, tmp_path):
    picture = tmp_path / "start.png"
    picture.write_bytes(b"\x89PNG picture")
    replies = {"wangp_create_gallery_download": happy()["wangp_create_gallery_download"]}
    gallery = [{"gallery_id": "visual:1", "path": "outputs/2026-11-22-14h42m01s_seed-1_1.mp4"}]
    server = ReplayedMCP("mcp_upload_image_to_video", {**replies, "wangp_list_gallery": [gallery]})
    made(clients(server), clip("move", "i2v", files={"image_start": picture}))
    assert server.uploads == [b"\x89PNG picture"]
    (sent,) = server.called("wangp_generate")
    assert sent["source"]["image_start"] == ["visual:1"]
    (upload,) = server.called("wangp_create_gallery_upload")
    assert upload["filename"].startswith("blend_")
    assert upload["filename"].endswith("_image_start_0.png")


def recorded_job(scenario, index):
    """The answers of wangp_get_job that a recorded wangp_generate was followed by."""
    server = ReplayedMCP(scenario)
    generated = server.script["wangp_generate"][index]
    job_id = generated["structuredContent"]["job_id"]
    polls = [
        each for each in server.script["wangp_get_job"] if each.get("structuredContent", {}).get("job_id") == job_id
    ]
    return {"wangp_generate": generated, "wangp_get_job": polls or [generated]}


@pytest.mark.parametrize(
    ("index", "kind", "code", "words"),
    [
        (0, errors.OutOfMemory, "out_of_memory", "CUDA out of memory"),
        (1, errors.MissingResource, "missing_model", "'NoneType' object has no attribute 'get'"),
        (2, errors.ValidationError, "settings_refused", "You must provide a Control Video"),
    ],
)
def test_recorded_failures_are_typed_in_the_servers_words(clients, index, kind, code, words):
    error = failure(clients(ReplayedMCP(script=recorded_job("mcp_errors", index))), kind=kind)
    assert error.code == code
    assert words in error.message


def test_a_recorded_cancel_is_confirmed_when_the_job_has_ended(clients):
    server = ReplayedMCP(script=recorded_job("mcp_cancel", 0))
    answer = next(iter(ReplayedMCP("mcp_cancel").script["wangp_cancel_job"]))
    server.script["wangp_cancel_job"] = [answer]
    last = server.script["wangp_get_job"].pop()
    running = server.script["wangp_get_job"] = server.script["wangp_get_job"][:-1]
    job = clients(server).submit(clip())
    wait_for(job.running)
    assert job.cancel()
    wait_for(lambda: server.called("wangp_cancel_job"))
    running[:] = [last]
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


def test_a_job_stopped_by_somebody_else_says_so(clients):
    script = recorded_job("mcp_cancel", 0)
    script["wangp_get_job"] = script["wangp_get_job"][-1:]
    error = failure(clients(ReplayedMCP(script=script)), kind=errors.GenerationError)
    assert error.code == "stopped"
    assert error.retryable


def test_a_recorded_busy_server_is_waited_for(clients):
    busy = next(each for each in ReplayedMCP("mcp_cancel").script["wangp_generate"] if each["isError"])
    server = ReplayedMCP(script=happy(wangp_generate=[busy, busy, snapshot()]))
    job = clients(server).submit(clip())
    assert job.result(HANG_GUARD_S).artifacts
    assert len(server.called("wangp_generate")) == 3


def test_a_job_cancelled_while_the_server_is_busy_has_left_nothing_there(clients):
    server = ReplayedMCP(script=happy(wangp_generate=ValueError("WanGP session already has a generation in progress")))
    job = clients(server).submit(clip())
    wait_for(lambda: "still working on another job" in job.status.message)
    assert job.record()["stage"] == "queued"
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    assert not server.called("wangp_cancel_job")


def test_a_job_that_a_busy_server_refused_may_be_sent_by_the_next_blender(clients):
    server = ReplayedMCP(script=happy(wangp_generate=ValueError("WanGP session already has a generation in progress")))
    server.script["wangp_list_gallery"] = [{"result": []}]
    job = clients(server).submit(clip())
    wait_for(lambda: "still working on another job" in job.status.message)
    record = job.record()
    job.cancel()
    server.script["wangp_generate"] = [snapshot()]
    again = clients(server.url).resume(record)
    assert again.result(HANG_GUARD_S).artifacts


def test_an_unknown_model_is_found_out_before_the_job_is_handed_in(clients):
    refusal = [each for each in ReplayedMCP("mcp_discovery").script["wangp_get_default_settings"] if each["isError"]]
    server = ReplayedMCP(script=happy(wangp_get_default_settings=refusal))
    error = failure(clients(server), clip(model="t2v_1.3BB"), errors.MissingResource)
    assert error.kind == "model"
    assert "t2v_1.3B" in error.nearest
    assert not server.called("wangp_generate")


# Not recorded


@pytest.mark.parametrize("answer", [{"status": "busy"}, {"job_id": ""}, [], None])
def test_an_answer_without_an_id_leaves_it_open_whether_the_job_was_taken(clients, answer):
    error = failure(clients(ReplayedMCP(script=happy(wangp_generate=lambda _: answer))), kind=errors.JobLost)
    assert error.code == "outcome_unknown"


@pytest.mark.parametrize("result", [5, "text", [1]])
def test_a_result_of_another_form_is_a_protocol_error(clients, result):
    failure(clients(ReplayedMCP(script=happy(wangp_get_job=snapshot(result=result)))), kind=errors.ProtocolError)


def test_events_of_any_form_are_survived(clients):
    strange = [5, {}, {"kind": "progress", "timestamp": 1.0, "data": "x"}, {"kind": "stream", "timestamp": "x"}]
    strange += [event("progress", {"progress": "many", "status": None}, 2.0), event("stream", {"text": None}, 3.0)]
    polls = [snapshot("job", *strange), snapshot("job", *strange), happy()["wangp_get_job"]]
    assert made(clients(ReplayedMCP(script=happy(wangp_get_job=polls)))).artifacts


def test_events_of_one_moment_are_each_told_once(clients):
    lines = [event("info", "one", 1.0), event("info", "two", 1.0)]
    polls = [snapshot("job", lines[0]), snapshot("job", *lines), snapshot("job", *lines), happy()["wangp_get_job"]]
    job = clients(ReplayedMCP(script=happy(wangp_get_job=polls))).submit(clip())
    assert [each.line for each in job.events() if isinstance(each, events.Logged)] == ["one", "two"]


def test_a_second_job_takes_the_same_door(clients):
    server = ReplayedMCP(script=happy())
    client = clients(server)
    asked = len([client.submit(clip()).result(HANG_GUARD_S) for _ in range(2)])
    assert asked == len(server.called("wangp_generate")) == 2


def test_progress_that_falls_is_held(clients):
    def at(percent, when):
        return event("progress", {"progress": percent, "status": "VAE Decoding | 1s / 2s"}, when)

    polls = [snapshot("job", at(95, 1.0)), snapshot("job", at(95, 1.0), at(90, 2.0))]
    held = ReplayedMCP(script=happy(wangp_get_job=polls))
    job = clients(held).submit(clip())
    wait_for(lambda: len(held.called("wangp_get_job")) > 3)
    assert job.status.progress.fraction == 0.95
    assert job.status.progress.eta_s == 1.0
    held.script["wangp_get_job"] = [happy()["wangp_get_job"]]
    assert job.result(HANG_GUARD_S)


def test_a_lost_answer_to_the_submit_is_reported_and_not_repeated(clients):
    server = ReplayedMCP(script=happy())

    def generate(_arguments):
        server.inject(Fault("lost_answer", on=POST))
        return snapshot()

    server.script["wangp_generate"] = [generate]
    error = failure(clients(server), kind=errors.JobLost)
    assert error.code == "outcome_unknown"
    assert len(server.called("wangp_generate")) == 1


def test_a_lost_connection_in_mid_job_is_borne(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=[snapshot()]))
    job = clients(server, max_retries=0).submit(clip())
    wait_for(lambda: len(server.called("wangp_get_job")) > 2)
    server.go_down(0.3)
    wait_for(lambda: "lost" in job.status.message)
    wait_for(lambda: not job.status.message)
    server.script["wangp_get_job"] = [happy()["wangp_get_job"]]
    assert job.result(HANG_GUARD_S).artifacts
    assert any(isinstance(each, events.Reconnected) for each in job.events())
    assert len(server.called("wangp_generate")) == 1


def test_a_server_that_stays_away_ends_the_job_with_the_networks_error(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=[snapshot()]))
    job = clients(server, timings=replace(QUICK, outage_s=0.1), max_retries=0).submit(clip())
    wait_for(job.running)
    server.go_down(HANG_GUARD_S)
    assert isinstance(job.exception(HANG_GUARD_S), errors.NetworkError)


def test_a_restarted_server_has_lost_the_job(clients):
    unknown = KeyError("Unknown WanGP job_id: job")
    server = ReplayedMCP(script=happy(wangp_get_job=unknown, wangp_list_gallery=[[]]))
    error = failure(clients(server), kind=errors.JobLost)
    assert error.code == "job_lost"


def test_a_restarted_server_may_still_have_the_file(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=KeyError("Unknown WanGP job_id: job")))
    client = clients(server)

    def gallery(_arguments):
        stem = server.called("wangp_generate")[0]["source"]["output_filename"]
        return [
            {"gallery_id": "visual:1", "path": f"outputs/{stem}.mp4"},
            {"gallery_id": "visual:2", "path": "o/x.mp4"},
        ]

    server.script["wangp_list_gallery"] = [gallery]
    assert len(made(client).artifacts) == 1


def test_a_failed_run_keeps_what_it_had_made(clients, tmp_path):
    item = {"gallery_id": "visual:9", "path": FILE, "media_type": "video"}
    result = finished(f"/srv/{FILE}", items=[item]) | {"success": False, "errors": [{"message": "CUDA out of memory"}]}
    error = failure(clients(ReplayedMCP(script=happy(wangp_get_job=snapshot(result=result)))), kind=errors.OutOfMemory)
    (artifact,) = error.partial.artifacts
    assert artifact.path.is_file()


def test_a_failed_run_whose_files_can_not_be_had_says_why_it_failed(clients):
    item = {"gallery_id": "visual:9", "path": FILE, "media_type": "video"}
    result = finished(f"/srv/{FILE}", items=[item]) | {"success": False, "errors": [{"message": "CUDA out of memory"}]}
    script = happy(wangp_get_job=snapshot(result=result), wangp_create_gallery_download={"download_url": "//elsewhere"})
    error = failure(clients(ReplayedMCP(script=script)), kind=errors.OutOfMemory)
    assert error.partial is None


def test_a_server_with_other_tools_is_met_anew(clients):
    server = ReplayedMCP(script=happy())
    client = clients(server)
    assert client.submit(clip()).result(HANG_GUARD_S).metadata["tools"] == "v1"
    server.tools = [each for each in server.tools if each["name"] != "wangp_list_models"]
    assert client.submit(clip()).result(HANG_GUARD_S).metadata["tools"] == "v1-models"
    server.inject(Fault("status:404", on="POST /mcp/"))
    assert client.submit(clip()).result(HANG_GUARD_S).metadata["tools"] == "v1-models"
    server.tools = []
    assert failure(client, kind=errors.ProtocolError).code == "unknown_tools"


def test_the_servers_words_hold_no_secret(clients):
    server = ReplayedMCP(script=happy(wangp_generate=ValueError("not allowed: Bearer canary-key-123")))
    error = failure(clients(server, key="canary-key-123"), kind=errors.ValidationError)
    assert "canary" not in str(error)


def test_a_job_is_joined_again_by_its_record(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=[snapshot()]))
    first = clients(server)
    job = first.submit(clip(seed=None))
    wait_for(lambda: job.backend_id and job.running())
    record = job.record()
    first.close(detach=True)
    assert isinstance(job.exception(HANG_GUARD_S), errors.JobDetached)
    server.script["wangp_get_job"] = [happy()["wangp_get_job"]]
    again = clients(server.url).resume(record)
    result = again.result(HANG_GUARD_S)
    assert result.metadata["seed"] == server.called("wangp_generate")[0]["source"]["seed"]
    assert len(server.called("wangp_generate")) == 1


def test_a_job_that_may_have_been_sent_is_not_sent_again(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=[snapshot()], wangp_list_gallery=[[]]))
    client = clients(server)
    job = client.submit(clip())
    wait_for(job.running)
    record = {**job.record(), "backend_id": None, "stage": "sent"}
    client.close(detach=True)
    error = clients(server.url).resume(record).exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost)
    assert error.code == "outcome_unknown"
    assert len(server.called("wangp_generate")) == 1


def test_cancelling_a_job_the_server_does_not_know_is_confirmed(clients):
    server = ReplayedMCP(
        script=happy(wangp_get_job=[snapshot()], wangp_cancel_job=KeyError("Unknown WanGP job_id: job"))
    )
    job = clients(server).submit(clip())
    wait_for(job.running)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)
    assert job.status.state is JobState.CANCELLED


def test_a_cancel_that_takes_too_long_is_said_to_have_failed(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=[snapshot()], wangp_cancel_job=[snapshot()]))
    job = clients(server, drain_timeout_s=0.1).submit(clip())
    wait_for(job.running)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is BackendCancel.FAILED)


def test_a_result_without_files_is_an_error(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=snapshot(result=finished()), wangp_list_gallery=[[]]))
    assert failure(clients(server), kind=errors.GenerationError).code == "no_output"


def test_a_download_url_that_has_been_used_up_is_asked_for_again(clients):
    server = ReplayedMCP(script=happy())
    server.inject(Fault("status:404", on="GET /wangp_api/*"))
    assert made(clients(server)).artifacts
    assert len(server.called("wangp_create_gallery_download")) == 2


@pytest.mark.parametrize("url", [None, "http://elsewhere/x", "//elsewhere/x"])
def test_a_url_that_leads_elsewhere_is_refused(clients, url):
    server = ReplayedMCP(script=happy(wangp_create_gallery_download={"download_url": url}))
    failure(clients(server), kind=errors.ProtocolError)


# Generations of tools


def v2_tools(**wait):
    arguments = {"anyOf": [{"type": "object"}, {"type": "null"}]}
    joined = {"action": {"type": "string"}, "arguments": arguments}
    return [
        tool("wangp_generate", **joined),
        tool("wangp_session", **joined),
        tool("wangp_models"),
        tool("wangp_model"),
    ]


def v2_script(polls):
    answers = happy()

    def session(call):
        action = call["action"]
        if action == "get_job":
            return polls.pop(0) if len(polls) > 1 else polls[0]
        return answers[f"wangp_{action}"]

    return {"wangp_generate": {"status": "timeout", **snapshot()}, "wangp_session": session}


def test_api_v2_is_not_waited_for_in_one_call(clients, tmp_path):
    item = {"media_id": "visual:9", "path": FILE}
    server = ReplayedMCP(script=v2_script([snapshot(), snapshot(result=finished(FILE, items=[item]))]))
    server.tools = v2_tools()
    picture = tmp_path / "start.png"
    picture.write_bytes(b"\x89PNG picture")
    result = made(clients(server), clip("move", "i2v", files={"image_start": picture}))
    assert len(result.artifacts) == 1
    assert result.metadata["tools"] == "v2"
    (sent,) = server.called("wangp_generate")
    assert sent["action"] == "generate"
    assert {"wait": True, "timeout_s": 0}.items() <= sent["arguments"].items()
    actions = [each["action"] for each in server.called("wangp_session")]
    assert actions == ["create_gallery_upload", "get_job", "get_job", "create_gallery_download"]


def test_the_tools_of_early_september_2026(clients):
    server = ReplayedMCP(script=happy())
    known = {each["name"]: each for each in server.tools}
    joined = [tool("wangp_models"), tool("wangp_model", view={"type": "string"})]
    media = [tool("wangp_create_gallery_upload"), tool("wangp_create_gallery_download", media_id={"type": "string"})]
    kept = [known[name] for name in ("wangp_generate", "wangp_get_job", "wangp_cancel_job", "wangp_list_gallery")]
    server.tools = [*kept, *joined, *media]
    result = made(clients(server))
    assert result.metadata["tools"] == "v1-models"
    assert server.called("wangp_create_gallery_download") == [{"media_id": "visual:9"}]
    assert not server.called("wangp_get_default_settings")


def test_a_generate_tool_that_must_wait_and_takes_settings(clients):
    server = ReplayedMCP(script=happy())
    properties = {"settings": {}, "wait": {"const": True}, "timeout_s": {}}
    server.tools = [each for each in server.tools if each["name"] != "wangp_generate"]
    server.tools.append(tool("wangp_generate", **properties))
    made(clients(server))
    (sent,) = server.called("wangp_generate")
    assert set(sent) == {"settings", "wait", "timeout_s"}
    assert sent["wait"] is True


def test_other_tools_are_said_to_be_unknown(clients):
    server = ReplayedMCP(script=happy())
    server.tools = [tool("wangp_generate"), tool("wangp_later")]
    assert failure(clients(server), kind=errors.ProtocolError).code == "unknown_tools"


def test_a_server_that_sends_on_the_other_way_is_followed(clients):
    server = ReplayedMCP(script=happy())
    server.redirects_slash = True
    assert made(clients(server)).artifacts


def test_the_address_may_be_that_of_the_mcp_endpoint(clients):
    server = ReplayedMCP(script=happy())
    clients(server)
    assert made(clients(server.url + "/mcp")).artifacts


# Who it is


def test_probe_says_which_generation_of_tools_it_has(clients):
    info = clients(ReplayedMCP()).probe()
    assert info.dialect == "mcp"
    assert info.version.startswith("v1")
    assert {"rejoin", "cancel", "progress", "upload"} <= info.capabilities
    assert "previews" not in info.capabilities
    plain = ReplayedMCP()
    plain.tools = [each for each in plain.tools if "upload" not in each["name"]]
    assert "upload" not in clients(plain).probe().capabilities


class OtherMCP(ReplayedMCP):
    """An MCP server of another program."""

    def _result(self, method, params):
        if method == "initialize":
            return {"result": {"protocolVersion": "1", "serverInfo": {"name": "files"}}}
        return super()._result(method, params)


class ErrorMCP(ReplayedMCP):
    """A server that does not know the method, as the recorded one does not know others."""

    def _result(self, method, params):
        return {"error": {"code": -32602, "message": "Invalid request parameters", "data": ""}}


class ListMCP(ReplayedMCP):
    """A server that answers something else."""

    def _rpc(self, request):
        return Response.json([1])


class ResultlessMCP(ReplayedMCP):
    """A server whose answer has no result."""

    def _result(self, method, params):
        return {"result": 5}


class StreamingMCP(ReplayedMCP):
    """A server that answers with event streams, which the protocol allows."""

    silent = False

    def _rpc(self, request):
        answer = super()._rpc(request)
        notice = b'event: message\ndata: {"jsonrpc": "2.0", "method": "notifications/message"}\n\n'
        body = b"" if self.silent else b"data: " + answer.body + b"\n\n"
        return Response(200, notice + body, {"Content-Type": "text/event-stream"})


@pytest.mark.parametrize(
    ("server", "code"),
    [(OtherMCP, "not_wangp"), (ErrorMCP, "rpc_error"), (ListMCP, "not_wangp"), (ResultlessMCP, "not_wangp")],
)
def test_other_servers_are_told_apart(clients, server, code):
    error = failure(clients(server()), kind=errors.ProtocolError)
    assert error.code == code


def test_answers_may_come_as_event_streams(clients):
    assert made(clients(StreamingMCP(script=happy()))).artifacts
    silent = StreamingMCP()
    silent.silent = True
    assert failure(clients(silent), kind=errors.ProtocolError).code == "not_wangp"


def test_a_server_that_wants_a_key_says_so(clients):
    server = ReplayedMCP(script=happy(), auth="Bearer key")
    assert isinstance(failure(clients(server)), errors.AuthenticationError)
    assert made(clients(server.url, key="key")).artifacts


def test_a_redirect_in_a_circle_ends(clients):
    server = ReplayedMCP()
    server.inject(Fault("redirect", on=POST, times=9))
    server.inject(Fault("redirect", on="POST /mcp", times=9))
    failure(clients(server), kind=errors.ProtocolError)


def test_refused_settings_keep_the_servers_words(clients):
    words = "Unknown setting 'foo'. Nothing was submitted."
    error = failure(clients(ReplayedMCP(script=happy(wangp_generate=ValueError(words)))), kind=errors.ValidationError)
    assert words in error.message


def test_a_tool_that_fails_in_mid_job_ends_it(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=ValueError("disk full")))
    assert "disk full" in failure(clients(server)).message


def test_results_without_structured_content_are_read_from_their_text(clients):
    def as_text(answer):
        return {"content": [{"type": "text", "text": json.dumps(answer)}, {"type": "image"}]}

    script = {name: as_text(answer) for name, answer in happy().items()}
    assert made(clients(ReplayedMCP(script=script))).artifacts


@pytest.mark.parametrize("answer", [{}, {"gallery_id": 5}, [], "x"])
def test_an_upload_without_an_id_is_a_protocol_error(clients, tmp_path, answer):
    class Odd(ReplayedMCP):
        def _upload(self, request):
            return Response.json(answer)

    picture = tmp_path / "start.png"
    picture.write_bytes(b"\x89PNG picture")
    request = clip("move", "i2v", files={"image_start": picture})
    failure(clients(Odd(script=happy())), request, errors.ProtocolError)


def test_a_download_that_fails_keeps_what_had_come(clients):
    items = [{"gallery_id": "visual:1", "path": FILE}, {"gallery_id": "visual:2", "path": "outputs/blend_y.mp4"}]
    server = ReplayedMCP(script=happy(wangp_get_job=snapshot(result=finished(FILE, items=items))))
    urls = [happy()["wangp_create_gallery_download"], {"download_url": None}]
    server.script["wangp_create_gallery_download"] = urls
    error = failure(clients(server), kind=errors.ProtocolError)
    assert len(error.partial.artifacts) == 1


def test_a_file_that_is_never_handed_out_is_not_found(clients):
    server = ReplayedMCP(script=happy())
    server.inject(Fault("status:404", on="GET /wangp_api/*", times=9))
    failure(clients(server), kind=errors.NotFound)
    assert server.downloads == 0


def test_an_answer_that_is_cut_while_handing_in_is_unknown(clients):
    server = ReplayedMCP(script=happy(wangp_get_default_settings=RuntimeError("no defaults")))

    def generate(_arguments):
        server.inject(Fault("bad_json", on=POST))
        return snapshot()

    server.script["wangp_generate"] = [generate]
    assert failure(clients(server), kind=errors.JobLost).code == "outcome_unknown"


def test_a_refusal_on_the_way_is_no_unknown_outcome(clients):
    server = ReplayedMCP(script=happy())

    def known(_arguments):
        server.inject(Fault("status:307", on=POST, times=2))
        return {}

    server.script["wangp_get_default_settings"] = [known]
    assert failure(clients(server), kind=errors.ProtocolError).code == "redirected"


def test_a_redirect_that_may_follow_a_job_that_was_taken_is_not_followed(clients):
    server = ReplayedMCP(script=happy())

    def known(_arguments):
        server.inject(Fault("redirect", on=POST))  # with status 302
        return {}

    server.script["wangp_get_default_settings"] = [known]
    assert failure(clients(server), kind=errors.JobLost).code == "outcome_unknown"


def test_a_lost_job_found_in_the_gallery_is_fetched_by_an_old_record(clients):
    server = ReplayedMCP(script=happy())
    client = clients(server)
    job = client.submit(clip())
    job.result(HANG_GUARD_S)
    server.script["wangp_list_gallery"] = [[{"gallery_id": "visual:1", "path": f"outputs/blend_{job.id}.mp4"}]]
    record = {**job.record(), "backend_id": None, "stage": "sent"}
    assert len(clients(server.url).resume(record).result(HANG_GUARD_S).artifacts) == 1


def test_a_cancel_without_a_job_id_is_said_to_have_failed(clients):
    server = ReplayedMCP(script=happy())
    ready, go_on = threading.Event(), threading.Event()

    def generate(_arguments):
        ready.set()
        go_on.wait(HANG_GUARD_S)
        return snapshot()

    server.script["wangp_generate"] = [generate]
    job = clients(server).submit(clip())
    assert ready.wait(HANG_GUARD_S)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    go_on.set()
    assert job.status.backend_cancel is BackendCancel.FAILED


@pytest.mark.parametrize(
    ("state", "outcome"), [({"endpoint": "mcp"}, "FAILED"), ({"door": "mcp"}, "FAILED"), ({}, "CONFIRMED")]
)
def test_a_cancel_knows_from_the_record_whether_a_request_was_sent(state, outcome):
    """Older records have ``door`` for ``endpoint``."""
    job: Any = SimpleNamespace(backend_id=None, state=state)
    unused: Any = None
    assert MCPEndpoint(unused, unused, unused).cancel(job) is BackendCancel[outcome]


def test_a_cancel_that_fails_is_said_to_have_failed(clients):
    server = ReplayedMCP(script=happy(wangp_get_job=[snapshot()], wangp_cancel_job=ValueError("no")))
    job = clients(server).submit(clip())
    wait_for(job.running)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is BackendCancel.FAILED)


def test_a_failure_without_a_reason(clients):
    result = {"success": False, "errors": "none"}
    error = failure(
        clients(ReplayedMCP(script=happy(wangp_get_job=snapshot(result=result)))), kind=errors.GenerationError
    )
    assert "without giving a reason" in error.message


# Against the mock


@pytest.mark.parametrize("output_dir", [True, False])
@pytest.mark.parametrize(
    ("generation", "background"), [("v1", False), ("v1-models", False), ("v2", False), ("v2", True)]
)
def test_the_mock_of_each_generation_of_tools(clients, tmp_path, generation, background, output_dir):
    picture = tmp_path / "start.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n picture")
    mock = MockWan2GPMCP(generation=generation, background=background, output_dir=output_dir, speed=40.0)
    settings = {"num_inference_steps": 4, "resolution": "128x80", "video_length": 5}
    request = clip("move", "i2v", settings=settings, files={"image_start": picture}, seed=4)
    client = clients(mock)
    if generation == "v2" and not output_dir:
        # its tools can't list the gallery: WanGP has to be started with --output-dir
        error = failure(client, request, errors.GenerationError)
        assert error.code == "not_in_gallery"
        assert "--output-dir" in error.hint
        return
    (artifact,) = made(client, request).artifacts
    assert artifact.path.name == "move_4.mp4"
    assert artifact.media_type == "video/mp4"


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_job_of_the_mock_is_cancelled(clients, generation):
    mock = MockWan2GPMCP(generation=generation, speed=5.0)
    job = clients(mock).submit(clip(settings={"num_inference_steps": 2000}))
    wait_for(lambda: job.status.progress is not None and job.status.progress.fraction)
    job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("out_of_memory", errors.OutOfMemory), ("model_file_missing", errors.MissingResource)],
)
def test_failures_of_the_mock_are_typed(clients, fault, kind):
    settings = {"num_inference_steps": 4, "resolution": "128x80", "video_length": 5}
    failure(clients(MockWan2GPMCP(faults=[Fault(fault)], speed=40.0)), clip(settings=settings), kind)
