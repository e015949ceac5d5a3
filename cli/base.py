"""Common options of the terminal's verbs, and waiting for a job and its placement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bpy

from ..blender.state import settings
from ..blender.state.ui_state import ui
from ..clients.core.errors import ValidationError
from ..operators.blocking import wait_for_job
from ..operators.reporting import say

if TYPE_CHECKING:
    import argparse

    from ..clients.core.job import Job

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def add_common(verb: argparse.ArgumentParser, *, files: bool = True) -> None:
    """Add the options that all verbs have which generate; ``files``: those about where files go."""
    verb.add_argument("--frame", type=int, help="go to this frame first")
    if files:
        verb.add_argument("--output", metavar="FOLDER", help="where results go; default: as in the preferences")
    verb.add_argument("--demo", action="store_true", help="use the stand-in inside Blender instead of a server")
    verb.add_argument("--save", action="store_true", help="save the .blend file with the result in it")


def use(options: argparse.Namespace) -> None:
    """Overrule the preferences for this run of Blender, which are not saved, and go to the frame asked for."""
    if getattr(options, "save", False) and not bpy.data.filepath:
        raise ValidationError("--save needs a .blend file.", code="file_not_saved", hint="Name it: blender -b FILM ...")
    preferences = settings.preferences()
    if options.demo:
        preferences.demo_mode = True
    if getattr(options, "output", None):
        preferences.output_folder = bpy.path.abspath(options.output)
    if getattr(options, "frame", None) is not None:
        bpy.context.scene.frame_set(options.frame)


def chosen(**options: Any) -> dict[str, Any]:
    """Return the options that were given; they overrule the scene's settings."""
    return {name: value for name, value in options.items() if value is not None}


def finish(options: argparse.Namespace, job: Job) -> int:
    """Wait for a job and its place in the film, print what came of it, save if asked to; return the exit status."""
    wait_for_job(job)
    placement = ui.placements[job.id]
    for artifact in placement.result.artifacts:
        say(str(artifact.path))
    if placement.result.text:
        say(placement.result.text)
    say(placement.message, error=placement.unplaced)
    if placement.unplaced:
        return FAILED
    if options.save:
        bpy.ops.wm.save_mainfile()
        say(f"Saved {bpy.data.filepath}")
    return OK
