"""A mock ComfyUI server, in several versions of the real one."""

from __future__ import annotations

from .server import MockComfyUI

__all__ = ["MockComfyUI"]
