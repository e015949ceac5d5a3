#!/usr/bin/env python3
"""Find an interpreter of a given Python version that really runs and can make virtual environments.

``python tools/find_python.py 3.13`` prints its path, or says in capitals that there is none and exits with 1.
With ``--install`` the system's package manager (Debian, as root) and then uv, if it is there, are asked to get one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# the base interpreter, not the venv that may be running this: an environment must not stand on another one
PROBE = """import ctypes, ensurepip, ssl, sys, venv
print(getattr(sys, "_base_executable", None) or sys.executable)
print("%d.%d" % sys.version_info[:2])"""


def candidates(version: str) -> Iterator[str]:
    """Yield the places where an interpreter may be, the likeliest first."""
    yield sys.executable
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    newest_first = sorted(pyenv.glob(f"versions/{version}*"), key=lambda path: _numbers(path.name), reverse=True)
    yield from (str(path / "bin" / f"python{version}") for path in newest_first)
    uv = shutil.which("uv")
    if uv:
        found = _run([uv, "python", "find", version])
        if found:
            yield found.splitlines()[-1]
    for pattern in ("usr/bin", "usr/local/bin", "opt/python*/bin", "usr/lib/python*/bin", "opt/homebrew/bin"):
        yield from sorted(str(path) for path in Path("/").glob(f"{pattern}/python{version}"))


def works(path: str, version: str) -> str | None:
    """Return the interpreter's real path if it runs, has that version and can make a venv with pip.

    A pyenv shim exists for every version that any pyenv folder holds, but runs only for the selected ones.
    """
    if not path:
        return None
    output = _run([path, "-c", PROBE])
    lines = (output or "").splitlines()
    if len(lines) != 2 or lines[1] != version:
        return None
    return lines[0]


def find(version: str, *, install: bool = False) -> str | None:
    """Return the path of a working interpreter of ``version`` ("3.13"), or None."""
    for path in candidates(version):
        found = works(path, version)
        if found:
            return found
    if install and (_apt_install(version) or _uv_install(version)):
        return find(version)
    return None


def _apt_install(version: str) -> bool:
    if os.name != "posix" or not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    _run(["apt-get", "update", "-qq"])
    policy = _run(["apt-cache", "policy", f"python{version}"]) or ""
    if "Candidate:" not in policy or "Candidate: (none)" in policy:
        return False
    print(f"apt-get install python{version} python{version}-venv", file=sys.stderr, flush=True)
    command = [
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
        f"python{version}",
        f"python{version}-venv",
    ]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode == 0


def _uv_install(version: str) -> bool:
    uv = shutil.which("uv")
    if not uv:
        return False
    print(f"uv python install {version}", file=sys.stderr, flush=True)
    return subprocess.run([uv, "python", "install", version], stdout=sys.stderr, check=False).returncode == 0


def _run(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdigit()]


def main() -> int:
    """Print the path of the interpreter that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="for example 3.13")
    parser.add_argument("--install", action="store_true", help="have apt-get or uv get one as the last resort")
    arguments = parser.parse_args()
    found = find(arguments.version, install=arguments.install)
    if not found:
        print(f"NO WORKING PYTHON {arguments.version} (WITH VENV AND PIP) WAS FOUND", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
