"""Enabling, disabling and ending: nothing is left behind, and Blender ends soon."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import HANG_GUARD_S, PACKAGE, assert_no_threads, enable, own, preferences, pump_until, start_job

CLOSE_S = 2.0
SLACK = 3.0


def traces() -> list[str]:
    """Return all that the extension has in Blender, by name."""
    found = [name for name in dir(bpy.types) if "MOVIE_DIRECTOR" in name.upper() or name == "MovieDirectorPreferences"]
    found += [owner for owner in ("Scene", "WindowManager") if hasattr(getattr(bpy.types, owner), "movie_director")]
    found += [name for name in dir(bpy.ops.movie_director) if not name.startswith("_")]
    for name in dir(bpy.app.handlers):
        handlers = getattr(bpy.app.handlers, name)
        if isinstance(handlers, list):
            found += [f"{name}: {each.__module__}" for each in handlers if each.__module__.startswith(PACKAGE)]
    return found


def test_disabling_leaves_nothing(film: Path, comfyui: Any) -> None:
    assert traces()
    job = start_job(steps=1000)
    pump_until(job.running)
    own("blender.pump.handlers").add()
    started = time.monotonic()
    bpy.ops.preferences.addon_disable(module=PACKAGE)
    assert time.monotonic() - started < CLOSE_S * SLACK
    assert traces() == []
    comfyui.stop()
    assert_no_threads()
    enable()
    assert traces()


def test_enabling_again_works_on(film: Path, comfyui: Any) -> None:
    url = comfyui.url
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=PACKAGE)
        enable()
    preferences().backends.comfyui.url = url
    assert bpy.ops.movie_director.generate_image(prompt="hello", steps=1) == {"FINISHED"}


def test_unregister_twice_is_harmless() -> None:
    root = importlib.import_module(PACKAGE)
    root.unregister()
    root.unregister()
    root.register()
    assert traces()


def in_a_new_blender(script: str, timeout: float = HANG_GUARD_S) -> subprocess.CompletedProcess[str]:
    """Run a script in a Blender of its own, on the same user folder, that ends as Python ends."""
    prelude = f"""
        import sys, threading, time
        import bpy
        PACKAGE = {PACKAGE!r}
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, check=False, env=dict(os.environ)
    )


def test_registering_opens_no_socket_and_starts_no_thread() -> None:
    done = in_a_new_blender("""
        import socket
        opened = []
        sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
        threads = threading.active_count()
        before = set(sys.modules)
        bpy.ops.preferences.addon_enable(module=PACKAGE)
        assert PACKAGE in bpy.context.preferences.addons
        new = set(sys.modules) - before
        print("MODULES", sorted(name for name in new if name.split(".")[0] in
              ("gradio_client", "requests", "idna", "charset_normalizer", "urllib3", "websocket", "wsproto", "http",
               "ssl", "asyncio", "filelock")))
        print("OWN", sorted(name for name in new if name.startswith(PACKAGE + ".clients.http")))
        print("THREADS", threading.active_count() - threads)
        print("SOCKETS", opened)
        bpy.ops.preferences.addon_disable(module=PACKAGE)
    """)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "MODULES []" in lines
    assert "OWN []" in lines
    assert "THREADS 0" in lines
    assert "SOCKETS []" in lines


@pytest.mark.parametrize("way", ["enabled", "disabled", "in mid-job", "after a job"])
def test_blender_ends_by_itself(way: str, tmp_path: Path) -> None:
    done = in_a_new_blender(f"""
        way = {way!r}
        bpy.ops.preferences.addon_enable(module=PACKAGE)
        preferences = bpy.context.preferences.addons[PACKAGE].preferences
        preferences.demo_mode = True
        preferences.output_folder = {str(tmp_path)!r}
        if way == "in mid-job":
            import importlib
            generation = importlib.import_module(PACKAGE + ".blender.requests.image_request")
            job = generation.submit_image(bpy.context, {{"prompt": "x", "steps": 1000}})
            pump = importlib.import_module(PACKAGE + ".blender.pump.pump")
            assert pump.pump_until(job.running, 60)
        if way == "after a job":
            assert bpy.ops.movie_director.generate_image(prompt="x", steps=1) == {{"FINISHED"}}
        if way == "disabled":
            bpy.ops.preferences.addon_disable(module=PACKAGE)
        print("LAST LINE", flush=True)
    """)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "LAST LINE" in done.stdout
