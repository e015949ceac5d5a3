"""At most once: whatever goes wrong around a submit, the server carries the request out once or not at all.

Each backend's submit meets each fault: refusals that carry nothing out, answers that are lost or spoilt after the
request was carried out, and a proxy that puts its own error page in the place of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.comfyui import QUICK as QUICK_COMFYUI
from support.comfyui import picture_workflow
from support.voices import write_tone
from support.waiting import HANG_GUARD_S
from support.wan2gp import QUICK as QUICK_WAN2GP
from support.wan2gp import clip
from support.wan2gp_mcp import ReplayedMCP, finished, snapshot

from movie_director.clients import AudioLDMClient, ComfyUIClient, LiteLLMClient, RVCClient, Wan2GPClient, errors
from movie_director.clients.audioldm import SoundRequest
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock import Fault, MockBackends
from movie_director.clients.mock.http.responses import Request, Response
from movie_director.clients.mock.http.server import MockServer
from movie_director.clients.mock.rvc.applio import MockApplio
from movie_director.clients.rvc import ConvertRequest

REFUSALS = ("reset", "close_before_answer", "html_login_page", "redirect", "status:403", "status:429", "status:503")
SPOILT = ("lost_answer", "cut_body", "bad_json", "wrong_length")
PAGES = (500, 502, 503, 504)
RESENT = {
    "reset": {"comfyui"},  # which was asked, and does not have the prompt
    "close_before_answer": {"comfyui"},
    "redirect": {"wan2gp-mcp"},  # whose releases have one of two paths
    "status:429": {"comfyui", "wan2gp-web", "wan2gp-mcp", "litellm", "rvc-python", "applio", "audioldm2"},
    "status:503": {"litellm", "cog"},  # in the server's own words
}


@dataclass(frozen=True)
class Submit:
    """How one backend submits, and which of the server's requests is the submit."""

    server: Callable[[], AbstractContextManager[MockServer]]
    client: type[Any]
    request: Callable[[Path], Any]
    is_submit: Callable[[Any, Request], bool]
    timings: Any = None


@contextmanager
def mock_of(name: str, **options: Any) -> Iterator[MockServer]:
    with MockBackends(only=[name], speed=100.0, options={name: options}) as mocks:
        yield getattr(mocks, name)


def mcp_server() -> ReplayedMCP:
    item = {"gallery_id": "visual:9", "path": "outputs/blend_x.mp4", "media_type": "video"}
    return ReplayedMCP(
        script={
            "wangp_generate": snapshot(),
            "wangp_get_job": snapshot(result=finished("/srv/outputs/blend_x.mp4", items=[item])),
            "wangp_create_gallery_download": {"download_url": "/wangp_api/gallery/download/abc", "filename": "x.mp4"},
        }
    )


def posted_to(path: str, method: str = "POST") -> Callable[[Any, Request], bool]:
    return lambda _, request: request.method == method and request.path.startswith(path)


def joining(function: str) -> Callable[[Any, Request], bool]:
    """Return what tells the call of a function from other calls of a Gradio queue."""

    def is_submit(server: Any, request: Request) -> bool:
        if not request.path.endswith("/queue/join"):
            return False
        return (server.app.dependencies[request.json()["fn_index"]].api_name or "").startswith(function)

    return is_submit


def converted(folder: Path) -> ConvertRequest:
    return ConvertRequest(write_tone(folder / "line.wav"), "demo-voice", accept_terms=True)


def short_clip(_: Path) -> Any:
    return clip(settings={"num_inference_steps": 2, "resolution": "128x80", "video_length": 5})


SUBMITS = {
    "comfyui": Submit(
        lambda: mock_of("comfyui"),
        ComfyUIClient,
        lambda _: WorkflowRequest(workflow=picture_workflow()),
        posted_to("/prompt"),
        QUICK_COMFYUI,
    ),
    "wan2gp-web": Submit(lambda: mock_of("wan2gp"), Wan2GPClient, short_clip, joining("process_tasks"), QUICK_WAN2GP),
    "wan2gp-mcp": Submit(
        mcp_server, Wan2GPClient, short_clip, lambda _, request: b'"wangp_generate"' in request.body, QUICK_WAN2GP
    ),
    "litellm": Submit(
        lambda: mock_of("litellm"),
        LiteLLMClient,
        lambda _: ChatRequest(prompt="A logline", model="demo-writer"),
        posted_to("/v1/chat/completions"),
    ),
    "rvc-python": Submit(lambda: mock_of("rvc"), RVCClient, converted, posted_to("/convert_file")),
    "applio": Submit(lambda: MockApplio(speed=100.0), RVCClient, converted, joining("enforce_terms")),
    "cog": Submit(
        lambda: mock_of("audioldm"),
        AudioLDMClient,
        lambda _: SoundRequest("rain", 2.5),
        lambda _, request: request.method == "PUT" and b"duration" in request.body,
    ),
    "audioldm2": Submit(
        lambda: mock_of("audioldm", dialect="audioldm2"),
        AudioLDMClient,
        lambda _: SoundRequest("rain", 2.5),
        posted_to("/run/"),
    ),
}


class Watched:
    """A running server whose submits are counted, and a client of it; the first submit meets ``fault``."""

    def __init__(self, submit: Submit, server: Any, fault: str | int) -> None:
        self.sent = self.carried_out = 0
        self._submit = submit
        self._server = server
        self._fault = fault
        self._answer, self._refusing, self._spoiling = server.answer, server.refusing_fault, server.spoiling_fault
        server.answer, server.refusing_fault, server.spoiling_fault = self.answer, self.refusing, self.spoiling

    def refusing(self, request: Request) -> Fault | None:
        if not self._submit.is_submit(self._server, request):
            return self._refusing(request)
        self.sent += 1
        return Fault(self._fault) if self.sent == 1 and self._fault in REFUSALS else None

    def spoiling(self, request: Request) -> Fault | None:
        if self._fault in SPOILT and self.sent == 1 and self._submit.is_submit(self._server, request):
            return Fault(self._fault)
        return self._spoiling(request)

    def answer(self, request: Request) -> Response:
        answer = self._answer(request)
        if self._submit.is_submit(self._server, request):
            self.carried_out += 1
            if self._fault in PAGES and self.sent == 1:
                return Response(self._fault, b"<html><h1>Oops</h1></html>", {"Content-Type": "text/html"})
        return answer


@pytest.mark.parametrize("fault", [*REFUSALS, *SPOILT, *PAGES])
@pytest.mark.parametrize("backend", SUBMITS)
def test_a_request_is_carried_out_once_at_the_most(tmp_path, monkeypatch, backend, fault):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.01)
    submit = SUBMITS[backend]
    given = {"output_dir": tmp_path / "out", "backoff_base_s": 0.001, "drain_timeout_s": 10.0}
    with ExitStack() as stack:
        server = stack.enter_context(submit.server())
        watched = Watched(submit, server, fault)
        client = stack.enter_context(submit.client(server.url, options=replace(submit.client.default_options, **given)))
        if submit.timings is not None:
            client.timings = submit.timings
        if submit.client is AudioLDMClient:
            client.interval_s = HANG_GUARD_S  # no look at the run comes between
        error = client.submit(submit.request(tmp_path)).exception(HANG_GUARD_S)
    assert watched.carried_out <= 1
    assert watched.sent == (2 if backend in RESENT.get(fault, ()) else 1)
    if error is not None:
        assert isinstance(error, errors.BackendError)
        assert error.code != "internal"
        assert error.hint
