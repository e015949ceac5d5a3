#!/usr/bin/env python3
"""Run tests/blender inside a real headless Blender, twice: as a user meets the extension first, and ever after.

``python tools/blender_suite.py --blender 4.5 --zip dist/movie_director-0.1.0.zip [-- PYTEST ARGUMENTS]``

Session ``install``: a clean user folder, the zip is installed, the tests run in the same process. The bundled wheels
then stand at the end of sys.path and Blender's own libraries win. Session ``restart``: a new process on the same user
folder; now the bundled wheels stand first. The tests find the session's name in ``MD_SESSION`` and the user folder in
``BLENDER_USER_RESOURCES``.

Each session is a process of its own that ends itself with os._exit: left-over classes, timers or handlers crash or hang
some Blenders at exit, which must not hide the result. A session that takes longer than ``--timeout`` is ended.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SESSIONS = ("install", "restart")
MODULE = "bl_ext.user_default.movie_director"
LIBRARIES = (
    *("urllib3", "certifi", "requests", "websocket", "wsproto", "h11", "filelock", "fastjsonschema"),
    *("gradio_client", "httpx", "huggingface_hub", "yaml"),
)
NOT_INSTALLED = 90

# What our own code does wrongly is an error, what Blender's does is not ours.
FILTERS = f"""
default
error::DeprecationWarning:{MODULE.replace(".", "[.]")}
error::pytest.PytestUnhandledThreadExceptionWarning
error::pytest.PytestUnraisableExceptionWarning
"""


def run_session(session: str, zip_path: Path, junit: Path | None, pytest_arguments: list[str]) -> int:
    """Install or enable the extension in this process and run the tests; return the exit code."""
    import bpy

    started = time.monotonic()
    if session == "install":
        done = bpy.ops.extensions.package_install_files(
            filepath=str(zip_path), repo="user_default", enable_on_install=True
        )
    else:
        done = bpy.ops.preferences.addon_enable(module=MODULE)
    if done != {"FINISHED"} or MODULE not in bpy.context.preferences.addons:
        print(f"THE EXTENSION DOES NOT {'INSTALL' if session == 'install' else 'ENABLE'}: {done}", flush=True)
        return NOT_INSTALLED
    seconds = time.monotonic() - started
    print(f"Blender {bpy.app.version_string}, Python {sys.version.split()[0]}, session {session}: {seconds:.2f} s")
    for name in LIBRARIES:
        print(f"  {name:10} {library_at_work(name)}")
    sys.stdout.flush()

    import pytest

    arguments = ["--rootdir", str(ROOT), "-c", str(ROOT / "pyproject.toml"), "-o", f"filterwarnings={FILTERS}"]
    arguments += ["-o", "pythonpath="]
    if junit:
        arguments += [f"--junitxml={junit}"]
    if not any(argument.startswith("tests") for argument in pytest_arguments):
        arguments.append(str(ROOT / "tests" / "blender"))
    code = int(pytest.main([*arguments, *pytest_arguments]))
    if MODULE in bpy.context.preferences.addons:
        bpy.ops.preferences.addon_disable(module=MODULE)
    return code


def _version(module: str) -> str:
    """Return the version of the distribution that a module comes from."""
    [distribution, *_] = importlib.metadata.packages_distributions()[module]
    return importlib.metadata.version(distribution)


def library_at_work(name: str) -> str:
    """Return version and place of the library that an import gets now, without importing it.

    Blender 5.2 has some of them loaded before any extension, so its own stay at work there after a restart too.
    """
    loaded = ", loaded at Blender's start" if name in sys.modules else ""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        return "none"
    place = "the bundled wheel" if f"{os.sep}.local{os.sep}" in spec.origin else "Blender's own"
    return f"{_version(name):12} {place}{loaded}"


def start_session(session: str, arguments: argparse.Namespace, resources: Path) -> int:
    """Run one session in a new process of that Blender's Python; return its exit code."""
    import envs

    python = envs.ENVIRONMENTS[f"bpy-{arguments.blender}"].executable
    # -P: Blender's Python must not find our tools
    command = [str(python), "-B", "-P", __file__, "--inside", session, "--zip", str(arguments.zip)]
    command += ["--blender", arguments.blender, "--timeout", str(arguments.timeout)]
    if arguments.junit:
        arguments.junit.mkdir(parents=True, exist_ok=True)
        command += ["--junit", str(junit_path(arguments.junit, arguments.blender, session))]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER_"))}
    environment["BLENDER_USER_RESOURCES"] = str(resources)
    environment["MD_SESSION"] = session
    # a backstop for a process that its own guard (see main) cannot end
    try:
        done = subprocess.run(
            [*command, "--", *arguments.pytest], env=environment, cwd=ROOT, timeout=arguments.timeout + 30, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"BLENDER {arguments.blender}, SESSION {session}: ENDED AFTER {arguments.timeout + 30} S", flush=True)
        return 1
    if done.returncode < 0:
        print(f"BLENDER {arguments.blender}, SESSION {session}: KILLED BY SIGNAL {-done.returncode}", flush=True)
    return done.returncode


def junit_path(folder: Path, blender: str, session: str) -> Path:
    """Return where the results of one session go."""
    return folder / f"blender-{blender}-{session}.xml"


def main() -> int:
    """Run both sessions, or be one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blender", required=True, help="4.2, 4.5 or 5.2")
    parser.add_argument("--zip", required=True, type=lambda text: Path(text).resolve())
    parser.add_argument(
        "--session", choices=SESSIONS, help="only this one (restart: --resources of an earlier install)"
    )
    parser.add_argument("--resources", type=lambda text: Path(text).resolve(), help="user folder to use and to keep")
    parser.add_argument("--junit", type=lambda text: Path(text).resolve(), help="folder for the results as JUnit XML")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one session")
    parser.add_argument("--inside", choices=SESSIONS, help=argparse.SUPPRESS)
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    arguments = parser.parse_args()
    if arguments.inside:
        faulthandler.dump_traceback_later(arguments.timeout, exit=True)
        return run_session(arguments.inside, arguments.zip, arguments.junit, arguments.pytest)

    sys.path.insert(0, str(Path(__file__).resolve().parent))
    worst = 0
    with tempfile.TemporaryDirectory(prefix="movie-director-blender-", ignore_cleanup_errors=True) as scratch:
        resources = arguments.resources or Path(scratch)
        resources.mkdir(parents=True, exist_ok=True)
        for session in [arguments.session] if arguments.session else SESSIONS:
            code = start_session(session, arguments, resources)
            worst = worst or code
            if code == NOT_INSTALLED:
                break
    return worst


if __name__ == "__main__":
    exit_code = 1
    try:
        exit_code = main()
    except SystemExit as stop:
        exit_code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - the process has to end by os._exit whatever happened
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
