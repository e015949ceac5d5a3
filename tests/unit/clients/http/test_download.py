"""Files from a server to disk: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from faultserver import FaultServer, always, answer, answers
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.files.disk_space import MIN_FREE_BYTES
from movie_director.clients.files.names import MAX_NAME_BYTES
from movie_director.clients.files.storage_errors import prepare_folder, storage_errors
from movie_director.clients.http import download as module
from movie_director.clients.http.download import MAX_RESUMES, download
from movie_director.clients.http.session import HTTPSession
from movie_director.clients.http.transport import Transport
from movie_director.clients.http.url import parse_server_url

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300 + b"IEND\xaeB`\x82"
TAG = 'ETag: "one"'


class Job:
    """A scope whose pauses take no time; ``after`` pauses it ends."""

    def __init__(self, after=None):
        self.interrupter = Interrupter()
        self.slept = []
        self._after = after

    def check(self):
        if self.interrupter.fired:
            raise errors.JobCancelled("cancelled")

    def sleep(self, seconds):
        self.slept.append(seconds)
        if self._after == len(self.slept):
            self.interrupter.fire()
        self.check()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / "deep"


@pytest.fixture
def fetch(folder):
    """Download a server's file; no partial file may stay behind, however it ends."""
    with Transport() as transport:

        def fetch(server, name="a.png", *, scope=None, options=None, into=folder, **more):
            given = ClientOptions(**{"max_retries": 0, "read_timeout_s": HANG_GUARD_S, **(options or {})})
            session = HTTPSession(transport, parse_server_url(server.url), "comfyui", given, {})
            return download(session, "/view?x=1", into, name, scope=scope or Job(), **more)

        yield fetch
    if folder.is_dir():
        assert [each.name for each in folder.iterdir() if each.name.endswith(".part")] == []


def failing(call, *arguments, **settings):
    with pytest.raises(errors.BackendError) as caught:
        call(*arguments, **settings)
    return caught.value


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def cut_after(size, *headers, data=PNG):
    """Return a script that announces all and sends ``size`` bytes."""
    return answers(answer(data[:size], *headers, length=len(data)))


def serving_ranges(data=PNG, tag='"one"', *, sizes=()):
    """Return a script that keeps to RFC 9110; its n-th answer sends ``sizes[n]`` bytes and hangs up."""
    left = list(sizes)

    def script(peer):
        asked = peer.request()
        start = 0
        head = [f"ETag: {tag}"]
        if "range" in asked.headers and asked.headers.get("if-range") == tag:
            start = int(asked.headers["range"].removeprefix("bytes=").partition("-")[0])
            head.append(f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}")
        size = left.pop(0) if left else len(data)
        status = "206 Partial Content" if start else "200 OK"
        peer.send(answer(data[start : start + size], *head, status=status, length=len(data) - start))

    return script


def test_a_file(fetch, folder):
    told = []
    with FaultServer(answers(answer(PNG, "Content-Type: image/png"))) as server:
        artifact = fetch(server, "sub/a.png", source="output/a.png", on_bytes=lambda *got: told.append(got))
        assert server.asked[0].target == "/view?x=1"
    assert artifact.path == folder / "a.png"
    assert artifact.path.read_bytes() == PNG
    assert (artifact.kind, artifact.media_type, artifact.size) == ("image", "image/png", len(PNG))
    assert artifact.sha256 == hashlib.sha256(PNG).hexdigest()
    assert artifact.source == "output/a.png"
    assert told[-1] == (len(PNG), len(PNG))
    assert [size for size, _ in told] == sorted(size for size, _ in told)
    assert names(folder) == ["a.png"]


def test_the_source_is_the_servers_name_for_it(fetch):
    with FaultServer(answers(answer(b"x"))) as server:
        assert fetch(server, "../odd: name.txt").source == "../odd: name.txt"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + PNG,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PNG), PNG),
    ],
)
def test_without_a_length(fetch, raw):
    told = []
    with FaultServer(answers(raw)) as server:
        assert fetch(server, on_bytes=lambda *got: told.append(got)).path.read_bytes() == PNG
    assert told[-1] == (len(PNG), None)


# Cuts


