"""The terminal command, ``blender -b film.blend --command movie_director VERB``.

Its exit status is non-zero if any job failed. The verbs are imported when the command is used, so that
nobody else pays for them at Blender's start.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import bpy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NAME = "movie_director"

_handle: Any = None


def register() -> None:
    """Add the command."""
    global _handle
    _handle = bpy.utils.register_cli_command(NAME, run)


def unregister() -> None:
    """Take it out."""
    global _handle
    if _handle is not None:
        bpy.utils.unregister_cli_command(_handle)
        _handle = None


def run(arguments: Sequence[str]) -> int:
    """Run the verb of the arguments; return the exit status: 0 done, 1 failed, 2 wrong usage, 130 ended by Ctrl-C."""
    from ..blender.platform import formatting
    from ..blender.platform.sigint import Interrupted
    from ..clients.core.errors import BackendError
    from ..operators.reporting import say
    from .base import FAILED, INTERRUPTED, OK, USAGE

    try:
        options = _parser().parse_args(arguments)
    except SystemExit as ending:  # argparse has printed the usage
        return OK if ending.code in (0, None) else USAGE
    verb: Callable[[argparse.Namespace], int] = options.verb
    missing = _film_not_opened()
    if missing:
        say(f"Error: The film {missing} could not be opened. Check its path.", error=True)
        return FAILED
    try:
        return verb(options)
    except BackendError as error:
        say(f"Error: {formatting.error_text(error)}", error=True)
        return FAILED
    except Interrupted:
        say("Cancelled.", error=True)
        return INTERRUPTED


def _film_not_opened() -> str:
    """Return the .blend file of Blender's command line if it could not be opened: Blender goes on without it."""
    before_command = itertools.takewhile(lambda argument: argument not in ("-c", "--command"), sys.argv[1:])
    films = [argument for argument in before_command if argument.lower().endswith(".blend")]
    return films[-1] if films and not bpy.data.filepath else ""


def _parser() -> argparse.ArgumentParser:
    import argparse

    from . import gradio_app, image, jobs, media, writing

    top = argparse.ArgumentParser(
        prog=f"blender -b [film.blend] --command {NAME}", description="Generate with local AI, without a window."
    )
    parsers = top.add_subparsers(required=True, metavar="VERB")
    image.add(parsers)
    media.add(parsers)
    gradio_app.add(parsers)
    writing.add(parsers)
    jobs.add(parsers)
    return top
