#!/usr/bin/env python3
"""Read coverage.py's JSON report and hold clients/ and runtime/ to the gate.

Every line has to be run, and at least ``BRANCHES`` percent of the branches taken.
(coverage.py itself can only hold the two to one common number.) Every file there is has to be in the report, and a
``pragma: no cover`` or ``no branch`` has to give its reason on the same line: ``# pragma: no cover: reason``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GATED = ("clients", "runtime")
BRANCHES = 95.0

PRAGMA = re.compile(r"#\s*pragma:\s*no (?:cover|branch)(?P<rest>.*)$")
REASON = re.compile(r"^\s*[:(-]+\s*\w.{7,}")


def gated_files(root: Path) -> list[Path]:
    """Return the Python files that the gate is about, relative to the root."""
    found = (path for folder in GATED for path in sorted((root / folder).rglob("*.py")))
    return [path.relative_to(root) for path in found if "__pycache__" not in path.parts]


def pragmas_without_reason(root: Path) -> list[str]:
    """Return ``file:line`` of each exclusion that does not say why."""
    problems = []
    for path in gated_files(root):
        for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
            found = PRAGMA.search(line)
            if found and not REASON.match(found["rest"]):
                problems.append(f"{path.as_posix()}:{number}: pragma without a reason on the same line")
    return problems


def judge(report: dict[str, Any], files: list[Path]) -> list[str]:
    """Return what falls short, one line each; nothing if the gate is passed."""
    problems = []
    measured = {Path(name).as_posix(): data for name, data in report["files"].items()}
    for path in files:
        name = path.as_posix()
        if name not in measured:
            problems.append(f"{name}: not measured at all (no __init__.py beside it?)")
        elif measured[name]["missing_lines"]:
            problems.append(f"{name}: lines never run: {_ranges(measured[name]['missing_lines'])}")
    totals = report["totals"]
    branches = totals["num_branches"]
    covered = 100.0 * totals["covered_branches"] / branches if branches else 100.0
    if covered < BRANCHES:
        problems.append(f"branches: {covered:.2f} % covered, {BRANCHES:.0f} % wanted; never taken:")
        for name, data in sorted(measured.items()):
            missing = ", ".join(f"{start}->{'exit' if end < 0 else end}" for start, end in data["missing_branches"])
            if missing:
                problems.append(f"    {name}: {missing}")
    return problems


def summary(report: dict[str, Any]) -> str:
    """Return one line with both figures."""
    totals = report["totals"]
    lines, branches = totals["num_statements"], totals["num_branches"]
    return (
        f"coverage: {totals['covered_lines']}/{lines} lines ({_percent(totals['covered_lines'], lines)}), "
        f"{totals['covered_branches']}/{branches} branches ({_percent(totals['covered_branches'], branches)}), "
        f"{totals['excluded_lines']} lines excluded"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100.0 * part / whole:.2f} %" if whole else "none"


def _ranges(numbers: list[int]) -> str:
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in ranges)


def main() -> int:
    """Combine what ``coverage run`` left and judge it; with an argument, judge the JSON report of that name."""
    path = ROOT / "build" / "coverage" / "report.json"
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
    else:
        path.unlink(missing_ok=True)
        for command in (["combine", "--quiet"], ["json", "--quiet", "-o", str(path)]):
            if subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, check=False).returncode:
                return 1
    report = json.loads(path.read_text(encoding="utf-8"))
    problems = judge(report, gated_files(ROOT)) + pragmas_without_reason(ROOT)
    for problem in problems:
        print(problem)
    print(summary(report))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
