"""Stills and clips from ComfyUI. The import is cheap: the first job imports HTTP and websockets."""

from typing import TYPE_CHECKING, Any

from .client import ComfyUIClient
from .request import WorkflowRequest
from .workflow.bundled_workflows import bundled_workflow

if TYPE_CHECKING:
    from .workflow.conversion import ui_to_api
    from .workflow.template import WorkflowTemplate

__all__ = ["ComfyUIClient", "WorkflowRequest", "WorkflowTemplate", "bundled_workflow", "ui_to_api"]


def __getattr__(name: str) -> Any:
    if name == "ui_to_api":
        from .workflow.conversion import ui_to_api  # imported here: it costs 25 ms, and few need it

        return ui_to_api
    if name == "WorkflowTemplate":
        from .workflow.template import WorkflowTemplate

        return WorkflowTemplate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
