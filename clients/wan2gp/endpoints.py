"""Which door a server opens: the web page's queue (a Gradio app), or the MCP server. One process has one of them."""

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
from .mcp.run import ENDPOINT as MCP_DOOR
from .mcp.run import MCPEndpoint
from .mcp.tools import MCPTools
from .timings import Timings
from .web.queue_functions import find_chain
from .web.run import ENDPOINT as WEB_DOOR
from .web.run import WebEndpoint

_TAG = re.compile(r"<[^<>]*>")
_VERSION = re.compile(r"Wan ?(?:2 ?)?GP\b.{0,80}?\bv ?(\d+(?:\.\d+)*)")
_CAPABILITIES = frozenset({"rejoin", "cancel", "progress", "upload", "all_settings"})
_NOT_MCP = frozenset({"not_found", "api_error", "web_page", "invalid_json", "redirected", "not_wangp", "server_error"})


class Endpoint(Protocol):
    """A way into WanGP."""

    def run(self, job: JobContext) -> Result:
        """Hand in the request and see it through."""

    def rejoin(self, job: JobContext) -> Result:
        """See a job through that may have been handed in before."""

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Have the job aborted and wait for its end."""

    def still_there(self, scope: Scope) -> bool:
        """Whether the server behind it is the same as before."""

    def can_detach(self) -> bool:
        """Whether a job may be let go of and left running."""

    def close(self, timeout_s: float) -> None:
        """Drop what is open, within ``timeout_s``."""


def find_endpoint(access: GradioHTTP, timings: Timings, scope: Scope | None) -> Endpoint:
    """Return the door; ``ProtocolError`` with code ``not_wangp`` if there is none, ``no_chain`` or ``unknown_tools`` if
    its version is not one that is known.
    """
    config = _config(access, scope)
    if config is None:
        mcp = MCP(access.http)
        return MCPEndpoint(access.http, timings, _tools(mcp, scope))
    chain = find_chain(config, access.server)
    return WebEndpoint(access, config, chain, timings, wangp_version(config))


def ask_who(access: GradioHTTP) -> ServerInfo:
    """Ask the server who it is, and how quickly it answers a small request."""
    config = _config(access, None)
    if config is None:
        return _ask_mcp(MCP(access.http))
    chain = find_chain(config, access.server)
    began = time.perf_counter()
    access.get_json(config.path("/app_id"))
    return ServerInfo(
        version=wangp_version(config),
        dialect=WEB_DOOR,
        capabilities=_CAPABILITIES | ({"previews"} if chain.preview is not None else set()),
        models=tuple(catalogue().models),
        latency_s=time.perf_counter() - began,
        details={"gradio": config.version, "settings_of_version": catalogue().wangp_version},
    )


def wangp_version(config: GradioConfig) -> str:
    """Return the version that the page's heading names, ``unknown`` if none does."""
    for kind in ("markdown", "html"):
        for component in config.of_kind(kind):
            found = _VERSION.search(_TAG.sub("", as_text(component.props.get("value"))))
            if found is not None:
                return found[1]
    return "unknown"


def _config(access: GradioHTTP, scope: Scope | None) -> GradioConfig | None:
    """Return the web page's description, None if the server is no Gradio program."""
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
        dialect=MCP_DOOR,
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
