"""The names under which ComfyUI gets input files."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients.comfyui.run.uploads import Uploads, content_name
from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.errors import ConnectionLost, JobCancelled, StorageError

JOB = cast(Any, SimpleNamespace(check=lambda: None))


def test_the_same_content_has_the_same_name(tmp_path):
    for name, content in (("a cat.PNG", b"1"), ("b.png", b"1"), ("c.png", b"2"), ("d.ñ", b"1"), ("e", b"1")):
        (tmp_path / name).write_bytes(content)
    first, same, other, odd, bare = [content_name(JOB, path) for path in sorted(tmp_path.iterdir())]
    assert first == same
    assert first.endswith(".png")
    assert len({first, other, odd}) == 3
    assert odd == bare
    assert first.removesuffix(".png") == bare


def test_a_file_that_went_away_meanwhile_is_said(tmp_path):
    with pytest.raises(StorageError) as gone:
        content_name(JOB, tmp_path / "gone.png")
    assert gone.value.code == "missing_file"


class Server:
    """Takes uploads, which end when the test lets them; the first ``lost`` are broken off then."""

    def __init__(self, lost: int = 0) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.sent = 0
        self._lost = lost
        self._lock = threading.Lock()

    def upload(self, _body: Any, _job: Any) -> tuple[str, str]:
        with self._lock:
            self.sent += 1
            lost = self.sent <= self._lost
        self.begun.release()
        assert self.go_on.wait(HANG_GUARD_S)
        if lost:
            raise ConnectionLost("cut")
        return "hash.png", "movie_director"


class Waiting(Interrupter):
    """The interrupter of a job, which tells when the job waits under it."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    @contextmanager
    def guard(self, close: Any) -> Any:
        with super().guard(close):
            self.waits.set()
            yield


class Upload:
    """One job that uploads a file on a thread of its own."""

    def __init__(self, uploads: Uploads, path: Any) -> None:
        self.interrupter = Waiting()
        self.outcome: Any = None
        self._uploads = uploads
        self._path = path
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def check(self) -> None:
        if self.interrupter.fired:
            raise JobCancelled("stopped")

    def message(self, _message: str) -> None:
        """Nobody looks."""

    def _run(self) -> None:
        try:
            self.outcome = self._uploads.upload(cast(Any, self), self._path)
        except Exception as error:
            self.outcome = error

    def end(self) -> Any:
        self._thread.join(HANG_GUARD_S)
        assert not self._thread.is_alive()
        return self.outcome


@pytest.mark.parametrize("lost", [0, 1])
def test_one_content_is_uploaded_once_by_jobs_at_the_same_time(lost, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    server = Server(lost)
    uploads = Uploads(cast(Any, server))
    first = Upload(uploads, path)
    assert server.begun.acquire(timeout=HANG_GUARD_S)
    others = [Upload(uploads, path) for _ in range(3)]
    assert all(other.interrupter.waits.wait(HANG_GUARD_S) for other in others)
    server.go_on.set()
    outcomes = [each.end() for each in (first, *others)]
    assert outcomes.count("movie_director/hash.png") == 4 - lost
    assert server.sent == 1 + lost, "a failed one is made by the next job that waits"


def test_a_job_that_waits_for_the_upload_of_another_can_be_cancelled(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    server = Server()
    uploads = Uploads(cast(Any, server))
    first = Upload(uploads, path)
    assert server.begun.acquire(timeout=HANG_GUARD_S)
    second = Upload(uploads, path)
    assert second.interrupter.waits.wait(HANG_GUARD_S)
    second.interrupter.fire()
    assert isinstance(second.end(), JobCancelled)
    server.go_on.set()
    assert first.end() == "movie_director/hash.png"


def test_contents_that_differ_do_not_wait_for_each_other(tmp_path):
    server = Server()
    uploads = Uploads(cast(Any, server))
    jobs = []
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(name.encode())
        jobs.append(Upload(uploads, tmp_path / name))
        assert server.begun.acquire(timeout=HANG_GUARD_S)
    server.go_on.set()
    assert [job.end() for job in jobs] == ["movie_director/hash.png"] * 2
