"""Reports of errors without tracebacks, and lines for the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..blender.platform import formatting

if TYPE_CHECKING:
    import bpy

    from ..clients.core.errors import BackendError


def report_error(operator: bpy.types.Operator, error: BackendError) -> set[str]:
    """Report an error and its hint to the user; return the operator's result."""
    operator.report({"ERROR"}, formatting.error_text(error))
    return {"CANCELLED"}


def say(text: str, *, error: bool = False) -> None:
    """Write a line to the terminal, at once: what Blender holds back is lost if it crashes."""
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
