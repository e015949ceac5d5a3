#!/usr/bin/env python3
"""Run the scenarios of tests/gui in a real Blender with a window (see gui_session.py); ``make test-gui``.

Each ``tests/gui/scenario_NAME.py`` runs in a Blender of its own, started for a user who has the extension installed and
enabled. It finds its folder for files in the environment variable ``MD_GUI_FOLDER`` and works on timers. It can ask for
real input by writing a file ``ask-N.json`` there (N counts up; write under another name, then rename):

    {"do": "click", "x": 1400, "y": 300}     from the top left corner of the screen
    {"do": "key", "key": "Escape"}
    {"do": "picture", "name": "progress"}    becomes build/gui/NAME-progress.png

and finds ``done-N.json`` when it was done. At its end it writes ``verdict.json``:

    {"ok": true, "checks": [{"name": "ESC cancels", "ok": true, "detail": "..."}]}

and may then quit Blender or not. build/gui gets its verdict, Blender's output, and a picture of the screen at the end.
Where no Blender with a window can be had, the reason is printed and nothing fails, unless ``REQUIRE_GUI=1`` is set.
``GUI_SUITE=trixie`` takes Debian's Blender 4.3 instead of sid's 5.2.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_extension import ROOT, zip_path
from gui_session import POLL_S, GuiError, Session, Unavailable, Workplace, chroot, x_server

SCENARIOS = ROOT / "tests" / "gui"
RESULTS = ROOT / "build" / "gui"
SCENARIO_TIMEOUT_S = 240.0
PREPARE = "import bpy, sys; bpy.context.preferences.view.show_splash = False; sys.path.insert(0, {!r})"


def run_scenario(script: Path, workplace: Workplace) -> dict[str, Any]:
    """Run one scenario; return its verdict."""
    name = script.stem.removeprefix("scenario_")
    scripts = workplace.inside / "scripts"
    shutil.copytree(script.parent, workplace.outside / "scripts", dirs_exist_ok=True)
    arguments = ["--python-exit-code", "1", "--python-expr", PREPARE.format(str(scripts))]
    arguments += ["--python", str(scripts / script.name)]
    with x_server() as display, Session(workplace, display, arguments, RESULTS / f"{name}.log") as session:
        session.wait_for_window()
        verdict = follow(name, workplace.outside, session)
        if session.process.poll() is None and not session.take_picture(RESULTS / f"{name}.png"):
            verdict["checks"].append({"name": "picture at the end", "ok": False, "detail": "it is black"})
    verdict["ok"] = bool(verdict.get("ok")) and all(check["ok"] for check in verdict["checks"])
    (RESULTS / f"{name}.json").write_text(json.dumps(verdict, indent=2), encoding="utf-8")
    return verdict


def follow(name: str, folder: Path, session: Session) -> dict[str, Any]:
    """Do what the scenario asks for until it gives its verdict."""
    deadline = time.monotonic() + SCENARIO_TIMEOUT_S
    number = 1
    while time.monotonic() < deadline:
        request = folder / f"ask-{number}.json"
        if request.exists():
            answer = fulfil(name, json.loads(request.read_text(encoding="utf-8")), session)
            arriving = folder / f"done-{number}.part"
            arriving.write_text(json.dumps(answer), encoding="utf-8")
            arriving.rename(folder / f"done-{number}.json")
            number += 1
            continue
        verdict = folder / "verdict.json"
        ended = session.ends_within(POLL_S)
        if verdict.exists():
            return {"checks": [], **json.loads(verdict.read_text(encoding="utf-8"))}
        if ended:
            return failure(f"Blender ended with {session.process.returncode} and gave no verdict")
    return failure(f"no verdict after {SCENARIO_TIMEOUT_S:.0f} s")


def fulfil(name: str, request: dict[str, Any], session: Session) -> dict[str, Any]:
    """Give real input or take a picture."""
    match request["do"]:
        case "click":
            session.click(request["x"], request["y"])
        case "key":
            session.key(request["key"])
        case "picture":
            return {"ok": session.take_picture(RESULTS / f"{name}-{request['name']}.png", patience_s=5.0)}
        case other:
            return {"ok": False, "detail": f"{other!r} is not known"}
    return {"ok": True}


def failure(detail: str) -> dict[str, Any]:
    """Return the verdict of a scenario that could give none."""
    return {"ok": False, "checks": [{"name": "scenario", "ok": False, "detail": detail}]}


def main() -> int:
    """Run all scenarios, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="scenarios to run, without scenario_ and .py")
    parser.add_argument("--scenarios", type=Path, default=SCENARIOS, help="their folder")
    arguments = parser.parse_args()
    scripts = [
        path
        for path in sorted(arguments.scenarios.glob("scenario_*.py"))
        if not arguments.names or path.stem.removeprefix("scenario_") in arguments.names
    ]
    if not scripts:
        print(f"no scenario in {arguments.scenarios}", file=sys.stderr)
        return 1
    try:
        root = chroot(os.environ.get("GUI_SUITE", "sid"))
    except Unavailable as reason:
        print(f"GUI TESTS SKIPPED: {reason}", flush=True)
        return 1 if os.environ.get("REQUIRE_GUI") else 0
    build = [sys.executable, str(ROOT / "tools" / "build_extension.py")]
    if subprocess.run(build, check=False).returncode:
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed = 0
    for script in scripts:
        started = time.monotonic()
        workplace = Workplace(root)
        try:
            workplace.install(zip_path())
            verdict = run_scenario(script, workplace)
        except GuiError as error:
            verdict = failure(str(error))
        finally:
            workplace.remove()
        failed += not verdict["ok"]
        print(f"{'ok' if verdict['ok'] else 'FAILED':8} {time.monotonic() - started:6.1f} s  {script.stem}", flush=True)
        for check in verdict["checks"]:
            print(f"    {'ok' if check['ok'] else 'FAILED':8} {check['name']}: {check.get('detail', '')}", flush=True)
    print(f"verdicts, logs and pictures: {RESULTS}")
    print(f"{len(scripts) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
