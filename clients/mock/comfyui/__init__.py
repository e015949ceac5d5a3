"""A mock ComfyUI server, in several versions of the real one."""

from .server import MockComfyUI

__all__ = ["MockComfyUI"]
