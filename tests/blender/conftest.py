"""Tests inside a real headless Blender, where the extension is installed under its true name.

tools/blender_suite.py starts the session, installs or enables the extension and then runs pytest in the same process.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.append(str(Path(__file__).resolve().parent.parent))  # for tests/support

from support.waiting import HANG_GUARD_S

PACKAGE = "bl_ext.user_default.movie_director"
THREADS_END_S = 20.0


def own(name: str) -> ModuleType:
    """Import a module of the installed extension: ``own("blender.commands")``."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def ui() -> Any:
    """Return the state behind the panels."""
    return own("blender.state.ui_state").ui


def runtime_ref() -> ModuleType:
    """Return the module that holds the runtime."""
    return own("blender.state.runtime_ref")


def enable() -> None:
    """Enable the extension if it is not."""
    if PACKAGE not in bpy.context.preferences.addons:
        assert bpy.ops.preferences.addon_enable(module=PACKAGE) == {"FINISHED"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what makes sense only in the other session."""
    session = os.environ.get("MD_SESSION", "install")
    for item in items:
        for name in ("install", "restart"):
            if item.get_closest_marker(f"{name}_only") and session != name:
                item.add_marker(pytest.mark.skip(reason=f"only in the {name} session"))


def extension_threads() -> list[threading.Thread]:
    """Return the threads that run beside the main one and pytest's own."""
    return [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.name.startswith("pytest")
    ]


@pytest.fixture(scope="session", autouse=True)
def _disabled_at_the_end() -> Iterator[None]:
    """Some Blenders crash or hang at exit with our classes still in them."""
    enable()
    yield
    if PACKAGE in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_disable(module=PACKAGE)


@pytest.fixture(autouse=True)
def film(tmp_path: Path) -> Iterator[Path]:
    """A new film on disk, the preferences as after the installation; nothing is left running afterwards."""
    enable()
    threads = extension_threads()
    path = new_film(tmp_path / "film.blend")
    chosen = preferences()
    before = {
        name: getattr(chosen, name)
        for name in ("demo_mode", "remember_keys", "output_folder", "unsaved_folder", "strip_seconds")
    }
    rows_before = {
        backend: _values_of(getattr(chosen.backends, backend)) for backend in own("clients.registry").BACKENDS
    }
    yield path
    enable()
    own("blender.commands").close()
    # what was left running is no business of the next test
    shutil.rmtree(own("blender.state.settings").own_folder("state"), ignore_errors=True)
    chosen = preferences()
    rows = [(getattr(chosen.backends, backend), values) for backend, values in rows_before.items()]
    for owner, values in ((chosen, before), *rows):
        for name, value in values.items():
            setattr(owner, name, value)
    assert_no_threads(threads)


def _values_of(row: Any) -> dict[str, Any]:
    names = (
        "url",
        "api_key",
        "headers",
        "verify_tls",
        "ca_file",
        "speech_url",
        "speech_key",
        "speech_model",
        "piper_voice",
    )
    return {name: getattr(row, name) for name in names if hasattr(row, name)}


def assert_no_threads(known: Collection[threading.Thread] = ()) -> None:
    """Fail if a thread outlives its runtime, and show where it is; ``known`` are those of earlier tests."""
    deadline = time.monotonic() + THREADS_END_S
    for thread in extension_threads():
        if thread not in known:
            thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread for thread in extension_threads() if thread not in known]
    frames = sys._current_frames()
    stacks = [f"{thread.name}\n{''.join(traceback.format_stack(frames[thread.ident or 0]))}" for thread in left]
    assert not left, "\n".join(stacks)


FILM_SIZE = (480, 272)
"""The size of a picture for the film of a test: a mock paints it in a tenth of the time that it takes for full HD."""


def new_film(path: Path) -> Path:
    """Start from Blender's factory scene, with a smaller picture in fewer steps, and save it under a name."""
    bpy.ops.wm.read_homefile(use_factory_startup_app_template_only=False, use_empty=False)
    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = FILM_SIZE
    bpy.context.scene.movie_director.steps = 3
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


@pytest.fixture
def comfyui() -> Iterator[Any]:
    """A mock ComfyUI on loopback, five times as fast as life; the preferences point to it."""
    with own("clients.mock").MockBackends(speed=5.0, only=["comfyui"]) as mocks:
        preferences().backends.comfyui.url = mocks.comfyui.url
        yield mocks.comfyui


@pytest.fixture
def litellm() -> Iterator[Any]:
    """A mock LiteLLM on loopback, a hundred times as fast as life; the preferences point to it."""
    with own("clients.mock").MockBackends(speed=100.0, only=["litellm"]) as mocks:
        preferences().backends.litellm.url = mocks.litellm.url
        yield mocks.litellm


@pytest.fixture
def slow_litellm() -> Iterator[Any]:
    """The same as fast as life, so that an answer can be met in the middle."""
    with own("clients.mock").MockBackends(only=["litellm"]) as mocks:
        preferences().backends.litellm.url = mocks.litellm.url
        yield mocks.litellm


def script(words: str, name: str = "script") -> Any:
    """Make a text with a script in it."""
    text = bpy.data.texts.new(name)
    text.from_string(words)
    return text


def preferences() -> Any:
    """Return the extension's preferences."""
    return bpy.context.preferences.addons[PACKAGE].preferences


def workflow_with_a_refused_part(path: Path) -> Path:
    """Write the bundled workflow with a second picture that the server refuses, and return its path."""
    graph = json.loads(own("clients.comfyui").bundled_workflow("text_to_image").read_text(encoding="utf-8"))
    graph["90"] = {"class_type": "EmptyImage", "inputs": {"width": 0, "height": 8, "batch_size": 1, "color": 1}}
    graph["91"] = {"class_type": "SaveImage", "inputs": {"images": ["90", 0], "filename_prefix": "x"}}
    path.write_text(json.dumps(graph), encoding="utf-8")
    return path


def pump_until(done: Callable[[], Any]) -> None:
    """Do what the timer does in a Blender with a window, until ``done()``."""
    assert own("blender.pump.pump").pump_until(lambda: bool(done()), HANG_GUARD_S), "it did not happen in time"


def start_job(**overrides: Any) -> Any:
    """Submit an image without waiting for it."""
    overrides.setdefault("prompt", "a red fox")
    return own("blender.requests.image_request").submit_image(bpy.context, overrides)


def start_text(**overrides: Any) -> Any:
    """Submit the writing of a text without waiting for it."""
    overrides.setdefault("prompt", "a lighthouse")
    return own("blender.requests.text_request").submit_text(bpy.context, overrides)


def placement_of(job: Any) -> Any:
    """Return what became of a job's result so far, None if there is none."""
    return ui().placements.get(job.id)


def settled(job: Any) -> bool:
    """Whether a job's result has been placed or offered."""
    placement = placement_of(job)
    return placement is not None and placement.settled


def strips(scene: Any = None) -> list[Any]:
    """Return the strips of a scene."""
    return list(own("blender.platform.sequencer").strips_of(scene or bpy.context.scene))
