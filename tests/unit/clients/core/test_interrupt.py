"""Breaking off what blocks."""

from __future__ import annotations

import threading
import time

import pytest
from support.waiting import HANG_GUARD_S

from movie_director.clients.core.interrupt import Interrupter


def test_what_is_guarded_is_closed_once_fired():
    interrupter = Interrupter()
    closed = []
    with interrupter.guard(lambda: closed.append("a")), interrupter.guard(lambda: closed.append("b")):
        assert not interrupter.fired
        interrupter.fire()
        assert interrupter.fired
    assert closed == ["a", "b"]


def test_what_is_guarded_later_is_closed_at_once():
    interrupter = Interrupter()
    interrupter.fire()
    closed = []
    with interrupter.guard(lambda: closed.append(1)):
        assert closed == [1]


def test_what_is_over_is_left_alone():
    interrupter = Interrupter()
    closed = []
    with pytest.raises(KeyError), interrupter.guard(lambda: closed.append(1)):
        raise KeyError
    interrupter.fire()
    assert closed == []


def test_one_that_fails_does_not_keep_the_others_open():
    def fail():
        raise RuntimeError("no")

    interrupter = Interrupter()
    closed = []
    with interrupter.guard(fail), interrupter.guard(lambda: closed.append(1)):
        interrupter.fire()
    with interrupter.guard(fail):
        pass
    assert closed == [1]


def test_a_pause_ends_with_the_firing():
    interrupter = Interrupter()
    assert interrupter.wait(0.0) is False
    began = time.monotonic()
    timer = threading.Timer(0.05, interrupter.fire)
    timer.start()
    assert interrupter.wait(HANG_GUARD_S) is True
    assert time.monotonic() - began < HANG_GUARD_S / 2
    timer.join()


def test_guards_come_and_go_on_many_threads_while_it_fires():
    interrupter = Interrupter()
    closed = []
    stop = threading.Event()

    def work():
        while not stop.is_set():
            done = threading.Event()
            with interrupter.guard(done.set):
                if interrupter.fired:
                    closed.append(done.is_set())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    interrupter.fire()
    while len(closed) < 100:
        interrupter.wait(0.001)
    stop.set()
    for thread in threads:
        thread.join(HANG_GUARD_S)
    # each thread can be in one guard when it fires, which is closed a moment later; all others are closed at once
    assert closed.count(False) <= len(threads)
    assert interrupter._closers == {}
