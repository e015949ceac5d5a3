"""Workflows in the format of ComfyUI's editor: recognised; converting them is not built yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ValidationError


def is_ui_format(workflow: Mapping[str, Any]) -> bool:
    """Whether this is what the editor saves, not the API format (protocol: nodes in a list under ``nodes``)."""
    return isinstance(workflow.get("nodes"), list)


def ui_to_api(workflow: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """Convert a workflow of the editor into the API format; for now raises ``ValidationError`` code ``ui_format``."""
    raise ui_format_error()


def ui_format_error() -> ValidationError:
    """Return the error for a workflow in the editor's format."""
    return ValidationError(
        "This workflow is in the format of ComfyUI's editor, which can't be run as it is.",
        code="ui_format",
        hint="Open it in ComfyUI, choose Workflow > Export (API), and use that file.",
    )
