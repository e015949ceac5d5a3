#!/usr/bin/env python3
"""The wheels that the extension bundles: read the lock, fetch, check, and lock anew.

``python tools/wheel_lock.py fetch`` brings the locked wheels into the cache and checks them;
``python tools/wheel_lock.py lock`` resolves ``WANTED`` to the newest versions and rewrites the lock, the manifest's
wheel list and the development pins. The index is whatever pip is configured with: no host is named here.

Only pure-Python wheels are taken, so that one zip serves every platform and every Python from 3.11 on. Of a package
that has none (``BUILT``) one is built from its source, whose hash is locked too; see ``pure_wheel.py``.
"""

from __future__ import annotations

import argparse
import email.parser
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import envs
import pure_wheel

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "wheels" / "wheels.lock"
MANIFEST = ROOT / "blender_manifest.toml"
PINS = ROOT / "tools" / "requirements" / "libraries-newest.txt"
LEGACY_PINS = ROOT / "tools" / "requirements" / "libraries-blender-4.2.txt"

# What the code imports; their own dependencies are found by pip and locked too.
WANTED = ("urllib3>=2", "certifi", "requests", "websocket-client", "wsproto", "filelock", "fastjsonschema")
# gradio_client, and what importing it imports. Their dependencies are not resolved: pip would bring the rest of what
# they declare (envs.LEFT_OUT), of which a part is compiled. tests/unit/tools/test_wheels.py looks for what is missing.
LISTED = (
    *("gradio-client>=2.7,<3", "httpx<1", "httpcore", "huggingface-hub", "httpx2"),
    *("fsspec", "packaging", "typing-extensions"),
)
BUILT = {"pyyaml": {"PYYAML_FORCE_LIBYAML": "0"}}
"""Built from source, with these environment variables: PyYAML without its C part, as huggingface_hub imports it."""

PURE_TAGS = ("py3-none-any", "py2.py3-none-any")
# pip prefers a compiled wheel of this machine where there is one (charset-normalizer has both): it is told of a machine
# that can run none.
PURE_ONLY = (
    *("--only-binary", ":all:", "--platform", "any"),
    *("--implementation", "py", "--abi", "none", "--python-version", "3.11"),
)
BLENDERS_OWN = ("urllib3", "certifi", "requests", "idna", "charset-normalizer")
"""Brought by Blender 4.2 itself: the pins of its library set stay."""
NATIVE_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")
HEADER = "# Written by `make lock`. The wheels that the build fetches, checks and puts into the extension.\n"


class WheelError(Exception):
    """A wheel is not the one that was locked, or not one that may be bundled."""


@dataclass(frozen=True)
class Wheel:
    """One locked wheel; ``tag`` as in its file name, ``source_sha256`` of the source if it is built from that."""

    name: str
    version: str
    filename: str
    sha256: str
    tag: str
    source_sha256: str = ""


def read_lock(path: Path = LOCK) -> list[Wheel]:
    """Read the lock, sorted by file name."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["wheel"]
    return sorted((Wheel(**entry) for entry in entries), key=lambda wheel: wheel.filename)


def write_lock(wheels: list[Wheel], path: Path = LOCK) -> None:
    """Write the lock in a form that diffs well."""
    parts = [HEADER]
    for wheel in sorted(wheels, key=lambda one: one.filename):
        lines = [f'{key} = "{value}"' for key, value in vars(wheel).items() if value]
        parts.append("\n[[wheel]]\n" + "\n".join(lines) + "\n")
    path.write_text("".join(parts), encoding="utf-8")


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def describe(path: Path) -> Wheel:
    """Describe a wheel by its file name (name-version[-build]-python-abi-platform.whl) and content."""
    parts = path.name.removesuffix(".whl").split("-")
    if path.suffix != ".whl" or len(parts) not in (5, 6):
        raise WheelError(f"{path.name}: not a wheel's file name")
    return Wheel(parts[0].replace("_", "-"), parts[1], path.name, hash_of(path), "-".join(parts[-3:]))


def check(path: Path, wheel: Wheel) -> None:
    """Raise WheelError unless the file is the locked one, pure Python by its name, its metadata and its content."""
    if hash_of(path) != wheel.sha256:
        raise WheelError(f"{path.name}: its SHA-256 is {hash_of(path)}, locked is {wheel.sha256}")
    if wheel.tag not in PURE_TAGS or not wheel.filename.endswith(f"-{wheel.tag}.whl"):
        raise WheelError(f"{path.name}: not pure Python ({wheel.tag}); only {' and '.join(PURE_TAGS)} may be bundled")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        metadata = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/WHEEL", name)]
        if len(metadata) != 1 or metadata[0].replace("/WHEEL", "/RECORD") not in names:
            raise WheelError(f"{path.name}: no WHEEL or no RECORD in it")
        declared = email.parser.Parser().parsestr(archive.read(metadata[0]).decode())
    if declared["Root-Is-Purelib"] != "true":
        raise WheelError(f"{path.name}: Root-Is-Purelib is {declared['Root-Is-Purelib']}")
    for name in names:
        if name.endswith(NATIVE_SUFFIXES):
            raise WheelError(f"{path.name}: holds native code ({name})")
        if ".data/" in name:
            raise WheelError(f"{path.name}: holds {name}, which Blender 4.2 does not unpack rightly")


def fetch(wheels: list[Wheel], folder: Path | None = None) -> list[Path]:
    """Return the checked files of the locked wheels, downloaded by pip where the cache lacks them."""
    folder = folder or envs.cache_dir() / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    with envs.locked("wheels"):
        missing = [wheel for wheel in wheels if not _is_cached(folder / wheel.filename, wheel)]
        if fetched := [wheel for wheel in missing if not wheel.source_sha256]:
            _download(fetched, folder)
        for wheel in missing:
            if wheel.source_sha256:
                _build(wheel, folder)
    for wheel in wheels:
        check(folder / wheel.filename, wheel)
    return [folder / wheel.filename for wheel in wheels]


def _is_cached(path: Path, wheel: Wheel) -> bool:
    return path.exists() and hash_of(path) == wheel.sha256


def _download(wheels: list[Wheel], folder: Path) -> None:
    """Have pip download into a folder of its own, so that a broken download never looks like a cached wheel."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels]
        requirements.write_text("".join(lines), encoding="utf-8")
        _pip("download", "--no-deps", "--require-hashes", "--dest", scratch, "--requirement", str(requirements))
        for wheel in wheels:
            found = Path(scratch) / wheel.filename
            if not found.exists():
                raise WheelError(f"{wheel.filename}: pip fetched {sorted(p.name for p in Path(scratch).glob('*.whl'))}")
            found.replace(folder / wheel.filename)


