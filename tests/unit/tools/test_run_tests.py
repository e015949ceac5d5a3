"""What `make test` is made of, and which tests run in which environment."""

from __future__ import annotations

import stat
from pathlib import Path

import library_tests
import pytest
import run_tests

ROOT = Path(__file__).resolve().parents[3]


def test_required_blender_that_cannot_be_had_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_BLENDER", "")
    assert {step.name for step in run_tests.setup_steps() if step.optional} == {
        "setup bpy-4.2",
        "setup bpy-4.5",
        "setup bpy-5.2",
        "setup test-3.13",
    }
    monkeypatch.setenv("REQUIRE_BLENDER", "4.2,4.5,5.2")
    assert not any(step.optional for step in run_tests.setup_steps())


def test_everything_has_its_setup_and_every_blender_is_tested() -> None:
    steps = run_tests.steps_of("all", [])
    names = [step.name for step in steps]
    assert len(names) == len(set(names))
    assert {need for step in steps for need in step.needs} <= set(names)
    assert {after for step in steps for after in step.after} <= set(names)
    wanted = {"lint", "format", "types clients runtime", "coverage", "build"}
    wanted |= {"tests 3.11 unit", "tests 3.11 integration", "tests 3.11 old libraries", "tests 3.13"}
    wanted |= {"blender 4.2", "blender 4.5", "blender 5.2"}
    wanted |= {"types bpy 4.2", "types bpy 4.5", "types bpy 5.2"}
    assert wanted <= set(names)


def test_ci_requires_every_blender() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert "4.2,4.5,5.2" in script.read_text(encoding="utf-8")


def test_the_measured_legs_have_every_test_between_them() -> None:
    legs = [step for step in run_tests.coverage_steps([]) if step.junit]
    folders = sorted(part for step in legs for part in step.command if part.startswith("tests/"))
    assert folders == ["tests/contract", "tests/integration", "tests/unit"]
    assert all("coverage" in step.command for step in legs)


def test_the_other_environments_leave_out_what_is_there_and_can_not_differ() -> None:
    newest, oldest = (
        [part.removeprefix("--ignore=") for part in step.command if part.startswith("--ignore=")]
        for step in run_tests.other_legs([])
    )
    assert newest == list(run_tests.ONCE)
    assert set(newest) < set(oldest)
    assert [path for path in oldest if not (ROOT / path).exists()] == []
    assert "tests/unit/clients/comfyui/workflow/conversion/test_pairs.py" in oldest
    assert "tests/unit/clients/http/test_session.py" not in oldest


def test_the_suites_run_one_after_another_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERIAL", "1")
    assert {step.lane for step in run_tests.steps_of("all", []) if step.junit} == {"tests"}


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("import json", False),
        ("import urllib3", True),
        ("def get():\n    from urllib3.util import Timeout", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import urllib3", False),
        ("from movie_director.clients.pure import one", False),
        ("from movie_director.clients.wire import get", True),
        ("from movie_director.clients import Pure", False),
        ("from movie_director.clients import Wire", True),
        ("from movie_director.clients import late", True),
        ("from support.helper import serve", True),
        ("from .helper import anything", False),
    ],
)
def test_a_test_that_reaches_a_library_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, expected: bool
) -> None:
    files = {
        "clients/__init__.py": "from .pure import Pure\nfrom .wire import Wire",
        "clients/pure.py": "import json\nfrom . import pure",
        "clients/wire.py": "def get():\n    import urllib3",
        "tests/support/helper.py": "from movie_director.clients.wire import get",
        "tests/test_it.py": module,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(library_tests, "ROOT", tmp_path)
    assert library_tests.reaches_library(tmp_path / "tests/test_it.py") is expected
    assert library_tests.without_libraries(tmp_path / "tests") == ([] if expected else [tmp_path / "tests/test_it.py"])
