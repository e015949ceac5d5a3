"""Quit Blender in mid-job: it ends soon, without a crash. A second Blender quits while this one watches."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import bpy
import steps

EXIT_S = 2.0
SLACK = 5.0


def scenario() -> steps.Steps:
    folder = steps.FOLDER / "child"
    folder.mkdir()
    script = Path(__file__).with_name("quitting_blender.py")
    prepare = f"import sys; sys.path.insert(0, {str(script.parent)!r})"
    with (folder / "output.txt").open("wb") as output:
        child = subprocess.Popen(
            [bpy.app.binary_path, "-noaudio", "--python-expr", prepare, "--python", str(script)],
            env={**os.environ, "MD_GUI_FOLDER": str(folder)},
            stdout=output,
            stderr=output,
        )
    leaving = folder / "leaving"
    yield lambda: leaving.exists() or child.poll() is not None
    started = time.monotonic()
    steps.check("the other Blender was in mid-job", leaving.exists())
    yield lambda: child.poll() is not None
    seconds = time.monotonic() - started
    steps.check("it ended soon", seconds < EXIT_S * SLACK, f"after {seconds:.1f} s")
    steps.check("it did not crash", child.returncode == 0, child.returncode)
    words = (folder / "output.txt").read_text(encoding="utf-8", errors="replace")
    steps.check("it said nothing of errors", "Traceback" not in words and "Error" not in words, words[-500:])


steps.run(scenario)
