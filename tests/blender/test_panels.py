"""What the panels show, drawn into a layout that knows what this Blender's layouts take."""

from __future__ import annotations

from typing import Any

import bpy
import fakes
import pytest
from conftest import (
    own,
    preferences,
    pump_until,
    runtime_ref,
    script,
    settled,
    start_job,
    start_text,
    strips,
    ui,
    workflow_with_a_refused_part,
)


def panel(name: str) -> fakes.Layout:
    """Draw the panel of that name in every editor that has it; they show the same."""
    names = [f"MOVIE_DIRECTOR_PT_{name}_{mark}" for mark in own("ui.panels").EDITORS.values()]
    drawn = [fakes.draw(getattr(bpy.types, each)) for each in names if hasattr(bpy.types, each)]
    assert len(drawn) >= 2
    for each in drawn:
        assert each.texts() == drawn[0].texts()
    return drawn[0]


def preferences_drawn() -> fakes.Layout:
    layout = fakes.Layout()
    cls = own("preferences").MovieDirectorPreferences
    chosen = preferences()

    class Drawn:
        def __getattr__(self, name: str) -> Any:
            return getattr(chosen, name)

    drawn = Drawn()
    drawn.layout = layout  # type: ignore[attr-defined]
    cls.draw(drawn, fakes.Context())
    return layout


def test_the_tab_is_in_three_editors() -> None:
    classes = own("ui.panels").CLASSES
    editors = {(cls.bl_space_type, cls.bl_category) for cls in classes}
    assert editors == {(editor, "Director") for editor in ("VIEW_3D", "SEQUENCE_EDITOR", "TEXT_EDITOR")}
    names = [cls.bl_idname for cls in classes if cls.bl_space_type == "TEXT_EDITOR"]
    assert "MOVIE_DIRECTOR_PT_write_text" in names
    assert "MOVIE_DIRECTOR_PT_generate_text" not in names
    # a panel's parent must be registered before it
    for number, cls in enumerate(classes):
        parent = getattr(cls, "bl_parent_id", "")
        assert not parent or parent in [each.bl_idname for each in classes[:number]]


def test_writing_needs_a_prompt_and_a_script_where_one_is_wanted(film: Any) -> None:
    props = bpy.context.scene.movie_director.writing
    ready = own("ui.write_panel")._ready
    assert not ready(fakes.Context(), props)
    props.prompt = "a lighthouse"
    assert ready(fakes.Context(), props)
    assert "script" not in panel("write").properties()
    props.context = "TEXT"
    assert not ready(fakes.Context(), props)
    assert "Choose a text" in panel("write").text()
    props.script = script("words")
    assert ready(fakes.Context(), props)
    assert "Choose a text" not in panel("write").text()
    assert "movie_director.shot_list" in panel("shot_list").operators()
    assert {"model", "system"} <= set(panel("write_options").properties())


def test_the_text_editor_s_own_text_is_the_script(film: Any) -> None:
    context = fakes.Context()
    context.space_data = type("Space", (), {"type": "TEXT_EDITOR", "text": script("words", "Draft")})()
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_shot_list_text, context)
    assert "This editor's text: Draft" in drawn.text()


def test_an_answer_is_shown_as_it_comes(slow_litellm: Any) -> None:
    job = start_text(prompt="a feature-length story")
    streams = ui().streams
    pump_until(lambda: len(streams[job.id].written) > 20)
    assert streams[job.id].tail.split()[0] in panel("jobs").text()
    job.cancel()
    pump_until(lambda: settled(job))
    assert "The received part is in the text 'a feature-" in panel("jobs").text()


def test_selected_shots_are_offered(film: Any, litellm: Any) -> None:
    assert "movie_director.generate_shots" not in panel("generate").operators()
    script("EXT. PIER - DUSK")
    bpy.ops.movie_director.shot_list("EXEC_DEFAULT", script="script")
    assert "Generate for 3 Shots" in panel("generate").texts()
    for strip in strips()[1:]:
        strip.select = False
    assert "Generate for This Shot" in panel("generate").texts()
    assert "An empty pier" in panel("generate").text()


def test_both_servers_have_a_line(comfyui: Any, litellm: Any) -> None:
    bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="litellm")
    assert panel("write").texts()[0] == "LiteLLM: connected"
    assert "ComfyUI: not tested yet" in panel("generate").texts()


def test_who_has_no_server_is_shown_demo_mode(film: Any) -> None:
    drawn = panel("generate")
    assert "movie_director.demo_mode" in drawn.operators()
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        bpy.ops.movie_director.generate_image(prompt="hello")
    drawn = panel("generate")
    assert "Turn on demo mode" in drawn.texts()
    assert "127.0.0.1:9" in drawn.text()


