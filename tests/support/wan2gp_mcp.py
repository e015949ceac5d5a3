"""A server that gives the recorded answers of WanGP's MCP server, tool by tool in their order, and takes changes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from movie_director.clients.mock.http.responses import Request, Response
from movie_director.clients.mock.http.server import MockServer

FOLDER = Path(__file__).resolve().parents[1] / "recordings" / "wan2gp"
MOVIE = b"\0\0\0\x18ftypmp42" + bytes(64)
Answer = Callable[[dict[str, Any]], Any]


def recorded_calls(scenario: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return (request, answer) of the JSON-RPC calls of a recording."""
    lines = [json.loads(line) for line in (FOLDER / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = {line["x"]: line.get("json") for line in lines if line["dir"] == "recv"}
    sent = [line for line in lines if line["dir"] == "send" and isinstance(line.get("json"), dict)]
    return [(line["json"], answers[line["x"]]) for line in sent if line["json"].get("method") and answers[line["x"]]]


def v1_tools() -> list[dict[str, Any]]:
    """Return the recorded list of tools."""
    for request, answer in recorded_calls("mcp_handshake_tools"):
        if request["method"] == "tools/list":
            return answer["result"]["tools"]
    raise LookupError("no tools/list was recorded")


def tool(name: str, **properties: Any) -> dict[str, Any]:
    """Return a tool as tools/list has it."""
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


class ReplayedMCP(MockServer):
    """``script`` maps tool names to answers: values are given one after another, the last again and again; a function
    gets the arguments; an exception's text is a tool's failure.
    """

    name = "wan2gp"
    server_header = "uvicorn"

    def __init__(self, scenario: str = "", script: dict[str, Any] | None = None, **given: Any) -> None:
        self.tools = v1_tools()
        self.redirects_slash = False
        self.script: dict[str, list[Any]] = defaultdict(list)
        for request, answer in recorded_calls(scenario) if scenario else ():
            if request["method"] == "tools/call":
                self.script[request["params"]["name"]].append(answer["result"])
        for name, answers in (script or {}).items():
            self.script[name] = answers if isinstance(answers, list) else [answers]
        self.script.setdefault("wangp_get_default_settings", [{}])
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.uploads: list[bytes] = []
        self.downloads = 0
        self.movie = MOVIE
        super().__init__(**given)

    def add_routes(self) -> None:
        self.route("POST", "/mcp/", self._rpc)
        self.route("POST", "/mcp", lambda _: self._rpc(_) if self.redirects_slash else _moved("/mcp/"))
        self.route("PUT", "/wangp_api/gallery/upload/{token}", self._upload)
        self.route("GET", "/wangp_api/gallery/download/{token}", self._download)

    def missing(self, request: Request) -> Response:
        return Response.text("Not Found", 404)

    def called(self, name: str) -> list[dict[str, Any]]:
        return [arguments for each, arguments in self.calls if each == name]

    def _rpc(self, request: Request) -> Response:
        if self.redirects_slash and request.path.endswith("/"):
            return _moved("/mcp")
        call = request.json()
        result = self._result(call["method"], call.get("params") or {})
        return Response(
            200,
            json.dumps({"jsonrpc": "2.0", "id": call["id"], **result}).encode(),
            {"Content-Type": "application/json"},
        )

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            info = {"name": "WanGP", "version": "1.10.1"}
            return {"result": {"protocolVersion": params["protocolVersion"], "capabilities": {}, "serverInfo": info}}
        if method == "tools/list":
            return {"result": {"tools": self.tools}}
        name, arguments = params["name"], params["arguments"]
        self.calls.append((name, arguments))
        return {"result": self._answer(name, arguments)}

    def _answer(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answers = self.script[name]
        if not answers:
            return {"content": [{"type": "text", "text": f"Unknown tool: {name}"}], "isError": True}
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer) and not isinstance(answer, Exception):
            answer = answer(arguments)
        if isinstance(answer, Exception):
            text = f"Error executing tool {name}: {answer}"
            return {"content": [{"type": "text", "text": text}], "isError": True}
        if isinstance(answer, dict) and "content" in answer:
            return answer
        content = {"result": answer} if isinstance(answer, list) else answer
        return {"content": [{"type": "text", "text": json.dumps(answer)}], "structuredContent": content}

    def _upload(self, request: Request) -> Response:
        self.uploads.append(request.body)
        return Response.json({"status": "uploaded", "gallery_id": f"visual:{len(self.uploads)}", "in_gallery": True})

    def _download(self, request: Request) -> Response:
        self.downloads += 1
        return Response(200, self.movie, {"Content-Type": "video/mp4"})


def snapshot(job_id: str = "job", *events: dict[str, Any], result: Any = None) -> dict[str, Any]:
    """Return a job as wangp_get_job gives it."""
    return {"job_id": job_id, "done": result is not None, "events": list(events), "result": result}


def event(kind: str, data: Any, at: float) -> dict[str, Any]:
    return {"kind": kind, "timestamp": at, "data": data}


def finished(*files: str, items: list[Any] | None = None) -> dict[str, Any]:
    """Return the result of a job that ended well."""
    return {
        "success": True,
        "cancelled": False,
        "generated_files": list(files),
        "errors": [],
        "gallery_items": items if items is not None else [],
    }


def failed(message: str, stage: str = "generation", *, cancelled: bool = False) -> dict[str, Any]:
    """Return the result of a job that did not."""
    errors = [{"message": message, "task_index": 1, "task_id": 1, "stage": stage, "cancelled": cancelled}]
    return {"success": False, "cancelled": cancelled, "generated_files": [], "errors": errors, "gallery_items": []}


def _moved(where: str) -> Response:
    return Response(307, b"", {"Location": where})