@pytest.mark.parametrize("sizes", [[1], [30_000], [30_000, 20_000, 1], [len(PNG) - 1], [0, 5]])
def test_a_cut_is_resumed_where_it_was(fetch, folder, sizes):
    with FaultServer(serving_ranges(sizes=sizes)) as server:
        artifact = fetch(server)
        asked = [each.headers.get("range") for each in server.asked]
    assert artifact.path.read_bytes() == PNG
    assert artifact.sha256 == hashlib.sha256(PNG).hexdigest()
    assert artifact.size == len(PNG)
    starts = [sum(sizes[:count]) for count in range(1, len(sizes) + 1)]
    assert asked == [None, *(f"bytes={start}-{len(PNG) - 1}" if start else None for start in starts)]


def test_a_stall_is_resumed_too(fetch):
    def stall(peer):
        peer.request()
        peer.send(answer(PNG[:5000], TAG, length=len(PNG)))
        peer.wait_gone()

    with FaultServer(stall, serving_ranges()) as server:
        artifact = fetch(server, options={"read_timeout_s": 0.2})
        assert server.asked[1].headers["range"] == f"bytes=5000-{len(PNG) - 1}"
    assert artifact.path.read_bytes() == PNG


def test_a_stall_from_the_start_is_not_waited_for_again(fetch):
    def stall(peer):
        peer.request()
        peer.send(answer(b"", TAG, length=len(PNG)))
        peer.wait_gone()

    with FaultServer(stall) as server:
        assert failing(fetch, server, options={"read_timeout_s": 0.1}).code == "read"
        assert len(server.asked) == 1


def test_a_file_that_changed_in_between_is_fetched_anew(fetch):
    other = PNG.replace(bytes([9]), bytes([8]))
    with FaultServer(cut_after(5000, TAG), serving_ranges(other, '"two"')) as server:
        artifact = fetch(server)
        assert server.asked[1].headers["if-range"] == '"one"'
    assert artifact.path.read_bytes() == other
    assert artifact.sha256 == hashlib.sha256(other).hexdigest()


def test_and_so_it_is_when_it_became_shorter(fetch):
    short = PNG[:100] + PNG[-8:]
    with FaultServer(cut_after(5000, TAG), serving_ranges(short, '"two"')) as server:
        assert fetch(server).path.read_bytes() == short


@pytest.mark.parametrize(
    "partial",
    [
        answer(PNG[4000:], f"Content-Range: bytes 4000-{len(PNG) - 1}/{len(PNG)}", status="206 Partial"),
        answer(PNG[5000:], f"Content-Range: bytes 5000-{len(PNG) - 1}/{len(PNG) + 1}", status="206 Partial"),
        answer(PNG[5000:], f"Content-Range: bytes 5000-{len(PNG) - 1}/*", status="206 Partial"),
        answer(PNG[5000:], "Content-Range: nonsense", status="206 Partial"),
        answer(PNG[5000:], status="206 Partial"),
        answer(b"no such range", f"Content-Range: bytes */{len(PNG)}", status="416 Range Not Satisfiable"),
    ],
)
def test_a_part_that_does_not_fit_is_not_put_together(fetch, partial):
    with FaultServer(cut_after(5000, TAG), answers(partial), always(answer(PNG))) as server:
        artifact = fetch(server)
        assert "range" not in server.asked[2].headers
    assert artifact.path.read_bytes() == PNG


@pytest.mark.parametrize("header", [(), ('ETag: W/"weak"',)])
def test_without_a_way_to_tell_versions_it_is_fetched_anew(fetch, header):
    with FaultServer(cut_after(5000, *header), always(answer(PNG))) as server:
        assert fetch(server).path.read_bytes() == PNG
        assert "range" not in server.asked[1].headers


def test_a_date_tells_versions_too(fetch):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    rest = answer(PNG[5000:], f"Content-Range: bytes 5000-{len(PNG) - 1}/{len(PNG)}", status="206 Partial")
    with FaultServer(cut_after(5000, f"Last-Modified: {date}"), answers(rest)) as server:
        assert fetch(server).path.read_bytes() == PNG
        assert server.asked[1].headers["if-range"] == date


