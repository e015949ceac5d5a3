"""A mock of WanGP's MCP server: JSON-RPC over POST, uploads and downloads by single-use URLs, one job at a time.

Facts: recordings of v12.60 (tests/recordings/wan2gp/mcp_*), with which the tests compare it.
"""

from __future__ import annotations

import json
import mimetypes
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...wan2gp.catalogue import catalogue
from ..http.responses import Request, Response
from ..http.server import MockServer
from .generation_task import TaskRunner
from .mcp_jobs import Job
from .mcp_tools import (
    GENERATIONS,
    declare_tools,
    default_settings,
    list_models,
    model_schema,
    shown_settings,
    unknown_settings,
)
from .task import Output, Task

BOTH = ("application/json", "text/event-stream")
BUSY = "WanGP session already has a generation in progress"
NO_PATHS = (
    "Direct filesystem paths are disabled for this MCP server. Use a Gallery id for {name}, "
    "or restart with filesystem reads enabled."
)
LETTERS = (
    ("image_start", "image_prompt_type", "S"),
    ("image_end", "image_prompt_type", "E"),
    ("video_source", "image_prompt_type", "V"),
    ("video_guide", "video_prompt_type", "V"),
    ("image_refs", "video_prompt_type", "I"),
    ("audio_guide", "audio_prompt_type", "A"),
)
"""Attachment, the setting that must contain a letter for it, and the letter: added if it is missing."""
EXPIRES_S, MAX_BYTES = 600, 8 << 30


class ToolError(Exception):
    """A tool refuses a call; the text is the tool's."""


@dataclass
class _Waiting:
    """A response that is sent when the job has ended, or after ``seconds``."""

    job: Job
    seconds: float
    limit: Any


