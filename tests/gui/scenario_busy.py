"""While Blender plays or renders, a result waits; Esc that ends playback cancels no job."""

from __future__ import annotations

import bpy
import steps

PAUSE_S = 2.0


def scenario() -> steps.Steps:
    with steps.own("clients.mock").MockBackends(speed=2.0, only=["comfyui"]) as mocks:
        steps.preferences().backends.comfyui.url = mocks.comfyui.url
        steps.new_film("busy.blend")
        yield from steps.show_tab()
        props = bpy.context.scene.movie_director
        props.prompt, props.steps = "clouds over the sea", 60
        bpy.context.scene.render.resolution_percentage = 20

        steps.press(bpy.ops.movie_director.generate_image)
        job = steps.newest_job()
        yield job.running
        yield from _play()
        yield steps.ask(do="key", key="Escape")
        yield lambda: not _playing()
        steps.check("Esc ends playback and not the job", not job.done(), job.status.state)
        yield from _play()
        yield job.done
        yield PAUSE_S
        placement = steps.ui().placements[job.id]
        steps.check("the result waits for playback", not placement.settled, placement.message)
        yield steps.ask(do="picture", name="playing")
        yield steps.ask(do="key", key="Escape")
        yield lambda: not _playing()
        yield steps.strips
        steps.check("then it is placed", len(steps.strips()) == 1, steps.strips())

        props.steps = 1
        scene = bpy.context.scene
        scene.render.engine, scene.render.resolution_percentage, scene.frame_end = "BLENDER_WORKBENCH", 100, 400
        scene.render.filepath = str(steps.FOLDER / "frames" / "f")
        scene.render.use_sequencer = False
        steps.press(bpy.ops.movie_director.generate_image)
        job = steps.newest_job()
        steps.press(bpy.ops.render.render, animation=True)
        yield job.done
        yield PAUSE_S
        rendering = bpy.app.is_job_running("RENDER")
        placement = steps.ui().placements.get(job.id)
        waits = placement is not None and not placement.settled
        steps.check("the result waits for the render", rendering and waits, placement and placement.message)
        steps.check("nothing can be generated meanwhile", not bpy.ops.movie_director.generate_image.poll())
        yield steps.ask(do="key", key="Escape")
        yield lambda: not bpy.app.is_job_running("RENDER")
        yield lambda: placement.settled
        steps.check("then it is placed too", placement.state.value == "placed", placement.message)

        props.steps = 1000
        steps.press(bpy.ops.movie_director.generate_image)
        job = steps.newest_job()
        yield job.running
        steps.press(bpy.ops.render.render, animation=True)
        yield lambda: bpy.app.is_job_running("RENDER")
        yield 0.5
        yield steps.ask(do="key", key="Escape")
        yield lambda: not bpy.app.is_job_running("RENDER")
        steps.check("Esc ends the render and not the job", not job.done(), job.status.state)
        steps.press(bpy.ops.movie_director.cancel_job, job_id=job.id)
        steps.check("the panel's button cancels it", job.cancelled(), job.status.state)
        yield lambda: not steps.own("blender.pump.pump").running()


def _play() -> steps.Steps:
    area = steps.area_of("VIEW_3D")
    with bpy.context.temp_override(window=steps.window(), area=area):
        bpy.ops.screen.animation_play()
    yield _playing


def _playing() -> bool:
    return any(window.screen.is_animation_playing for window in bpy.context.window_manager.windows)


steps.run(scenario)