def test_the_rest_without_a_length_can_be_cut_as_well(fetch):
    part = f"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5000-{len(PNG) - 1}/{len(PNG)}\r\n\r\n".encode()
    with FaultServer(cut_after(5000, TAG), answers(part + PNG[5000:6000]), serving_ranges()) as server:
        assert fetch(server).path.read_bytes() == PNG
        assert server.asked[2].headers["range"] == f"bytes=6000-{len(PNG) - 1}"


def test_resuming_has_an_end(fetch, folder):
    job = Job()
    with FaultServer(serving_ranges(sizes=[100] * 99)) as server:
        error = failing(fetch, server, scope=job)
        assert len(server.asked) == MAX_RESUMES + 1
    assert (type(error), error.code) == (errors.ConnectionLost, "connection_lost")
    assert job.slept == sorted(job.slept)
    assert len(job.slept) == MAX_RESUMES
    assert names(folder) == []


def test_who_gets_further_goes_on(fetch):
    large = b"\0" * 3_000_000
    with FaultServer(serving_ranges(large, sizes=[200_000] * 14)) as server:
        assert fetch(server, "a.bin").size == len(large)
        assert len(server.asked) == 15


def test_a_server_that_restarts_is_waited_for(fetch, monkeypatch):
    """Between the cut and the resume nobody listens."""
    refusals = iter([errors.ConnectionFailed("nobody"), errors.ConnectionFailed("nobody")])
    real = HTTPSession.request

    def request(self, *arguments, **more):
        if more["headers"] and (refusal := next(refusals, None)):
            raise refusal
        return real(self, *arguments, **more)

    monkeypatch.setattr(HTTPSession, "request", request)
    with FaultServer(cut_after(5000, TAG), serving_ranges()) as server:
        assert fetch(server).path.read_bytes() == PNG


def test_a_server_that_is_not_there_is_told_at_once(fetch):
    with FaultServer(answers(answer(PNG))) as server:
        pass
    job = Job()
    assert failing(fetch, server, scope=job).code == "refused"
    assert job.slept == []


def test_statuses_are_the_sessions(fetch, folder):
    with FaultServer(always(answer(b"gone", status="404 Not Found"))) as server:
        assert type(failing(fetch, server)) is errors.NotFound
    assert names(folder) == []


# Ending it


@pytest.mark.parametrize("moment", ["bytes", "pause"])
def test_a_job_that_ends_leaves_nothing(fetch, folder, moment):
    job = Job(after=1)
    stop = (lambda *_got: job.interrupter.fire()) if moment == "bytes" else None
    with FaultServer(serving_ranges(sizes=[5000])) as server:
        assert type(failing(fetch, server, scope=job, on_bytes=stop)) is errors.JobCancelled
        assert len(server.asked) == 1
    assert names(folder) == []


def test_breaking_off_a_silent_download(fetch, folder):
    job = Job()
    ready = threading.Event()

    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n", PNG)
        ready.set()
        peer.wait_gone()

    def fire():
        assert ready.wait(HANG_GUARD_S)
        job.interrupter.fire()

    thread = threading.Thread(target=fire)
    thread.start()
    with FaultServer(script) as server:
        began = time.monotonic()
        assert type(failing(fetch, server, scope=job)) is errors.JobCancelled
        assert time.monotonic() - began < HANG_GUARD_S / 2
    thread.join(HANG_GUARD_S)
    assert names(folder) == []


def test_closing_the_session_ends_a_download_of_no_job(folder):
    ready = threading.Event()

    def script(peer):
        peer.request()
        peer.send(answer(PNG[:100], length=len(PNG)))
        ready.set()
        peer.wait_gone()

    with FaultServer(script) as server, Transport() as transport:
        session = HTTPSession(transport, parse_server_url(server.url), "comfyui", ClientOptions(), {})

        def close():
            assert ready.wait(HANG_GUARD_S)
            session.close()

        thread = threading.Thread(target=close)
        thread.start()
        error = failing(download, session, "/x", folder, "a.png")
        thread.join(HANG_GUARD_S)
    assert error.code == "client_closed"
    assert names(folder) == []


