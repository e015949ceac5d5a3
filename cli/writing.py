"""The terminal verbs ``write`` and ``shot-list``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from ..blender.properties.writing import TIMELINE_ITEMS
from ..blender.requests import text_request
from ..clients.core.errors import StorageError
from . import base

if TYPE_CHECKING:
    import argparse


def add(parsers: Any) -> None:
    """Add the verbs."""
    write = parsers.add_parser("write", help="write a text into the film, and to the terminal")
    write.add_argument("--prompt", help="what it is about; default: the scene's")
    write.add_argument("--kind", choices=sorted(text_request.PRESETS), help="what kind of text")
    write.add_argument("--instructions", metavar="TEXT", help="instructions besides the prompt")
    write.add_argument("--model", help="default: the server's model with the largest context window")
    _add_script(write, "a text to work from")
    base.add_common(write, files=False)
    write.set_defaults(verb=write_text)

    shots = parsers.add_parser(
        "shot-list", help="break a script down into shots on the timeline, starting at the playhead"
    )
    _add_script(shots, "the script; default: the scene's")
    shots.add_argument("--timeline", choices=[item[0] for item in TIMELINE_ITEMS], help="what the shots become there")
    shots.add_argument("--model", help="default: the server's model with the largest context window")
    base.add_common(shots, files=False)
    shots.set_defaults(verb=list_shots)


def _add_script(verb: argparse.ArgumentParser, words: str) -> None:
    script = verb.add_mutually_exclusive_group()
    script.add_argument("--script", metavar="NAME", help=f"{words}: a text of the film")
    script.add_argument("--script-file", metavar="FILE", help=f"{words}: a text file, which is added to the film")


def write_text(options: argparse.Namespace) -> int:
    """``write``: write a text, print it, and save the film if asked to."""
    base.use(options)
    script = _script_name(options)
    given = base.chosen(
        prompt=options.prompt,
        preset=options.kind,
        system=options.instructions,
        model=options.model,
        script=script,
        context="TEXT" if script else None,
    )
    return base.finish(options, text_request.submit_text(bpy.context, given))


def list_shots(options: argparse.Namespace) -> int:
    """``shot-list``: break a script down, print the list, and save the film if asked to."""
    base.use(options)
    given = base.chosen(script=_script_name(options), timeline=options.timeline, model=options.model)
    return base.finish(options, text_request.submit_shot_list(bpy.context, {"selection_only": False, **given}))


def _script_name(options: argparse.Namespace) -> str | None:
    """Return the name of the text to work from; a file is brought into the film first."""
    if not options.script_file:
        name: str | None = options.script
        return name
    path = Path(bpy.path.abspath(options.script_file))
    try:
        words = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(
            f"The script {path} can't be read: {error}.", code="unreadable", hint="It must be a text file in UTF-8."
        ) from error
    text = bpy.data.texts.new(path.name)
    text.from_string(words)
    return text.name
