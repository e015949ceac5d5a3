"""Cancelling a job, from the panel, by Esc, and by Ctrl-C; and what a loaded file does to it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import HANG_GUARD_S, new_film, own, placement_of, pump_until, runtime_ref, settled, start_job, strips

LONG = 1000


def running_job(comfyui: Any) -> Any:
    job = start_job(steps=LONG)
    pump_until(job.running)
    return job


def assert_cancelled_on_the_server(job: Any) -> None:
    pump_until(lambda: job.status.backend_cancel.value != "pending")
    assert job.status.backend_cancel.value == "confirmed"


def test_cancel_reaches_the_server_and_frees_the_lane(film: Path, comfyui: Any) -> None:
    job = running_job(comfyui)
    assert bpy.ops.movie_director.cancel_job(job_id=job.id) == {"FINISHED"}
    assert job.cancelled()
    assert_cancelled_on_the_server(job)
    assert bpy.ops.movie_director.generate_image(prompt="the next one", steps=1) == {"FINISHED"}
    assert placement_of(job) is None
    assert len(strips()) == 1


def test_only_the_named_job_is_cancelled(film: Path, comfyui: Any) -> None:
    first = running_job(comfyui)
    second = start_job(steps=1)
    assert bpy.ops.movie_director.cancel_job(job_id=first.id) == {"FINISHED"}
    pump_until(lambda: settled(second))
    assert not second.cancelled()


def test_a_job_that_has_ended_can_not_be_cancelled(film: Path, comfyui: Any) -> None:
    job = start_job(steps=1)
    pump_until(lambda: settled(job))
    assert bpy.ops.movie_director.cancel_job(job_id=job.id) == {"CANCELLED"}
    assert not job.cancelled()


def test_an_unknown_job_is_named_so() -> None:
    with pytest.raises(RuntimeError, match="no longer in the list"):
        bpy.ops.movie_director.cancel_job(job_id="nobody")


def test_ctrl_c_cancels_what_a_script_waits_for(film: Path, comfyui: Any) -> None:
    def press() -> None:
        comfyui.requests.wait("POST /prompt", HANG_GUARD_S)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    before = signal.getsignal(signal.SIGINT)
    assert bpy.ops.movie_director.generate_image(prompt="long", steps=LONG) == {"CANCELLED"}
    presser.join()
    assert signal.getsignal(signal.SIGINT) is before
    [view] = runtime_ref().jobs()
    assert view.status.state.value == "cancelled"
    assert view.status.backend_cancel.value == "confirmed"


def test_a_job_outlives_the_loading_of_its_own_film(film: Path, comfyui: Any) -> None:
    job = running_job_of(steps=20)
    bpy.ops.wm.open_mainfile(filepath=str(film))
    pump_until(lambda: settled(job))
    assert placement_of(job).state.value == "placed"
    assert len(strips()) == 1


def test_a_job_outlives_the_loading_of_another_film(film: Path, comfyui: Any, tmp_path: Path) -> None:
    job = running_job_of(steps=20)
    (tmp_path / "other").mkdir()
    new_film(tmp_path / "other" / "other.blend")
    pump_until(lambda: settled(job))
    placement = placement_of(job)
    assert placement.state.value == "offered"
    assert "not in this file" in placement.message
    assert strips() == []
    assert placement.result.artifacts[0].path.is_file()

    bpy.context.scene.frame_set(9)
    assert bpy.ops.movie_director.place_result(job_id=job.id) == {"FINISHED"}
    assert own("blender.platform.sequencer").bounds(strips()[0])[0] == 9


def running_job_of(steps: int) -> Any:
    job = start_job(steps=steps)
    pump_until(job.running)
    return job
