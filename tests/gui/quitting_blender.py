"""The other Blender of scenario_quit: starts a job in demo mode and quits."""

from __future__ import annotations

import bpy
import steps


def scenario() -> steps.Steps:
    steps.preferences().demo_mode = True
    steps.new_film("quit.blend")
    yield from steps.show_tab()
    props = bpy.context.scene.movie_director
    props.prompt, props.steps = "a long way home", 1000
    steps.press(bpy.ops.movie_director.generate_image)
    job = steps.newest_job()
    yield lambda: job.status.progress is not None and job.status.progress.step
    bpy.ops.wm.save_mainfile()
    (steps.FOLDER / "leaving").touch()
    bpy.ops.wm.quit_blender()
    yield steps.PATIENCE_S


steps.run(scenario)
