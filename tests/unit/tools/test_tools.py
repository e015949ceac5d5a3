"""The tools that run the tests: a red step must never look green, a half-made environment never like a whole one."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import coverage_gate
import envs
import find_python
import patch_stubs
import pytest
import steps as steps_module
from steps import Counts, Runner, State, Step, read_junit

ROOT = Path(__file__).resolve().parents[3]
GREEN = '<testsuites><testsuite tests="3" failures="0" errors="0" skipped="1"/></testsuites>'
RED = '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="0"/></testsuites>'


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def ends_within(pid: int, seconds: float) -> bool:
    """Wait for the end of a process that is not our child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def run(steps: list[Step], tmp_path: Path) -> bool:
    return Runner(steps, tmp_path, tmp_path / "reports").run()


# ------------------------------------------------------------------------------------------------------------- steps
def test_all_steps_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit = tmp_path / "a.xml"
    steps = [
        Step("one", command("pass"), "check"),
        Step("two", command(f"open({str(junit)!r}, 'w').write({GREEN!r})"), "tests", ("one",), junit=(junit,)),
    ]
    assert run(steps, tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "2 passed, 0 failed, 1 skipped"


def test_failing_step_fails_the_run_and_what_needs_it_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "ran"
    steps = [
        Step("bad", command("print('the reason'); raise SystemExit(3)"), "check"),
        Step("dependent", command(f"open({str(marker)!r}, 'w')"), "check", ("bad",)),
        Step("independent", command("pass"), "check", after=("bad",)),
    ]
    assert not run(steps, tmp_path)
    assert [step.state for step in steps] == [State.FAILED, State.NOT_RUN, State.OK]
    assert not marker.exists()
    output = capsys.readouterr().out
    assert "the reason" in output
    assert "FAILED: bad, dependent" in output


def test_failed_tests_fail_the_run_even_with_exit_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit = tmp_path / "a.xml"
    step = Step("lying", command(f"open({str(junit)!r}, 'w').write({RED!r})"), "tests", junit=(junit,))
    assert not run([step], tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 2 failed"


def test_test_run_that_breaks_before_it_has_results_counts_as_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junit = tmp_path / "a.xml"
    junit.write_text(GREEN, encoding="utf-8")  # left by an earlier run
    step = Step("crash", command("import os; os.abort()"), "tests", junit=(junit,))
    assert not run([step], tmp_path)
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_test_run_that_crashes_after_its_results_counts_as_failed(tmp_path: Path) -> None:
    junit = tmp_path / "a.xml"
    code = f"import os; open({str(junit)!r}, 'w').write({GREEN!r}); os.abort()"
    step = Step("crash at exit", command(code), "tests", junit=(junit,))
    assert not run([step], tmp_path)
    assert step.counts == Counts(2, 1, 1)


def test_one_of_two_result_files_missing_counts_as_failed(tmp_path: Path) -> None:
    first, second = tmp_path / "a.xml", tmp_path / "b.xml"
    code = f"open({str(first)!r}, 'w').write({GREEN!r})"
    step = Step("half", command(code), "tests", junit=(first, second))
    assert not run([step], tmp_path)
    assert step.counts == Counts(2, 1, 1)


def test_command_that_does_not_exist_fails(tmp_path: Path) -> None:
    step = Step("nothing", ["/nowhere/at/all"], "check")
    assert not run([step], tmp_path)
    assert step.state is State.FAILED


def test_step_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    alive = tmp_path / "pid"
    child = "import threading; threading.Event().wait()"
    code = (
        "import subprocess, sys, threading\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"open({str(alive)!r}, 'w').write(str(child.pid))\n"
        "threading.Event().wait()"
    )
    step = Step("hanging", command(code), "check", timeout_s=3.0)
    assert not run([step], tmp_path)
    assert "ENDED AFTER 3 S" in (tmp_path / "reports" / "hanging.log").read_text(encoding="utf-8")
    assert ends_within(int(alive.read_text(encoding="utf-8")), 30.0)


def test_chain_of_steps_that_cannot_run_is_given_up_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    steps = [
        Step("third", command("pass"), "check", ("second",)),
        Step("second", command("pass"), "check", ("first",)),
        Step("first", command("raise SystemExit(1)"), "check"),
    ]
    assert not run(steps, tmp_path)
    assert [step.state for step in steps] == [State.NOT_RUN, State.NOT_RUN, State.FAILED]
    # a runner that waits for news which can't come wakes up only at its heartbeat
    assert time.monotonic() - started < steps_module.HEARTBEAT_S / 2


def test_what_cannot_be_had_is_said_in_capitals_and_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        Step("setup bpy-5.2", command("raise SystemExit(1)"), "setup", optional=True),
        Step("blender 5.2", command("pass"), "tests", ("setup bpy-5.2",)),
        Step("lint", command("pass"), "check"),
    ]
    assert run(steps, tmp_path)
    assert steps[1].state is State.NOT_RUN
    assert "COULD NOT BE SET UP: SETUP BPY-5.2. NOT TESTED: BLENDER 5.2" in capsys.readouterr().out


def test_junit_that_is_no_xml_counts_as_failed(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<testsuites><testsuite te", encoding="utf-8")
    assert read_junit(path) == Counts(failed=1)


# ------------------------------------------------------------------------------------------------------ environments
@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOVIE_DIRECTOR_CACHE", str(tmp_path / "a cache"))
    return tmp_path / "a cache"


def test_half_made_environment_is_not_ready(cache: Path) -> None:
    environment = envs.ENVIRONMENTS["dev-3.11"]
    (cache / "dev-3.11" / "bin").mkdir(parents=True)
    python = environment.executable
    python.symlink_to(sys.executable)
    assert not envs.is_ready(environment)
    (environment.path / envs.STAMP).write_text(envs.fingerprint(environment), encoding="utf-8")
    assert envs.is_ready(environment)


def test_environment_with_other_requirements_is_not_ready(cache: Path) -> None:
    environment = envs.ENVIRONMENTS["dev-3.11"]
    (cache / "dev-3.11" / "bin").mkdir(parents=True)
    environment.executable.symlink_to(sys.executable)
    (environment.path / envs.STAMP).write_text(envs.fingerprint(envs.ENVIRONMENTS["test-3.13"]), encoding="utf-8")
    assert not envs.is_ready(environment)


def test_environment_whose_python_is_gone_is_not_ready(cache: Path) -> None:
    environment = envs.ENVIRONMENTS["dev-3.11"]
    environment.path.mkdir(parents=True)
    (environment.path / envs.STAMP).write_text(envs.fingerprint(environment), encoding="utf-8")
    assert not envs.is_ready(environment)


def test_environment_is_made_by_one_run_at_a_time(cache: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import envs\n"
        "with envs.locked('thing'): print('got it')"
    )
    with envs.locked("thing"):
        other = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert "waiting" in other.stderr.readline()  # type: ignore[union-attr]
        # it goes on waiting: nothing comes in a time in which it would have gone on long ago
        assert not select.select([other.stdout], [], [], 1.0)[0]
    output, _ = other.communicate(timeout=60)
    assert output == "got it\n"


def test_every_requirement_is_pinned_to_one_version() -> None:
    for path in sorted((ROOT / "tools" / "requirements").glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.strip() or line.startswith("#") or "==" in line, f"{path.name}: {line}"


def test_python_that_does_not_run_is_not_taken(tmp_path: Path) -> None:
    # what a pyenv shim does for a version that is not selected
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    assert find_python.works(str(shim), "3.13") is None
    assert find_python.works(str(tmp_path / "missing"), "3.13") is None


def test_python_of_another_version_is_not_taken() -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = find_python.works(sys.executable, version)
    assert found is not None
    assert find_python.works(sys.executable, "3.1") is None
    if sys.prefix != sys.base_prefix:
        # not the venv that this runs in, but what it was made from
        assert not Path(found).is_relative_to(sys.prefix)


def test_stub_mend_that_finds_no_place_is_not_passed_over(tmp_path: Path) -> None:
    for mend in patch_stubs.MENDS:
        (tmp_path / mend.module).mkdir(exist_ok=True)
        (tmp_path / mend.module / "__init__.pyi").write_text("", encoding="utf-8")
    with pytest.raises(RuntimeError, match="found no place"):
        patch_stubs.mend(tmp_path)


# ---------------------------------------------------------------------------------------------------------- coverage
def report(*, missing_lines: list[int], branches: tuple[int, int]) -> dict[str, object]:
    covered, total = branches
    return {
        "files": {"clients/a.py": {"missing_lines": missing_lines, "missing_branches": [[3, -1], [5, 9]]}},
        "totals": {
            "num_statements": 10,
            "covered_lines": 10 - len(missing_lines),
            "num_branches": total,
            "covered_branches": covered,
            "excluded_lines": 0,
        },
    }


def test_gate_passes_with_every_line_and_95_percent_of_the_branches() -> None:
    assert coverage_gate.judge(report(missing_lines=[], branches=(95, 100)), [Path("clients/a.py")]) == []


def test_gate_names_the_lines_that_were_not_run() -> None:
    problems = coverage_gate.judge(report(missing_lines=[2, 3, 4, 8], branches=(9, 9)), [Path("clients/a.py")])
    assert problems == ["clients/a.py: lines never run: 2-4, 8"]


def test_gate_fails_below_95_percent_of_the_branches() -> None:
    problems = coverage_gate.judge(report(missing_lines=[], branches=(949, 1000)), [Path("clients/a.py")])
    assert problems[0].startswith("branches: 94.90 %")
    assert "3->exit, 5->9" in problems[1]


def test_gate_fails_for_a_file_that_was_not_measured() -> None:
    problems = coverage_gate.judge(
        report(missing_lines=[], branches=(0, 0)), [Path("clients/a.py"), Path("runtime/b.py")]
    )
    assert problems == ["runtime/b.py: not measured at all (no __init__.py beside it?)"]


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ("x = 1  # pragma: no cover", False),
        ("x = 1  # pragma: no cover:", False),
        ("x = 1  # pragma: no cover: why", False),
        ("x = 1  #pragma:no cover", False),
        ("if x:  # pragma: no branch", False),
        ("x = 1  # pragma: no cover: only on Windows", True),
        ("x = 1  # pragma: no cover - only on Windows", True),
        ("x = 1", True),
    ],
)
def test_pragma_has_to_give_its_reason(tmp_path: Path, line: str, accepted: bool) -> None:
    for folder in coverage_gate.GATED:
        (tmp_path / folder).mkdir()
    (tmp_path / "clients" / "a.py").write_text(f"import os\n{line}\n", encoding="utf-8")
    problems = coverage_gate.pragmas_without_reason(tmp_path)
    assert problems == ([] if accepted else ["clients/a.py:2: pragma without a reason on the same line"])
