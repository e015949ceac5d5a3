"""Press Generate, see progress, press Esc: the server is told, the lane is free, nothing is left behind."""

from __future__ import annotations

import bpy
import steps


def scenario() -> steps.Steps:
    with steps.own("clients.mock").MockBackends(speed=1.0, only=["comfyui"]) as mocks:
        steps.preferences().backends.comfyui.url = mocks.comfyui.url
        steps.new_film("cancel.blend")
        yield from steps.show_tab()
        props = bpy.context.scene.movie_director
        props.prompt, props.steps = "a red fox in the snow at dawn", 60
        started = steps.press(bpy.ops.movie_director.generate_image)
        steps.check("Generate starts a modal operator", started == {"RUNNING_MODAL"}, started)
        job = steps.newest_job()
        yield lambda: job.status.progress is not None and (job.status.progress.fraction or 0) > 0.3
        yield 1.0
        yield steps.ask(do="picture", name="progress")
        modal_state = steps.own("operators.progress_modal").modal_state
        steps.check("the status bar shows progress", "red fox" in modal_state.shown, modal_state.shown)
        steps.check("the pump's timer runs", steps.own("blender.pump.pump").running())
        steps.check("the user can work on", _work(), "an object was moved meanwhile")

        yield steps.ask(do="key", key="Escape")
        yield job.done
        steps.check("Esc cancels the job", job.cancelled(), job.status.state)
        yield lambda: job.status.backend_cancel.value != "pending"
        steps.check(
            "the job was stopped on the server",
            job.status.backend_cancel.value == "confirmed",
            job.status.backend_cancel,
        )
        told = [
            request.route
            for request in mocks.comfyui.requests
            if "cancel" in request.route or "interrupt" in request.route
        ]
        steps.check("the server was told", told, told)
        yield lambda: modal_state.follower is None
        steps.check("the status bar is given back", modal_state.shown == "", modal_state.shown)
        yield steps.ask(do="picture", name="cancelled")

        props.steps, props.input_source = 5, "CAMERA"
        bpy.context.scene.render.resolution_percentage = 50
        steps.press(bpy.ops.movie_director.generate_image)
        second = steps.newest_job()
        yield second.done
        yield steps.strips
        steps.check("the lane is free for the next job", second.status.state.value == "succeeded", second.status)
        steps.check("its picture is a strip", len(steps.strips()) == 1, steps.strips())
        uploads = mocks.comfyui.requests.matching("POST /upload/image")
        steps.check("the camera's view was its input", len(uploads) == 1, uploads)
        engine = bpy.context.scene.render.engine
        steps.check("the render settings are the user's", engine != "BLENDER_WORKBENCH", engine)
        yield lambda: not steps.own("blender.pump.pump").running()
        steps.check("the pump's timer has ended", True)
        steps.check("no handler is left", not steps.own_handlers(), steps.own_handlers())
        yield 1.0
        yield steps.ask(do="picture", name="done")


def _work() -> bool:
    bpy.data.objects["Cube"].location.x += 1.0
    bpy.context.view_layer.update()
    return bpy.data.objects["Cube"].matrix_world.translation.x > 0.5


steps.run(scenario)
