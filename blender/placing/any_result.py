"""The result of any app on its way into the film, by what it is: pictures, clips and sounds as strips, else a text."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from . import common, live_text

if TYPE_CHECKING:
    import bpy

    from ...clients.core.model import Artifact
    from ..state.ui_state import Placement

SHOWN_LETTERS = 200


def place(placement: Placement, scene: bpy.types.Scene, frame: int) -> str:
    """Put a result into the film; return a report for the user.

    A sound keeps its own length. What is no picture, clip, sound or text stays in the output folder.
    """
    result = placement.result
    shown = [each for each in result.artifacts if each.kind in common.ADD]
    if shown:
        reports = [common.place(_alone(placement, each), scene, frame) for each in shown]
        return reports[0] if len(shown) == 1 else f"{len(shown)} placed in '{scene.name}'"
    if result.text:
        return live_text.place(placement, scene, frame)
    if result.artifacts:
        return "Its files are in the output folder"
    return f"The app returned {json.dumps(result.data, ensure_ascii=False)[:SHOWN_LETTERS]}"


def _alone(placement: Placement, artifact: Artifact) -> Placement:
    """Return the placement of one of the files."""
    target = placement.target if artifact.kind != "audio" else replace(placement.target, length=0)
    return replace(placement, result=replace(placement.result, artifacts=(artifact,)), target=target)