def test_demo_mode_is_said_and_can_be_left(film: Any) -> None:
    preferences().demo_mode = True
    drawn = panel("generate")
    assert "Demo mode" in drawn.text()
    assert "movie_director.demo_mode" in drawn.operators()


def test_an_answer_is_shown(comfyui: Any) -> None:
    bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui")
    version = ui().probes["comfyui"].info.version
    assert f"ComfyUI {version}" in panel("generate").texts()
    assert version in preferences_drawn().text()


def test_a_failed_test_is_forgotten_when_the_server_takes_a_job(comfyui: Any) -> None:
    url = preferences().backends.comfyui.url
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui")
    assert "no connection" in panel("generate").text()
    preferences().backends.comfyui.url = url
    assert bpy.ops.movie_director.generate_image(prompt="hello", steps=1) == {"FINISHED"}
    assert "ComfyUI: connected" in panel("generate").texts()


def test_nothing_to_recover_is_said(film: Any) -> None:
    assert bpy.ops.movie_director.recover_jobs("EXEC_DEFAULT") == {"FINISHED"}
    assert "No unfinished jobs were found" in panel("jobs").texts()


def test_an_unanswered_test_is_shown(comfyui: Any) -> None:
    session = own("blender.commands")
    answer = session.probe("comfyui")
    assert "testing the connection" in panel("generate").text()
    assert "Testing the connection" in preferences_drawn().text()
    pump_until(lambda: not answer.pending)


def test_a_server_that_is_out_of_memory_can_be_asked_for_some(film: Any, comfyui: Any) -> None:
    comfyui.inject(own("clients.mock").Fault("oom"))
    with pytest.raises(RuntimeError, match="memory"):
        bpy.ops.movie_director.generate_image("EXEC_DEFAULT", prompt="big", steps=1)
    assert "movie_director.free_memory" in panel("jobs").operators()
    assert "will free its memory" not in panel("jobs").text()
    answer = own("blender.commands").free_memory("comfyui")
    assert answer.pending
    pump_until(lambda: not answer.pending)
    assert "will free its memory" in panel("jobs").text()
    bpy.ops.movie_director.generate_image("EXEC_DEFAULT", prompt="small", steps=1)
    assert "will free its memory" not in panel("jobs").text()


def test_a_server_that_refuses_to_free_memory_says_why(film: Any, comfyui: Any) -> None:
    comfyui.inject(own("clients.mock").Fault("oom"))
    with pytest.raises(RuntimeError, match="memory"):
        bpy.ops.movie_director.generate_image("EXEC_DEFAULT", prompt="big", steps=1)
    comfyui.stop()
    with pytest.raises(RuntimeError) as failed:
        bpy.ops.movie_director.free_memory("EXEC_DEFAULT", backend="comfyui")
    assert str(failed.value).strip().removeprefix("Error: ") in panel("jobs").text()


def test_a_running_job_is_shown_where_it_was_started(comfyui: Any) -> None:
    assert "movie_director.cancel_job" not in panel("generate").operators()
    job = start_job(steps=1000)
    start_job(prompt="the second")
    pump_until(lambda: job.status.progress is not None and job.status.progress.step)
    drawn = panel("generate")
    assert drawn.operators().count("movie_director.cancel_job") == 1
    assert [given for name, given in drawn.log if name == "progress"]
    assert "1 more in the list of jobs" in drawn.text()
    assert "movie_director.cancel_job" not in panel("video").operators()


def test_an_unsaved_film_gets_the_two_ways_out() -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    drawn = panel("generate")
    assert "wm.save_as_mainfile" in drawn.operators()
    assert "movie_director.choose_unsaved_folder" in drawn.operators()


def test_a_missing_camera_is_said_before_the_press(film: Any) -> None:
    scene = bpy.context.scene
    scene.movie_director.input_source = "CAMERA"
    assert "no camera" not in panel("generate").text()
    scene.camera = None
    assert "no camera" in panel("generate").text()
    assert not own("blender.requests.image_request").ready(fakes.Context())


def test_fields_follow_the_choice(film: Any) -> None:
    props = bpy.context.scene.movie_director
    assert "input_image" not in panel("generate").properties()
    props.input_source = "FILE"
    assert {"input_image", "strength"} <= set(panel("generate").properties())
    assert "workflow" in panel("options").properties()


def test_the_list_is_empty_at_first(film: Any) -> None:
    assert panel("jobs").texts() == ["Nothing generated yet"]


def test_a_running_job_has_progress_and_a_way_to_cancel(comfyui: Any) -> None:
    job = start_job(steps=1000)
    waiting = start_job(prompt="the second")
    pump_until(lambda: job.status.progress is not None and job.status.progress.step)
    drawn = panel("jobs")
    [bar] = [given for name, given in drawn.log if name == "progress"]
    assert 0.0 < bar["factor"] < 1.0
    assert "/1000" in bar["text"]
    assert drawn.operators().count("movie_director.cancel_job") == 2
    assert "Next in the queue" in drawn.text()
    assert waiting.cancel()


