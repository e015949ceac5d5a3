"""How a scenario runs in a Blender with a window: a generator on a timer, that gives a verdict at its end.

A scenario is a generator function. It yields a number to wait that many seconds, or a function to wait until it is
true.
See tools/gui_test.py for the files it exchanges with the outside.
"""

from __future__ import annotations

import importlib
import json
import os
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

PACKAGE = "bl_ext.user_default.movie_director"
FOLDER = Path(os.environ["MD_GUI_FOLDER"])
INTERVAL_S = 0.1
PATIENCE_S = 60.0

Steps = Generator[float | Callable[[], Any], None, None]

_checks: list[dict[str, Any]] = []
_asked = 0


def own(name: str) -> ModuleType:
    """Import a module of the installed extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def preferences() -> Any:
    """Return the extension's preferences."""
    return bpy.context.preferences.addons[PACKAGE].preferences


def check(name: str, truth: Any, detail: Any = "") -> None:
    """Note whether something is as it should be."""
    _checks.append({"name": name, "ok": bool(truth), "detail": str(detail)})


def ask(**request: Any) -> Callable[[], bool]:
    """Ask for real input or a picture; yield what is returned to wait until it was done."""
    global _asked
    _asked += 1
    path = FOLDER / f"ask-{_asked}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(request), encoding="utf-8")
    part.rename(path)
    done = FOLDER / f"done-{_asked}.json"
    return done.exists


def ui() -> Any:
    """Return the state behind the panels."""
    return own("blender.state.ui_state").ui


def runtime_ref() -> Any:
    """Return the module that holds the runtime."""
    return own("blender.state.runtime_ref")


def window() -> Any:
    """Return Blender's main window; a context of its own is needed on timers."""
    return bpy.context.window_manager.windows[0]


def area_of(kind: str) -> Any:
    """Return the largest area of a kind."""
    areas = [area for area in window().screen.areas if area.type == kind]
    return max(areas, key=lambda area: area.width * area.height)


def press(operator: Any, **arguments: Any) -> set[str]:
    """Press an operator's button in the 3D viewport, or in the Sequencer where there is none."""
    kinds = {area.type for area in window().screen.areas}
    area = area_of("VIEW_3D" if "VIEW_3D" in kinds else "SEQUENCE_EDITOR")
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=area, region=region):
        result: set[str] = operator("INVOKE_DEFAULT", **arguments)
    return result


def show_tab(kind: str = "VIEW_3D") -> Steps:
    """Open the sidebar on the Director tab; it can be chosen only after it was drawn once."""
    yield 1.0  # a window of a file just loaded has to be drawn before it is touched
    area = area_of(kind)
    area.spaces.active.show_region_ui = True
    area.tag_redraw()
    yield 1.5
    for region in area_of(kind).regions:
        if region.type == "UI":
            region.active_panel_category = "Director"
    area_of(kind).tag_redraw()
    yield 0.5


def new_film(name: str) -> Path:
    """Start a film from Blender's factory scene and save it."""
    bpy.ops.wm.read_homefile(use_empty=False)
    path = FOLDER / name
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def newest_job() -> Any:
    """Return the job that was started last."""
    return runtime_ref().runtime().job(runtime_ref().jobs()[0].id)


def strips() -> list[Any]:
    """Return the strips that the Sequencer shows."""
    sequencer = own("blender.platform.sequencer")
    return list(sequencer.strips_of(sequencer.scene_of(bpy.context)))


def own_handlers() -> list[str]:
    """Return the extension's handlers in Blender."""
    return [each.__name__ for each in bpy.app.handlers.load_post if each.__module__.startswith(PACKAGE)]


def run(scenario: Callable[[], Steps]) -> None:
    """Run a scenario on Blender's timer and write its verdict."""
    steps = scenario()
    state: dict[str, Any] = {"until": 0.0, "wait": None}

    def tick() -> float | None:
        try:
            if not _time_to_go_on(state):
                return INTERVAL_S
            waited_for = next(steps)
        except StopIteration:
            _give_verdict()
            return None
        except Exception:  # whatever went wrong belongs into the verdict
            check("scenario", False, traceback.format_exc())
            _give_verdict()
            return None
        state["wait"] = waited_for if callable(waited_for) else None
        state["until"] = time.monotonic() + (PATIENCE_S if callable(waited_for) else waited_for)
        return INTERVAL_S

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


def _time_to_go_on(state: dict[str, Any]) -> bool:
    if state["wait"] is None:
        return time.monotonic() >= state["until"]
    if state["wait"]():
        return True
    if time.monotonic() > state["until"]:
        raise TimeoutError(f"waited {PATIENCE_S:.0f} s in vain")
    return False


def _give_verdict() -> None:
    verdict = {"ok": all(each["ok"] for each in _checks), "checks": _checks}
    part = FOLDER / "verdict.part"
    part.write_text(json.dumps(verdict), encoding="utf-8")
    part.rename(FOLDER / "verdict.json")
