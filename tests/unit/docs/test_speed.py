"""The table of docs/speed.md has no figure by hand: each row is one that a benchmark reports."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report():
    spec = importlib.util.spec_from_file_location("benchmark_report", ROOT / "benchmarks" / "report.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def reported(script):
    """Return how the names begin that a benchmark reports."""
    calls = [node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = [call.args[0] for call in calls if getattr(call.func, "id", "") in ("report", "report_absent")]
    return {each.value if isinstance(each, ast.Constant) else each.values[0].value for each in names}


def test_every_row_is_one_that_a_benchmark_can_report(report):
    texts = {promise.text for promise in report.PROMISES.values()}
    assert set(report.rows_of(PAGE)) <= texts


def test_every_promise_is_reported_by_its_benchmark(report):
    for name, promise in report.PROMISES.items():
        assert name.startswith(tuple(reported(ROOT / "benchmarks" / f"{promise.script}.py"))), name


def test_new_figures_replace_their_rows_and_leave_the_others(report):
    submit, chat = report.PROMISES["submit"], report.PROMISES["chat chunks"]
    first = report.written(PAGE, {name: {"value": 2.0, "detail": ""} for name in ("submit", "chat chunks")})
    again = report.written(first, {"submit": {"value": 0.25, "detail": "median"}})
    assert f"| {submit.text} | 0.25 ms (median) | kept | `benchmarks/{submit.script}.py` |" in again
    assert f"| {chat.text} | 2.00 x | **not kept** | `benchmarks/{chat.script}.py` |" in again
    assert re.sub(r"^\|.*\n", "", again, flags=re.MULTILINE) == re.sub(r"^\|.*\n", "", PAGE, flags=re.MULTILINE)


def test_a_contender_that_did_not_run_is_named(report, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(report, "PAGE", tmp_path / "speed.md")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    (tmp_path / "speed.md").write_text(PAGE, encoding="utf-8")
    report.report("submit", 0.5)
    report.report_absent("Gradio call", "gradio_client", "it is not installed")
    assert report.main() == 1
    printed = capsys.readouterr().out
    assert "NOT MEASURED: GRADIO_CLIENT DID NOT RUN: it is not installed" in printed
    assert "0.50 ms | kept" in printed
    assert "0.50 ms | kept" in (tmp_path / "speed.md").read_text(encoding="utf-8")
