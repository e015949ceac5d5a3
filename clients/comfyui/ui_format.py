"""Workflows in the format of ComfyUI's editor, recognised.

The client does not run them by itself yet; ``ui_to_api`` of this package converts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ValidationError


def is_ui_format(workflow: Mapping[str, Any]) -> bool:
    """Whether this is what the editor saves, not the API format (protocol: nodes in a list under ``nodes``)."""
    return isinstance(workflow.get("nodes"), list)


def ui_format_error() -> ValidationError:
    """Return the error for a workflow in the editor's format."""
    return ValidationError(
        "This workflow is in the format of ComfyUI's editor, which can't be run as it is.",
        code="ui_format",
        hint="Open it in ComfyUI, choose Workflow > Export (API), and use that file.",
    )
