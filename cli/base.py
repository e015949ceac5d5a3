"""Common options of the terminal's verbs, and waiting for a job and its placement."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import bpy

from ..blender.platform import formatting
from ..blender.state import settings
from ..blender.state.ui_state import ui
from ..clients.core.errors import ValidationError
from ..operators.blocking import wait_for_job
from ..operators.reporting import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..clients.core.job import Job
    from ..clients.core.model import Result

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


FIRST_FRAME, LAST_FRAME = -1_048_574, 1_048_574
"""The frames that Blender has (MINAFRAME and MAXFRAME of its source)."""
LONGEST_S = 24 * 3600.0


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of an option that takes a whole number within its limits."""

    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    parse.__name__ = "whole number"
    return parse


def seconds(text: str) -> float:
    """Return the seconds of an option: above 0, one day at most."""
    value = float(text)
    if not 0 < value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text} is not a time between 0 and {LONGEST_S:.0f} seconds")
    return value


def add_common(verb: argparse.ArgumentParser, *, files: bool = True) -> None:
    """Add the options that all verbs have which generate; ``files``: those about where files go."""
    verb.add_argument("--frame", type=whole_number(FIRST_FRAME, LAST_FRAME), help="go to this frame first")
    if files:
        verb.add_argument("--output", metavar="FOLDER", help="where results go; default: as in the preferences")
    verb.add_argument("--demo", action="store_true", help="use the demo server inside Blender instead of a real one")
    add_strict(verb)
    verb.add_argument("--save", action="store_true", help="save the .blend file with the result in it")


def add_strict(verb: argparse.ArgumentParser) -> None:
    """Add the option of all verbs that fetch results."""
    verb.add_argument("--strict", action="store_true", help="fail if a part of the result is missing")


def run(options: argparse.Namespace, submit: Callable[[Any, dict[str, Any]], Job], *names: str, **given: Any) -> int:
    """Submit a request, wait for its job, and save if asked to; return the exit status.

    The request has the fields ``given``, and those of ``names`` from the options that are called like them.
    """
    use(options)
    fields = {name: getattr(options, name) for name in names} | given
    return finish(options, submit(bpy.context, chosen(**fields)))


def use(options: argparse.Namespace) -> None:
    """Overrule the preferences for this run of Blender, which are not saved, and go to the frame asked for."""
    if getattr(options, "save", False) and not bpy.data.filepath:
        raise ValidationError(
            "--save needs a .blend file.", code="file_not_saved", hint="Pass a file: blender -b FILM ..."
        )
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


def warn(result: Result) -> bool:
    """Say which parts of a result are missing; returns whether any is."""
    for problem in result.problems:
        say(f"Warning: {formatting.error_text(problem)}", error=True)
    return bool(result.problems)


def finish(options: argparse.Namespace, job: Job) -> int:
    """Wait for a job and its place in the film, print what came of it, save if asked to; return the exit status.

    With ``--strict`` a result with a part missing is a failure, after which the film is not saved.
    """
    wait_for_job(job)
    placement = ui.placements[job.id]
    for artifact in placement.result.artifacts:
        say(str(artifact.path))
    if placement.result.text:
        say(placement.result.text)
    incomplete = warn(placement.result)
    say(placement.message, error=placement.unplaced)
    if placement.unplaced or (incomplete and options.strict):
        return FAILED
    if options.save:
        bpy.ops.wm.save_mainfile()
        say(f"Saved {bpy.data.filepath}")
    return OK
