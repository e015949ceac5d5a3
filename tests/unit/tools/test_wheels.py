"""The lock of the bundled wheels, and that nothing but what it names gets into the zip."""

from __future__ import annotations

import dataclasses
import re
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import wheel_lock
from wheel_lock import Wheel, WheelError

ROOT = Path(__file__).resolve().parents[3]


def make_wheel(
    folder: Path, *, tag: str = "py3-none-any", pure: str = "true", extra: tuple[str, ...] = (), record: bool = True
) -> Path:
    """Write a wheel of a package ``thing`` 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"thing-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/__init__.py", "VALUE = 1\n")
        archive.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr(
            "thing-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
        )
        for name in extra:
            archive.writestr(name, "")
        if record:
            archive.writestr("thing-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def offline_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip can download from."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("MOVIE_DIRECTOR_CACHE", str(tmp_path / "cache"))
    return folder


def test_manifest_lists_exactly_the_locked_wheels() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    assert manifest["wheels"] == [f"./wheels/{wheel.filename}" for wheel in wheel_lock.read_lock()]


def test_every_locked_wheel_is_pure_and_has_a_hash() -> None:
    wheels = wheel_lock.read_lock()
    needed = {"urllib3", "certifi", "requests", "idna", "charset-normalizer", "websocket-client", "wsproto", "h11"}
    assert {wheel.name for wheel in wheels} >= needed
    for wheel in wheels:
        assert wheel.tag in wheel_lock.PURE_TAGS
        assert wheel.filename.endswith(f"-{wheel.tag}.whl")
        assert re.fullmatch("[0-9a-f]{64}", wheel.sha256)


def test_tests_run_with_the_locked_versions() -> None:
    pins = wheel_lock.PINS.read_text(encoding="utf-8").splitlines()
    for wheel in wheel_lock.read_lock():
        assert f"{wheel.name}=={wheel.version}" in pins


def test_every_runtime_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=!~ ]", requirement)[0] for requirement in project["dependencies"]}
    assert names <= {wheel.name for wheel in wheel_lock.read_lock()}


def test_manifest_credits_every_bundled_holder() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    for wheel in wheel_lock.read_lock():
        assert any(f"({wheel.name})" in holder for holder in manifest["copyright"])


def test_no_wheel_is_committed() -> None:
    assert [path.name for path in (ROOT / "wheels").iterdir() if path.suffix == ".whl"] == []


def test_good_wheel_is_taken(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    described = wheel_lock.describe(path)
    assert described == Wheel("thing", "1.0", "thing-1.0-py3-none-any.whl", wheel_lock.hash_of(path), "py3-none-any")
    wheel_lock.check(path, described)


def test_wheel_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    locked = wheel_lock.describe(path)
    with path.open("ab") as handle:
        handle.write(b"\0")
    with pytest.raises(WheelError, match="SHA-256"):
        wheel_lock.check(path, locked)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tag": "cp311-cp311-manylinux_2_28_x86_64"}, "not pure Python"),
        ({"tag": "py3-none-win_amd64"}, "not pure Python"),
        ({"pure": "false"}, "Root-Is-Purelib"),
        ({"extra": ("thing/_fast.cpython-311-x86_64-linux-gnu.so",)}, "native code"),
        ({"extra": ("thing/_fast.pyd",)}, "native code"),
        ({"extra": ("thing-1.0.data/purelib/other.py",)}, "does not unpack"),
        ({"record": False}, "RECORD"),
    ],
)
def test_wheel_that_is_not_pure_is_refused(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    path = make_wheel(tmp_path, **arguments)  # type: ignore[arg-type]
    with pytest.raises(WheelError, match=words):
        wheel_lock.check(path, wheel_lock.describe(path))


def test_tag_of_the_lock_has_to_be_the_one_of_the_file(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, tag="cp311-cp311-win_amd64")
    lying = dataclasses.replace(wheel_lock.describe(path), tag="py3-none-any")
    with pytest.raises(WheelError, match="not pure Python"):
        wheel_lock.check(path, lying)


@pytest.mark.parametrize("name", ["thing-1.0.tar.gz", "thing.whl"])
def test_what_is_no_wheel_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(WheelError, match="not a wheel"):
        wheel_lock.describe(tmp_path / name)


def test_fetch_downloads_checks_and_keeps(offline_index: Path, tmp_path: Path) -> None:
    locked = wheel_lock.describe(make_wheel(offline_index))
    folder = tmp_path / "kept"
    (found,) = wheel_lock.fetch([locked], folder)
    assert wheel_lock.hash_of(found) == locked.sha256
    # from now on without the index
    (offline_index / locked.filename).unlink()
    assert wheel_lock.fetch([locked], folder) == [found]


def test_fetch_replaces_a_broken_file_in_the_cache(offline_index: Path, tmp_path: Path) -> None:
    locked = wheel_lock.describe(make_wheel(offline_index))
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / locked.filename).write_bytes(b"half a whe")
    (found,) = wheel_lock.fetch([locked], folder)
    assert wheel_lock.hash_of(found) == locked.sha256


def test_the_pure_wheel_is_taken_where_there_is_a_compiled_one(
    offline_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    make_wheel(offline_index, tag=f"{compiled}-{compiled}-{sysconfig.get_platform().replace('-', '_')}", pure="false")
    make_wheel(offline_index)
    monkeypatch.setattr(wheel_lock, "WANTED", ("thing",))
    (locked,) = wheel_lock.lock_newest()
    assert locked.tag == "py3-none-any"


def test_fetch_refuses_what_the_index_gives_under_another_hash(offline_index: Path, tmp_path: Path) -> None:
    locked = dataclasses.replace(wheel_lock.describe(make_wheel(offline_index)), sha256="0" * 64)
    folder = tmp_path / "kept"
    with pytest.raises(WheelError, match=r"(?i)hash"):
        wheel_lock.fetch([locked], folder)
    assert list(folder.iterdir()) == []


def test_lock_is_written_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wheels.lock"
    wheel_lock.write_lock(list(reversed(wheel_lock.read_lock())), path)
    assert path.read_text(encoding="utf-8") == wheel_lock.LOCK.read_text(encoding="utf-8")


def test_locking_anew_changes_only_the_wheel_list_of_the_manifest() -> None:
    text = wheel_lock.MANIFEST.read_text(encoding="utf-8")
    assert wheel_lock.manifest_with(text, wheel_lock.read_lock()) == text
    changed = wheel_lock.manifest_with(text, [Wheel("thing", "1.0", "thing-1.0-py3-none-any.whl", "", "")])
    before, after = tomllib.loads(text), tomllib.loads(changed)
    assert after.pop("wheels") == ["./wheels/thing-1.0-py3-none-any.whl"]
    del before["wheels"]
    assert after == before


def test_manifest_without_a_wheel_list_is_not_passed_over() -> None:
    with pytest.raises(WheelError, match="wheels"):
        wheel_lock.manifest_with('id = "x"\n', [])


def test_pins_follow_the_lock() -> None:
    wheel = Wheel("websocket-client", "9.9", "", "", "")
    assert wheel_lock.pins_with("h11==0.1\nwebsocket-client==1.0\n", [wheel]) == "h11==0.1\nwebsocket-client==9.9\n"
