"""Write in the text editor: the words come live, undo in the middle loses none, Esc keeps what came."""

from __future__ import annotations

from typing import Any

import bpy
import steps


def scenario() -> steps.Steps:
    with steps.own("clients.mock").MockBackends(speed=1.0, only=["litellm"]) as mocks:
        steps.preferences().backends.litellm.url = mocks.litellm.url
        steps.new_film("write.blend")
        yield 1.0
        steps.area_of("VIEW_3D").type = "TEXT_EDITOR"
        yield from steps.show_tab("TEXT_EDITOR")
        bpy.context.scene.movie_director.writing.prompt = "a feature-length story of a lighthouse"
        _in_editor(bpy.ops.ed.undo_push, "EXEC_DEFAULT", message="Before")
        started = _in_editor(bpy.ops.movie_director.write, "INVOKE_DEFAULT")
        steps.check("Write starts a modal operator", started == {"RUNNING_MODAL"}, started)
        job = steps.newest_job()
        yield lambda: len(_words(job)) > 200
        yield steps.ask(do="picture", name="writing")
        space = steps.area_of("TEXT_EDITOR").spaces.active
        steps.check("the editor shows the text", space.text == _text(job), space.text)

        _in_editor(bpy.ops.ed.undo_push, "EXEC_DEFAULT", message="In the middle")
        middle = _words(job)
        yield lambda: len(_words(job)) > len(middle) + 100
        before = _words(job)
        _in_editor(bpy.ops.ed.undo, "EXEC_DEFAULT")
        _in_editor(bpy.ops.ed.undo, "EXEC_DEFAULT")
        steps.check("undo took words away", len(_words(job)) < len(before), _words(job))
        yield lambda: len(_words(job)) > len(before)
        steps.check("they came back with the next", _words(job).startswith(before), _words(job)[: len(before)])
        texts = [text.name for text in bpy.data.texts]
        steps.check("there is one text", len(texts) == 1, texts)

        yield steps.ask(do="key", key="Escape")
        yield job.done
        steps.check("Esc cancels", job.cancelled(), job.status.state)
        placements = steps.ui().placements
        yield lambda: job.id in placements and placements[job.id].settled
        heard = "".join(event.text for event in job.events() if hasattr(event, "text"))
        steps.check("what came is all there", _words(job) == heard, f"{len(_words(job))} of {len(heard)}")
        yield lambda: not steps.own("blender.pump.pump").running()
        steps.check("no handler is left", not steps.own_handlers(), steps.own_handlers())
        yield 1.0
        yield steps.ask(do="picture", name="kept")


def _text(job: Any) -> Any:
    return steps.own("blender.placing.live_text").find(job.id)


def _words(job: Any) -> str:
    text = _text(job)
    return "" if text is None else str(text.as_string())


def _in_editor(operator: Any, way: str, **arguments: Any) -> set[str]:
    area = steps.area_of("TEXT_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=steps.window(), area=area, region=region):
        result: set[str] = operator(way, **arguments)
    return result


steps.run(scenario)
