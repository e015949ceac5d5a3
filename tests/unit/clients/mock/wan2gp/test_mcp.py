"""The mock of WanGP's MCP server: generations of tools, jobs, media by URLs that serve once, and faults."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from support.http import Pool
from support.waiting import wait_for
from support.wangp import settings

from movie_director.clients.mock.http.faults import Fault
from movie_director.clients.mock.wan2gp.mcp import BUSY, MockWan2GPMCP

ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
HTTP = Pool(20.0)


def rpc(mock: MockWan2GPMCP, method: str, params: Any = None, **headers: str) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}).encode()
    return HTTP.request("POST", f"{mock.url}/mcp/", body=body, headers={**ACCEPT, **headers})


def tool(mock: MockWan2GPMCP, name: str, **arguments: Any) -> Any:
    """The value that a tool gives, or its words where it refuses."""
    result = rpc(mock, "tools/call", {"name": name, "arguments": arguments}).json()["result"]
    if result["isError"]:
        return result["content"][0]["text"]
    told = result["structuredContent"]
    return told["result"] if list(told) == ["result"] else told


def session(mock: MockWan2GPMCP, action: str, **arguments: Any) -> Any:
    return tool(mock, "wangp_session", action=action, arguments=arguments)


def ended(mock: MockWan2GPMCP, job_id: str, **more: Any) -> Any:
    found: list[Any] = []

    def done() -> bool:
        found[:] = [tool(mock, "wangp_get_job", job_id=job_id, event_limit=500)]
        return bool(found[0]["done"])

    assert wait_for(done)
    return found[0]


def upload(mock: MockWan2GPMCP, name: str, data: bytes) -> Any:
    url = tool(mock, "wangp_create_gallery_upload", filename=name)["upload_url"]
    answer = HTTP.request("PUT", mock.url + url, body=data)
    assert HTTP.request("PUT", mock.url + url, body=data).status == 404
    return answer.json()


@pytest.fixture
def mock() -> Iterator[MockWan2GPMCP]:
    with MockWan2GPMCP(speed=50.0) as server:
        yield server


@pytest.mark.parametrize(
    ("generation", "has", "lacks"),
    [
        ("v1", {"wangp_list_models", "wangp_get_job"}, {"wangp_session"}),
        ("v1-models", {"wangp_models", "wangp_model", "wangp_get_job"}, {"wangp_list_models", "wangp_session"}),
        ("v2", {"wangp_session", "wangp_generate"}, {"wangp_get_job"}),
    ],
)
def test_generations_of_tools(generation: str, has: set[str], lacks: set[str]) -> None:
    with MockWan2GPMCP(generation=generation) as mock:
        names = {each["name"] for each in rpc(mock, "tools/list").json()["result"]["tools"]}
        assert has <= names
        assert not lacks & names
        for name in lacks:
            assert tool(mock, name) == f"Unknown tool: {name}"
    with pytest.raises(ValueError, match="no such tools"):
        MockWan2GPMCP(generation="v9")


def test_a_job_from_upload_to_download(mock: MockWan2GPMCP) -> None:
    assert "Unsupported" in tool(mock, "wangp_create_gallery_upload", filename="virus.exe")
    assert "Unknown gallery_id" in tool(mock, "wangp_create_gallery_download", gallery_id="visual:0")
    media = upload(mock, "start.png", b"not really a picture")
    assert media["gallery_id"].startswith("visual:")
    source = settings(model_type="i2v", image_start=media["gallery_id"], output_filename="blend_1", video_length="1s")
    job = tool(mock, "wangp_generate", source=[source])
    assert (job["done"], next(each["kind"] for each in job["events"])) == (False, "started")
    done = ended(mock, job["job_id"])
    assert done["result"]["generated_files"] == ["/srv/wan2gp/outputs/blend_1.mp4"]
    assert done["result"]["gallery_items"] == []
    items = [
        each for each in tool(mock, "wangp_list_gallery", media_type="video") if each["path"] == "outputs/blend_1.mp4"
    ]
    download = tool(mock, "wangp_create_gallery_download", gallery_id=items[0]["gallery_id"])
    data = HTTP.request("GET", mock.url + download["download_url"]).data
    assert len(data) == download["size"]
    assert b"mp4v" in data
    (frames,) = struct.unpack_from(">I", data, data.index(b"stsz") + 12)
    assert frames == 17
    assert HTTP.request("GET", mock.url + download["download_url"]).status == 404


def test_one_job_at_a_time_and_its_end_is_cooperative(mock: MockWan2GPMCP) -> None:
    job = tool(mock, "wangp_generate", source=settings(steps=2000))
    assert tool(mock, "wangp_generate", source=settings()) == f"Error executing tool wangp_generate: {BUSY}"
    assert tool(mock, "wangp_cancel_job", job_id=job["job_id"])["cancel_requested"]
    done = ended(mock, job["job_id"])
    assert (done["result"]["cancelled"], done["result"]["errors"][0]["stage"]) == (True, "cancelled")
    assert tool(mock, "wangp_cancel_job", job_id=job["job_id"])["done"]
    done = ended(mock, tool(mock, "wangp_generate", source=settings(guidance_phases=2))["job_id"])
    assert done["result"]["success"]
    phases = {each["data"]["phase"] for each in done["events"] if each["kind"] == "progress"}
    assert phases == {"encoding_text", "inference_stage_1", "inference_stage_2", "decoding"}


def test_failures_and_refusals(mock: MockWan2GPMCP) -> None:
    mock.inject(Fault("out_of_memory"))
    done = ended(mock, tool(mock, "wangp_generate", source=settings())["job_id"])
    assert (done["result"]["errors"][0]["stage"], done["result"]["failed_tasks"]) == ("generation", 1)
    unknown = tool(mock, "wangp_generate", source=settings(model_type="no_such_model"))
    assert (unknown["done"], unknown["result"]["errors"][0]["stage"]) == (True, "runtime")
    refused = ended(mock, tool(mock, "wangp_generate", source=settings(video_prompt_type="V"))["job_id"])
    assert refused["result"]["errors"][0]["message"] == "You must provide a Control Video"
    assert "Direct filesystem paths are disabled" in tool(
        mock, "wangp_generate", source=settings(image_start="/srv/x.png")
    )
    mock.inject(Fault("mcp_busy"))
    assert BUSY in tool(mock, "wangp_generate", source=settings())
    assert "Unknown WanGP job_id: gone" in tool(mock, "wangp_get_job", job_id="gone")
    assert tool(mock, "wangp_get_model_schema", model_type="nope") is None


def test_api_v2_waits_and_checks_names() -> None:
    with MockWan2GPMCP(generation="v2", speed=50.0) as mock:

        def generate(**more: Any) -> Any:
            return tool(
                mock,
                "wangp_generate",
                action="generate",
                arguments={"source": settings(**more.pop("with_", {})), **more},
            )

        assert "Nothing was submitted" in generate(with_={"bogus": 1}, wait=True)
        assert "--mcp-async" in generate()
        assert generate(wait=True)["result"]["success"]
        job = generate(with_={"steps": 2000}, wait=True, timeout_s=0)
        assert not job["done"]
        assert [each["job_id"] for each in session(mock, "list_queue")] == [job["job_id"]]
        session(mock, "cancel_job", job_id=job["job_id"])
        assert wait_for(lambda: session(mock, "get_job", job_id=job["job_id"])["done"])
        assert session(mock, "create_gallery_upload", filename="a.png")["method"] == "PUT"
        key = session(mock, "list_gallery")[0]["media_id"]
        assert session(mock, "create_gallery_download", media_id=key)["media_id"] == key
        assert "Unknown action: nothing" in session(mock, "nothing")
    with MockWan2GPMCP(generation="v2", background=True, speed=50.0) as mock:
        assert not tool(mock, "wangp_generate", action="generate", arguments={"source": settings()})["done"]


def test_a_restart_forgets_the_jobs(mock: MockWan2GPMCP) -> None:
    mock.inject(Fault("restart"))
    job = tool(mock, "wangp_generate", source=settings())["job_id"]

    def gone() -> bool:
        try:
            return "Unknown WanGP job_id" in str(tool(mock, "wangp_get_job", job_id=job))
        except urllib3.exceptions.HTTPError:
            return False

    assert wait_for(gone)
