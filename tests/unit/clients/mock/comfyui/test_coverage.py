"""Every recorded scenario of ComfyUI has tests, and they are those that the table of docs/ names."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from typing import Any

from support.comfyui_scenarios import REPLAY, SCENARIOS, SHAPES

ROOT = Path(__file__).parents[5]
RECORDINGS = ROOT / "tests" / "recordings" / "comfyui"


def parsed(test: str) -> ast.Module:
    return ast.parse((ROOT / test.partition("::")[0]).read_text(encoding="utf-8"))


def constant(test: str, name: str) -> Any:
    """The value of a constant in a test's file."""
    for node in parsed(test).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{test} has no {name}")


def test_every_scenario_is_covered_by_a_test_that_exists() -> None:
    assert {path.stem for path in RECORDINGS.rglob("*.jsonl")} == set(SCENARIOS)
    for test in set(itertools.chain.from_iterable(SCENARIOS.values())):
        functions = {each.name for each in parsed(test).body if isinstance(each, ast.FunctionDef)}
        assert test.partition("::")[2] in functions, test


def test_the_tests_that_go_through_scenarios_go_through_those() -> None:
    for test in (SHAPES, REPLAY):
        named = {scenario for scenario, tests in SCENARIOS.items() if test in tests}
        assert set(constant(test, "SCENARIOS")) == named, test
