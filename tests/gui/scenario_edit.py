"""A film maker's way: the Video Editing workspace, demo mode, a picture on the timeline, undo, the preferences."""

from __future__ import annotations

import bpy
import steps


def scenario() -> steps.Steps:
    bpy.ops.wm.read_homefile(app_template="Video_Editing")
    yield 1.0
    bpy.ops.wm.save_as_mainfile(filepath=str(steps.FOLDER / "edit.blend"))
    yield from steps.show_tab("SEQUENCE_EDITOR")
    yield steps.ask(do="picture", name="first")
    steps.press(bpy.ops.movie_director.demo_mode, enable=True)
    steps.press(bpy.ops.movie_director.test_connection, backend="comfyui")
    yield lambda: not steps.ui().probes["comfyui"].pending
    steps.check(
        "demo mode answers",
        steps.ui().probes["comfyui"].info,
        steps.ui().probes["comfyui"].error,
    )
    scene = steps.own("blender.platform.sequencer").scene_of(bpy.context)
    scene.frame_set(20)
    props = bpy.context.scene.movie_director
    props.prompt, props.steps = "a harbour at night, rain, neon signs", 10
    steps.press(bpy.ops.movie_director.generate_image)
    job = steps.newest_job()
    yield job.done
    yield steps.strips
    steps.check("the picture is on the timeline at the playhead", _starts() == [20], _starts())
    yield 2.0
    yield steps.ask(do="picture", name="timeline")

    with bpy.context.temp_override(window=steps.window(), area=steps.area_of("SEQUENCE_EDITOR")):
        bpy.ops.ed.undo()
    yield 1.0
    steps.check("one undo takes the strip back", steps.strips() == [], steps.strips())
    steps.check("the file stays", job.result(0).artifacts[0].path.is_file())
    with bpy.context.temp_override(window=steps.window(), area=steps.area_of("SEQUENCE_EDITOR")):
        bpy.ops.ed.redo()
    yield 1.0
    steps.check("redo brings it again", _starts() == [20], _starts())

    bpy.context.scene.movie_director.steps = 1000
    steps.press(bpy.ops.movie_director.generate_image)
    job = steps.newest_job()
    yield job.running
    steps.press(bpy.ops.preferences.addon_show, module=steps.PACKAGE)
    yield 3.0
    yield steps.ask(do="picture", name="preferences")


def _starts() -> list[int]:
    bounds = steps.own("blender.platform.sequencer").bounds
    return [bounds(strip)[0] for strip in steps.strips()]


steps.run(scenario)
