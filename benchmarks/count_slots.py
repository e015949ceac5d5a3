#!/usr/bin/env python3
"""Count the slots that are found in a folder of workflows: ``count_slots.py FOLDER OBJECT_INFO.json [NAME...]``.

OBJECT_INFO.json is what a ComfyUI server answers at ``/object_info``. NAME is how the files begin that count, such as
``image_ video_``. A slot is filled as Blender does it and looked up in the template that a script gets; where the two
differ, or a workflow can't be converted, its name is printed.
"""

from __future__ import annotations

import copy
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build" / "src"))


def main() -> int:
    """Print how many workflows have each slot; return 1 if Blender and scripts differ in one."""
    folder, known = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    paths = [path for path in sorted(folder.rglob("*.json")) if path.name.startswith(tuple(sys.argv[3:]) or "")]
    blender: Counter[str] = Counter()
    scripts: Counter[str] = Counter()
    differ = converted = 0
    for path in paths:
        try:
            found, named = find_slots(path, known)
        except Exception as error:  # noqa: BLE001 - any reason counts as not converted, and is printed
            print(f"{path.name}: {error}")
            continue
        converted += 1
        blender.update(found.keys())
        scripts.update(named.keys())
        if found != named:
            differ += 1
            print(f"{path.name}: Blender {found}, scripts {named}")
    print(f"{len(paths)} workflows, {converted} converted, {differ} with different answers")
    print(f"{'slot':18}{'Blender':>8}{'scripts':>8}")
    for slot in blender | scripts:
        print(f"{slot:18}{blender[slot]:8}{scripts[slot]:8}")
    return min(differ, 1)


def find_slots(path: Path, known: dict[str, Any]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the inputs of each slot of a workflow: those that Blender fills, and those of its template."""
    from movie_director.clients.comfyui.request import IMAGE, PROMPT, SLOTS, TEXT_SLOTS, WorkflowRequest
    from movie_director.clients.comfyui.run.planning import make_plan
    from movie_director.clients.comfyui.workflow.conversion import Converted, convert
    from movie_director.clients.comfyui.workflow.loading import is_ui_format, load_workflow
    from movie_director.clients.comfyui.workflow.template import WorkflowTemplate
    from movie_director.clients.errors import ValidationError

    workflow = load_workflow(path)
    converted = convert(workflow, known) if is_ui_format(workflow) else Converted(workflow)
    classes = {str(node["class_type"]) for node in converted.prompt.values()}
    own = {name: known[name] for name in classes if name in known}
    form = WorkflowTemplate.of(converted.prompt, own, None, converted.widgets)
    found = {}
    for slot in SLOTS:
        value = __file__ if slot == IMAGE else "x" if slot in TEXT_SLOTS else 8
        request = WorkflowRequest(path, slots={slot: value})
        try:
            plan = make_plan(request, copy.deepcopy(converted.prompt), own, converted.widgets)
        except ValidationError:
            if slot not in (PROMPT, IMAGE):
                raise
            continue
        if plan.given:
            found[slot] = {target.address for target in plan.given}
    return found, {name: set(form.parameters[name].targets) for name in SLOTS if name in form.parameters}


if __name__ == "__main__":
    raise SystemExit(main())
