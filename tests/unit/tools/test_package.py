"""``pip install`` of a checkout: it makes ``movie_director.clients`` importable whatever the folder is called."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("setuptools.command.bdist_wheel") is None,
    reason="pip fetches a newer setuptools by itself; without a network this one is too old to build wheels",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a package is made of, in a folder with a name that is no package's."""
    folder = tmp_path_factory.mktemp("with spaces") / "2nd Check-Out"
    folder.mkdir()
    for name in ("setup.py", "pyproject.toml", "blender_manifest.toml", "__init__.py", "preferences.py"):
        shutil.copy(ROOT / name, folder / name)
    for name in ("clients", "runtime", "blender"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "README.md").write_text("# Something\n", encoding="utf-8")
    (folder / "tests").mkdir()
    (folder / "tests" / "recording.json").write_text("{}", encoding="utf-8")
    return folder


def pip(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "pip", *arguments, "--no-deps", "--no-build-isolation", "--quiet"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_editable_install_from_a_folder_of_any_name(checkout: Path, tmp_path: Path) -> None:
    pip("install", "--prefix", str(tmp_path / "prefix"), "--editable", str(checkout))
    (packages,) = tmp_path.glob("prefix/lib/python*/site-packages")
    code = (
        f"import site; site.addsitedir({str(packages)!r})\n"
        "import json, sys, movie_director, movie_director.clients, movie_director.clients.errors\n"
        "print(json.dumps([movie_director.__file__, movie_director.clients.errors.__file__, 'bpy' in sys.modules]))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    root, errors, has_bpy = json.loads(done.stdout)
    assert Path(root) == checkout / "__init__.py"
    assert Path(errors) == checkout / "clients" / "errors.py"
    assert not has_bpy


def test_wheel_holds_the_bpy_free_half_and_its_data(checkout: Path, tmp_path: Path) -> None:
    pip("wheel", "--wheel-dir", str(tmp_path), str(checkout))
    version = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    with zipfile.ZipFile(tmp_path / f"movie_director-{version}-py3-none-any.whl") as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"movie_director/{path.relative_to(ROOT).as_posix()}"
        for folder in ("clients", "runtime")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == expected | {"movie_director/__init__.py"}
