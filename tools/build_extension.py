#!/usr/bin/env python3
"""Build ``dist/movie_director-VERSION.zip``, the one file that a user installs.

What ships is copied to a clean folder by an allow-list, the locked wheels are put beside it, and Blender's own
``blender_ext.py`` (from any of the bpy environments) validates and builds it. The zip is then packed again with sorted
names, fixed times and fixed permissions, so that building twice gives the same bytes, and validated once more.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import envs
import wheel_lock

ROOT = Path(__file__).resolve().parent.parent

# Top-level entries that ship, and the kinds of files in their folders. Anything else in there stops the build: a file
# is either meant to ship, then its kind belongs here, or it lies in the wrong place.
SHIPPED_FILES = ("__init__.py", "preferences.py", "blender_manifest.toml", "LICENSE")
SHIPPED_FOLDERS = ("clients", "runtime", "blender", "operators", "cli", "ui")
SHIPPED_SUFFIXES = frozenset({".py", ".json", ".typed", ".png", ".webp", ".webm", ".flac", ".mp3"})
CACHES = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})
CACHED_SUFFIXES = frozenset({".pyc", ".pyo"})

EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip
MODE = 0o100644
TOOL = "addons_core/bl_pkg/cli/blender_ext.py"


class BuildError(Exception):
    """The extension can't be built from this tree; the text says why."""


@dataclass(frozen=True)
class Validator:
    """Blender's extension tool and the platform's list of tags."""

    blender: str
    tool: Path
    tags: Path

    def run(self, command: str, *arguments: str | Path) -> str:
        """Run one command of the tool; return what it printed, or raise BuildError with it."""
        whole = [sys.executable, str(self.tool), command, f"--valid-tags={self.tags}", *map(str, arguments)]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        if done.returncode:
            raise BuildError(f"blender_ext.py {command} of Blender {self.blender} says:\n{output}")
        return output


def find_validators() -> list[Validator]:
    """Return the tools of the Blenders among the environments that are there, the newest first."""
    found = []
    for version in ("5.2", "4.5", "4.2"):
        environment = envs.ENVIRONMENTS[f"bpy-{version}"]
        if not envs.is_ready(environment):
            continue
        for tool in environment.path.glob(f"lib/python*/site-packages/bpy/*/scripts/{TOOL}"):
            tags = tool.parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py"
            if tags.exists():
                found.append(Validator(version, tool, tags))
    return found


def shipped(root: Path) -> Iterator[Path]:
    """Yield the files that ship, relative to ``root``. Raises BuildError at what ought not to lie there."""
    for name in SHIPPED_FILES:
        if not (root / name).is_file():
            raise BuildError(f"{name} is missing")
        yield Path(name)
    for name in SHIPPED_FOLDERS:
        if not (root / name).is_dir():
            raise BuildError(f"the folder {name} is missing")
        for path in sorted((root / name).rglob("*")):
            relative = path.relative_to(root)
            if CACHES.intersection(relative.parts) or path.suffix in CACHED_SUFFIXES:
                continue
            if path.is_symlink():
                raise BuildError(f"{relative} is a link")
            if path.is_dir():
                continue
            if path.suffix not in SHIPPED_SUFFIXES or path.name.startswith("."):
                raise BuildError(f"{relative}: this kind of file does not ship; see SHIPPED_SUFFIXES in {__file__}")
            yield relative


def stage(root: Path, target: Path, wheel_files: list[Path]) -> None:
    """Copy what ships, and the wheels, to the empty folder ``target``."""
    for relative in shipped(root):
        destination = target / relative
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / relative, destination)
    (target / "wheels").mkdir()
    for path in wheel_files:
        shutil.copyfile(path, target / "wheels" / path.name)
    listed = sorted(tomllib.loads((target / "blender_manifest.toml").read_text(encoding="utf-8"))["wheels"])
    present = sorted(f"./wheels/{path.name}" for path in wheel_files)
    if listed != present:
        raise BuildError(f"the manifest lists {listed}, the lock {present}: run `make lock`")


def zip_path(root: Path = ROOT) -> Path:
    """Return where the zip of this version goes."""
    manifest = tomllib.loads((root / "blender_manifest.toml").read_text(encoding="utf-8"))
    return root / "dist" / f"{manifest['id']}-{manifest['version']}.zip"


def repack(source: Path, target: Path) -> None:
    """Write the zip again with all that may differ between two builds taken out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(info.filename for info in old.infolist() if not info.is_dir()):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.external_attr = MODE << 16
            entry.create_system = 3
            # a wheel is a zip already
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            new.writestr(entry, old.read(name), compresslevel=9)


def build(root: Path, output: Path, validators: list[Validator], wheel_files: list[Path]) -> Path:
    """Build the extension of the tree ``root``; return the zip's path in the folder ``output``.

    The first validator builds; all of them have to accept the result.
    """
    with tempfile.TemporaryDirectory(prefix="movie-director-build-") as scratch:
        tree, built = Path(scratch) / "tree", Path(scratch) / "built"
        tree.mkdir()
        built.mkdir()
        stage(root, tree, wheel_files)
        validators[0].run("validate", tree)
        validators[0].run("build", "--source-dir", tree, "--output-dir", built)
        (found,) = built.glob("*.zip")
        finished = Path(scratch) / zip_path(tree).name
        repack(found, finished)
        for validator in validators:
            validator.run("validate", finished)
        output.mkdir(parents=True, exist_ok=True)
        # in two steps on the same file system, so that nobody ever sees half a zip
        arriving = output / f".{finished.name}.part"
        shutil.copyfile(finished, arriving)
        return arriving.replace(output / finished.name)


def main() -> int:
    """Build and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder for the zip (default: dist)")
    parser.add_argument("--where", action="store_true", help="build nothing, only print where the zip goes")
    arguments = parser.parse_args()
    if arguments.where:
        print(zip_path())
        return 0
    started = time.monotonic()
    try:
        if not find_validators():
            envs.ensure("bpy-4.5")
        validators = find_validators()
        if not validators:
            raise BuildError("no Blender environment has blender_ext.py")
        path = build(ROOT, arguments.output, validators, wheel_lock.fetch(wheel_lock.read_lock()))
    except (BuildError, envs.SetupError, wheel_lock.WheelError) as problem:
        print(f"The build failed: {problem}", file=sys.stderr)
        return 1
    with zipfile.ZipFile(path) as archive:
        count = len(archive.namelist())
    accepted = ", ".join(validator.blender for validator in validators)
    seconds = time.monotonic() - started
    print(
        f"{path}: {count} files, {path.stat().st_size / 1024:.0f} KiB in {seconds:.1f} s; valid for Blender {accepted}"
    )
    print(f"sha256 {wheel_lock.hash_of(path)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
