#!/usr/bin/env python3
"""Make the virtual environments that the build and the tests run in.

``python tools/envs.py ensure bpy-4.5 dev-3.11`` makes what is missing or out of date and says what it does;
``python tools/envs.py python bpy-4.5`` prints the interpreter of one; ``list`` shows all of them.

Everything lies under ``$MOVIE_DIRECTOR_CACHE`` (default ``~/.cache/movie-director-dev``), shared by all checkouts.
Each environment has a stamp, the hash of all that went into it, which is written last: one that was left half-made or
whose requirements have changed is made anew. A lock file a name keeps two runs from making the same one at once.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent))

import find_python
import patch_stubs
import system_libraries

TOOLS = Path(__file__).resolve().parent
STAMP = ".movie-director-stamp"
LEFT_OUT = frozenset({"anyio", "click", "hf-xet", "httpcore2", "tqdm", "truststore"})
"""What gradio_client and its libraries declare and our calls never import. The extension does without, so the
environments of the tests do too.
"""

IMPORT_BPY = "import bpy, os; print(bpy.app.version_string, flush=True); os._exit(0)"


@dataclass(frozen=True)
class Environment:
    """One virtual environment; ``check`` is Python that has to run in it, ``incomplete`` one without all that its
    packages ask for.
    """

    name: str
    python: str
    requirements: tuple[str, ...]
    check: str = "pass"
    needs_libraries: bool = False
    mend_stubs: bool = False
    no_cache: bool = False
    incomplete: bool = False

    @property
    def path(self) -> Path:
        """Where it lies."""
        return cache_dir() / self.name

    @property
    def executable(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"


def _bpy(version: str, python: str) -> Environment:
    # no_cache: the wheel has 300 MB and more, pip would keep it a second time
    requirements = (f"bpy-{version}.txt", "headless.txt")
    return Environment(f"bpy-{version}", python, requirements, check=IMPORT_BPY, needs_libraries=True, no_cache=True)


def _stubs(version: str) -> Environment:
    # nothing runs in it: mypy reads it (--python-executable), which finds stub-only packages in no other way
    return Environment(f"stubs-{version}", "3.11", (f"stubs-{version}.txt", "libraries-newest.txt"), mend_stubs=True)


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        Environment("dev-3.11", "3.11", ("libraries-newest.txt", "test.txt", "lint.txt"), check="import mypy, pytest"),
        # Some packages ask for newer libraries than Blender 4.2 has; its users get this set, so this set is tested.
        Environment(
            "legacy-3.11",
            "3.11",
            ("libraries-blender-4.2.txt", "test.txt"),
            check="import gradio_client, pytest, requests, responses",
            incomplete=True,
        ),
        Environment("test-3.13", "3.13", ("libraries-newest.txt", "test.txt"), check="import pytest, urllib3"),
        # the tests do not run in it, they start the proxy with it
        Environment("litellm", "3.11", ("litellm.txt",), check="import fastapi, litellm, openai"),
        Environment("cog-0.23", "3.11", ("cog-0.23.txt",), check="import cog, coglet"),
        Environment("cog-0.9", "3.11", ("cog-0.9.txt",), check="import cog, fastapi"),
        # the web layer of rvc-python: what converts does not build for any Python that is still maintained
        Environment(
            "rvc-python", "3.11", ("rvc-python.txt",), check="import fastapi, loguru, uvicorn", incomplete=True
        ),
        # as with litellm; gradio_client is run in the last, beside our own session
        Environment("gradio-4", "3.11", ("gradio-4.txt",), check="import gradio"),
        Environment("gradio-5", "3.11", ("gradio-5.txt",), check="import gradio"),
        Environment("gradio-6", "3.11", ("gradio-6.txt",), check="import gradio, gradio_client, urllib3"),
        _stubs("4.2"),
        _stubs("4.5"),
        _stubs("5.2"),
        _bpy("4.2", "3.11"),
        _bpy("4.5", "3.11"),
        _bpy("5.2", "3.13"),
    )
}


class SetupError(Exception):
    """An environment can't be made here; the text says why."""


def cache_dir() -> Path:
    """Return the folder that all checkouts share."""
    configured = os.environ.get("MOVIE_DIRECTOR_CACHE")
    return Path(configured).expanduser().resolve() if configured else Path.home() / ".cache" / "movie-director-dev"


