"""WanGP's MCP tools in their three generations, which differ in the list of tools.

v1 (12.00 to 12.60) has one tool for each purpose. In early September 2026 the model tools were joined. In API v2 tools
take ``action`` and ``arguments``, jobs and media are actions of ``wangp_session``, and a job without waiting is
allowed only with ``--mcp-async``; but a wait of no seconds also returns the job, and does not end it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.errors import APIError, ProtocolError
from ...core.json_fields import get_member, get_objects
from ...core.scope import Scope
from .protocol import MCP, ToolFailure

GENERATE = "wangp_generate"
SESSION = "wangp_session"
EVENT_LIMIT = 300
"""Events in each poll: console lines are between those of progress."""


@dataclass(frozen=True)
class MediaURL:
    """A URL of the server for one transfer of a file: its path, and the name and size of a download."""

    path: str
    filename: str = ""


class MCPTools:
    """The tools of one MCP server; thread-safe."""

    def __init__(self, mcp: MCP, tools: Mapping[str, Mapping[str, Any]]) -> None:
        self.mcp = mcp
        self._tools = tools
        if GENERATE not in tools or not ({"wangp_get_job", SESSION} & set(tools)):
            raise ProtocolError(
                "This MCP server of WanGP has none of the tools that Movie Director uses.",
                code="unknown_tools",
                backend=mcp.http.backend,
                hint="Start WanGP with --mcp-api-version 1, or update Movie Director.",
                context={"tools": ", ".join(sorted(tools))[:300]},
            )

    @property
    def generation(self) -> str:
        """The generation of the tools: ``v1``, ``v1-models`` (early September 2026) or ``v2``."""
        if SESSION in self._tools:
            return "v2"
        return "v1" if "wangp_list_models" in self._tools else "v1-models"

    @property
    def takes_uploads(self) -> bool:
        """True if the server transfers files over HTTP."""
        return SESSION in self._tools or "wangp_create_gallery_upload" in self._tools

    def unchanged(self, scope: Scope) -> bool:
        """Return True if the server still has the same tools; raises ``NetworkError`` if it does not respond."""
        try:
            return self.mcp.tools(scope) == self._tools
        except (APIError, ProtocolError):
            return False

    def generate(self, settings: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
        """Submit a job, once, and return its snapshot; ``ToolFailure`` if it was rejected."""
        known = self._tools[GENERATE]
        source = {"source": dict(settings)}
        if "arguments" in known:
            arguments: dict[str, Any] = {
                "action": "generate",
                "arguments": {**source, "wait": True, "timeout_s": 0, "event_limit": 1},
            }
        else:
            if "source" not in known and "settings" in known:
                source = {"settings": dict(settings)}
            arguments = {**source, **self._make_no_wait_arguments(known)}
        return _check_snapshot(self.mcp.call(GENERATE, arguments, scope, repeatable=False))

    def job(self, job_id: str, scope: Scope, event_limit: int = EVENT_LIMIT) -> Mapping[str, Any]:
        """Return a job's snapshot: ``done``, ``events``, ``result``."""
        return _check_snapshot(self._session("get_job", {"job_id": job_id, "event_limit": event_limit}, scope))

    def cancel(self, job_id: str, scope: Scope) -> Mapping[str, Any]:
        """Request the end of a job."""
        return _check_snapshot(self._session("cancel_job", {"job_id": job_id, "event_limit": 1}, scope))

    def upload_url(self, filename: str, scope: Scope) -> MediaURL:
        """Return the URL for one PUT of a file within ten minutes."""
        return self._parse_media_url(
            self._session("create_gallery_upload", {"filename": filename}, scope), "upload_url"
        )

    def download_url(self, media_id: str, scope: Scope) -> MediaURL:
        """Return the URL for one download of a gallery file within ten minutes."""
        name = self._id_name("create_gallery_download")
        return self._parse_media_url(self._session("create_gallery_download", {name: media_id}, scope), "download_url")

    def gallery(self, scope: Scope) -> list[Mapping[str, Any]]:
        """Return the newest items of the gallery; empty if it can't be listed."""
        if "wangp_list_gallery" not in self._tools:
            return []
        answer = self.mcp.call("wangp_list_gallery", {"media_type": "all", "limit": 50}, scope)
        return get_objects(answer)

    def has_model(self, model: str, scope: Scope) -> bool | None:
        """Return True if the server has the model; None if it has no tool for that."""
        tool = "wangp_get_default_settings"
        if tool not in self._tools:
            return None
        try:
            return self.mcp.call(tool, {"model_type": model}, scope) is not None
        except ToolFailure as failure:
            if "unknown model" in failure.message.lower():
                return False
            return None

    def _session(self, action: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        if SESSION in self._tools:
            return self.mcp.call(SESSION, {"action": action, "arguments": dict(arguments)}, scope)
        return self.mcp.call(f"wangp_{action}", arguments, scope)

    def _make_no_wait_arguments(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that make a flat generate tool respond at once."""
        wait = known.get("wait")
        must_wait = isinstance(wait, Mapping) and wait.get("const") is True
        wanted = {"wait": must_wait, "event_limit": 1, **({"timeout_s": 0} if must_wait else {})}
        return {name: value for name, value in wanted.items() if name in known}

    def _id_name(self, action: str) -> str:
        known = self._tools.get(f"wangp_{action}", {})
        return "gallery_id" if "gallery_id" in known else "media_id"

    def _parse_media_url(self, answer: Any, key: str) -> MediaURL:
        path = get_member(answer, key)
        if not isinstance(path, str) or not path.startswith("/") or path.startswith("//"):
            raise malformed(self.mcp, f"no {key}")
        return MediaURL(path, str(answer.get("filename") or ""))


def malformed(mcp: MCP, what: str) -> ProtocolError:
    """Return the error for a response of an unknown form."""
    return ProtocolError(
        f"WanGP's MCP server sent an invalid response: {what}.",
        backend=mcp.http.backend,
        hint="Its version may be too new for Movie Director.",
    )


def _check_snapshot(answer: Any) -> Mapping[str, Any]:
    if not isinstance(answer, Mapping) or not isinstance(answer.get("job_id"), str) or not answer["job_id"]:
        raise ProtocolError(
            "WanGP's MCP server returned no job id.",
            code="no_job_id",
            backend="wan2gp",
            hint="Its version may be too new for Movie Director.",
        )
    return answer
