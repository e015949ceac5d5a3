"""The preferences: what is saved, what overrules them, and what becomes of keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import own, preferences, pump_until, start_job, ui

CANARY = "canary-7f3a9c"


def settings_now() -> Any:
    return own("blender.state.settings").runtime_settings()


def saved_preferences() -> bytes:
    bpy.ops.wm.save_userpref()
    found = list(Path(bpy.utils.resource_path("USER")).rglob("userpref.blend"))
    assert found
    return b"".join(path.read_bytes() for path in found)


def test_there_is_a_row_for_each_backend() -> None:
    for name, info in own("clients.registry").BACKENDS.items():
        row = getattr(preferences().backends, name)
        assert own("blender.state.settings").server_url(name, row) == info.default_url
        assert name in settings_now().backends


def test_zero_means_the_backends_own_default() -> None:
    settings = settings_now().backends["comfyui"]
    assert (settings.connect_timeout_s, settings.read_timeout_s, settings.job_timeout_s) == (None, None, None)
    assert settings.concurrency is None
    assert settings.verify_tls is True


def test_the_environment_overrules(monkeypatch: pytest.MonkeyPatch) -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:1"
    preferences().backends.comfyui.api_key = "typed"
    monkeypatch.setenv("MOVIE_DIRECTOR_COMFYUI_URL", "http://127.0.0.1:2")
    monkeypatch.setenv("MOVIE_DIRECTOR_COMFYUI_KEY", CANARY)
    settings = settings_now().backends["comfyui"]
    assert (settings.base_url, settings.api_key) == ("http://127.0.0.1:2", CANARY)
    assert CANARY not in repr(settings_now())


def test_a_ca_file_is_used_only_with_checks_on(tmp_path: Path) -> None:
    row = preferences().backends.comfyui
    row.ca_file = str(tmp_path / "ca.pem")
    assert settings_now().backends["comfyui"].verify_tls == tmp_path / "ca.pem"
    row.verify_tls = False
    assert settings_now().backends["comfyui"].verify_tls is False


def test_a_bar_within_a_value_stays_there() -> None:
    text = "Cookie: session=abc|def|12:34; a=|x|X-Key: k|"
    headers = own("blender.state.settings").parse_headers(text, "ComfyUI")
    assert headers == (("Cookie", "session=abc|def|12:34; a=|x"), ("X-Key", "k"))


def test_a_bar_before_an_address_stays_there() -> None:
    headers = own("blender.state.settings").parse_headers("X-From: a|http://h:1|b", "ComfyUI")
    assert headers == (("X-From", "a|http://h:1|b"),)


@pytest.mark.parametrize(
    "text", ["A:1|B-C:two: 2", "A: 1|B-C :two: 2", "A: 1|B-C: two: 2", "A: 1\n\nB-C: two: 2\n", " A: 1 | B-C: two: 2 |"]
)
def test_headers_are_parted(text: str) -> None:
    assert own("blender.state.settings").parse_headers(text, "ComfyUI") == (("A", "1"), ("B-C", "two: 2"))


def test_a_key_is_saved_only_if_it_is_to_be_remembered() -> None:
    chosen = preferences()
    chosen.remember_keys = False
    chosen.backends.comfyui.api_key = CANARY
    chosen.backends.comfyui.headers = f"X-Key: {CANARY}"
    assert settings_now().backends["comfyui"].api_key == CANARY
    assert CANARY.encode() not in saved_preferences()
    chosen.remember_keys = True
    assert chosen.backends.comfyui.saved_api_key == CANARY
    assert CANARY.encode() in saved_preferences()
    chosen.remember_keys = False
    assert CANARY.encode() not in saved_preferences()
    assert chosen.backends.comfyui.api_key == CANARY


def test_a_speech_server_s_key_is_kept_as_the_others_are() -> None:
    chosen = preferences()
    chosen.remember_keys = False
    chosen.backends.rvc.speech_key = CANARY
    assert settings_now().backends["rvc"].speech.api_key == CANARY
    assert CANARY.encode() not in saved_preferences()
    chosen.remember_keys = True
    assert CANARY.encode() in saved_preferences()
    chosen.remember_keys = False
    assert CANARY.encode() not in saved_preferences()


def test_a_key_is_nowhere_but_in_the_request(film: Path, comfyui: Any, capfd: pytest.CaptureFixture[str]) -> None:
    preferences().remember_keys = False
    preferences().backends.comfyui.api_key = CANARY
    preferences().backends.comfyui.headers = f"X-Extra: {CANARY}"
    assert bpy.ops.movie_director.generate_image(prompt="hello", steps=1) == {"FINISHED"}
    bpy.ops.wm.save_mainfile(compress=False)
    [prompt] = comfyui.requests.matching("POST /prompt")
    assert prompt.headers["Authorization"] == f"Bearer {CANARY}"
    assert prompt.headers["X-Extra"] == CANARY
    assert CANARY.encode() not in prompt.body
    written = [path for path in film.parent.rglob("*") if path.is_file()]
    written += [path for path in own("blender.state.settings").own_folder("state").rglob("*") if path.is_file()]
    assert len(written) > 2
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]
    assert CANARY not in "".join(capfd.readouterr())


def test_a_key_in_an_address_is_not_written(film: Path, comfyui: Any) -> None:
    preferences().backends.comfyui.url = f"{comfyui.url}/?token={CANARY}"
    job = start_job(steps=1000)
    pump_until(job.running)
    state = own("blender.state.settings").own_folder("state")
    written = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    assert job.id.encode() in b"".join(written)
    assert CANARY.encode() not in b"".join(written)


@pytest.mark.parametrize("url", [f"http://me:{CANARY}@h:1", f"http://h:1/?token={CANARY}", f"http://[{CANARY}?"])
def test_a_server_s_key_holds_no_secret(url: str) -> None:
    server_key = own("blender.state.settings").server_key
    preferences().backends.comfyui.url = url
    key = server_key("comfyui")
    assert CANARY not in key
    preferences().backends.comfyui.url = url.replace("h:1", "other:1").replace("[", "[[")
    assert server_key("comfyui") != key


def test_the_output_folder_may_be_anywhere(comfyui: Any, tmp_path: Path) -> None:
    preferences().output_folder = str(tmp_path / "elsewhere")
    assert bpy.ops.movie_director.generate_image(prompt="hello", steps=1) == {"FINISHED"}
    assert list((tmp_path / "elsewhere").glob("*.png"))


def test_changed_preferences_count_from_the_next_job_on(film: Path, comfyui: Any) -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        bpy.ops.movie_director.generate_image(prompt="hello", steps=1)
    preferences().backends.comfyui.url = comfyui.url
    assert bpy.ops.movie_director.generate_image(prompt="hello", steps=1) == {"FINISHED"}


def test_a_connection_is_tested(comfyui: Any) -> None:
    assert bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui") == {"FINISHED"}
    answer = ui().probes["comfyui"]
    assert answer.info.version
    assert answer.error is None


def test_a_failed_test_says_why() -> None:
    preferences().backends.comfyui.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError, match=r"127\.0\.0\.1:9"):
        bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui")
    assert ui().probes["comfyui"].error.code == "refused"


def test_a_refused_test_is_an_answer() -> None:
    preferences().backends.comfyui.url = "http://192.0.2.1:8188"
    with pytest.raises(RuntimeError, match="online access"):
        bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui")


def test_an_unknown_backend_is_named_so() -> None:
    with pytest.raises(RuntimeError, match="no backend 'nobody'"):
        bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="nobody")


def test_demo_mode_is_one_press_away() -> None:
    assert bpy.ops.movie_director.demo_mode(enable=True) == {"FINISHED"}
    assert preferences().demo_mode
    assert bpy.ops.movie_director.test_connection("EXEC_DEFAULT", backend="comfyui") == {"FINISHED"}
    assert bpy.ops.movie_director.demo_mode(enable=False) == {"FINISHED"}
    assert not preferences().demo_mode
