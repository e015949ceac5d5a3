#!/usr/bin/env python3
"""Run the checks and the test legs, set-ups beside them, and sum up.

``python tools/run_tests.py all`` is ``make test``; single groups: see ``--help``. What follows ``--`` goes to pytest.
Logs and JUnit XML are left in build/reports. The exit status is 0 only if everything that ran went well; the last line
is the sum over all test runs.

Python 3.11 runs every test, in two processes that are measured. Python 3.13 runs all but what judges the mocks, the
docs and the imports; the oldest libraries run that part of it that reaches a library (library_tests.py). Two legs and a
Blender run side by side: most of a test's time is waiting.

``REQUIRE_BLENDER=4.2,4.5,5.2`` makes it a failure if one of these can't be had here; without it, what could not be
tested is said in capitals. ``SERIAL=1`` runs one suite at a time (a slower machine).
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import checkout
import envs
from build_extension import zip_path
from library_tests import without_libraries
from steps import LANES, Runner, Step, locked

ROOT = checkout.ROOT
REPORTS = ROOT / "build" / "reports"
BLENDERS = ("4.2", "4.5", "5.2")
UNIT = ("tests/unit", "tests/contract")
INTEGRATION = ("tests/integration",)
# What 3.11 alone runs. The mocks serve the tests of the clients in every environment; these judge them by recordings.
ONCE = ("tests/unit/clients/mock", "tests/unit/docs", "tests/unit/test_import_rules.py")
BPY_CODE = ("blender", "operators", "cli", "ui", "preferences")
GRADIOS = ("gradio-4", "gradio-5", "gradio-6")
SERVERS = ("litellm", "cog", "rvc", "gradio")
GROUPS = ("all", "setup", "lint", "types", "unit", "integration", *SERVERS, "blender", "bench", "format")


def clean_environment() -> dict[str, str]:
    """Return what a step sees beside the rest: this checkout as ``movie_director``, nothing of the caller's Python."""
    return {"PYTHONPATH": str(checkout.SOURCE_PATH), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def python(environment: str) -> str:
    """Return the interpreter of an environment."""
    return str(envs.ENVIRONMENTS[environment].executable)


def script(name: str, *arguments: str) -> list[str]:
    """Return the command of one of the tools."""
    return [sys.executable, str(ROOT / "tools" / name), *arguments]


def required_blenders() -> set[str]:
    """Return the versions that must not be missing."""
    return {version.strip() for version in os.environ.get("REQUIRE_BLENDER", "").split(",") if version.strip()}


def is_serial() -> bool:
    """Tell whether the suites are to run one after another."""
    return bool(os.environ.get("SERIAL"))


def setup_steps() -> list[Step]:
    """Return one step for each environment, the ones that most waits for first."""
    order = (
        "dev-3.11",
        "bpy-4.5",
        "stubs-4.2",
        "stubs-4.5",
        "stubs-5.2",
        "legacy-3.11",
        "bpy-4.2",
        "bpy-5.2",
        "test-3.13",
    )
    steps = []
    for name in order:
        # Python 3.13 is what Blender 5.2 has: the one is as easy or hard to get as the other
        version = "5.2" if name == "test-3.13" else name.removeprefix("bpy-")
        optional = version in BLENDERS and not name.startswith("stubs") and version not in required_blenders()
        steps.append(Step(f"setup {name}", script("envs.py", "ensure", name), "setup", optional=optional))
    return steps


def lint_steps() -> list[Step]:
    """Return the linter and the formatter's check."""
    ruff = str(Path(python("dev-3.11")).parent / "ruff")
    cache = f"--cache-dir={ROOT / 'build' / 'ruff'}"
    needs = ("setup dev-3.11",)
    return [
        Step("lint", [ruff, "check", cache, "."], "check", needs),
        Step("format", [ruff, "format", "--check", "--diff", cache, "."], "check", needs),
    ]


def type_steps() -> list[Step]:
    """Return the strict checks of the bpy-free half and of the tools, and one of the rest for each Blender's stubs."""
    # no cache: it keeps "there is no such module" after the module has come
    mypy = [python("dev-3.11"), "-m", "mypy", f"--cache-dir={os.devnull}"]
    dev = "setup dev-3.11"
    tools = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tools").glob("*.py"))
    loose_files = ["--config-file=", "--strict", "--explicit-package-bases", "--ignore-missing-imports"]
    in_tools = {**clean_environment(), "MYPYPATH": "tools"}
    steps = [
        Step("types clients runtime", mypy, "check", (dev,), environment=clean_environment()),
        Step("types tools", [*mypy, *loose_files, *tools], "check", (dev,), environment=in_tools),
    ]
    packages = [part for name in BPY_CODE for part in ("-p", f"movie_director.{name}")]
    for version in BLENDERS:
        stubs = f"--python-executable={python(f'stubs-{version}')}"
        command = [*mypy, "--config-file=tools/mypy-bpy.ini", stubs, *packages]
        needs = (dev, f"setup stubs-{version}")
        steps.append(Step(f"types bpy {version}", command, "check", needs, environment=clean_environment()))
    return steps


def leg(name: str, environment: str, folders: tuple[str, ...], arguments: list[str], *, coverage: bool = False) -> Step:
    """Return one run of pytest in a plain Python."""
    junit = REPORTS / f"{name.replace(' ', '-')}.xml"
    runner = ["-m", "coverage", "run", "-m", "pytest"] if coverage else ["-m", "pytest"]
    command = [python(environment), *runner, *folders, f"--junitxml={junit}", *arguments]
    # the tests of the build want a Blender's validator
    needs, after = (f"setup {environment}",), ("setup bpy-4.5",)
    return Step(name, command, "tests", needs, after, environment=clean_environment(), junit=(junit,))


def coverage_steps(arguments: list[str]) -> list[Step]:
    """Return the two legs that are measured, the longer one first, and the gate."""
    legs = [
        leg("tests 3.11 integration", "dev-3.11", ("tests/contract", *INTEGRATION), arguments, coverage=True),
        leg("tests 3.11 unit", "dev-3.11", ("tests/unit",), arguments, coverage=True),
    ]
    gate = [python("dev-3.11"), str(ROOT / "tools" / "coverage_gate.py")]
    after = tuple(step.name for step in legs)
    return [*legs, Step("coverage", gate, "check", ("setup dev-3.11",), after)]


def other_legs(arguments: list[str]) -> list[Step]:
    """Return the legs on the newest Python and on the oldest libraries, each with what can end otherwise there."""
    once = [f"--ignore={path}" for path in ONCE]
    free = [f"--ignore={path.relative_to(ROOT)}" for path in without_libraries(ROOT / "tests" / "unit")]
    return [
        leg("tests 3.13", "test-3.13", (*UNIT, *INTEGRATION), [*once, *arguments]),
        leg("tests 3.11 old libraries", "legacy-3.11", (*UNIT, *INTEGRATION), [*once, *free, *arguments]),
    ]


def blender_steps(versions: tuple[str, ...], arguments: list[str]) -> list[Step]:
    """Return the build and the headless suite for each version."""
    setups = tuple(f"setup bpy-{version}" for version in versions)
    lane = "tests" if is_serial() else "blender"
    # after all set-ups, so that every Blender's validator judges the zip
    steps = [Step("build", script("build_extension.py"), "check", after=setups)]
    for version in versions:
        command = script("blender_suite.py", "--blender", version, "--zip", str(zip_path()), "--junit", str(REPORTS))
        junit = tuple(REPORTS / f"blender-{version}-{session}.xml" for session in ("install", "restart"))
        needs = (f"setup bpy-{version}", "build")
        # more than blender_suite.py's own limits, which say what hung
        step = Step(f"blender {version}", [*command, "--", *arguments], lane, needs, junit=junit, timeout_s=2000.0)
        steps.append(step)
    return steps


def litellm_setup() -> Step:
    """Return the set-up of the real LiteLLM proxy's environment."""
    return Step("setup litellm", script("envs.py", "ensure", "litellm"), "setup")


def litellm_steps(arguments: list[str]) -> list[Step]:
    """Return the tests against the real LiteLLM proxy; setting it up takes 750 MB and about 50 s."""
    setup = litellm_setup()
    tests = leg("litellm", "dev-3.11", ("tests/servers/test_litellm_proxy.py",), arguments)
    environment = {**tests.environment, "MOVIE_DIRECTOR_LITELLM_PYTHON": python("litellm")}
    return [setup, dataclasses.replace(tests, needs=(*tests.needs, setup.name), environment=environment)]


def gradio_steps(arguments: list[str]) -> list[Step]:
    """Return the tests against real Gradio servers; setting them up takes 570, 470 and 370 MB, and 20 s each."""
    setups = [Step(f"setup {name}", script("envs.py", "ensure", name), "setup") for name in GRADIOS]
    files = ("test_gradio_servers.py", "test_gradio_apps.py", "test_wangp_page.py")
    tests = leg("gradio", "dev-3.11", tuple(f"tests/servers/{name}" for name in files), arguments)
    pythons = {f"MOVIE_DIRECTOR_{name.upper().replace('-', '_')}_PYTHON": python(name) for name in GRADIOS}
    needs = (*tests.needs, *(setup.name for setup in setups))
    return [*setups, dataclasses.replace(tests, needs=needs, environment={**tests.environment, **pythons})]


def cog_steps(arguments: list[str]) -> list[Step]:
    """Return the tests against real Cog servers of both generations; setting them up takes 120 MB and about 30 s."""
    names = ("cog-0.23", "cog-0.9")
    setups = [Step(f"setup {name}", script("envs.py", "ensure", name), "setup") for name in names]
    tests = leg("cog", "dev-3.11", ("tests/servers/test_cog_servers.py",), arguments)
    pythons = {"MOVIE_DIRECTOR_COG_PYTHON": python("cog-0.23"), "MOVIE_DIRECTOR_OLD_COG_PYTHON": python("cog-0.9")}
    needs = (*tests.needs, *(step.name for step in setups))
    return [*setups, dataclasses.replace(tests, needs=needs, environment={**tests.environment, **pythons})]


def rvc_steps(arguments: list[str]) -> list[Step]:
    """Return the tests against rvc-python's API server; setting it up takes 45 MB and about 15 s."""
    setup = Step("setup rvc-python", script("envs.py", "ensure", "rvc-python"), "setup")
    tests = leg("rvc", "dev-3.11", ("tests/servers/test_rvc_python.py",), arguments)
    environment = {**tests.environment, "MOVIE_DIRECTOR_RVC_PYTHON": python("rvc-python")}
    return [setup, dataclasses.replace(tests, needs=(*tests.needs, setup.name), environment=environment)]


def bench_steps() -> list[Step]:
    """Return one step for each benchmark, in the environment that has what ours is measured against, and the table."""
    environments = {"bench_chat": "litellm", "bench_gradio": "dev-3.11"}
    servers = {"bench_gradio": "gradio-6"}
    steps = [Step(f"setup {name}", script("envs.py", "ensure", name), "setup") for name in ("litellm", "gradio-6")]
    benchmarks = []
    for path in sorted((ROOT / "benchmarks").glob("bench_*.py")):
        name, server = environments.get(path.stem, "legacy-3.11"), servers.get(path.stem)
        command = [python(name), str(path), *(["--server", python(server)] if server else [])]
        needs = tuple(f"setup {each}" for each in (name, server) if each)
        benchmarks.append(path.stem)
        steps.append(Step(path.stem, command, "bench", needs, environment=clean_environment(), shown=True))
    table = [sys.executable, str(ROOT / "benchmarks" / "report.py")]
    return [*steps, Step("table", table, "bench", after=tuple(benchmarks), shown=True)]


def steps_of(group: str, arguments: list[str]) -> list[Step]:
    """Return the steps of a group, with only those set-ups that they wait for."""
    setups = setup_steps()
    if group == "setup":
        return setups
    if group == "all":
        checks = [*lint_steps(), *type_steps()]
        return [
            *setups,
            *checks,
            *coverage_steps(arguments),
            *blender_steps(BLENDERS, arguments),
            *other_legs(arguments),
            *litellm_steps(arguments),
            *cog_steps(arguments),
            *rvc_steps(arguments),
            *gradio_steps(arguments),
        ]
    makers: dict[str, Callable[[], list[Step]]] = {
        "lint": lint_steps,
        "types": type_steps,
        "unit": lambda: [leg("unit", "dev-3.11", UNIT, arguments)],
        "integration": lambda: [leg("integration", "dev-3.11", INTEGRATION, arguments)],
        "blender": lambda: blender_steps(BLENDERS, arguments),
        "litellm": lambda: litellm_steps(arguments),
        "cog": lambda: cog_steps(arguments),
        "rvc": lambda: rvc_steps(arguments),
        "gradio": lambda: gradio_steps(arguments),
        "bench": bench_steps,
        **{f"blender-{version}": partial(blender_steps, (version,), arguments) for version in BLENDERS},
    }
    steps = makers[group]()
    wanted = {name for step in steps for name in step.needs}
    return [*(step for step in setups if step.name in wanted), *steps]


def main() -> int:
    """Run the group that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", choices=[*GROUPS, *(f"blender-{version}" for version in BLENDERS)])
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    arguments = parser.parse_args()
    checkout.ensure_link()
    if arguments.group == "format":
        ruff = str(Path(python("dev-3.11")).parent / "ruff")
        envs.ensure("dev-3.11")
        os.execv("/bin/sh", ["sh", "-c", '"$0" check --fix --quiet . ; exec "$0" format .', ruff])
    steps = steps_of(arguments.group, arguments.pytest)
    if not steps:
        print(f"There is nothing to run for {arguments.group} in this tree.")
        return 0
    REPORTS.mkdir(parents=True, exist_ok=True)
    lanes = {**LANES, "tests": 1} if is_serial() else LANES
    # steps are sessions of their own: whoever ends this has to end them
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # a whole run has a measured leg and the gate that reads it: not two of them at once
        with locked(REPORTS / f"group-{arguments.group}.lock"):
            return 0 if Runner(steps, ROOT, REPORTS, lanes).run() else 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
