"""``--command movie_director VERB``: what it prints and the exit status, which tells the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own, preferences, strips, workflow_with_a_refused_part


def run(*arguments: str) -> int:
    status: int = own("cli.command_line").run(list(arguments))
    return status


def test_generate_image(film: Path, comfyui: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("generate-image", "--prompt", "a red fox", "--seed", "7", "--steps", "2", "--frame", "12", "--save") == 0
    printed = capsys.readouterr().out
    [picture] = (film.parent / "movie_director").glob("*.png")
    assert str(picture) in printed
    assert "%" in printed
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert own("blender.platform.sequencer").bounds(strips()[0])[0] == 12


def test_generate_from_the_camera(film: Path, comfyui: Any) -> None:
    bpy.context.scene.render.resolution_percentage = 10
    assert run("generate-image", "--prompt", "a red fox", "--steps", "1", "--camera") == 0
    assert len(comfyui.requests.matching("POST /upload/image")) == 1


def test_generate_from_an_image(film: Path, comfyui: Any, tmp_path: Path) -> None:
    image = bpy.data.images.new("x", 16, 16)
    image.filepath_raw, image.file_format = str(tmp_path / "x.png"), "PNG"
    image.save()
    assert run("generate-image", "--prompt", "a red fox", "--steps", "1", "--image", str(tmp_path / "x.png")) == 0
    assert len(comfyui.requests.matching("POST /upload/image")) == 1


def test_generate_in_demo_mode_elsewhere(film: Path, tmp_path: Path) -> None:
    assert run("generate-image", "--prompt", "x", "--steps", "1", "--demo", "--output", str(tmp_path / "o")) == 0
    assert list((tmp_path / "o").glob("*.png"))


def test_no_server_fails(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    assert run("generate-image", "--prompt", "hello") == 1
    captured = capsys.readouterr()
    assert "127.0.0.1:9" in captured.err
    assert "Traceback" not in captured.err


def test_a_result_without_a_place_fails(film: Path, comfyui: Any, capsys: pytest.CaptureFixture[str]) -> None:
    bpy.context.scene.movie_director.strip_frames = 1
    editor = own("blender.platform.sequencer").editor_of(bpy.context.scene)
    for channel in editor.channels:
        channel.lock = True
    assert run("generate-image", "--prompt", "hello", "--steps", "1") == 1
    captured = capsys.readouterr()
    assert "128 channels" in captured.err
    assert ".png" in captured.out


@pytest.mark.parametrize(("strict", "status"), [([], 0), (["--strict"], 1)])
def test_a_missing_part_of_the_result_is_reported(
    strict: list[str], status: int, film: Path, comfyui: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = workflow_with_a_refused_part(film.parent / "half.json")
    given = ["--prompt", "a fox", "--workflow", str(workflow), "--save", *strict]
    assert run("generate-image", *given) == status
    captured = capsys.readouterr()
    [warning] = [line for line in captured.err.splitlines() if line.startswith("Warning: ")]
    assert "'width'" in warning
    assert ".png" in captured.out
    assert ("Saved" in captured.out) is (status == 0)


def test_saving_needs_a_file(comfyui: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    assert run("generate-image", "--prompt", "x", "--save", "--output", str(tmp_path)) == 1
    assert "--save needs a .blend file" in capsys.readouterr().err
    assert not comfyui.requests.matching("POST /prompt")


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["generate-image", "--camera", "--image", "x"], ["test-connection"]]
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_help_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "generate-image" in capsys.readouterr().out


def test_the_connection_is_tested(comfyui: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("test-connection", "comfyui") == 0
    assert "answered in" in capsys.readouterr().out
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    assert run("test-connection", "comfyui") == 1
    assert run("test-connection", "comfyui", "--demo") == 0


def test_nothing_to_recover(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("jobs") == 0
    assert "0 unfinished" in capsys.readouterr().out
    assert run("recover") == 0
    assert "No unfinished jobs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate-image", "--prompt", "x", "--frame", "99999999999"],
        ["generate-image", "--prompt", "x", "--steps", "0"],
        ["generate-image", "--prompt", "x", "--steps", "1.5"],
        ["generate-video", "--prompt", "x", "--seconds", "nan"],
        ["generate-video", "--prompt", "x", "--seconds", "-1"],
        ["sound-effect", "--prompt", "x", "--seconds", "inf"],
        ["recover", "--timeout", "0"],
    ],
)
def test_numbers_that_make_no_sense_are_wrong_usage(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert own("cli.command_line").run(arguments) == 2
    error = capfd.readouterr().err
    assert arguments[-2] in error
    assert "Traceback" not in error


def test_a_film_that_could_not_be_opened_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bpy.ops.wm.read_homefile(use_empty=False)
    monkeypatch.setattr("sys.argv", ["blender", "-b", "/nowhere/film.blend", "--command", "movie_director", "jobs"])
    assert own("cli.command_line").run(["jobs"]) == 1
    assert "/nowhere/film.blend could not be opened" in capfd.readouterr().err