class MockWan2GPMCP(MockServer):
    """WanGP's MCP server. ``generation`` of tools is ``v1``, ``v1-models`` (early September 2026) or ``v2``.

    ``background`` is the option ``--mcp-async``, without which v2 refuses jobs that are not waited for. Without
    ``output_dir``, an option too, results name no items of the gallery.
    """

    name = "wan2gp-mcp"
    server_header = "uvicorn"
    max_body = 1 << 30

    def __init__(
        self, *, generation: str = "v1", background: bool = False, output_dir: bool = False, **options: Any
    ) -> None:
        if generation not in GENERATIONS:
            raise ValueError(f"no such tools: {generation!r}; there are {', '.join(GENERATIONS)}")
        self.generation = generation
        self.background = background
        self.output_dir = output_dir
        self.gallery: dict[str, tuple[str, bytes, dict[str, Any]]] = {}
        self._jobs: dict[str, Job] = {}
        self._urls: dict[str, str] = {}
        self._lock = threading.RLock()
        self._gpu = threading.Lock()
        super().__init__(**options)

    def on_stop(self) -> None:
        jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            if job.runner is not None:
                job.runner.join(0.5)

    def add_routes(self) -> None:
        self.route("POST", "/mcp", lambda _: Response(307, b"", {"location": f"{self.url}/mcp/"}))
        self.route("POST", "/mcp/", self._rpc)
        self.route("GET", "/mcp/", self._open_stream)
        self.route("PUT", "/wangp_api/gallery/upload/{token}", self._put)
        self.route("GET", "/wangp_api/gallery/download/{token}", self._get)

    def missing(self, request: Request) -> Response:
        return Response.text("Not Found", 404)

    # JSON-RPC

    def _open_stream(self, request: Request) -> Response:
        return _refused("Not Acceptable: Client must accept text/event-stream")

    def _rpc(self, request: Request) -> Response:
        if not all(each in request.headers.get("Accept", "") for each in BOTH):
            return _refused("Not Acceptable: Client must accept both application/json and text/event-stream")
        message = json.loads(request.body)
        method, params = message.get("method"), message.get("params") or {}
        if "id" not in message:
            return Response(202, b"", {"content-type": "application/json"})
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if method == "initialize" and "protocolVersion" in params:
            reply["result"] = self._initialize(params)
        elif method == "tools/list":
            reply["result"] = {"tools": declare_tools(self.generation)}
        elif method == "tools/call":
            reply["result"] = self._call_tool(str(params.get("name")), params.get("arguments") or {})
        else:
            reply["error"] = {"code": -32602, "message": "Invalid request parameters", "data": ""}
        return _json(reply)

    def _initialize(self, params: Mapping[str, Any]) -> dict[str, Any]:
        abilities = {
            "experimental": {},
            "prompts": {"listChanged": False},
            "resources": {"subscribe": False, "listChanged": False},
            "tools": {"listChanged": False},
        }
        server = {"name": "WanGP", "version": "1.10.1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": abilities, "serverInfo": server}

    def _call_tool(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if name not in GENERATIONS[self.generation]:
            return _failed(f"Unknown tool: {name}")
        try:
            with self._lock:
                value = self._tool(name, arguments)
            if isinstance(value, _Waiting):
                value = value.job.wait(value.seconds, self.stopping, self._lock, value.limit)
        except (ToolError, ValueError) as error:
            return _failed(f"Error executing tool {name}: {error}")
        listed = value if isinstance(value, list) else [value]
        content = [{"type": "text", "text": json.dumps(each, indent=2)} for each in listed]
        wrapped = value if isinstance(value, dict) and name != "wangp_get_model_schema" else {"result": value}
        return {"content": content, "structuredContent": wrapped, "isError": False}

    def _tool(self, name: str, arguments: dict[str, Any]) -> Any:
        if "action" in arguments:
            name, arguments = f"wangp_{arguments['action']}", arguments.get("arguments") or {}
        tools: dict[str, Callable[[dict[str, Any]], Any]] = {
            "wangp_generate": self._generate,
            "wangp_get_job": self._get_job,
            "wangp_cancel_job": self._cancel_job,
            "wangp_create_gallery_upload": self._create_upload,
            "wangp_create_gallery_download": self._create_download,
            "wangp_list_gallery": self._list_gallery,
            "wangp_list_models": list_models,
            "wangp_models": list_models,
            "wangp_list": list_models,
            "wangp_search_models": _matches,
            "wangp_get_default_settings": lambda each: default_settings(str(each.get("model_type"))),
            "wangp_model": lambda each: default_settings(str(each.get("model_type"))),
            "wangp_get_model_schema": lambda each: model_schema(str(each.get("model_type"))),
            "wangp_list_loras": lambda each: {**each, "supported": True, "loras": [], "count": 0},
            "wangp_get_model_availability": lambda each: {
                **each,
                "status": "missing",
                "status_code": 0,
                "indicator": "black_square",
                "available": False,
            },
            "wangp_list_queue": lambda _: [each.snapshot(1) for each in self._jobs.values() if not each.done],
        }
        if name not in tools:
            raise ToolError(f"Unknown action: {name.removeprefix('wangp_')}")
        return tools[name](arguments)

    # Jobs

    def _generate(self, arguments: dict[str, Any]) -> Any:
        source = arguments.get("source", arguments.get("settings"))
        settings = dict(source[0] if isinstance(source, list) else source or {})
        waits = bool(arguments.get("wait"))
        if self.generation == "v2":
            unknown = unknown_settings(settings)
            if unknown:
                raise ToolError(f"Unknown settings: {', '.join(unknown)}. Nothing was submitted.")
            if not waits and not self.background:
                raise ToolError("wait=false needs a server started with --mcp-async. Nothing was submitted.")
        for job in self._jobs.values():
            job.collect()
        if any(not job.done for job in self._jobs.values()) or self.faults.take("mcp_busy") is not None:
            raise ToolError(BUSY)
        job = self._submit(settings)
        limit = arguments.get("event_limit")
        seconds = arguments.get("timeout_s")
        return _Waiting(job, 1e9 if seconds is None else float(seconds), limit) if waits else job.snapshot(limit)

    def _submit(self, settings: dict[str, Any]) -> Job:
        media: dict[str, bytes] = {}
        for name in catalogue().attachments:
            for key in _as_list(settings.get(name)):
                item = self.gallery.get(str(key))
                if item is None:
                    raise ToolError(NO_PATHS.format(name=name))
                media[str(key)] = item[1]
        for attachment, setting, letter in LETTERS:
            if settings.get(attachment) and letter not in str(settings.get(setting) or ""):
                settings[setting] = f"{settings.get(setting) or ''}{letter}"
        task = Task(1, _length_in_frames(settings), media)
        job = Job(uuid.uuid4().hex, task, self.output_dir)
        self._jobs[job.id] = job
        job.check()
        if not job.refused:
            runner = TaskRunner(task, self._gpu, self.clock, self.faults)
            runner.on_output = lambda output: self._store_output(job, output)
            job.start(runner)
        return job

    def _store_output(self, job: Job, output: Output) -> None:
        name = f"{output.stem}{output.ending}"
        self.gallery[f"{_gallery_of(output.media_type)}:{uuid.uuid4().hex[:12]}"] = (
            name,
            output.data,
            shown_settings(job.task, output.seed),
        )
        job.files.append(name)

    def _get_job(self, arguments: dict[str, Any]) -> Any:
        job = self._job(arguments)
        job.console()
        if job.restarting:
            self._jobs.clear()
            self.gallery.clear()
            self.go_down(self.clock.seconds(1.0))
        return job.snapshot(arguments.get("event_limit"), self._items(job))

    def _cancel_job(self, arguments: dict[str, Any]) -> Any:
        job = self._job(arguments)
        job.cancel()
        return job.snapshot(arguments.get("event_limit"))

    def _job(self, arguments: dict[str, Any]) -> Job:
        job_id = str(arguments.get("job_id"))
        if job_id not in self._jobs:
            raise ToolError(f"'Unknown WanGP job_id: {job_id}'")
        self._jobs[job_id].collect()
        return self._jobs[job_id]

    # The gallery

    def _items(self, job: Job) -> list[dict[str, Any]]:
        return [each for each in self._list_gallery({}) if each["path"].rpartition("/")[2] in job.files]

    def _list_gallery(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = str(arguments.get("media_type") or "all")
        items = [self._item(key, index) for index, key in enumerate(self.gallery)]
        return [each for each in items if wanted in ("all", each["media_type"])][-int(arguments.get("limit") or 50) :]

    def _item(self, key: str, index: int) -> dict[str, Any]:
        name, _, settings = self.gallery[key]
        id_name = "gallery_id" if self.generation == "v1" else "media_id"
        return {
            id_name: key,
            "gallery": key.partition(":")[0],
            "index": index,
            "path": f"outputs/{name}",
            "media_type": (mimetypes.guess_type(name)[0] or "image").partition("/")[0],
            "selected": False,
            "in_gallery": True,
            "settings": settings,
        }

    def _create_upload(self, arguments: dict[str, Any]) -> Any:
        name = str(arguments.get("filename") or "").rpartition("/")[2]
        if (mimetypes.guess_type(name)[0] or "").partition("/")[0] not in ("image", "video", "audio"):
            raise ToolError(f"Unsupported media file extension: {name}")
        url = self._url("upload", name)
        return {
            "upload_url": url,
            "method": "PUT",
            "filename": name,
            "expires_in_seconds": EXPIRES_S,
            "max_bytes": MAX_BYTES,
        }

    def _create_download(self, arguments: dict[str, Any]) -> Any:
        id_name = "gallery_id" if self.generation == "v1" else "media_id"
        key = str(arguments.get(id_name))
        if key not in self.gallery:
            raise ToolError(f"Unknown {id_name}: {key}")
        name, data, _ = self.gallery[key]
        media = (mimetypes.guess_type(name)[0] or "").partition("/")[0]
        return {
            id_name: key,
            "download_url": self._url("download", key),
            "filename": name,
            "media_type": media,
            "size": len(data),
            "expires_in_seconds": EXPIRES_S,
        }

    def _url(self, kind: str, what: str) -> str:
        token = uuid.uuid4().hex
        self._urls[token] = what
        return f"/wangp_api/gallery/{kind}/{token}"

    def _put(self, request: Request) -> Response:
        with self._lock:
            name = self._urls.pop(request.parts["token"], None)
            if name is None:
                return _gone("Upload")
            media = mimetypes.guess_type(name)[0] or ""
            key = f"{_gallery_of(media)}:{uuid.uuid4().hex[:12]}"
            self.gallery[key] = (name, request.body, {})
            item = self._item(key, len(self.gallery) - 1)
        path = f"/srv/wan2gp/outputs/mcp_uploads/{uuid.uuid4().hex}/{name}"
        return _json({"status": "uploaded", "size": len(request.body), **item, "path": path, "selected": True})

    def _get(self, request: Request) -> Response:
        with self._lock:
            key = self._urls.pop(request.parts["token"], None)
        if key is None or key not in self.gallery:
            return _gone("Download")
        name, data, _ = self.gallery[key]
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        disposition = f'attachment; filename="{name}"'
        return Response(
            200, data, {"content-type": media, "accept-ranges": "bytes", "content-disposition": disposition}
        )


def _length_in_frames(settings: dict[str, Any]) -> dict[str, Any]:
    """Convert a length in seconds ("2s") to frames."""
    length = settings.get("video_length")
    if not isinstance(length, str):
        return settings
    fps = Task(0, {"model_type": settings.get("model_type")}).fps
    return {**settings, "video_length": round(float(length.removesuffix("s")) * fps) + 1}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _gallery_of(media_type: str) -> str:
    return "audio" if media_type.startswith("audio/") else "visual"


def _matches(wanted: dict[str, Any]) -> dict[str, Any]:
    found = list_models(wanted)
    if wanted.get("include_availability"):
        missing = {"status": "missing", "status_code": 0, "indicator": "black_square", "available": False}
        found = [{**each, "availability": {"model_type": each["model_type"], **missing}} for each in found]
    return {"matches": found, "total_matches": len(found), "returned": len(found), "offset": 0, "has_more": False}


def _failed(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _json(data: Any, status: int = 200) -> Response:
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(status, body, {"content-type": "application/json"})


def _refused(text: str) -> Response:
    return _json({"jsonrpc": "2.0", "id": "server-error", "error": {"code": -32600, "message": text}}, 406)


def _gone(kind: str) -> Response:
    return _json({"error": f"{kind} expired or not found."}, 404)
