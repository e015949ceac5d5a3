"""What must happen when another file is loaded; the handler is there only while jobs are under way or results wait
for their film.
"""

from __future__ import annotations

from collections.abc import Callable

import bpy
from bpy.app.handlers import persistent

_after_load: list[Callable[[], None]] = []


def after_load(call: Callable[[], None]) -> None:
    """Have ``call()`` made after each load that is noticed."""
    if call not in _after_load:
        _after_load.append(call)


def forget_after_load(call: Callable[[], None]) -> None:
    """Take back what ``after_load`` was given."""
    if call in _after_load:
        _after_load.remove(call)


def add() -> None:
    """Start to notice loads."""
    if _loaded not in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.append(_loaded)


def remove() -> None:
    """Stop noticing them."""
    if _loaded in bpy.app.handlers.load_post:
        bpy.app.handlers.load_post.remove(_loaded)


@persistent
def _loaded(*_arguments: object) -> None:
    # the panels of the new file have drawn nothing of the jobs yet, and its windows have no modal operator of ours
    from ..state.ui_state import ui

    ui.settle_again()
    for call in tuple(_after_load):
        call()
