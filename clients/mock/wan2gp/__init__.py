"""A mock WanGP: its web page and its MCP server."""

from __future__ import annotations

from .server import MockWan2GP

__all__ = ["MockWan2GP"]
