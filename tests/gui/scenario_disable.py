"""Disable the extension in mid-job, with its operator running and its panel open; enable it again and go on."""

from __future__ import annotations

import threading
import time

import bpy
import steps

CLOSE_S = 2.0
SLACK = 3.0


def scenario() -> steps.Steps:
    steps.new_film("disable.blend")
    yield from steps.show_tab()
    for attempt in ("once", "and again"):
        steps.preferences().demo_mode = True
        yield from _start()
        threads = _threads()
        started = time.monotonic()
        bpy.ops.preferences.addon_disable(module=steps.PACKAGE)
        seconds = time.monotonic() - started
        steps.check(
            f"it ends in mid-job {attempt}", seconds < CLOSE_S * SLACK, f"{seconds:.1f} s, {len(threads)} threads"
        )
        yield lambda: not _threads()
        steps.check("no thread is left", True)
        steps.check("no operator is left", not dir(bpy.ops.movie_director), dir(bpy.ops.movie_director))
        steps.check("no handler is left", not steps.own_handlers(), steps.own_handlers())
        # Blender lets go of an unregistered modal operator with the next event; 4.3 crashes if one starts before
        yield steps.ask(do="key", key="Shift_L")
        yield 1.0
        bpy.ops.preferences.addon_enable(module=steps.PACKAGE)
        yield from steps.show_tab()
    steps.preferences().demo_mode = True
    bpy.context.scene.movie_director.steps = 2
    steps.press(bpy.ops.movie_director.generate_image)
    yield steps.strips
    steps.check("everything works again", len(steps.strips()) == 1)
    yield 1.0


def _start() -> steps.Steps:
    props = bpy.context.scene.movie_director
    props.prompt, props.steps = "a mill by a river", 1000
    bpy.context.scene.render.resolution_percentage = 25
    steps.press(bpy.ops.movie_director.generate_image)
    job = steps.newest_job()
    yield lambda: job.status.progress is not None and job.status.progress.step
    yield 1.0


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]


steps.run(scenario)