# What is no file


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("a.png", answer(b""), "empty"),
        ("a.png", b"HTTP/1.1 204 No Content\r\n\r\n", "empty"),
        ("a.png", answer(PNG[:-20]), "is incomplete"),
        ("a.png", b"HTTP/1.1 200 OK\r\n\r\n" + PNG[:-1], "is incomplete"),
        ("a.png", answer(b"<html>log in</html>"), "no image/png"),
        ("a.obj", answer(b"<html>log in</html>", "Content-Type: text/html; charset=utf-8"), "web page"),
        ("a.mp4", answer(PNG), "no video/mp4"),
        ("a.txt", answer(b""), "empty"),
        ("a.png", answer(PNG, "Content-Range: bytes 0-9/10", status="206 Partial Content"), "only part"),
    ],
)
def test_what_is_not_what_its_name_says(fetch, folder, name, raw, words):
    with FaultServer(answers(raw)) as server:
        error = failing(fetch, server, name, source="the/source")
    assert (type(error), error.code) == (errors.ProtocolError, "bad_file")
    assert words in error.message
    assert error.hint
    assert error.context == {"source": "the/source"}
    assert names(folder) == []


def test_a_web_page_can_be_what_was_wanted(fetch):
    with FaultServer(answers(answer(b"<html>", "Content-Type: text/html"))) as server:
        assert fetch(server, "report.html").path.read_bytes() == b"<html>"


# Names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../x", "x"),
        ("C:\\x", "x"),
        ("/etc/passwd", "passwd"),
        ("a\0b", "a_b"),
        ("con", "_con"),
        ("x.", "x"),
        ("🎬.png", "🎬.png"),
        ("", "result"),
        ("..", "result"),
        ("x" * 300 + ".txt", "x" * (MAX_NAME_BYTES - 4) + ".txt"),
        ("x\ud800.txt", "x.txt"),
    ],
)
def test_no_name_leads_out_of_the_folder(fetch, folder, tmp_path, name, safe):
    with FaultServer(answers(answer(PNG))) as server:
        artifact = fetch(server, name)
    assert artifact.path == folder / safe
    assert artifact.path.resolve().parent == folder.resolve()
    assert names(folder) == [safe]
    assert names(tmp_path) == ["out"]


def test_a_name_that_is_taken_gets_a_number(fetch, folder):
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"before")
    with FaultServer(always(answer(PNG))) as server:
        paths = [fetch(server, "a.png").path.name for _ in range(3)]
    assert paths == ["a_2.png", "a_3.png", "a_4.png"]
    assert (folder / "a.png").read_bytes() == b"before"


@pytest.mark.parametrize("links", [True, False])
def test_many_threads_and_one_name(fetch, folder, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    with FaultServer(always(answer(b"content"))) as server:
        paths = []
        start = threading.Barrier(8)

        def work():
            start.wait(HANG_GUARD_S)
            for _ in range(5):
                paths.append(fetch(server, "same.txt").path)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_GUARD_S)
    assert len(set(paths)) == 40
    assert all(path.read_bytes() == b"content" for path in paths)
    assert len(names(folder)) == 40


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("target", ["exists", "missing"])
def test_a_link_in_the_folder_is_not_followed(fetch, folder, tmp_path, monkeypatch, links, target):
    if not links:
        monkeypatch.setattr(os, "link", refusing(errno.ENOTSUP))
    folder.mkdir(parents=True)
    outside = tmp_path / "outside.png"
    if target == "exists":
        outside.write_bytes(b"precious")
    (folder / "a.png").symlink_to(outside)
    with FaultServer(answers(answer(PNG))) as server:
        assert fetch(server).path == folder / "a_2.png"
    assert (folder / "a.png").is_symlink()
    assert outside.exists() is (target == "exists")
    if target == "exists":
        assert outside.read_bytes() == b"precious"


# Disks


def refusing(number):
    """Return a function that fails with that error."""

    def refuse(*_arguments, **_more):
        raise OSError(number, os.strerror(number))

    return refuse


def assert_storage_error(error, code):
    assert (type(error), error.code) == (errors.StorageError, code)
    assert error.hint
    assert error.context["path"]
    assert isinstance(error.__cause__, OSError)


