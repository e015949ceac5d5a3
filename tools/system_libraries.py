#!/usr/bin/env python3
"""Install the shared libraries that Blender-as-a-module needs on Linux (Debian and its kin), where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# soname -> Debian package. bpy links to these even when it opens no window; EGL is what it renders with.
LIBRARIES = {
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libEGL_mesa.so.0": "libegl-mesa0",
    "libgomp.so.1": "libgomp1",
}


def missing() -> dict[str, str]:
    """Return the libraries that the dynamic linker does not know, with their packages; empty off Linux."""
    if not sys.platform.startswith("linux"):
        return {}
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        known = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return {}
    names = {line.split()[0] for line in known.splitlines()[1:] if line.split()}
    return {library: package for library, package in LIBRARIES.items() if library not in names}


def ensure() -> str | None:
    """Install what is missing with apt-get; return None, or why that can't be done here."""
    lacking = missing()
    if not lacking:
        return None
    packages = sorted(set(lacking.values()))
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return f"Blender needs the libraries {', '.join(sorted(lacking))}. Install them as root: {command}"
    print(f"[setup libraries] {command}", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    for step in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(step)} failed:\n{(done.stderr or done.stdout)[-2000:]}"
    still = missing()
    return f"Still missing after {command}: {', '.join(sorted(still))}" if still else None


if __name__ == "__main__":
    error = ensure()
    if error:
        print(error, file=sys.stderr)
    raise SystemExit(1 if error else 0)
