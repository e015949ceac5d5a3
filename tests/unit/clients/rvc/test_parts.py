"""Parts of the RVC client by themselves: what training texts say, what samples are found, whose turn it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients import RVCClient, errors
from movie_director.clients.core.scope import SessionScope
from movie_director.clients.http.base64_body import base64_slices
from movie_director.clients.http.url import parse_server_url
from movie_director.clients.rvc.errors import last_line
from movie_director.clients.rvc.samples import clear_folder, find_files
from movie_director.clients.rvc.server_lock import get_locks
from movie_director.clients.rvc.speech.server import SpeechServer
from movie_director.clients.rvc.uninterruptible import UninterruptibleCall
from movie_director.clients.rvc.webui.progress import Wording, new_lines, parse_text


def test_a_text_of_the_main_branch_is_read():
    text = (
        "【One-click training】\nStatus：Running\n\nCompleted stages：\n✓ Data slicing：Succeeded\n"
        "✓ F0 and HuBERT feature extraction：Succeeded\n\nCurrent stage：Model training\n\n"
        "mi-test\tINFO\t====> Epoch: 3 [now] | (0:00:00.50)\n\nmi-test\tINFO\t====> 轮次：4 [now]"
    )
    view = parse_text(text, Wording.MAIN)
    assert (view.status, view.stage, view.done, view.epoch) == ("Running", 2, 2, 4)
    assert view.fraction(8) == pytest.approx(0.55)
    assert view.fraction(2) == pytest.approx(0.95)
    assert not view.fresh
    assert parse_text("【One-click training】\nStatus：Starting", Wording.MAIN).fresh
    slicing = parse_text("【X】\nStatus：Running\n\nCurrent stage：Y\n\n[Preprocess] 1/4", Wording.MAIN)
    assert (slicing.stage, slicing.part) == (0, 0.25)
    odd = parse_text("【X】\nStatus：Running\n\nCurrent stage：Y\n\n[Preprocess] 1/0", Wording.MAIN)
    assert odd.part == 0.0
    assert parse_text("", Wording.MAIN).fraction(1) == 0.0


def test_a_text_of_2023_grows_step_by_step():
    first = parse_text("Step 1: Processing data", Wording.OF_2023)
    assert (first.stage, first.fresh) == (0, True)
    later = parse_text(
        "Step 1: Processing data\n\nstep2:Pitch\n\nStep 3a: Model training\n====> Epoch: 2", Wording.OF_2023
    )
    assert (later.stage, later.epoch, later.fresh) == (2, 2, False)
    assert new_lines(first.log, later.log) == later.log[1:]


def test_only_the_lines_that_have_come_since_are_new():
    assert new_lines((), ("a", "b")) == ("a", "b")
    assert new_lines(("a", "b", "c"), ("b", "c", "d")) == ("d",)
    assert new_lines(("a",), ("x",)) == ("x",)
    assert new_lines(("a",), ("a",)) == ()


def test_the_last_line_of_a_traceback_says_why():
    assert last_line("Traceback:\n  File x\n\nValueError: no index\n \n") == "ValueError: no index"
    assert last_line(" \n") == ""


def test_samples_are_found_once_and_in_order(tmp_path, monkeypatch):
    for name in ("b.wav", "a.mp3", ".hidden.wav", "notes.txt"):
        (tmp_path / name).touch()
    found = find_files([tmp_path / "b.wav", str(tmp_path)])
    assert [each.name for each in found] == ["b.wav", "a.mp3"]

    def refused(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(errors.StorageError) as caught:
        find_files([tmp_path])
    assert caught.value.code == "no_permission"


def test_a_folder_that_is_gone_needs_no_clearing(tmp_path):
    clear_folder(tmp_path / "gone")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "sample.wav").touch()
    clear_folder(tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_turns_belong_to_a_server_and_come_one_after_another():
    server = get_locks(parse_server_url("http://127.0.0.1:5050"))
    for same in ("http://LOCALHOST:5050", "http://[::1]:5050/", "127.0.0.1:5050"):
        assert get_locks(parse_server_url(same)) is server
    for other in ("http://127.0.0.1:5051", "http://127.0.0.1:5050/rvc", "http://studio.lan:5050"):
        assert get_locks(parse_server_url(other)) is not server
    server_lock = server.conversions
    scope, waiting, order = SessionScope(), threading.Event(), []

    def another():
        waiting.set()
        with pytest.raises(errors.BackendError), server_lock.hold(scope):
            order.append("never")

    with server_lock.hold(SessionScope()):
        assert server_lock.locked
        thread = threading.Thread(target=another)
        thread.start()
        assert waiting.wait(HANG_GUARD_S)
        scope.interrupter.fire()
        thread.join(HANG_GUARD_S)
        assert not thread.is_alive()
    assert order == []
    assert not server_lock.locked


class LetGo:
    """A job that is let go of as soon as it waits."""

    job_id = "1"

    def post(self, _item):
        pass

    def receive(self, _timeout_s):
        raise errors.JobDetached("let go")


def test_a_call_whose_job_is_let_go_of_is_broken_off_and_left_to_nobody():
    calls, seen = UninterruptibleCall(), []

    def call(scope):
        seen.append(scope.interrupter.wait(HANG_GUARD_S))

    with pytest.raises(errors.JobDetached):
        calls.call(LetGo(), call)
    assert seen == [True]
    assert not calls.wait_until_free(LetGo())


def test_a_file_that_is_gone_can_not_be_encoded(tmp_path):
    with pytest.raises(errors.StorageError):
        base64_slices(tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("typed", "server"),
    [
        ("http://v1.example.com", "http://v1.example.com"),
        ("http://v1.example.com/v1/", "http://v1.example.com"),
        ("http://127.0.0.1:8880/v1", "http://127.0.0.1:8880"),
        ("http://127.0.0.1:8880/v1/audio/speech", "http://127.0.0.1:8880"),
        ("http://studio.lan/v10/tts", "http://studio.lan/v10/tts"),
        ("studio.lan/tts/v1?token=abc", "http://studio.lan/tts"),
    ],
)
def test_a_speech_server_s_address_may_name_its_route(typed, server):
    assert repr(SpeechServer(typed)) == f"<SpeechServer {server}>"
    assert "token" not in typed or SpeechServer(typed)._url.query == "token=abc"


def test_a_speech_server_needs_an_address():
    with pytest.raises(errors.ValidationError) as caught:
        SpeechServer("file:///etc/passwd")
    assert caught.value.code == "invalid_url"


def test_a_key_that_signs_in_is_no_bearer_token():
    with RVCClient("http://127.0.0.1:9", api_key="mara:lens cap") as client:
        assert "Authorization" not in client.auth_headers()
    with RVCClient("http://127.0.0.1:9", api_key="sk-1") as client:
        assert client.auth_headers() == {"Authorization": "Bearer sk-1"}
    own = {"Authorization": "Basic abc"}
    with RVCClient("http://127.0.0.1:9", api_key="mara:lens cap", headers=own) as client:
        assert client.auth_headers() == own
