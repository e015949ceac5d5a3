"""A Blender that is killed in mid-job loses nothing that the server still has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import HANG_GUARD_S, PACKAGE, own, pump_until, runtime_ref, settled, strips

KILLED = """
    import importlib, os, sys
    import bpy
    PACKAGE, film, url = sys.argv[1:4]
    bpy.ops.wm.open_mainfile(filepath=film)
    bpy.ops.preferences.addon_enable(module=PACKAGE)
    bpy.context.preferences.addons[PACKAGE].preferences.backends.comfyui.url = url
    generation = importlib.import_module(PACKAGE + ".blender.requests.image_request")
    pump = importlib.import_module(PACKAGE + ".blender.pump.pump")
    bpy.context.scene.frame_set(5)
    job = generation.submit_image(bpy.context, {"prompt": "a red fox", "seed": "3", "steps": 20})
    assert pump.pump_until(job.running, 60)
    print("RUNNING", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def killed_in_mid_job(film: Path, comfyui: Any) -> None:
    """Have another Blender start a job for this film, and kill it when the server works on it."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), PACKAGE, str(film), comfyui.url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "RUNNING":
                break
        process.send_signal(signal.SIGKILL)
        assert process.wait(HANG_GUARD_S) == -signal.SIGKILL


def test_the_result_is_fetched_and_placed(film: Path, comfyui: Any, killed_in_mid_job: None) -> None:
    assert bpy.ops.movie_director.recover_jobs("EXEC_DEFAULT") == {"FINISHED"}
    [view] = runtime_ref().jobs()
    pump_until(lambda: settled(view))
    assert len(comfyui.requests.matching("POST /prompt")) == 1
    assert own("blender.platform.sequencer").bounds(strips()[0])[0] == 5
    assert len(list((film.parent / "movie_director").glob("*.png"))) == 1


def test_the_terminal_command_recovers_too(
    film: Path, comfyui: Any, killed_in_mid_job: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert own("cli.command_line").run(["recover", "--timeout", str(HANG_GUARD_S)]) == 0
    assert ".png" in capsys.readouterr().out
    assert own("cli.command_line").run(["recover"]) == 0
