"""How each backend submits: its mock server, its client, a quick request, and which of the requests is the submit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from movie_director.clients import AudioLDMClient, ComfyUIClient, LiteLLMClient, RVCClient, Wan2GPClient
from movie_director.clients.audioldm import SoundRequest
from movie_director.clients.comfyui import WorkflowRequest
from movie_director.clients.gradio_app import EndpointRequest, GradioAppClient
from movie_director.clients.litellm import ChatRequest
from movie_director.clients.mock import MockBackends
from movie_director.clients.mock.http.responses import Request
from movie_director.clients.mock.http.server import MockServer
from movie_director.clients.mock.rvc.applio import MockApplio
from movie_director.clients.rvc import ConvertRequest

from .comfyui import QUICK as QUICK_COMFYUI
from .comfyui import picture_workflow
from .voices import write_tone
from .waiting import HANG_GUARD_S
from .wan2gp import QUICK as QUICK_WAN2GP
from .wan2gp import clip
from .wan2gp_mcp import ReplayedMCP, finished, snapshot


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
        return (server.app.dependencies[json.loads(request.body)["fn_index"]].api_name or "").startswith(function)

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
        lambda _, request: request.method == "POST" and request.path.endswith("/prompt"),
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
    "gradio": Submit(
        lambda: mock_of("gradio"),
        GradioAppClient,
        lambda _: EndpointRequest("/speak", {"text": "Action!"}),
        joining("speak"),
    ),
    "audioldm2": Submit(
        lambda: mock_of("audioldm", dialect="audioldm2"),
        AudioLDMClient,
        lambda _: SoundRequest("rain", 2.5),
        posted_to("/run/"),
    ),
}


@contextmanager
def connected(submit: Submit, server: MockServer, folder: Path, **given: Any) -> Iterator[Any]:
    """Make a client of the server; its results go to ``folder``/out."""
    options = {"output_dir": folder / "out", "backoff_base_s": 0.001, "drain_timeout_s": 10.0}
    with submit.client(server.url, options=replace(submit.client.default_options, **options), **given) as client:
        if submit.timings is not None:
            client.timings = submit.timings
        if submit.client is AudioLDMClient:
            client.interval_s = HANG_GUARD_S  # no look at the run comes between
        yield client
