"""Stills and clips from ComfyUI. Importing this costs little: HTTP and websockets are imported by the first job."""

from .bundled import bundled_workflow
from .client import ComfyUIClient
from .request import WorkflowRequest
from .ui_format import ui_to_api

__all__ = ["ComfyUIClient", "WorkflowRequest", "bundled_workflow", "ui_to_api"]
