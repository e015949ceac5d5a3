"""Load a file in mid-job: the job goes on, and its result goes to the scene that asked, or is offered to the user."""

from __future__ import annotations

import bpy
import steps


def scenario() -> steps.Steps:
    with steps.own("clients.mock").MockBackends(speed=1.0, only=["comfyui"]) as mocks:
        steps.preferences().backends.comfyui.url = mocks.comfyui.url
        film = steps.new_film("first.blend")
        yield from _start()
        job = steps.newest_job()
        yield job.running
        bpy.ops.wm.open_mainfile(filepath=str(film))
        yield 0.5
        modal_state = steps.own("operators.progress_modal").modal_state
        steps.check("the job outlives the loading of its film", not job.done(), job.status.state)
        steps.check("the pump outlives it", steps.own("blender.pump.pump").running())
        yield lambda: modal_state.follower is not None
        steps.check("progress is shown again", True)
        yield job.done
        yield steps.strips
        steps.check("the result is in its film", len(steps.strips()) == 1, steps.strips())

        yield from _start()
        job = steps.newest_job()
        yield job.running
        steps.new_film("second.blend")
        yield lambda: modal_state.follower is not None
        yield steps.ask(do="key", key="a")
        yield job.done
        yield (lambda: job.id in steps.ui().placements and steps.ui().placements[job.id].settled)
        placement = steps.ui().placements[job.id]
        steps.check("another film does not get it unasked", not steps.strips(), steps.strips())
        steps.check("it is offered", placement.state.value == "offered", placement.message)
        yield from steps.show_tab()
        yield 1.0
        yield steps.ask(do="picture", name="offered")
        steps.press(bpy.ops.movie_director.place_result, job_id=job.id)
        steps.check("it can be placed here", len(steps.strips()) == 1, steps.strips())

        yield from _start()
        job = steps.newest_job()
        yield job.running
        bpy.ops.wm.open_mainfile(filepath=str(film))
        yield lambda: modal_state.follower is not None
        yield 0.5
        yield steps.ask(do="key", key="Escape")
        yield job.done
        steps.check("Esc works after the loading too", job.cancelled(), job.status.state)
        yield lambda: not steps.own("blender.pump.pump").running()


def _start() -> steps.Steps:
    props = bpy.context.scene.movie_director
    props.prompt, props.steps = "a lighthouse in a storm", 25
    bpy.context.scene.render.resolution_percentage = 50
    steps.press(bpy.ops.movie_director.generate_image)
    yield 0.2


steps.run(scenario)
