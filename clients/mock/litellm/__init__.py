"""A mock LiteLLM proxy, and the servers that usually stand behind it."""

from .server import MockLiteLLM

__all__ = ["MockLiteLLM"]
