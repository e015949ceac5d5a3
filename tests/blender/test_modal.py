"""The modal half of the operators, driven by hand: Blender without a window never calls ``modal()``."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import fakes
import pytest
from conftest import own, pump_until, runtime_ref, settled

LONG = 1000


@pytest.fixture
def following() -> Iterator[ModuleType]:
    module = own("operators.progress_modal")
    yield module
    module.modal_state.follower = None
    module.close()


@pytest.fixture
def operator(following: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The operator as a user has it, in a Blender with a window."""
    monkeypatch.setattr(own("operators.base"), "bpy", fakes.WithWindow())
    return make(following)


def make(following: ModuleType, **given: Any) -> Any:
    given = {"prompt": "a red fox", "steps": LONG, **given}
    cls = own("operators.generate").MOVIE_DIRECTOR_OT_generate_image
    return fakes.operator_of(cls, **given)


def newest() -> Any:
    return runtime_ref().runtime().job(runtime_ref().jobs()[0].id)


def test_invoke_starts_and_shows_progress(operator: Any, following: ModuleType, comfyui: Any) -> None:
    context = fakes.Context()
    assert operator.invoke(context, fakes.event("LEFTMOUSE")) == {"RUNNING_MODAL"}
    assert len(context.window_manager.timers) == 1
    job = newest()
    pump_until(lambda: job.status.progress is not None and job.status.progress.step)
    assert operator.modal(context, fakes.event("TIMER")) == {"PASS_THROUGH"}
    assert "a red fox" in context.workspace.status
    assert "Esc: cancel" in context.workspace.status


def test_the_user_can_work_on(operator: Any, comfyui: Any) -> None:
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    for kind in ("MOUSEMOVE", "LEFTMOUSE", "G", "WHEELUPMOUSE"):
        assert operator.modal(context, fakes.event(kind)) == {"PASS_THROUGH"}
    assert not newest().done()


def test_escape_cancels_and_everything_is_taken_back(operator: Any, following: ModuleType, comfyui: Any) -> None:
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    job = newest()
    pump_until(job.running)
    assert operator.modal(context, fakes.event("TIMER")) == {"PASS_THROUGH"}
    assert operator.modal(context, fakes.event("ESC")) == {"RUNNING_MODAL"}
    assert job.cancelled()
    assert operator.reports == [("INFO", "Cancelled: a red fox")]
    assert operator.modal(context, fakes.event("TIMER")) == {"FINISHED"}
    assert context.window_manager.timers == []
    assert context.workspace.status is None
    assert following.modal_state.follower is None
    pump_until(lambda: job.status.backend_cancel.value == "confirmed")


def test_escape_that_stops_playback_or_a_render_cancels_nothing(
    operator: Any, comfyui: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    monkeypatch.setattr(own("blender.placing.placement"), "obstacle", lambda: "Placed when the render is done")
    assert operator.modal(context, fakes.event("ESC")) == {"PASS_THROUGH"}
    assert not newest().done()


def test_cancel_from_the_panel_ends_it_too(operator: Any, comfyui: Any) -> None:
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    assert newest().cancel()
    assert operator.modal(context, fakes.event("TIMER")) == {"FINISHED"}
    assert context.window_manager.timers == []


def test_it_ends_with_the_job(operator: Any, comfyui: Any) -> None:
    operator.steps = 1
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    job = newest()
    pump_until(lambda: settled(job))
    assert operator.modal(context, fakes.event("TIMER")) == {"FINISHED"}
    assert context.workspace.status is None


def test_a_loaded_file_ends_the_operator_and_not_the_job(operator: Any, following: ModuleType, comfyui: Any) -> None:
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    operator.cancel(context)
    assert context.window_manager.timers == []
    assert following.modal_state.follower is None
    assert not newest().done()


def test_a_second_job_is_followed_by_the_first_operator(operator: Any, following: ModuleType, comfyui: Any) -> None:
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    second = make(following, prompt="a blue bird")
    assert second.invoke(context, fakes.event("LEFTMOUSE")) == {"FINISHED"}
    assert len(context.window_manager.timers) == 1
    bird = newest()
    operator.modal(context, fakes.event("TIMER"))
    assert "a blue bird" in context.workspace.status
    assert "1 more" in context.workspace.status
    operator.modal(context, fakes.event("ESC"))
    assert bird.cancelled()
    assert len(following.modal_state.views()) == 1


def test_it_lets_go_for_auto_save_and_comes_back(
    operator: Any, following: ModuleType, comfyui: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered: list[Any] = []
    window = fakes.WithWindow()
    window.app.timers = type("Timers", (), {"register": lambda _self, call, **_options: registered.append(call)})()
    monkeypatch.setattr(following, "bpy", window)
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    operator._pause_at = 0.0
    assert operator.modal(context, fakes.event("TIMER")) == {"FINISHED"}
    assert registered == [following.resume_following]
    assert len(following.modal_state.views()) == 1
    monkeypatch.undo()
    follower = fakes.operator_of(own("operators.generate").MOVIE_DIRECTOR_OT_follow_jobs)
    assert follower.invoke(context, fakes.event("NONE")) == {"RUNNING_MODAL"}
    operator.modal(context, fakes.event("ESC"))
    assert newest().cancelled()


def test_an_error_at_the_start_is_told(operator: Any, film: Any) -> None:
    operator.prompt = " "
    assert operator.invoke(fakes.Context(), fakes.event("LEFTMOUSE")) == {"CANCELLED"}
    assert operator.reports[0][0] == "ERROR"
    assert "There is no prompt" in operator.reports[0][1]


def test_a_failure_in_mid_job_is_told(operator: Any, comfyui: Any) -> None:
    comfyui.inject(own("clients.mock").Fault("oom"))
    context = fakes.Context()
    operator.invoke(context, fakes.event("LEFTMOUSE"))
    pump_until(newest().done)
    assert operator.modal(context, fakes.event("TIMER")) == {"FINISHED"}
    [(level, text)] = operator.reports
    assert level == "ERROR"
    assert "a red fox" in text
    assert "memory" in text
    assert newest().status.error.hint in text


def test_retry_sends_the_same_request(comfyui: Any, following: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = own("operators.jobs")
    monkeypatch.setattr(jobs, "bpy", fakes.WithWindow())
    context = fakes.Context()
    comfyui.inject(own("clients.mock").Fault("oom"))
    first = make(following, steps=1, seed="99")
    monkeypatch.setattr(own("operators.base"), "bpy", fakes.WithWindow())
    first.invoke(context, fakes.event("LEFTMOUSE"))
    failed = newest()
    pump_until(failed.done)
    assert first.modal(context, fakes.event("TIMER")) == {"FINISHED"}
    cls = jobs.MOVIE_DIRECTOR_OT_retry_job
    retry = fakes.operator_of(cls, job_id=failed.id)
    assert retry.invoke(context, fakes.event("LEFTMOUSE")) == {"RUNNING_MODAL"}
    again = newest()
    assert again.id != failed.id
    pump_until(lambda: settled(again))
    seeds = [request.json["prompt"]["3"]["inputs"]["seed"] for request in comfyui.requests.matching("POST /prompt")]
    assert seeds == [99, 99]
