"""Conversion of ComfyUI workflows from the editor's format to the API's: pure, no I/O."""

from __future__ import annotations

from .convert import ui_to_api

__all__ = ["ui_to_api"]
