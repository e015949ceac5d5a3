"""Clips and sounds on the timeline: a clip with its preview while it runs, an effect in step with it, a spoken line."""

from __future__ import annotations

import bpy
import steps

IMAGE_HEADER = (1300, 476)
VIDEO_HEADER = (1300, 505)
"""Where the panels' headers are: the second once the first is folded away."""


def scenario() -> steps.Steps:
    bpy.ops.wm.read_homefile(app_template="Video_Editing")
    yield 1.0
    bpy.ops.wm.save_as_mainfile(filepath=str(steps.FOLDER / "film.blend"))
    yield from steps.show_tab("SEQUENCE_EDITOR")
    with steps.own("clients.mock").MockBackends(speed=2.0) as mocks:
        for name in ("wan2gp", "audioldm", "rvc"):
            getattr(steps.preferences().backends, name).url = getattr(mocks, name).url
        yield from _clip()
        yield from _sounds()
    yield 2.0
    yield steps.ask(do="picture", name="timeline")


def _clip() -> steps.Steps:
    for x, y in (IMAGE_HEADER, VIDEO_HEADER):
        yield steps.ask(do="click", x=x, y=y)
    video = bpy.context.scene.movie_director.video
    video.prompt, video.seconds = "waves against a pier, dusk", 3.0
    steps.own("blender.platform.sequencer").scene_of(bpy.context).frame_set(12)
    steps.press(bpy.ops.movie_director.generate_video)
    job = steps.newest_job()
    yield lambda: job.done() or steps.own("blender.platform.pictures").preview_icon(job.id)
    yield steps.ask(do="picture", name="clip-running")
    yield job.done
    yield steps.strips
    kinds = [strip.type for strip in steps.strips()]
    steps.check("the clip is on the timeline at the playhead", _starts()["MOVIE"] == 12, kinds)
    yield 1.0


def _sounds() -> steps.Steps:
    clip = next(strip for strip in steps.strips() if strip.type == "MOVIE")
    before = len(steps.strips())
    props = bpy.context.scene.movie_director
    props.sound.prompt = "waves, gulls far away"
    steps.press(bpy.ops.movie_director.sound_effect)
    yield lambda: len(steps.strips()) > before
    sounds = [strip for strip in steps.strips() if strip.type == "SOUND"]
    bounds = steps.own("blender.platform.sequencer").bounds
    where = (bounds(sounds[-1]), bounds(clip))
    steps.check("the effect is as long as the clip, from its first frame on", where[0] == where[1], where)
    steps.check("its waveform is shown", all(strip.show_waveform for strip in sounds), sounds)
    steps.press(bpy.ops.movie_director.speak_line, text="It was never locked.", voice="demo-voice")
    job = steps.newest_job()
    yield job.done
    steps.check("the line is spoken", job.status.state.value == "succeeded", job.status.error)
    yield lambda: len(steps.strips()) > before + 1


def _starts() -> dict[str, int]:
    bounds = steps.own("blender.platform.sequencer").bounds
    return {strip.type: bounds(strip)[0] for strip in steps.strips()}


steps.run(scenario)
