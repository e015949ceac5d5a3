"""A mock LiteLLM proxy, and the servers that usually stand behind it."""

from __future__ import annotations

from .server import MockLiteLLM

__all__ = ["MockLiteLLM"]
