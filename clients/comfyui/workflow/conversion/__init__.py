"""Conversion of ComfyUI workflows from the editor's format to the API's: pure, no I/O."""

from __future__ import annotations

from .convert import Converted, EditorWidget, convert, node_classes, ui_to_api

__all__ = ["Converted", "EditorWidget", "convert", "node_classes", "ui_to_api"]