CODES = [
    (errno.ENOSPC, "disk_full"),
    (errno.EDQUOT, "disk_full"),
    (errno.EACCES, "no_permission"),
    (errno.EROFS, "no_permission"),
    (errno.EIO, "storage"),
]


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("where", ["mkdir", "open", "link"])
def test_a_disk_that_refuses(fetch, folder, monkeypatch, number, code, where):
    if where == "link":
        monkeypatch.setattr(os, "link", refusing(number))
        monkeypatch.setattr(Path, "replace", refusing(number))
    else:
        monkeypatch.setattr(Path, where, refusing(number))
    with FaultServer(always(answer(PNG))) as server:
        error = failing(fetch, server)
    monkeypatch.undo()
    assert_storage_error(error, code)
    assert str(folder) in error.message
    assert ".part" not in error.message
    assert not folder.exists() or names(folder) == []


@pytest.fixture
def small_disk(monkeypatch):
    """Let files take 1,000 bytes and then be full, in the way of a real disk: also when they are closed."""
    real = Path.open

    class Full:
        def __init__(self, file):
            self._file = file
            self._size = 0

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, data):
            self._size += len(data)
            if self._size > 1000:
                refusing(errno.ENOSPC)()
            return self._file.write(data)

        def close(self):
            self._file.close()
            if self._size > 1000:
                self._size = 0
                refusing(errno.ENOSPC)()

    monkeypatch.setattr(Path, "open", lambda self, mode="r", *rest: Full(real(self, mode, *rest)))


@pytest.mark.usefixtures("small_disk")
def test_a_disk_that_fills_up_while_writing(fetch, folder):
    with FaultServer(always(answer(PNG))) as server:
        error = failing(fetch, server)
    assert_storage_error(error, "disk_full")
    assert "server may still have" in error.hint
    assert names(folder) == []


def disk_with(monkeypatch, *free_bytes, **more):
    """Let the disk have so many bytes free, another number each time it is asked."""
    usage, left = shutil.disk_usage("/"), list(free_bytes)

    def disk_usage(_path):
        return usage._replace(free=left.pop(0) if len(left) > 1 else left[0], **more)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)


def test_a_file_that_will_not_fit_is_not_begun(fetch, folder, monkeypatch):
    disk_with(monkeypatch, MIN_FREE_BYTES + len(PNG) - 1)
    with FaultServer(always(answer(PNG))) as server:
        error = failing(fetch, server)
    assert (type(error), error.code) == (errors.StorageError, "disk_full")
    assert "269 MB of free space left" in error.message
    assert error.context["coming_bytes"] == len(PNG)
    assert names(folder) == []
    disk_with(monkeypatch, MIN_FREE_BYTES + len(PNG))
    with FaultServer(always(answer(PNG))) as server:
        assert fetch(server).size == len(PNG)
    disk_with(monkeypatch, 0, total=0)  # a network folder
    with FaultServer(always(answer(PNG))) as server:
        assert fetch(server).size == len(PNG)
    monkeypatch.setattr(shutil, "disk_usage", refusing(errno.EIO))
    with FaultServer(always(answer(PNG))) as server:
        assert_storage_error(failing(fetch, server), "storage")


def test_a_disk_on_which_others_write_too_is_not_filled(fetch, folder, monkeypatch):
    monkeypatch.setattr(module, "CHECK_EVERY_BYTES", 1)
    disk_with(monkeypatch, 1 << 40, 1000)
    with FaultServer(always(answer(b"x" * 2_000_000))) as server:
        error = failing(fetch, server)
    assert (type(error), error.code) == (errors.StorageError, "disk_full")
    assert "0 MB of free space left" in error.message
    assert names(folder) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_beyond_the_bound_is_cut_and_gone(fetch, folder, announced):
    """An endless one is never whole."""
    sent = []

    def script(peer):
        peer.request()
        if announced:
            peer.send(answer(b"x" * 1000, length=100_001))
            peer.wait_gone()
            return
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b"x" * 65536)
            sent.append(65536)

    with FaultServer(script) as server:
        error = failing(fetch, server, options={"max_file_bytes": 100_000})
        assert len(server.asked) == 1
    assert (type(error), error.code) == (errors.ProtocolError, "too_large")
    assert "max_file_bytes" in error.hint
    assert sum(sent) < 50_000_000
    assert names(folder) == []