def _build(wheel: Wheel, folder: Path) -> None:
    """Have pip build the wheel from the locked source, and pack what comes of it in the one form there is of it."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(
            f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.source_sha256}\n", encoding="utf-8"
        )
        _pip_source("wheel", wheel.name, scratch, "--require-hashes", "--requirement", str(requirements))
        built = _one_file(Path(scratch), "*.whl")
        pure_wheel.repack(built, Path(scratch) / wheel.filename).replace(folder / wheel.filename)


def _one_file(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise WheelError(f"pip made {sorted(path.name for path in found)} of one source")
    return found[0]


def _pip(command: str, *arguments: str) -> None:
    _run_pip(command, *PURE_ONLY, *arguments)


def _pip_source(command: str, name: str, folder: str, *arguments: str) -> None:
    """Run pip on the source of a package; its cache may have wheels of the same source with compiled parts."""
    where = "--dest" if command == "download" else "--wheel-dir"
    source = ("--no-deps", "--no-cache-dir", "--no-binary", name, where, folder)
    _run_pip(command, *source, *arguments, environment=BUILT[name])


def _run_pip(command: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    whole = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    environment = {**os.environ, **(environment or {})}
    done = subprocess.run(whole, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise WheelError(f"pip {command} failed:\n{done.stderr[-3000:]}")


def lock_newest() -> list[Wheel]:
    """Resolve ``WANTED``, ``LISTED`` and ``BUILT`` to the newest wheels and return them checked."""
    with tempfile.TemporaryDirectory() as scratch:
        _pip("download", "--dest", scratch, *WANTED)
        if LISTED:
            _pip("download", "--no-deps", "--dest", scratch, *LISTED)
        wheels = [describe(path) for path in sorted(Path(scratch).iterdir())]
        for wheel in wheels:
            check(Path(scratch) / wheel.filename, wheel)
    return sorted((*wheels, *map(_lock_built, BUILT)), key=lambda wheel: wheel.filename)


def _lock_built(name: str) -> Wheel:
    """Build the newest version of a package from its source."""
    with tempfile.TemporaryDirectory() as scratch:
        _pip_source("download", name, scratch, name)
        source = _one_file(Path(scratch), "*.tar.gz")
        _pip_source("wheel", name, scratch, str(source))
        built = _one_file(Path(scratch), "*.whl")
        packed = pure_wheel.repack(built, Path(scratch) / "packed" / built.name)
        wheel = replace(describe(packed), source_sha256=hash_of(source))
        check(packed, wheel)
    return wheel


def manifest_with(text: str, wheels: list[Wheel]) -> str:
    """Return the manifest's text with its wheel list set to those wheels."""
    entries = "".join(f'  "./wheels/{wheel.filename}",\n' for wheel in wheels)
    new, count = re.subn(
        r"^wheels = \[\n(?:  .*\n)*\]\n", lambda _: f"wheels = [\n{entries}]\n", text, flags=re.MULTILINE
    )
    if count != 1:
        raise WheelError("the manifest has no `wheels = [` list of one entry a line")
    return new


def pins_with(text: str, wheels: list[Wheel]) -> str:
    """Return a requirement file's text with the pins of those wheels that it names brought to their versions."""
    for wheel in wheels:
        text = re.sub(rf"^{re.escape(wheel.name)}==.*$", f"{wheel.name}=={wheel.version}", text, flags=re.MULTILINE)
    return text


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("fetch", "lock"))
    arguments = parser.parse_args()
    try:
        if arguments.command == "fetch":
            for path in fetch(read_lock()):
                print(path)
            return 0
        wheels = lock_newest()
    except WheelError as problem:
        print(problem, file=sys.stderr)
        return 1
    write_lock(wheels)
    MANIFEST.write_text(manifest_with(MANIFEST.read_text(encoding="utf-8"), wheels), encoding="utf-8")
    PINS.write_text(pins_with(PINS.read_text(encoding="utf-8"), wheels), encoding="utf-8")
    bundled_only = [wheel for wheel in wheels if wheel.name not in BLENDERS_OWN]
    LEGACY_PINS.write_text(pins_with(LEGACY_PINS.read_text(encoding="utf-8"), bundled_only), encoding="utf-8")
    for wheel in wheels:
        print(f"{wheel.sha256}  {wheel.filename}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
