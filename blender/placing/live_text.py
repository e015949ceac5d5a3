"""Answers written live into Text datablocks.

A text is never held, only looked up by the job it carries in a property: so renaming, undo, and loading the film again
are harmless. What was written is remembered here until the job has ended, and what undo or a load took away is written
again. The user may edit the text meanwhile; his words are left alone, and the cursor stays where it is.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy

from ...clients.core.model import Result
from ..platform import redraw
from ..state.ui_state import Placement, TextStream, ui
from . import placement
from .provenance import METADATA_KEY

if TYPE_CHECKING:
    from ..state.placement_request import PlacementTarget

_log = logging.getLogger(__name__)

SLICE = 32_768
"""Characters a tick writes at most: about half a millisecond of Blender's time."""
NAME_LENGTH = 60


def clean(text: str) -> str:
    """Return a text without what a Text datablock can't hold: carriage returns, zeros, halves of characters."""
    return text.replace("\r", "").replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def begin(job_id: str, backend: str, target: PlacementTarget) -> bpy.types.Text:
    """Make the text of an answer to come, for the user to see where it will be."""
    ui.streams[job_id] = TextStream(job_id, backend, target)
    return make(target.text, job_id, backend, target)


def take(job_id: str, backend: str, target: PlacementTarget, more: str) -> None:
    """Take a piece of an answer, to be written by the next ticks."""
    stream = ui.streams.get(job_id)
    if stream is None:  # tried again: nobody has begun it
        stream = ui.streams[job_id] = TextStream(job_id, backend, target)
    stream.waiting += clean(more)


def write_some() -> None:
    """Write a slice of one answer; called once a tick."""
    streams = ui.streams
    for job_id in list(streams):
        stream = streams[job_id]
        if stream.waiting and not stream.broken and _write_or_give_up(stream):
            # to the end of the row: each gets its turn
            streams[job_id] = streams.pop(job_id)
            ui.touch()
            return


def _write_or_give_up(stream: TextStream) -> bool:
    """Write a slice; a text that Blender refuses is given up until the whole answer is placed, and reported once."""
    try:
        return write(stream, SLICE)
    except Exception:  # noqa: BLE001 - one text must not keep the others from being written
        _log.exception("The text of job %s can't be written now; its whole answer will be tried", stream.job_id)
        stream.broken = True
        return False


def write(stream: TextStream, limit: int) -> bool:
    """Write what waits, ``limit`` characters at most; False if there is no place for it now."""
    if bpy.app.is_job_running("RENDER"):
        return False
    text = find(stream.job_id)
    if text is None:
        if placement.home_scene(stream.target) is None:
            return False
        text = make(stream.target.text, stream.job_id, stream.backend, stream.target)
    restore(text, stream.written)
    addition = stream.waiting[:limit]
    append(text, addition)
    stream.waiting = stream.waiting[limit:]
    stream.written += addition
    redraw.tag_text(text)
    return True


def keep(job_id: str, backend: str, target: PlacementTarget, partial: Result | None) -> None:
    """Keep what came of an answer that ended early, by an error or a cancel, as if it were the whole."""
    stream = ui.streams.get(job_id)
    heard = stream.written + stream.waiting if stream is not None else ""
    so_far = max(heard, clean((partial and partial.text) or ""), key=len)
    if so_far:
        result = Result(text=so_far, metadata={"incomplete": True})
        ui.request_placement(Placement(job_id, backend, result, replace(target, kind="text")))
    else:
        ui.streams.pop(job_id, None)


def place(settled: Placement, _scene: bpy.types.Scene, _frame: int) -> str:
    """See to it that the whole answer is in its text; say where it is."""
    stream = ui.streams.pop(settled.job_id, None)
    text = find(settled.job_id)
    if text is None:
        text = make(settled.target.text, settled.job_id, settled.backend, settled.target)
    if stream is not None:
        restore(text, stream.written)
        append(text, stream.waiting)
    restore(text, clean(settled.result.text or ""))
    mark = "The received part is in" if settled.result.metadata.get("incomplete") else "Written into"
    return f"{mark} the text '{text.name}'"


def find(job_id: str) -> bpy.types.Text | None:
    """Return the text that a job writes into, None if there is none in this film."""
    for text in bpy.data.texts:
        carrier: Any = text
        kept = carrier.get(METADATA_KEY)
        if kept is not None and kept.get("job") == job_id:
            return text
    return None


def make(name: str, job_id: str, backend: str, target: PlacementTarget) -> bpy.types.Text:
    """Make an empty text for a job's answer."""
    text = bpy.data.texts.new((name or target.title or "Text")[:NAME_LENGTH])
    text[METADATA_KEY] = {"prompt": target.prompt, "backend": backend, "job": job_id}
    return text


def restore(text: bpy.types.Text, whole: str) -> None:
    """Write the end of a text again that undo or a load has removed; a text that the user has changed stays."""
    there = text.as_string().rstrip("\n")
    if len(there) < len(whole.rstrip("\n")) and whole.startswith(there):
        text.from_string(whole)


def append(text: bpy.types.Text, addition: str) -> None:
    """Add to the end of a text; a cursor elsewhere stays where it is, one at the end goes along."""
    last = len(text.lines) - 1
    end = len(text.lines[last].body)
    cursor = (text.current_line_index, text.current_character)
    selection = (text.select_end_line_index, text.select_end_character)
    _set_cursor(text, last, end)
    text.write(addition)
    if cursor != (last, end) or selection != cursor:
        _set_cursor(text, *cursor)
        _set_cursor(text, *selection, select=True)


def _set_cursor(text: bpy.types.Text, line: int, character: int, *, select: bool = False) -> None:
    """Set the cursor before a character; ``cursor_set`` counts bytes of UTF-8, every other member characters."""
    before = text.lines[line].body[:character]
    text.cursor_set(line, character=len(before.encode("utf-8")), select=select)