def test_a_file_of_just_the_bound_is_taken(fetch):
    with FaultServer(always(answer(PNG))) as server:
        assert fetch(server, options={"max_file_bytes": len(PNG)}).size == len(PNG)


class Watched:
    """A file whose ``truncate`` is counted, and done or refused."""

    def __init__(self, file, counted, truncate):
        self._file = file
        self._counted = counted
        self._truncate = truncate

    def truncate(self):
        self._counted.append(True)
        return (self._truncate or self._file.truncate)()

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.fixture
def truncated(monkeypatch):
    """Count what is cut to nothing; ``truncated(error)`` makes that fail."""
    real = Path.open

    def watch(truncate=None):
        counted = []

        def opened(self, mode="r", *rest):
            file = real(self, mode, *rest)
            return Watched(file, counted, truncate) if "x" in mode else file

        monkeypatch.setattr(Path, "open", opened)
        return counted

    return watch


def test_a_disk_that_can_not_truncate(fetch, truncated, folder):
    assert truncated(refusing(errno.EIO)) == []
    with FaultServer(cut_after(5000, TAG), serving_ranges(PNG[::-1], '"two"')) as server:
        assert_storage_error(failing(fetch, server), "storage")
    assert names(folder) == []


def test_only_what_was_begun_before_is_truncated(fetch, truncated):
    counted = truncated()
    with FaultServer(always(answer(PNG))) as server:
        assert fetch(server).size == len(PNG)
    assert counted == []
    other = PNG.replace(bytes([9]), bytes([8]))
    with FaultServer(cut_after(5000, TAG), serving_ranges(other, '"two"')) as server:
        assert fetch(server).path.read_bytes() == other
    assert counted == [True]


def test_a_part_that_vanishes(fetch, folder):
    def remove(*_got):
        for each in folder.iterdir():
            each.unlink()

    with FaultServer(always(answer(PNG))) as server:
        assert_storage_error(failing(fetch, server, on_bytes=remove), "storage")


def test_a_folder_that_vanishes(fetch, folder):
    with FaultServer(always(answer(PNG))) as server:
        assert_storage_error(
            failing(fetch, server, on_bytes=lambda *_got: shutil.rmtree(folder, ignore_errors=True)), "storage"
        )


def test_a_file_in_the_folders_place(fetch, tmp_path):
    (tmp_path / "out").write_bytes(b"a file")
    with FaultServer(always(answer(PNG))) as server:
        error = failing(fetch, server)
    assert_storage_error(error, "storage")
    assert str(tmp_path / "out") in error.message
    prepare_folder(tmp_path / "new" / "one")
    prepare_folder(tmp_path / "new" / "one")
    with pytest.raises(errors.StorageError):
        prepare_folder(tmp_path / "out")


def test_a_reserved_name_is_given_back_if_the_file_does_not_get_there(fetch, folder, monkeypatch):
    monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    monkeypatch.setattr(Path, "replace", refusing(errno.EIO))
    with FaultServer(always(answer(PNG))) as server:
        assert_storage_error(failing(fetch, server), "storage")
    assert names(folder) == []


def test_nothing_shows_under_the_final_name_before_it_is_whole(fetch, folder):
    seen = []
    with FaultServer(always(answer(PNG))) as server:
        fetch(server, on_bytes=lambda *_got: seen.extend(names(folder)))
    assert seen
    assert all(name.startswith(".a.png.") and name.endswith(".part") for name in seen)


def test_only_errors_of_the_disk_are_named():
    with pytest.raises(KeyError), storage_errors(Path("x")):
        raise KeyError
    with pytest.raises(errors.JobCancelled), storage_errors(Path("x")):
        raise errors.JobCancelled("x")
    with storage_errors(Path("x")):
        pass


def test_memory_is_constant(fetch):
    def script(peer):
        peer.request()
        peer.send(answer(length=100_000_000))
        for _ in range(100):
            peer.send(b"\0" * 1_000_000)

    with FaultServer(script) as server:
        tracemalloc.start()
        try:
            assert fetch(server, "a.bin").size == 100_000_000
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 5_000_000
