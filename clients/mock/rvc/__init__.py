"""Mock servers of RVC in all its dialects."""

from __future__ import annotations

from .server import MockRVC

__all__ = ["MockRVC"]
