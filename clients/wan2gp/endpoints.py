"""Finds the endpoint of a server: the web page's queue (a Gradio app), or the MCP server. A process has only one."""

from __future__ import annotations

import re
import time
from typing import Protocol

from ..core.context import CancelContext, JobContext
from ..core.errors import APIError, ProtocolError
from ..core.json_fields import as_text
from ..core.model import BackendCancel, Result, ServerInfo
from ..core.scope import Scope
from ..gradio.config import GradioConfig, read_config
from ..gradio.http import GradioHTTP
from .catalogue import catalogue
from .errors import not_wangp
from .mcp.protocol import MCP
from .mcp.run import ENDPOINT as MCP_ENDPOINT
from .mcp.run import MCPEndpoint
from .mcp.tools import MCPTools
from .timings import Timings
from .web.queue_functions import find_chain
from .web.run import ENDPOINT as WEB_ENDPOINT
from .web.run import WebEndpoint

_TAG = re.compile(r"<[^<>]*>")
_VERSION = re.compile(r"Wan ?(?:2 ?)?GP\b.{0,80}?\bv ?(\d+(?:\.\d+)*)")
_CAPABILITIES = frozenset({"rejoin", "cancel", "progress", "upload", "all_settings"})
_NOT_MCP = frozenset({"not_found", "api_error", "web_page", "invalid_json", "redirected", "not_wangp", "server_error"})


class Endpoint(Protocol):
    """An endpoint of WanGP."""

    def run(self, job: JobContext) -> Result:
        """Submit the request and wait for its result."""

    def rejoin(self, job: JobContext) -> Result:
        """Wait for the result of a job that may have been submitted before."""

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Abort the job and wait for its end."""

    def still_there(self, scope: Scope) -> bool:
        """Return True if the server is unchanged."""

    def can_detach(self) -> bool:
        """Return True if a running job can be left on the server."""

    def close(self, timeout_s: float) -> None:
        """Close open streams within ``timeout_s``."""


def find_endpoint(access: GradioHTTP, timings: Timings, scope: Scope | None) -> Endpoint:
    """Return the endpoint; ``ProtocolError`` with code ``not_wangp`` for another server, ``no_chain`` or
    ``unknown_tools`` for an unsupported version.
    """
    config = _config(access, scope)
    if config is None:
        mcp = MCP(access.http)
        return MCPEndpoint(access.http, timings, _tools(mcp, scope))
    chain = find_chain(config, access.server)
    return WebEndpoint(access, config, chain, timings, wangp_version(config))


def identify(access: GradioHTTP) -> ServerInfo:
    """Return the server's identity and its latency."""
    config = _config(access, None)
    if config is None:
        return _ask_mcp(MCP(access.http))
    chain = find_chain(config, access.server)
    began = time.perf_counter()
    access.get_json(config.path("/app_id"))
    return ServerInfo(
        version=wangp_version(config),
        dialect=WEB_ENDPOINT,
        capabilities=_CAPABILITIES | ({"previews"} if chain.preview is not None else set()),
        models=tuple(catalogue().models),
        latency_s=time.perf_counter() - began,
        details={"gradio": config.version, "settings_of_version": catalogue().wangp_version},
    )


def wangp_version(config: GradioConfig) -> str:
    """Return the version in the page's heading, ``unknown`` if there is none."""
    for kind in ("markdown", "html"):
        for component in config.find_by_kind(kind):
            found = _VERSION.search(_TAG.sub("", as_text(component.props.get("value"))))
            if found is not None:
                return found[1]
    return "unknown"


def _config(access: GradioHTTP, scope: Scope | None) -> GradioConfig | None:
    """Return the web page's configuration, None if the server is not a Gradio program."""
    try:
        return read_config(access, scope=scope)
    except ProtocolError as error:
        if error.code != "not_gradio":
            raise
    return None


def _ask_mcp(mcp: MCP) -> ServerInfo:
    tools = _tools(mcp, None)
    began = time.perf_counter()
    identity = mcp.initialize()
    return ServerInfo(
        version=f"{tools.generation} (MCP {identity.version})",
        dialect=MCP_ENDPOINT,
        capabilities=_CAPABILITIES - (set() if tools.takes_uploads else {"upload"}),
        models=tuple(catalogue().models),
        latency_s=time.perf_counter() - began,
        details={"protocol": identity.protocol, "settings_of_version": catalogue().wangp_version},
    )


def _tools(mcp: MCP, scope: Scope | None) -> MCPTools:
    try:
        mcp.initialize(scope)
        return MCPTools(mcp, mcp.tools(scope))
    except (APIError, ProtocolError) as error:
        if error.code not in _NOT_MCP:
            raise
        raise not_wangp(str(mcp.http.url)) from error
