"""Calls to WanGP's MCP server: JSON-RPC 2.0 over POST, stateless.

Facts: the server answers JSON only if event streams are accepted too; ``/mcp`` is redirected to ``/mcp/``. A tool's
result is in ``structuredContent`` (a bare list as ``{"result": [...]}``) or as JSON text; a failed one has ``isError``
and a text that begins with ``Error executing tool NAME: ``.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.delivery import may_have_arrived
from ...core.errors import BackendError, ProtocolError
from ...core.json_fields import as_object, get_member, get_objects, get_texts
from ...core.scope import Scope
from ...http.json_decode import decode_json
from ...http.response import Response
from ...http.session import HTTPSession
from ...http.sse import EventStreamParser, batches
from ..errors import not_wangp

PATHS = ("/mcp/", "/mcp")
"""Releases differ in which of them is sent on to the other."""

PROTOCOL_VERSION = "2025-03-26"
SERVER_NAME = "WanGP"
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
_MAX_WORDS = 2000
_EXECUTING = re.compile(r"^Error executing tool \w+:\s*")


class ToolFailure(BackendError):
    """A tool reported a failure; ``message`` is its text."""

    default_code = "tool_failed"


@dataclass(frozen=True)
class ServerIdentity:
    """The name and version of the MCP server."""

    name: str
    version: str
    protocol: str


class MCP:
    """The tools of one server; thread-safe."""

    def __init__(self, http: HTTPSession) -> None:
        self.http = http
        self._ids = itertools.count(1)
        self._path = PATHS[0]

    def initialize(self, scope: Scope | None = None) -> ServerIdentity:
        """Return the server's identity; ``ProtocolError`` (code ``not_wangp``) for another server."""
        params = {
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "Movie Director", "version": "1"},
        }
        result = self._rpc("initialize", params, scope, repeatable=True)
        info = result.get("serverInfo")
        if not isinstance(info, Mapping) or info.get("name") != SERVER_NAME:
            raise not_wangp(str(self.http.url))
        return ServerIdentity(SERVER_NAME, str(info.get("version", "")), str(result.get("protocolVersion", "")))

    def tools(self, scope: Scope | None = None) -> dict[str, Mapping[str, Any]]:
        """Return the server's tools by name, each with its parameters."""
        tools = get_objects(self._rpc("tools/list", {}, scope, repeatable=True).get("tools"))
        found: dict[str, Mapping[str, Any]] = {}
        for tool in tools:
            if isinstance(tool.get("name"), str):
                found[tool["name"]] = as_object(get_member(tool, "inputSchema", "properties"))
        return found

    def call(self, tool: str, arguments: Mapping[str, Any], scope: Scope | None, *, repeatable: bool = True) -> Any:
        """Call a tool and return its result; ``ToolFailure`` if it failed."""
        params = {"name": tool, "arguments": dict(arguments)}
        result = self._rpc("tools/call", params, scope, repeatable=repeatable)
        text = _get_text(result)
        if result.get("isError"):
            raise ToolFailure(
                self._get_reported(_EXECUTING.sub("", text)),
                backend=self.http.backend,
                hint="WanGP's console has the details.",
                context={"tool": tool},
            )
        content = result.get("structuredContent")
        if content is None:
            content = decode_json(text) if text else None
        if isinstance(content, Mapping) and set(content) == {"result"}:
            return content["result"]
        return content

    def _rpc(
        self, method: str, params: Mapping[str, Any], scope: Scope | None, *, repeatable: bool
    ) -> Mapping[str, Any]:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        data = json.dumps(body, allow_nan=False).encode()
        try:
            answer = self._post(data, scope, repeatable=repeatable)
        except ProtocolError as refusal:
            if refusal.code != "redirected" or self._path != PATHS[0] or (may_have_arrived(refusal) and not repeatable):
                raise
            self._path = PATHS[1]
            answer = self._post(data, scope, repeatable=repeatable)
        error = answer.get("error")
        if isinstance(error, Mapping):
            raise ProtocolError(
                f"WanGP's MCP server rejected {method}: {self._get_reported(str(error.get('message')))}",
                code="rpc_error",
                backend=self.http.backend,
                hint="Its version may be too new or too old for Movie Director.",
                context={"rpc_code": error.get("code")},
            )
        result = answer.get("result")
        if not isinstance(result, Mapping):
            raise not_wangp(str(self.http.url))
        return result

    def _get_reported(self, reason: str) -> str:
        return self.http.redact(reason)[:_MAX_WORDS]

    def _post(self, body: bytes, scope: Scope | None, *, repeatable: bool) -> Mapping[str, Any]:
        with self.http.request(
            "POST", self._path, scope=scope, body=body, headers=_HEADERS, repeatable=repeatable
        ) as response:
            if response.content_type == "text/event-stream":
                answer = _find_message(response)
            else:
                answer = self.http.json_of(response)
        if not isinstance(answer, Mapping):
            raise not_wangp(str(self.http.url))
        return answer


def _find_message(response: Response) -> Any:
    """Return the message in an event stream, which a server may send in place of plain JSON; None if there is none."""
    for events in batches(response.available(), EventStreamParser()):
        for event in events:
            answer = decode_json(event.data)
            if isinstance(answer, Mapping) and not answer.keys().isdisjoint(("result", "error")):
                return answer
    return None


def _get_text(result: Mapping[str, Any]) -> str:
    return "\n".join(get_texts([each.get("text") for each in get_objects(result.get("content"))]))
