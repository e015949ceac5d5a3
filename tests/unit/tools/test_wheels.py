"""The lock of the bundled wheels, and that nothing but what it names gets into the zip."""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import envs
import pure_wheel
import pytest
import wheel_lock
from wheel_lock import Wheel, WheelError

ROOT = Path(__file__).resolve().parents[3]


def make_wheel(
    folder: Path,
    *,
    name: str = "thing",
    tag: str = "py3-none-any",
    pure: str = "true",
    extra: tuple[str, ...] = (),
    record: bool = True,
) -> Path:
    """Write a wheel of a package of version 1.0."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "VALUE = 1\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
        )
        for each in extra:
            archive.writestr(each, "")
        if record:
            archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
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
    needed |= {"gradio-client", "httpx", "httpcore", "huggingface-hub", "httpx2", "pyyaml", "fsspec", "packaging"}
    assert {wheel.name for wheel in wheels} >= needed
    assert [wheel.name for wheel in wheels if wheel.source_sha256] == list(wheel_lock.BUILT)
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


def test_what_a_locked_wheel_asks_for_is_locked_or_left_out_on_purpose() -> None:
    wheels = wheel_lock.read_lock()
    locked = {wheel.name for wheel in wheels}
    asked = set()
    for path in wheel_lock.fetch(wheels):
        with zipfile.ZipFile(path) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            lines = archive.read(name).decode().splitlines()
        for line in lines:
            if (
                line.startswith("Requires-Dist: ")
                and "extra ==" not in line
                and "< '3.11'" not in line.replace('"', "'")
            ):
                asked.add(re.split(r"[ ;<>=!~\[(]", line.removeprefix("Requires-Dist: "))[0].lower().replace("_", "-"))
    assert asked - locked - {"httpx2-jsfetch"} == envs.LEFT_OUT
    assert not locked & envs.LEFT_OUT


def test_pip_s_complaints_about_what_is_left_out_are_no_problem() -> None:
    assert envs._is_left_out("httpx 0.28.1 requires anyio, which is not installed.")
    assert envs._is_left_out("huggingface-hub 2.4.0 requires hf_xet, which is not installed.")
    assert not envs._is_left_out("httpx 0.28.1 requires httpcore, which is not installed.")
    assert not envs._is_left_out("httpx 0.28.1 has requirement httpcore==1.*, but you have httpcore 2.0.")


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
    monkeypatch.setattr(wheel_lock, "LISTED", ())
    monkeypatch.setattr(wheel_lock, "BUILT", {})
    (locked,) = wheel_lock.lock_newest()
    assert locked.tag == "py3-none-any"


def test_fetch_refuses_what_the_index_gives_under_another_hash(offline_index: Path, tmp_path: Path) -> None:
    locked = dataclasses.replace(wheel_lock.describe(make_wheel(offline_index)), sha256="0" * 64)
    folder = tmp_path / "kept"
    with pytest.raises(WheelError, match=r"(?i)hash"):
        wheel_lock.fetch([locked], folder)
    assert list(folder.iterdir()) == []


def built_wheel(folder: Path, *, tool: str, summary: str = "A thing") -> Path:
    """Write a wheel of ``thing`` 1.0 as that version of a tool builds it: with its name, times and places."""
    folder.mkdir(parents=True)
    path = folder / "thing-1.0-py3-none-any.whl"
    licence = "thing-1.0.dist-info/licenses/LICENSE" if tool == "new" else "thing-1.0.dist-info/LICENSE"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("thing/__init__.py", "VALUE = 1\n")
        archive.writestr(licence, "MIT\n")
        archive.writestr(
            "thing-1.0.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\nSummary: {summary}\nX-Made-By: {tool}\n\nLong\n",
        )
        archive.writestr("thing-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: {tool}\n")
        archive.writestr("thing-1.0.dist-info/RECORD", tool)
    return path


def test_a_built_wheel_is_the_same_whatever_built_it(tmp_path: Path) -> None:
    made = [
        pure_wheel.repack(
            built_wheel(tmp_path / tool, tool=tool), tmp_path / tool / "packed" / "thing-1.0-py3-none-any.whl"
        )
        for tool in ("old", "new")
    ]
    assert made[0].read_bytes() == made[1].read_bytes()
    wheel_lock.check(made[0], wheel_lock.describe(made[0]))
    with zipfile.ZipFile(made[0]) as archive:
        assert archive.read("thing/__init__.py") == b"VALUE = 1\n"
        assert archive.read("thing-1.0.dist-info/LICENSE") == b"MIT\n"
        record = archive.read("thing-1.0.dist-info/RECORD").decode().splitlines()
        assert sorted(line.partition(",")[0] for line in record) == sorted(archive.namelist())


def make_source(folder: Path) -> Path:
    """Write the source of a package ``thing`` 1.0 that needs nothing to be built."""
    backend = (
        "import os, shutil\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    assert os.environ['THING_PURE'] == '1'\n"
        "    return os.path.basename(shutil.copy('thing-1.0-py3-none-any.whl', folder))\n"
        "def prepare_metadata_for_build_wheel(folder, settings=None):\n"
        "    os.makedirs(os.path.join(folder, 'thing-1.0.dist-info'))\n"
        "    text = 'Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n'\n"
        "    open(os.path.join(folder, 'thing-1.0.dist-info', 'METADATA'), 'w').write(text)\n"
        "    return 'thing-1.0.dist-info'\n"
    )
    source = folder / "thing-1.0"
    built_wheel(source, tool="new")
    (source / "backend.py").write_text(backend)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "thing"\nversion = "1.0"\n'
    )
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    path = folder / "thing-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(source, "thing-1.0")
    shutil.rmtree(source)
    return path


def test_a_wheel_is_built_from_its_locked_source(
    offline_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel_lock, "BUILT", {"thing": {"THING_PURE": "1"}})
    monkeypatch.setattr(wheel_lock, "WANTED", ("other",))
    monkeypatch.setattr(wheel_lock, "LISTED", ())
    source = make_source(offline_index)
    make_wheel(offline_index, name="other")
    locked = {wheel.name: wheel for wheel in wheel_lock.lock_newest()}
    assert locked["thing"].source_sha256 == wheel_lock.hash_of(source)
    assert locked["other"].source_sha256 == ""
    (found,) = wheel_lock.fetch([locked["thing"]], tmp_path / "kept")
    assert wheel_lock.hash_of(found) == locked["thing"].sha256
    changed = dataclasses.replace(locked["thing"], source_sha256="0" * 64)
    with pytest.raises(WheelError, match=r"(?i)hash"):
        wheel_lock.fetch([changed], tmp_path / "empty")


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
