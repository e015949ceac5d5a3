"""The zip that users install: what is in it, and that building it twice gives the same bytes."""

from __future__ import annotations

import os
import shutil
import tomllib
import zipfile
from pathlib import Path

import build_extension
import pytest
import wheel_lock

ROOT = Path(__file__).resolve().parents[3]
EXPECTED_TOP = {"__init__.py", "preferences.py", "blender_manifest.toml", "LICENSE"} | {
    "clients",
    "runtime",
    "blender",
    "cli",
    "operators",
    "ui",
    "wheels",
}


@pytest.fixture(scope="module")
def validators() -> list[build_extension.Validator]:
    found = build_extension.find_validators()
    if not found:
        if os.environ.get("REQUIRE_BLENDER"):
            pytest.fail("no Blender environment is set up: make setup")
        pytest.skip("needs a Blender environment for its validator: make setup")
    return found


@pytest.fixture(scope="module")
def wheel_files() -> list[Path]:
    return wheel_lock.fetch(wheel_lock.read_lock())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with the real manifest."""
    root = tmp_path / "a tree"
    for folder in build_extension.SHIPPED_FOLDERS:
        (root / folder).mkdir(parents=True)
        (root / folder / "__init__.py").write_text('"""Something."""\n', encoding="utf-8")
    (root / "clients" / "workflow.json").write_text("{}\n", encoding="utf-8")
    for name in ("__init__.py", "preferences.py"):
        (root / name).write_text("def register():\n    pass\n", encoding="utf-8")
    for name in ("blender_manifest.toml", "LICENSE"):
        shutil.copy(ROOT / name, root / name)
    return root


def test_building_twice_gives_the_same_bytes(
    tree: Path, tmp_path: Path, validators: list[build_extension.Validator], wheel_files: list[Path]
) -> None:
    first = build_extension.build(tree, tmp_path / "first", validators, wheel_files)
    # the same content, but everything else about the files is different
    other = tmp_path / "elsewhere"
    for path in sorted(tree.rglob("*"), reverse=True):
        if path.is_file():
            copy = other / path.relative_to(tree)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            copy.chmod(0o755)
            os.utime(copy, (1_000_000_000, 1_000_000_000))
    (other / "clients" / "__pycache__").mkdir()
    (other / "clients" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"cached")
    second = build_extension.build(other, tmp_path / "second", validators, wheel_files)
    assert first.read_bytes() == second.read_bytes()
    assert (
        first.name
        == "movie_director-" + tomllib.loads((ROOT / "blender_manifest.toml").read_text())["version"] + ".zip"
    )


def test_repacking_takes_out_times_modes_folders_and_order(tmp_path: Path) -> None:
    packed = []
    for number, names in enumerate((["b.py", "a/", "a/x.whl"], ["a/x.whl", "b.py"])):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                entry = zipfile.ZipInfo(name, (2000 + number, 1, 1, 0, 0, 0))
                entry.external_attr = (0o100600 + 0o155 * number) << 16
                entry.create_system = 0 if number else 3
                archive.writestr(entry, name)
        build_extension.repack(tmp_path / f"{number}.zip", tmp_path / f"{number}.new.zip")
        packed.append((tmp_path / f"{number}.new.zip").read_bytes())
    assert packed[0] == packed[1]
    with zipfile.ZipFile(tmp_path / "0.new.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a/x.whl": b"a/x.whl", "b.py": b"b.py"}


def test_zip_of_this_tree_holds_what_ships_and_nothing_else(
    tmp_path: Path, validators: list[build_extension.Validator], wheel_files: list[Path]
) -> None:
    path = build_extension.build(ROOT, tmp_path, validators, wheel_files)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        times = {info.date_time for info in archive.infolist()}
        modes = {info.external_attr >> 16 for info in archive.infolist()}
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == EXPECTED_TOP
    assert times == {(1980, 1, 1, 0, 0, 0)}
    assert modes == {0o100644}
    unwanted = {"tests", "test", "docs", "benchmarks", "tools", "demo", "build", "recordings", "__pycache__", ".git"}
    assert [name for name in names if unwanted.intersection(name.split("/"))] == []
    assert [name for name in names if name.split("/")[-1].startswith(("test_", "conftest", ".", "pyproject"))] == []
    assert {Path(name).suffix for name in names} <= {*build_extension.SHIPPED_SUFFIXES, ".toml", ".whl", ""}
    in_zip = {name.removeprefix("wheels/") for name in names if name.startswith("wheels/")}
    assert in_zip == {wheel.filename for wheel in wheel_lock.read_lock()}
    assert {f"./wheels/{name}" for name in in_zip} == set(manifest["wheels"])
    shipped_code = {name for name in names if name.endswith(".py")}
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for folder in build_extension.SHIPPED_FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    }
    assert shipped_code == on_disk | {"__init__.py", "preferences.py"}


@pytest.mark.parametrize("name", ["notes.txt", "scene.blend1", ".hidden.py", "model.bin", "x.py~", "library.so"])
def test_file_of_an_unknown_kind_stops_the_build(tree: Path, name: str) -> None:
    (tree / "runtime" / name).write_text("x", encoding="utf-8")
    with pytest.raises(build_extension.BuildError, match="does not ship"):
        list(build_extension.shipped(tree))


def test_link_stops_the_build(tree: Path) -> None:
    (tree / "ui" / "elsewhere.py").symlink_to(tree / "preferences.py")
    with pytest.raises(build_extension.BuildError, match="is a link"):
        list(build_extension.shipped(tree))


@pytest.mark.parametrize("name", ["preferences.py", "LICENSE", "operators"])
def test_missing_part_stops_the_build(tree: Path, name: str) -> None:
    part = tree / name
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink()
    with pytest.raises(build_extension.BuildError, match=f"{name}"):
        list(build_extension.shipped(tree))


def test_manifest_that_blender_refuses_stops_the_build(
    tree: Path, tmp_path: Path, validators: list[build_extension.Validator], wheel_files: list[Path]
) -> None:
    manifest = tree / "blender_manifest.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('tags = ["Pipeline"', 'tags = ["Moving Pictures"'), encoding="utf-8")
    with pytest.raises(build_extension.BuildError, match="Moving Pictures"):
        build_extension.build(tree, tmp_path / "out", validators, wheel_files)
    assert not (tmp_path / "out").exists()


def test_manifest_with_other_wheels_than_the_lock_stops_the_build(
    tree: Path, tmp_path: Path, validators: list[build_extension.Validator], wheel_files: list[Path]
) -> None:
    with pytest.raises(build_extension.BuildError, match="make lock"):
        build_extension.build(tree, tmp_path / "out", validators, wheel_files[1:])
