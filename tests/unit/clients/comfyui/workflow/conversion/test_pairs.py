"""The conversion against the real editor: each pair is a workflow and the prompt the editor makes of it.

``workflow_conversion`` was recorded with frontend 1.49.6 on ComfyUI 0.33.0. ``workflow_conversion_rules`` holds
workflows made by hand, one rule each, and what frontend 1.58.1 on ComfyUI 0.27.0 makes of them (1.49.6 does the same
but for ``primitive_promoted``, where it loses the value).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from movie_director.clients.comfyui.workflow.conversion import ui_to_api

RECORDINGS = Path(__file__).parents[5] / "recordings" / "comfyui"


def _cases() -> list[Any]:
    cases = []
    for name, count in (("workflow_conversion", 20), ("workflow_conversion_rules", 31)):
        info = json.loads((RECORDINGS / f"{name}_object_info.json").read_text(encoding="utf-8"))
        lines = (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == count
        cases += [pytest.param(case, info, id=case["name"]) for case in map(json.loads, lines)]
    return cases


@pytest.mark.parametrize(("case", "info"), _cases())
def test_result_equals_the_editors_own(case: dict[str, Any], info: dict[str, Any]) -> None:
    before = copy.deepcopy(case["ui"])
    prompt = ui_to_api(case["ui"], info)
    assert prompt == case["api"], case["note"]
    assert case["ui"] == before
    assert json.loads(json.dumps(prompt, allow_nan=False)) == prompt


@pytest.mark.parametrize(("case", "info"), _cases())
def test_result_shares_nothing_with_the_workflow(case: dict[str, Any], info: dict[str, Any]) -> None:
    before = copy.deepcopy(case["ui"])
    for entry in ui_to_api(case["ui"], info).values():
        for value in entry["inputs"].values():
            for holder in (value, value.get("__value__") if isinstance(value, dict) else None):
                if isinstance(holder, (dict, list)):
                    holder.clear()
    assert case["ui"] == before


BY_NAME = [case for case in _cases() if case.id in ("basic", "ksampler_seed", "list_widget", "load_image")]


@pytest.mark.parametrize(("case", "info"), BY_NAME)
def test_values_by_name_alone_do(case: dict[str, Any], info: dict[str, Any]) -> None:
    ui = copy.deepcopy(case["ui"])
    for entry in ui["nodes"]:
        entry.pop("widgets_values", None)
    assert ui_to_api(ui, info) == case["api"]