def fingerprint(environment: Environment) -> str:
    """Return the hash of all that goes into an environment."""
    digest = hashlib.sha256(f"1 {environment.python}".encode())
    for name in environment.requirements:
        text = (TOOLS / "requirements" / name).read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        digest.update("\n".join(lines).encode())
    if environment.mend_stubs:
        digest.update(Path(patch_stubs.__file__).read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock file of that name; waits for another process that holds it."""
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(name, "another run is making it: waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def say(name: str, text: str) -> None:
    """Print one line about one environment, to stderr: `python` prints paths."""
    print(f"[setup {name}] {text}", file=sys.stderr, flush=True)


def is_ready(environment: Environment) -> bool:
    """Tell whether the environment is whole, up to date and its interpreter still there."""
    try:
        if (environment.path / STAMP).read_text(encoding="utf-8") != fingerprint(environment):
            return False
        command = [str(environment.executable), "-c", "pass"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def ensure(name: str) -> Path:
    """Make the environment unless it is ready; return its path. Raises SetupError if that can't be done here."""
    environment = ENVIRONMENTS[name]
    if environment.needs_libraries:
        with locked("apt"):
            problem = system_libraries.ensure()
        if problem:
            raise SetupError(problem)
    with locked(name):
        if not is_ready(environment):
            python = find_python.find(environment.python, install=True)
            if not python:
                reason = f"NO WORKING PYTHON {environment.python} (WITH VENV AND PIP) WAS FOUND"
                raise SetupError(f"{reason}: {name} CAN'T BE MADE")
            started = time.monotonic()
            say(name, f"making it in {environment.path} with {python}")
            _make(environment, python)
            (environment.path / STAMP).write_text(fingerprint(environment), encoding="utf-8")
            say(name, f"ready in {time.monotonic() - started:.0f} s")
    return environment.path


def _make(environment: Environment, python: str) -> None:
    shutil.rmtree(environment.path, ignore_errors=True)
    log = cache_dir() / "logs" / f"{environment.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(environment.executable), "-m", "pip"]
    # --only-binary: nothing is ever compiled here.  --no-deps: the files pin the whole set
    install = [*pip, "install", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:", "--no-deps"]
    if environment.no_cache:
        install.append("--no-cache-dir")
    for name in environment.requirements:
        install += ["-r", str(TOOLS / "requirements" / name)]
    with log.open("w", encoding="utf-8") as handle:
        _logged([python, "-m", "venv", str(environment.path)], environment, handle)
        _logged(install, environment, handle)
        # bpy's own metadata asks for newer libraries than the application has
        if not (environment.needs_libraries or environment.incomplete):
            _check_complete([*pip, "check"], environment, handle)
        _logged([str(environment.executable), "-c", environment.check], environment, handle)
    if environment.mend_stubs:
        (stubs,) = environment.path.glob("lib/python*/site-packages/bpy-stubs")
        patch_stubs.mend(stubs)


def _check_complete(command: list[str], environment: Environment, log: TextIO) -> None:
    """Raise SetupError if a package lacks one that it asks for, other than those that are left out on purpose."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    log.write(done.stdout + done.stderr)
    lacking = [line for line in done.stdout.splitlines() if not _is_left_out(line)]
    if done.returncode and (lacking or not done.stdout):
        raise SetupError(f"{environment.name}: pip check says:\n" + "\n".join(lacking or [done.stderr[-2000:]]))


def _is_left_out(line: str) -> bool:
    found = re.search(r" requires (\S+), which is not installed\.$", line)
    return found is not None and found[1].lower().replace("_", "-") in LEFT_OUT


def _logged(command: list[str], environment: Environment, log: TextIO, *, may_fail: bool = False) -> None:
    done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode and not may_fail:
        path = cache_dir() / "logs" / f"{environment.name}.log"
        tail = "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SetupError(f"{environment.name}: {command[1:4]} ended with {done.returncode}; {path} ends:\n{tail}")


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("ensure", "python"):
        sub = commands.add_parser(command)
        sub.add_argument("names", nargs="+", choices=sorted(ENVIRONMENTS))
    commands.add_parser("list")
    arguments = parser.parse_args()
    if arguments.command == "list":
        for environment in ENVIRONMENTS.values():
            state = "ready" if is_ready(environment) else "-"
            print(f"{environment.name:12} {state:6} {environment.path}")
        return 0
    try:
        for name in arguments.names:
            path = ensure(name)
            if arguments.command == "python":
                print(path / "bin" / "python")
            else:
                say(name, f"is at {path}")
    except SetupError as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
