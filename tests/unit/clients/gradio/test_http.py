"""Signing in to Gradio servers: cookies, restarts, secrets; and files both ways."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from faultserver import FaultServer, always, answer, answers
from support.gradio import as_json, bench, outline
from support.gradio_proto import VERSIONS, MockProto
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.gradio import files
from movie_director.clients.gradio.component_values import GradioFile, extract_files
from movie_director.clients.gradio.config import parse_config, read_config
from movie_director.clients.gradio.errors import make_function_error
from movie_director.clients.gradio.login import SignIn

LOCKED = as_json({"detail": "Not authenticated"}, status="401 Unauthorized")
OK = as_json({"success": True}, "Set-Cookie: access-token-x=t0ken-one; HttpOnly", "Set-Cookie: other=2; Path=/")


@pytest.fixture
def at(tmp_path):
    with bench(tmp_path) as made:
        yield made


@pytest.fixture
def config():
    made = parse_config(outline())
    assert made is not None
    return made


def login(at, url, password="secret"):
    return at.access(url, SignIn("user", password))


@pytest.mark.parametrize("version", VERSIONS)
def test_it_signs_in_where_the_server_wants_it(at, version):
    with MockProto(version=version, login=("user", "secret")) as mock:
        access = login(at, mock.url)
        config = read_config(access, scope=at.scope)
        session = at.session_on(access, config)
        assert session.call("whoami", [], scope=at.scope)[0].startswith("user|")
        sent = session.upload(_file(at.folder), scope=at.scope)
        made = extract_files(session.call("file_io", [sent.as_input()], scope=at.scope))
        assert session.download(made[0], at.folder, scope=at.scope).path.read_bytes() == b"hello!"
        assert len([each for each in mock.requests if each.path == "/login"]) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wrong_password_and_none_at_all_are_told(at, version):
    with MockProto(version=version, login=("user", "secret")) as mock:
        with pytest.raises(errors.AuthenticationError) as refused:
            read_config(login(at, mock.url, "wrong-password"), scope=at.scope)
        with pytest.raises(errors.AuthenticationError) as missing:
            read_config(at.access(mock.url), scope=at.scope)
    assert (refused.value.code, missing.value.code) == ("sign_in_refused", "sign_in_needed")
    assert "Incorrect credentials" in refused.value.message
    assert "NAME:PASSWORD" in missing.value.hint
    assert "wrong-password" not in repr(vars(refused.value))


def test_after_a_restart_of_the_server_it_signs_in_again(at):
    with MockProto(version="6.31.0", login=("user", "secret")) as mock:
        access = login(at, mock.url)
        read_config(access, scope=at.scope)
        mock.on_start()  # new cookie names, old tokens forgotten
        read_config(access, scope=at.scope)
        assert len([each for each in mock.requests if each.path == "/login"]) == 2


def test_a_server_that_refuses_its_own_cookies_ends_it(at):
    with FaultServer(answers(LOCKED, OK, LOCKED)) as server:
        with pytest.raises(errors.AuthenticationError) as caught:
            login(at, server.url).get_json("/config", scope=at.scope)
        assert [each.target for each in server.asked] == ["/config", "/login", "/config"]
        assert server.asked[2].headers["cookie"] == "access-token-x=t0ken-one; other=2"
    assert caught.value.code == "sign_in_needed"


def test_a_sign_in_without_a_cookie_is_told(at):
    with FaultServer(answers(LOCKED, as_json({"success": True}, "Set-Cookie: =x"))) as server:
        with pytest.raises(errors.ProtocolError) as caught:
            login(at, server.url).get_json("/config", scope=at.scope)
    assert caught.value.code == "no_cookie"


def test_threads_sign_in_once_for_all(at):
    with MockProto(version="5.29.0", login=("user", "secret")) as mock:
        access = login(at, mock.url)
        read_config(access, scope=at.scope)
        used = access.cookie()
        mock.on_start()
        access._renew(used, SignIn("user", "secret"), at.scope)
        access._renew(used, SignIn("user", "secret"), at.scope)  # the second thread finds it done
        assert len([each for each in mock.requests if each.path == "/login"]) == 2


def test_cookies_and_passwords_stay_here(at, canary, assert_no_secret):
    echo = as_json({"detail": f"bad {canary} t0ken-one"}, status="400 Bad Request")
    with FaultServer(always(as_json([1]))) as other:
        away = answer(b"", f"Location: {other.url}/there", status="302 Found")
        with FaultServer(answers(LOCKED, OK, away, echo)) as server:
            access = login(at, server.url, canary)
            assert access.get_json("/config", scope=at.scope) == [1]
            with pytest.raises(errors.BackendError) as caught:
                access.get_json("/config", scope=at.scope)
        assert "cookie" not in other.asked[0].headers
    assert_no_secret(caught.value)
    assert "t0ken-one" not in caught.value.message


def test_a_cancel_ends_the_sign_in_too(at):
    began = threading.Event()

    def mute(peer):
        peer.request()
        peer.send(LOCKED)
        peer.request()
        began.set()
        peer.wait_gone()

    with FaultServer(mute) as server:
        thread = threading.Thread(target=lambda: began.wait(HANG_GUARD_S) and at.scope.cancel())
        thread.start()
        with pytest.raises(errors.JobCancelled):
            login(at, server.url).get_json("/config", scope=at.scope)
        thread.join(HANG_GUARD_S)


# Files


def _file(folder: Path, content: bytes = b"hello", name: str = "in put ü.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_files_go_both_ways(at, version):
    told: list[tuple[int, int]] = []
    with MockProto(version=version) as mock:
        session = at.session(mock.url)
        sent = session.upload(
            _file(at.folder), scope=at.scope, name="other.txt", on_chunk=lambda *each: told.append(each)
        )
        assert (sent.name, sent.size, sent.media_type) == ("other.txt", 5, "text/plain")
        assert sent.path.endswith("other.txt")
        out = session.call("files_io", [[sent.as_input(), sent.as_input()]], scope=at.scope)
        first, _second = extract_files(out)
        artifact = session.download(first, at.folder / "out", scope=at.scope, name="named.txt")
        (clip,) = extract_files(session.call("make_video", ["x", None], scope=at.scope))
        video = session.download(clip, at.folder / "out", scope=at.scope)
        gallery = extract_files(session.call("gallery", [], scope=at.scope))
    assert told == [(5, 5)]
    assert (artifact.path.name, artifact.path.read_bytes(), artifact.source) == ("named.txt", b"hello!", first.path)
    assert (video.kind, video.path.name) == ("video", "clip.mp4")
    assert [each.caption for each in gallery] == ["cap0", "cap1"]


def test_a_file_over_the_limit_is_not_sent_where_the_limit_is_known(at, config):
    path = _file(at.folder, b"x" * 2000)
    with MockProto(version="6.31.0", max_file_size=1024) as mock:
        session = at.session(mock.url)
        with pytest.raises(errors.ValidationError) as early:
            session.upload(path, scope=at.scope)
        assert not [each for each in mock.requests if each.path.endswith("/upload")]
        with pytest.raises(errors.ValidationError) as late:
            files.upload(at.access(mock.url), config, path, scope=at.scope)
    assert early.value.code == late.value.code == "file_too_large"
    assert "limit of 1024 bytes" in early.value.message
    assert "limit of 1024 bytes" in late.value.message
    with FaultServer(always(answer(b"", status="413 Content Too Large"))) as server:
        with pytest.raises(errors.ValidationError, match="than the server's limit\\."):
            files.upload(at.access(server.url), config, path, scope=at.scope)


@pytest.mark.parametrize("value", [[], ["a", "b"], [3], [""], {"path": "x"}, None])
def test_an_upload_that_is_answered_with_something_else_is_told(at, config, value):
    with FaultServer(always(as_json(value))) as server, pytest.raises(errors.ProtocolError) as caught:
        files.upload(at.access(server.url), config, _file(at.folder), scope=at.scope)
    assert caught.value.code == "bad_upload"


def test_an_app_without_uploads_says_so(at, config):
    with FaultServer(always(as_json({"detail": "Not Found"}, status="404 Not Found"))) as server:
        with pytest.raises(errors.MissingResource) as caught:
            files.upload(at.access(server.url), config, _file(at.folder), scope=at.scope)
    assert caught.value.name == "upload"


def test_a_file_that_is_not_handed_out_is_told(at):
    with MockProto(version="5.29.0") as mock:
        session = at.session(mock.url)
        with pytest.raises(errors.PermissionDenied) as caught:
            session.download(GradioFile("/etc/hostname", "hostname"), at.folder, scope=at.scope)
    assert caught.value.code == "file_not_allowed"
    assert caught.value.message == "The server refuses to send /etc/hostname."


def test_a_cut_download_is_resumed_with_both_ends_named(at, config):
    content = bytes(range(256)) * 400
    whole = len(content)

    def cut(peer):
        peer.request()
        head = f'HTTP/1.1 200 OK\r\nContent-Length: {whole}\r\nETag: "a"\r\n\r\n'.encode()
        peer.send(head, content[:70_000])

    rest = answer(content[70_000:], f"Content-Range: bytes 70000-{whole - 1}/{whole}", status="206 Partial Content")
    with FaultServer(cut, answers(rest)) as server:
        file = GradioFile("/tmp/a b/x.bin", "x.bin")
        artifact = files.fetch(at.access(server.url), config, file, at.folder)
        assert server.asked[0].target == "/gradio_api/file=/tmp/a%20b/x.bin"
        assert server.asked[1].headers["range"] == f"bytes=70000-{whole - 1}"
    assert artifact.path.read_bytes() == content


def test_files_elsewhere_are_not_fetched(at, config):
    access = at.access("http://host:7860/app")
    here = GradioFile("", "x.png", "http://host:7860/app/gradio_api/file=/x.png")
    assert files.file_route(access, config, here) == "/gradio_api/file=/x.png"
    for other in (GradioFile("https://evil/x.png", "x.png"), GradioFile("", "x.png", "http://host:7861/app/x.png")):
        with pytest.raises(errors.ProtocolError) as caught:
            files.file_route(access, config, other)
        assert caught.value.code == "foreign_file"


def test_a_path_that_is_no_unicode_is_the_servers_to_refuse(at, config):
    file = GradioFile("/tmp/\ud800.png", "x.png")
    assert files.file_route(at.access("http://host:7860"), config, file) == "/gradio_api/file=/tmp/%3F.png"


def test_a_title_keeps_no_secret(at):
    access = at.access("http://host:7860", headers={"X-Key": "hunter2-secret"})
    for said in ("it failed", None):
        error = make_function_error(access, "echo", said, "hunter2-secret " + "x" * 9999)
        assert "hunter2" not in error.context["title"]
        assert len(error.context["title"]) <= 2000
