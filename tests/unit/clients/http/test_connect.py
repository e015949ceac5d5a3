"""Connecting: all addresses of a name, bounded, broken off at will."""

from __future__ import annotations

import errno
import socket
import threading
import time
from pathlib import Path

import pytest
from faultserver import BlackHole, FaultServer, closed_port
from support.waiting import HANG_GUARD_S

from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.http import connect
from movie_director.clients.http.connect import BrokenOff, connect_tcp
from movie_director.clients.http.interruptible_pool import Call


def call(interrupter=None):
    return Call(interrupter or Interrupter(), HANG_GUARD_S)


def quiet(peer):
    peer.wait_gone()


def resolving_to(monkeypatch, *addresses):
    """Have every name resolve to these (host, port)."""

    def look_up(_host, _port, **_more):
        return [
            (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host, port in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_it_connects(host):
    with FaultServer(quiet) as server, connect_tcp(host, server.port, 5.0, call()) as sock:
        assert sock.getpeername()[:2] == ("127.0.0.1", server.port)
        assert sock.gettimeout() == 5.0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_nobody_there_is_told_at_once():
    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        connect_tcp("127.0.0.1", closed_port(), HANG_GUARD_S, call())
    assert time.monotonic() - began < 10.0


@pytest.mark.parametrize("first", ["::1", "127.0.0.1"])
def test_the_next_address_is_tried_when_the_first_refuses(monkeypatch, first):
    with FaultServer(quiet) as server:
        resolving_to(monkeypatch, (first, closed_port()), ("127.0.0.1", server.port))
        with connect_tcp("localhost", 1, HANG_GUARD_S, call()) as sock:
            assert sock.getpeername()[1] == server.port


def test_the_next_address_is_tried_while_the_first_hangs(monkeypatch):
    with BlackHole() as hole, FaultServer(quiet) as server:
        resolving_to(monkeypatch, ("127.0.0.1", int(hole.url.rpartition(":")[2])), ("127.0.0.1", server.port))
        began = time.monotonic()
        with connect_tcp("localhost", 1, HANG_GUARD_S, call()) as sock:
            assert sock.getpeername()[1] == server.port
        assert time.monotonic() - began < HANG_GUARD_S / 2


def test_a_family_that_the_system_lacks_is_passed_over(monkeypatch):
    class OnlyIPv4(socket.socket):
        def __init__(self, family=-1, *rest, **more):
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported")
            super().__init__(family, *rest, **more)

    with FaultServer(quiet) as server:
        resolving_to(monkeypatch, ("::1", server.port), ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "socket", OnlyIPv4)
        connect_tcp("localhost", 1, 5.0, call()).close()
        resolving_to(monkeypatch, ("::1", server.port))
        with pytest.raises(OSError, match="not supported"):
            connect_tcp("localhost", 1, 5.0, call())


def test_a_refusal_tells_more_than_the_other_errors(monkeypatch):
    class Lonely(socket.socket):
        def connect(self, address):
            if address[0] != "127.0.0.1":
                raise OSError(errno.EHOSTUNREACH, "No route to host")
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Lonely)
    far, near = ("127.0.0.2", 9), ("127.0.0.1", closed_port())
    for order in ([far, near, far], [near, far], [far, near]):
        resolving_to(monkeypatch, *order)
        with pytest.raises(ConnectionRefusedError):
            connect_tcp("localhost", 1, 5.0, call())
    resolving_to(monkeypatch, far, far)
    with pytest.raises(OSError, match="No route to host"):
        connect_tcp("localhost", 1, 5.0, call())


def test_a_system_without_that_option_still_connects(monkeypatch):
    class Stubborn(socket.socket):
        def setsockopt(self, *_args):
            raise OSError(errno.ENOPROTOOPT, "no")

    with FaultServer(quiet) as server:
        monkeypatch.setattr(socket, "socket", Stubborn)
        connect_tcp("127.0.0.1", server.port, 5.0, call()).close()


def test_a_black_hole_is_given_up_in_time():
    with BlackHole() as hole:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            connect_tcp("127.0.0.1", int(hole.url.rpartition(":")[2]), 0.3, call())
        assert 0.3 <= time.monotonic() - began < 3.0


def test_connecting_is_broken_off():
    with BlackHole() as hole:
        interrupter = Interrupter()
        fired_at = []

        def fire():
            fired_at.append(time.monotonic())
            interrupter.fire()

        timer = threading.Timer(0.1, fire)
        timer.start()
        with pytest.raises(BrokenOff):
            connect_tcp("127.0.0.1", int(hole.url.rpartition(":")[2]), HANG_GUARD_S, call(interrupter))
        assert time.monotonic() - fired_at[0] < 1.0
        timer.join()


def test_waking_after_the_end_does_no_harm():
    race = connect._HappyEyeballs([])
    race.end()
    race.wake()


@pytest.mark.parametrize("raised", [socket.gaierror(-2, "not known"), UnicodeError("label too long")])
def test_a_name_that_nobody_knows(monkeypatch, raised):
    def look_up(*_args, **_more):
        raise raised

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(socket.gaierror):
        connect_tcp("nowhere.example", 80, HANG_GUARD_S, call())


def test_a_name_that_is_known(monkeypatch):
    with FaultServer(quiet) as server:
        resolving_to(monkeypatch, ("127.0.0.1", server.port))
        connect_tcp("somewhere.example", 80, HANG_GUARD_S, call()).close()


@pytest.fixture
def slow_look_up(monkeypatch):
    """Make looking up a name take until the test's end."""
    answered = threading.Event()

    def look_up(*_args, **_more):
        answered.wait(HANG_GUARD_S)
        raise socket.gaierror(-3, "too late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    answered.set()


@pytest.mark.usefixtures("slow_look_up")
def test_looking_up_a_name_is_bounded_and_broken_off():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="looking up"):
        connect_tcp("slow.example", 80, 0.2, call())
    interrupter = Interrupter()
    timer = threading.Timer(0.1, interrupter.fire)
    timer.start()
    with pytest.raises(BrokenOff):
        connect_tcp("slow.example", 80, HANG_GUARD_S, call(interrupter))
    timer.join()
    assert time.monotonic() - began < 3.0


def test_no_file_descriptor_is_left(monkeypatch):
    def count():
        return len(list(Path("/proc/self/fd").iterdir()))

    with BlackHole() as hole:
        resolving_to(monkeypatch, ("127.0.0.1", int(hole.url.rpartition(":")[2])), ("127.0.0.1", closed_port()))
        before = count()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                connect_tcp("localhost", 1, 0.1, call())
        assert count() == before


def test_too_many_open_files_is_told_and_passes(monkeypatch):
    with FaultServer(quiet) as server:
        with monkeypatch.context() as patch:

            class Exhausted(socket.socket):
                def __init__(self, family=-1, *rest, **more):
                    if family == socket.AF_INET:
                        raise OSError(errno.EMFILE, "Too many open files")
                    super().__init__(family, *rest, **more)

            patch.setattr(socket, "socket", Exhausted)
            with pytest.raises(OSError, match="Too many open files"):
                connect_tcp("127.0.0.1", server.port, 5.0, call())
        connect_tcp("127.0.0.1", server.port, 5.0, call()).close()


def test_which_names_need_no_network():
    assert [connect._needs_no_network(host) for host in ("localhost", "LOCALHOST.", "::1", "1.2.3.4", "a.b")] == [
        True,
        True,
        True,
        True,
        False,
    ]
