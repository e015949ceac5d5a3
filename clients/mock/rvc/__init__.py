"""Mock servers of RVC in all its dialects."""

from .server import MockRVC

__all__ = ["MockRVC"]
