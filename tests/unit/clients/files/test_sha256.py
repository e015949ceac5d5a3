"""Hashing beside the reading: right at every size, bounded, and no thread left behind."""

import hashlib
import threading

import pytest

from movie_director.clients.files import sha256
from movie_director.clients.files.sha256 import MAX_WAITING, Digest


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "movie-director-digest"]


@pytest.mark.parametrize("sizes", [[], [0], [7], [10], [11], [4, 4, 4, 4], [10, 1, 10, 10], [100] * 50])
def test_the_digest_is_that_of_all_bytes(sizes, monkeypatch):
    monkeypatch.setattr(sha256, "ASIDE_BYTES", 10)
    made, expected = Digest(), hashlib.sha256()
    for number, size in enumerate(sizes):
        made.update(bytes([number]) * size)
        expected.update(bytes([number]) * size)
    assert bool(threads()) == (sum(sizes) > 10)
    assert made.hexdigest() == expected.hexdigest() == made.hexdigest()
    assert threads() == []


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(sha256, "ASIDE_BYTES", 0)
    hashing, free = threading.Semaphore(0), threading.Event()

    class Slow:
        def update(self, _chunk):
            hashing.release()
            free.wait(30)

        def hexdigest(self):
            return "done"

    monkeypatch.setattr(sha256.hashlib, "sha256", Slow)
    made = Digest()
    for _ in range(MAX_WAITING):
        made.update(b"x")
    assert hashing.acquire(timeout=30)
    taken = threading.Event()
    more = threading.Thread(target=lambda: (made.update(b"x"), taken.set()))
    more.start()
    assert not taken.wait(0.05)
    free.set()
    assert taken.wait(30)
    more.join()
    assert made.hexdigest() == "done"


def test_closing_twice_and_unused():
    made = Digest()
    made.close()
    made.close()
    assert made.hexdigest() == hashlib.sha256().hexdigest()
