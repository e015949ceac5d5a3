"""The terminal command and Ctrl-C in the real application, whose signals are its own, not those of the bpy module."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy
import steps

PROMPT = ("generate-image", "--prompt", "a red fox")


def scenario() -> steps.Steps:
    film = steps.new_film("terminal.blend")
    done = yield from _run(film, *PROMPT, "--steps", "3", "--demo", "--camera", "--save")
    steps.check("a picture is made", done.returncode == 0, done.output)
    bpy.ops.wm.open_mainfile(filepath=str(film))
    yield 1.0
    steps.check("and saved in the film", len(steps.strips()) == 1, steps.strips())

    steps.preferences().backends.comfyui.url = "http://127.0.0.1:9"
    bpy.ops.wm.save_userpref()
    done = yield from _run(film, *PROMPT)
    steps.check("without a server the exit status is 1", done.returncode == 1, done.output)
    steps.check("the reason is said", "127.0.0.1:9" in done.output and "Traceback" not in done.output, done.output)

    done = yield from _run(film, "test-connection", "comfyui", "--demo")
    steps.check("a connection is tested", done.returncode == 0, done.output)
    done = yield from _run(film, "nonsense")
    steps.check("wrong usage has status 2", done.returncode == 2, done.output)

    done = yield from _run(film, *PROMPT, "--steps", "1000", "--demo", interrupt_at="Sampler")
    steps.check("Ctrl-C ends it with status 130", done.returncode == 130, done.output)
    steps.check("it says so", "Cancelled." in done.output and "Traceback" not in done.output, done.output)


class _Done:
    def __init__(self, returncode: int, output: str) -> None:
        self.returncode = returncode
        self.output = output


def _run(film: Path, *arguments: str, interrupt_at: str = "") -> Generator[Any, None, _Done]:
    output = steps.FOLDER / "output.txt"
    with output.open("wb") as file:
        child = subprocess.Popen(
            [bpy.app.binary_path, "-b", str(film), "--command", "movie_director", *arguments],
            env=dict(os.environ),
            stdout=file,
            stderr=file,
        )
    if interrupt_at:
        yield lambda: interrupt_at in output.read_text(encoding="utf-8") or child.poll() is not None
        child.send_signal(signal.SIGINT)
    yield lambda: child.poll() is not None
    return _Done(child.returncode, output.read_text(encoding="utf-8", errors="replace"))


steps.run(scenario)
