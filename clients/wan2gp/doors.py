"""Which door a server opens: the web page's queue (a Gradio app), or the MCP server. One process has one of them."""

from __future__ import annotations

from typing import Protocol

from ..context import CancelContext, JobContext
from ..errors import APIError, ProtocolError
from ..jobs import BackendCancel, Result
from ..transport.session import HTTPSession, Scope
from .failures import not_wangp
from .mcp_run import McpDoor, open_door
from .pace import Pace

MCP_CAPABILITIES = frozenset({"rejoin", "cancel", "progress", "upload"})


class Door(Protocol):
    """A way into WanGP."""

    def run(self, job: JobContext) -> Result:
        """Hand in the request and see it through."""

    def rejoin(self, job: JobContext) -> Result:
        """See a job through that may have been handed in before."""

    def cancel(self, job: CancelContext) -> BackendCancel:
        """Have the job aborted and wait for its end."""

    def still_there(self, scope: Scope) -> bool:
        """Whether the server behind it is the same as before."""


def find_door(http: HTTPSession, pace: Pace, scope: Scope | None) -> Door:
    """Return the door; ``ProtocolError`` (code ``not_wangp``) if there is none."""
    return _mcp_door(http, pace, scope)


def _mcp_door(http: HTTPSession, pace: Pace, scope: Scope | None) -> McpDoor:
    try:
        return open_door(http, pace, scope)
    except (APIError, ProtocolError) as error:
        if error.code in ("unknown_tools", "authentication", "permission_denied", "overloaded"):
            raise
        raise not_wangp(str(http.url)) from error