def test_a_result_says_where_it_is(comfyui: Any) -> None:
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    drawn = panel("jobs")
    assert "Placed in 'Scene'" in drawn.text()
    assert "movie_director.place_result" in drawn.operators()


def test_an_error_has_its_words_and_a_way_to_copy_them(film: Any) -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        bpy.ops.movie_director.generate_image(prompt="hello")
    drawn = panel("jobs")
    [view] = runtime_ref().jobs()
    for words in (view.status.error.message, view.status.error.hint):
        assert words.split()[0] in drawn.text()
    assert "movie_director.copy_error" in drawn.operators()
    assert "movie_director.retry_job" in drawn.operators()


def test_a_cancelled_job_says_whether_the_server_knows(comfyui: Any) -> None:
    job = start_job(steps=1000)
    pump_until(job.running)
    job.cancel()
    assert "Cancelled" in panel("jobs").text()
    pump_until(lambda: job.status.backend_cancel.value == "confirmed")
    assert "the job was stopped on the server" in panel("jobs").text()


def test_a_missing_part_of_a_result_is_shown_with_its_job_and_its_strip(film: Any, comfyui: Any) -> None:
    job = start_job(workflow=str(workflow_with_a_refused_part(film.parent / "half.json")))
    pump_until(lambda: settled(job))
    [strip] = strips()
    strip.select = True
    shown = " ".join(panel("jobs").texts())
    assert shown.count("ComfyUI rejected the workflow") == 2
    assert f"{strip.name}: ComfyUI rejected the workflow" in shown
    strip.select = False
    assert " ".join(panel("jobs").texts()).count("ComfyUI rejected the workflow") == 1


def test_old_jobs_are_folded_away_and_can_be_cleared(comfyui: Any) -> None:
    job_list = own("ui.job_list")
    for number in range(job_list.SHOWN + 2):
        last = start_job(prompt=f"picture {number}", steps=1)
    pump_until(lambda: settled(last) and not ui().queue)
    assert f"Show all {job_list.SHOWN + 2}" in panel("jobs").texts()
    assert len([text for text in panel("jobs").texts() if text.startswith("picture")]) == job_list.SHOWN
    assert bpy.ops.movie_director.clear_finished() == {"FINISHED"}
    assert panel("jobs").texts() == ["Nothing generated yet"]


def test_a_job_can_be_removed_once_it_has_ended(comfyui: Any) -> None:
    job = start_job(steps=1000)
    assert bpy.ops.movie_director.remove_job(job_id=job.id) == {"CANCELLED"}
    job.cancel()
    assert bpy.ops.movie_director.remove_job(job_id=job.id) == {"FINISHED"}
    assert runtime_ref().jobs() == []


def test_the_preferences_show_all_backends() -> None:
    drawn = preferences_drawn()
    assert drawn.operators().count("movie_director.test_connection") == len(own("clients.registry").BACKENDS)
    assert drawn.properties()[:2] == ["demo_mode", "url"]
    assert "api_key" in drawn.properties()


def test_the_preferences_name_what_overrules_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOVIE_DIRECTOR_COMFYUI_KEY", "x")
    assert "MOVIE_DIRECTOR_COMFYUI_KEY" in preferences_drawn().text()


def test_long_words_are_wrapped_to_the_width_of_the_panel() -> None:
    labels = own("ui.labels")
    layout = fakes.Layout()
    labels.paragraph(layout, fakes.Context(), "word " * 60, "ERROR", alert=True)
    assert len(layout.texts()) > 5
    assert max(len(text) for text in layout.texts()) <= labels.letters_across(fakes.Context())


def test_error_details_are_complete(film: Any) -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        bpy.ops.movie_director.generate_image(prompt="hello")
    [view] = runtime_ref().jobs()
    details = own("blender.platform.formatting").error_details(view)
    for part in (view.id, "[refused]", view.status.error.message, view.status.error.hint):
        assert part in details
    assert bpy.ops.movie_director.copy_error(job_id=view.id) == {"FINISHED"}


def test_demo_jobs_say_nothing_of_the_server(comfyui: Any) -> None:
    job_list = own("ui.job_list")
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    assert job_list.server_answers("comfyui")
    preferences().demo_mode = True
    assert not job_list.server_answers("comfyui")
    preferences().demo_mode = False
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    assert not job_list.server_answers("comfyui")


def test_a_connection_test_is_of_one_address(comfyui: Any) -> None:
    assert bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui") == {"FINISHED"}
    settings = own("blender.state.settings")
    assert ui().probe_of("comfyui", settings.server_key("comfyui")).info is not None
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    assert ui().probe_of("comfyui", settings.server_key("comfyui")) is None
