"""One exchange with a server that does not do as it should."""

from __future__ import annotations

import gc
import gzip
import logging
import socket
import threading
import time
import tracemalloc

import pytest
from certificates import Authority
from faultserver import BlackHole, FaultServer, always, answer, answers, closed_port, silent
from support.sockets import open_sockets_to
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import errors
from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.core.options import ClientOptions
from movie_director.clients.http import connect, interruptible_pool, log_filter
from movie_director.clients.http.transport import CLOSE_TIMEOUT_S, Timeouts, Transport
from movie_director.clients.http.url import parse_server_url

PATIENT = Timeouts(HANG_GUARD_S, HANG_GUARD_S, HANG_GUARD_S)
MIB = 1024 * 1024


@pytest.fixture
def transport():
    """A transport that is closed at the end."""
    with Transport() as transport:
        yield transport


@pytest.fixture
def ask(transport):
    """Send one request to a server's URL."""

    def ask(url, *, method="GET", path="/x", headers=None, body=None, timeouts=PATIENT, interrupter=None):
        server = parse_server_url(url)
        return transport.exchange(
            method,
            server,
            server.join(path),
            headers=headers or {},
            body=body,
            timeouts=timeouts,
            interrupter=interrupter or Interrupter(),
        )

    return ask


def failing(call, *arguments, **settings):
    with pytest.raises(errors.BackendError) as caught:
        call(*arguments, **settings)
    return caught.value


def test_an_answer(ask):
    with FaultServer(answers(answer(b"body", "Content-Type: Text/HTML; charset=x", "X-A: 1"))) as server:
        with ask(server.url, headers={"X-Sent": "a"}) as response:
            assert response.status == 200
            assert response.content_type == "text/html"
            assert response.content_length == 4
            assert response.headers["x-a"] == "1"
            assert response.url == f"{server.url}/x"
            assert response.read(100) == b"body"
            assert response.read(100) == b""
        (asked,) = server.asked
    assert (asked.method, asked.target, asked.headers["x-sent"]) == ("GET", "/x", "a")


@pytest.mark.parametrize(
    "how", ["read", "chunks", "available", "not at all", "half", "head", "204", "empty", "chunked", "start"]
)
def test_connections_are_used_again_only_when_that_is_safe(ask, how):
    raw = {
        "204": b"HTTP/1.1 204 No Content\r\n\r\n",
        "empty": answer(b""),
        "head": answer(b"", length=1000),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    }.get(how, answer(b"abcde"))
    with FaultServer(always(raw)) as server:
        for _ in range(3):
            with ask(server.url, method="HEAD" if how == "head" else "GET") as response:
                if how in ("read", "chunked"):
                    assert response.read(5) == b"abcde"
                elif how == "half":
                    assert next(response.chunks(2)) == b"ab"
                elif how == "start":
                    assert response.start(3) == b"abc"
                elif how in ("chunks", "available"):
                    assert b"".join(getattr(response, how)(2)) == b"abcde"
        assert server.connections == (3 if how in ("not at all", "half", "start") else 1)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(ask):
    closed = threading.Event()

    def once(peer):
        peer.request()
        peer.send(answer(b"one"))
        peer.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with FaultServer(once, answers(answer(b"two"))) as server:
        assert ask(server.url).read(9) == b"one"
        assert closed.wait(HANG_GUARD_S)
        assert ask(server.url, method="POST", body=b"x").read(9) == b"two"
        assert server.connections == 2


@pytest.mark.parametrize(("idle_s", "connections"), [(0.0, 1), (3.0, 1), (5.0, 2), (3600.0, 2), (-3600.0, 2)])
def test_a_connection_that_was_idle_for_long_is_not_used_again(ask, monkeypatch, idle_s, connections):
    """The server may have closed it in the same moment, or the network may have forgotten it."""
    with FaultServer(always(answer(b"body"))) as server:
        assert ask(server.url).read(9) == b"body"
        now = time.time()
        monkeypatch.setattr(interruptible_pool.time, "time", lambda: now + idle_s)
        assert ask(server.url, method="POST", body=b"x").read(9) == b"body"
        assert server.connections == connections


def test_many_threads_share_the_pool(ask):
    with FaultServer(always(answer(b"body"))) as server:
        results = []

        def work():
            for _ in range(20):
                with ask(server.url) as response:
                    results.append(response.read(10))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_GUARD_S)
        assert results == [b"body"] * 160
        assert server.connections <= 8 + 8


# Connecting


def test_nobody_there(ask):
    began = time.monotonic()
    error = failing(ask, f"http://127.0.0.1:{closed_port()}")
    assert time.monotonic() - began < 10.0
    assert (type(error), error.code) == (errors.ConnectionFailed, "refused")
    assert "running" in error.hint


def test_a_black_hole(ask):
    with BlackHole() as hole:
        began = time.monotonic()
        error = failing(ask, hole.url, timeouts=Timeouts(0.3, HANG_GUARD_S, HANG_GUARD_S))
        assert 0.3 <= time.monotonic() - began < 3.0
    assert (type(error), error.code) == (errors.NetworkTimeout, "connect")


def test_a_name_that_nobody_knows(ask, monkeypatch):
    def look_up(*_args, **_more):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    error = failing(ask, "http://nowhere.example")
    assert (type(error), error.code) == (errors.ConnectionFailed, "dns_failed")
    assert "nowhere.example" in error.message


def test_localhost_is_tried_on_both_families(ask):
    with FaultServer(answers(answer(b"here"))) as server:
        assert ask(f"http://localhost:{server.port}").read(9) == b"here"


def test_ipv6(ask):
    try:
        with FaultServer(answers(answer(b"six")), host="::1") as server:
            assert ask(server.url).read(9) == b"six"
            assert server.asked[0].headers["host"] == f"[::1]:{server.port}"
    except OSError:
        pytest.skip("no IPv6 loopback here")


# Silence


def test_silence_before_the_answer(ask):
    with FaultServer(silent) as server:
        error = failing(ask, server.url, timeouts=Timeouts(HANG_GUARD_S, 0.1, HANG_GUARD_S))
    assert (type(error), error.code) == (errors.NetworkTimeout, "first_byte")


@pytest.mark.parametrize("close", ["", "Connection: close"])
@pytest.mark.parametrize(("how", "code"), [("chunks", "read"), ("available", "stream_idle")])
def test_silence_within_the_answer(ask, close, how, code):
    def script(peer):
        peer.request()
        peer.send(answer(b"half", close, length=10) if close else answer(b"half", length=10))
        peer.wait_gone()

    with FaultServer(script) as server:
        response = ask(server.url, timeouts=Timeouts(HANG_GUARD_S, HANG_GUARD_S, 0.2))
        pieces = getattr(response, how)()
        assert next(pieces) == b"half"
        error = failing(next, pieces)
    assert (type(error), error.code) == (errors.NetworkTimeout, code)


def test_silence_is_measured_and_not_age(ask):
    tick = threading.Event()

    def script(peer):
        peer.request()
        peer.send(answer(length=10))
        for _ in range(10):
            tick.wait(0.1)
            peer.send(b"x")

    with FaultServer(script) as server:
        assert ask(server.url, timeouts=Timeouts(0.9, 0.9, 0.9)).read(10) == b"x" * 10


def test_a_server_that_takes_nothing_more(ask):
    with FaultServer(lambda peer: peer.server.ended.wait(HANG_GUARD_S)) as server:
        server.ended = threading.Event()
        try:
            error = failing(
                ask,
                server.url,
                method="POST",
                body=b"x" * 30_000_000,
                timeouts=Timeouts(HANG_GUARD_S, 0.3, HANG_GUARD_S),
            )
        finally:
            server.ended.set()
    assert (type(error), error.code) == (errors.NetworkTimeout, "first_byte")


def test_the_time_to_connect_does_not_bound_the_sending(ask):
    """A server that loads a model may not read for a while."""
    go_on = threading.Event()

    def script(peer):
        go_on.wait(0.6)
        peer.request()
        peer.send(answer(b"done"))

    with FaultServer(script) as server:
        response = ask(
            server.url, method="POST", body=b"x" * 30_000_000, timeouts=Timeouts(0.2, HANG_GUARD_S, HANG_GUARD_S)
        )
        assert response.read(9) == b"done"


# Cuts


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_before_the_answer(ask, method, reset):
    def script(peer):
        peer.request()
        if reset:
            peer.reset()

    with FaultServer(script) as server:
        error = failing(ask, server.url, method=method)
        assert len(server.asked) == 1
    assert (type(error), error.code) == (errors.ConnectionLost, "connection_lost")
    assert error.hint


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"half", length=10),
        answer(b"", length=10),
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabcde\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n",
    ],
    ids=["length", "none", "head", "no chunk", "chunk", "no last chunk", "chunk size", "negative"],
)
def test_a_cut_body_is_no_body(ask, raw):
    with FaultServer(answers(raw)) as server:
        error = failing(lambda: ask(server.url).read(1000))
    assert (type(error), error.code) == (errors.ConnectionLost, "connection_lost")


def test_a_reset_in_the_body(ask):
    taken = threading.Event()

    def script(peer):
        peer.request()
        peer.send(answer(b"half", length=10))
        taken.wait(HANG_GUARD_S)
        peer.reset()

    with FaultServer(script) as server:
        pieces = ask(server.url).chunks()
        assert next(pieces) == b"half"
        taken.set()
        error = failing(next, pieces)
    assert (type(error), error.code) == (errors.ConnectionLost, "connection_lost")
    assert "reset" in error.message


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\nto the end",
        b"HTTP/1.0 200 OK\r\n\r\nto the end",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end",
        b"HTTP/1.1 200\r\nContent-Length: 10\r\n\r\nto the end and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 10\r\n\r\nto the end",
        b"HTTP/1.1 200 O\nTransfer-Encoding: chunked\nContent-Length: 3\n\nA;x=y\r\nto the end\r\n0\r\nT: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n00A\r\nto the end\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 10\r\n\r\nto the end",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nto the end",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
    ],
)
def test_the_forms_a_body_can_have(ask, raw):
    with FaultServer(answers(raw)) as server, ask(server.url) as response:
        assert response.status == 200
        assert response.read(10) == b"to the end"


@pytest.mark.parametrize("more", [b" and more", b"x" * 100_000])
def test_more_than_announced_does_not_get_into_the_next_answer(ask, more):
    def script(peer):
        peer.request()
        peer.send(answer(b"one", length=3), more)
        peer.request()
        peer.send(answer(b"two"))

    with FaultServer(script, answers(answer(b"two"))) as server:
        assert ask(server.url).read(3) == b"one"
        assert ask(server.url).read(3) == b"two"


# Encodings


@pytest.mark.parametrize("encoding", ["br", "gzip", "GZIP", "deflate", "x" * 1000])
def test_a_packed_body_is_refused(ask, encoding):
    """Nobody asked for it, and a megabyte of it can hold a gigabyte."""
    with FaultServer(answers(answer(gzip.compress(b"text"), f"Content-Encoding: {encoding}"))) as server:
        error = failing(ask(server.url).read, 100)
    assert (type(error), error.code) == (errors.ProtocolError, "bad_encoding")
    assert encoding[:40] in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_that_is_called_unpacked_is_read(ask, encoding):
    with FaultServer(answers(answer(b"text", f"Content-Encoding: {encoding}"))) as server:
        with ask(server.url) as response:
            assert response.content_length == 4
            assert response.read(100) == b"text"


# What is not HTTP, or not as it must be


@pytest.mark.parametrize(
    "raw",
    [
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"220 smtp.example.org ready\r\n",
        b"<html>no head</html>\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(10_000)) + b"\r\n",
        b"x" * 200_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nabcdef",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http(ask, raw):
    with FaultServer(answers(raw)) as server:
        error = failing(ask, server.url)
    assert (type(error), error.code) == (errors.ProtocolError, "not_http")
    assert error.hint
    assert len(str(error)) < 500


def test_endless_headers_do_not_fill_the_memory(ask):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            peer.send(b"y" * 65536)

    with FaultServer(script) as server:
        tracemalloc.start()
        try:
            error = failing(ask, server.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert error.code == "not_http"
    assert peak < 5 * MIB


@pytest.mark.parametrize("raw", [answer(b"x" * 1001), b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001])
def test_a_body_beyond_the_limit(ask, raw):
    with FaultServer(answers(raw)) as server:
        error = failing(ask(server.url, path="/x?token=secret").read, 1000)
    assert (type(error), error.code) == (errors.ProtocolError, "too_large")
    assert "secret" not in str(error)
    with FaultServer(answers(raw)) as server:
        assert ask(server.url).read(1001) == b"x" * 1001


def test_an_endless_body_is_given_up(ask):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b"y" * 65536)

    with FaultServer(script) as server:
        assert failing(ask(server.url).read, 3 * MIB).code == "too_large"


def test_the_start_of_a_body(ask):
    with FaultServer(answers(answer(b"abcdef")), answers(answer(b"abc", length=10)), answers(answer(b""))) as server:
        assert ask(server.url).start(4) == b"abcd"
        assert ask(server.url).start(100) == b"abc"
        assert ask(server.url).start(4) == b""


# Sending


def test_bodies_are_sent_as_they_are(ask):
    with FaultServer(always(answer(b""))) as server:
        ask(server.url, method="POST", body=b"bytes").close()
        ask(server.url, method="POST", body=iter([b"in ", b"", b"pieces"]), headers={"content-length": "9"}).close()
        ask(server.url, method="POST", body=[b"with", b"", b"length"]).close()
        ask(server.url, method="POST", body=b"").close()
        ask(server.url, method="POST").close()
        assert [each.body for each in server.asked] == [b"bytes", b"in pieces", b"withlength", b"", b""]
        assert [each.headers.get("content-length") for each in server.asked] == ["5", "9", "10", "0", "0"]


def test_a_stream_of_unknown_length_is_not_sent(ask):
    """Not all servers take chunks, and requests 2.27 sends them without a time-out."""
    with FaultServer(silent) as server:
        with pytest.raises(ValueError, match="Content-Length"):
            ask(server.url, method="POST", body=iter([b"x"]))
        assert server.connections == 0


def test_what_a_body_raises_is_passed_on(ask):
    def body():
        yield b"some"
        raise errors.JobCancelled("enough")

    with FaultServer(silent) as server:
        error = failing(ask, server.url, method="POST", body=body(), headers={"Content-Length": "10"})
        assert isinstance(error, errors.JobCancelled)


def test_an_early_refusal_of_an_upload_is_read(ask):
    def script(peer):
        peer.request(body=False)
        peer.send(answer(b"too large", status="413 Payload Too Large"))
        peer.wait_gone()

    with FaultServer(script) as server, ask(server.url, method="POST", body=b"x" * 3 * MIB) as response:
        assert response.status == 413
        assert response.read(100) == b"too large"


# Proxies


@pytest.fixture
def proxied(monkeypatch):
    """Send requests for example.org through a fault server."""

    def proxied(server, login="user:p%40ss@"):
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://{login}127.0.0.1:{server.port}")
        for name in ("NO_PROXY", "no_proxy", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)

    return proxied


def test_a_proxy_is_asked_for_a_foreign_server(ask, proxied):
    with FaultServer(always(answer(b"by proxy"))) as server:
        proxied(server)
        assert ask("http://example.org").read(100) == b"by proxy"
        (asked,) = server.asked
    assert asked.target == "http://example.org/x"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_loopback_needs_no_proxy(ask, proxied):
    with FaultServer(always(answer(b"proxy"))) as proxy, FaultServer(always(answer(b"direct"))) as server:
        proxied(proxy)
        assert ask(server.url).read(100) == b"direct"
        assert ask(f"http://localhost:{server.port}").read(100) == b"direct"
        assert proxy.connections == 0


def test_a_tunnel_that_the_proxy_refuses(ask, proxied, canary, assert_no_secret):
    def refuse(peer):
        asked = peer.request()
        assert asked.method == "CONNECT"
        assert asked.target == "example.org:443"
        peer.send(answer(b"<html>who?</html>", status="407 Proxy Authentication Required"))

    with FaultServer(refuse) as server:
        proxied(server, login=f"user:{canary}@")
        error = failing(ask, "https://example.org")
    assert (type(error), error.code) == (errors.NetworkError, "proxy")
    assert "407" in error.message
    assert_no_secret(error)


@pytest.mark.parametrize("url", ["http://example.org", "https://example.org"])
def test_a_proxy_that_is_not_there(ask, monkeypatch, url):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    error = failing(ask, url)
    assert (type(error), error.code) == (errors.NetworkError, "proxy")
    assert "refused" in error.message


def test_a_proxy_that_can_not_be_used(ask, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1")
    assert failing(ask, "http://example.org").code == "proxy"


# Breaking off


def breaking_off(interrupter, ready):
    """Fire soon after ``ready``, on another thread."""

    def fire():
        assert ready.wait(HANG_GUARD_S)
        fired_at.append(time.monotonic())
        interrupter.fire()

    fired_at = []
    thread = threading.Thread(target=fire)
    thread.start()
    return thread, fired_at


def assert_soon(thread, fired_at):
    assert time.monotonic() - fired_at[0] < 1.0
    thread.join(HANG_GUARD_S)


def test_a_fired_interrupter_refuses_new_calls(ask):
    interrupter = Interrupter()
    interrupter.fire()
    with FaultServer(always(answer(b"x"))) as server:
        ask(server.url).read(9)
        error = failing(ask, server.url, interrupter=interrupter)
        assert (type(error), error.code) == (errors.ConnectionLost, "interrupted")
        error = failing(ask, f"http://127.0.0.1:{closed_port()}", interrupter=interrupter)
        assert error.code == "interrupted"
        assert len(server.asked) == 1


def test_breaking_off_while_connecting(ask):
    interrupter, ready = Interrupter(), threading.Event()
    with BlackHole() as hole:
        thread, fired_at = breaking_off(interrupter, ready)
        ready.set()
        error = failing(ask, hole.url, interrupter=interrupter)
        assert_soon(thread, fired_at)
    assert error.code == "interrupted"


def test_breaking_off_in_the_moment_of_connecting(ask, monkeypatch):
    interrupter = Interrupter()
    made = []

    def connect_tcp(*arguments):
        made.append(connect.connect_tcp(*arguments))
        interrupter.fire()
        return made[0]

    monkeypatch.setattr(interruptible_pool, "connect_tcp", connect_tcp)
    with FaultServer(silent) as server:
        assert failing(ask, server.url, interrupter=interrupter).code == "interrupted"
    assert made[0].fileno() == -1


@pytest.mark.parametrize("again", [False, True])
def test_breaking_off_before_the_first_byte(ask, again):
    interrupter, ready = Interrupter(), threading.Event()

    def script(peer):
        if again:
            peer.request()
            peer.send(answer(b"x"))
        peer.request()
        ready.set()
        peer.wait_gone()

    with FaultServer(script) as server:
        if again:
            ask(server.url).read(9)
        thread, fired_at = breaking_off(interrupter, ready)
        error = failing(ask, server.url, interrupter=interrupter)
        assert_soon(thread, fired_at)
        assert server.connections == 1
    assert (type(error), error.code) == (errors.ConnectionLost, "interrupted")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
)
def test_breaking_off_in_the_body(ask, head):
    """Also where the end of the connection would be the end of the body."""
    interrupter, ready = Interrupter(), threading.Event()

    def script(peer):
        peer.request()
        peer.send(head, b"half")
        peer.wait_gone()

    with FaultServer(script) as server:
        thread, fired_at = breaking_off(interrupter, ready)
        pieces = ask(server.url, interrupter=interrupter).chunks()
        assert next(pieces) == b"half"
        ready.set()
        error = failing(next, pieces)
        assert_soon(thread, fired_at)
    assert (type(error), error.code) == (errors.ConnectionLost, "interrupted")


def test_breaking_off_between_the_head_and_the_body(ask):
    interrupter = Interrupter()
    with FaultServer(answers(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as server:
        response = ask(server.url, interrupter=interrupter)
        interrupter.fire()
        assert failing(response.read, 100).code == "interrupted"


def test_breaking_off_while_sending(ask):
    interrupter, ready = Interrupter(), threading.Event()
    done = threading.Event()

    def script(peer):
        ready.set()
        done.wait(HANG_GUARD_S)

    with FaultServer(script) as server:
        thread, fired_at = breaking_off(interrupter, ready)
        error = failing(ask, server.url, method="POST", body=[b"x" * MIB] * 50, interrupter=interrupter)
        assert_soon(thread, fired_at)
        done.set()
    assert error.code == "interrupted"


def test_breaking_off_leaves_the_next_user_of_the_connection_alone(ask):
    interrupter = Interrupter()
    with FaultServer(always(answer(b"body"))) as server:
        response = ask(server.url, interrupter=interrupter)
        pieces = response.chunks()
        assert next(pieces) == b"body"
        response.close()  # all of it was read, so the connection is free; the generator is still in its guard
        other = ask(server.url)
        interrupter.fire()
        assert other.read(9) == b"body"
        assert ask(server.url).read(9) == b"body"
        assert server.connections == 1
        pieces.close()


# The rest


def test_errors_of_reading_can_be_finished_by_who_asked(ask):
    def finish(error):
        error.backend = "named"
        return error

    for raw in (answer(b"x", length=5), answer(b"x" * 2000), answer(b"x", "Content-Encoding: br")):
        with FaultServer(answers(raw)) as server:
            response = ask(server.url)
            response.finish = finish
            assert failing(response.read, 1000).backend == "named"


def test_a_transport_can_be_closed_and_used_again(transport, ask):
    with FaultServer(always(answer(b"x"))) as server:
        held = ask(server.url)
        ask(server.url).read(9)
        transport.close()
        assert failing(held.read, 9).code == "interrupted"
        assert ask(server.url).read(9) == b"x"
        transport.close()
        transport.close()


def test_closing_waits_no_longer_than_it_is_told(transport, ask):
    """The body is ours, so that breaking the call off does not end it."""
    reached, go_on = threading.Event(), threading.Event()

    def body():
        reached.set()
        go_on.wait(HANG_GUARD_S)
        yield b"x"

    with FaultServer(lambda peer: peer.wait_gone()) as server:
        sending = {"method": "POST", "headers": {"Content-Length": "1"}, "body": body()}
        thread = threading.Thread(target=failing, args=(ask, server.url), kwargs=sending)
        thread.start()
        assert reached.wait(HANG_GUARD_S)
        waits = []
        transport._at_rest.wait_for = lambda _, timeout: waits.append(timeout)
        transport.close(0.25)
        transport.close()
        go_on.set()
        thread.join(HANG_GUARD_S)
    assert waits == [0.25, CLOSE_TIMEOUT_S]


@pytest.mark.parametrize("secure", [False, True])
def test_closing_leaves_no_socket_open_whatever_refers_to_one(secure, tmp_path):
    """urllib3 2 forgets its pools when it is told to clear them; a traceback remembers them."""
    authority = Authority(tmp_path / "ca") if secure else None

    def half(peer):
        peer.request()
        peer.send(answer(b"half", length=1000))
        peer.wait_gone()

    def to_the_end(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome")
        peer.wait_gone()

    scripts = [always(answer(b"idle"))] * 2 + [half] * 2 + [to_the_end, lambda peer: peer.request(), silent]
    tls = authority.server("IP:127.0.0.1") if authority else None
    with FaultServer(*scripts, tls=tls) as server, Transport(verify_tls=authority.file if authority else True) as own:
        url = parse_server_url(server.url)

        def send():
            return own.exchange("GET", url, url.join("/"), headers={}, body=None, timeouts=PATIENT, interrupter=one)

        one = Interrupter()
        idle = [send(), send()]
        begun, unread, open_ended = send(), send(), send()
        pieces = begun.chunks(2)
        assert next(pieces) == b"ha"
        error = failing(send)  # the traceback refers to the pool
        waiting = []
        thread = threading.Thread(target=lambda: waiting.append(failing(send)))
        for each in idle:
            each.read(9)
        busy = [send(), send()]  # the idle ones, so that the waiting one needs a connection of its own
        thread.start()
        wait_for(lambda: server.connections == 7 and len(server.asked) >= 8)
        for each in busy:
            each.read(9)
        assert len(open_sockets_to(server.port)) == 6
        own.close()
        assert open_sockets_to(server.port) == []
        thread.join(HANG_GUARD_S)
    assert waiting[0].code == "interrupted"
    assert failing(next, pieces).code == "interrupted"
    assert failing(unread.read, 2000).code == failing(open_ended.read, 2000).code == "interrupted"
    assert error.__traceback__ is not None


def test_made_of_options(tmp_path):
    with Transport.for_options(ClientOptions(pool_size=3, verify_tls=tmp_path / "ca.pem")) as transport:
        assert transport.verify_tls == tmp_path / "ca.pem"
        assert transport._pool_size == 3
    assert Timeouts.of(ClientOptions(connect_timeout_s=1, first_byte_timeout_s=2, read_timeout_s=3)) == Timeouts(
        1, 2, 3
    )


def test_no_socket_is_left_open(ask, transport):
    """A forgotten socket is a ResourceWarning, which fails the test that collects it."""
    with FaultServer(answers(answer(b"x", length=5)), answers(b"nonsense\r\n\r\n"), always(answer(b"x"))) as server:
        failing(lambda: ask(server.url).read(9))
        failing(ask, server.url)
        ask(server.url).close()
        ask(server.url).read(9)
        transport.close()
        gc.collect()


def test_nothing_is_logged_above_debug(ask, caplog):
    with FaultServer(always(answer(b"x")), silent) as server:
        ask(server.url).read(9)
    assert [each for each in caplog.records if each.levelno > logging.DEBUG and each.name.startswith("urllib3")] == []


def test_what_urllib3_logs_tells_no_query(ask, caplog, canary):
    """Nor after the extension was loaded again, which leaves urllib3 and its loggers as they are."""
    log = logging.getLogger("urllib3.connectionpool")
    others = logging.Filter()
    log.addFilter(others)
    before = list(log.filters)
    log_filter.filter_queries("urllib3.connectionpool")
    try:
        assert len(log.filters) == len(before)
        assert others in log.filters
        caplog.set_level("DEBUG")
        with FaultServer(always(answer(b"x"))) as server:
            ask(server.url, path=f"/x?token={canary}").read(9)
        log.debug("with a mapping: %(a)s", {"a": "kept?yes"})
    finally:
        log.removeFilter(others)
    told = caplog.messages
    assert any('"GET /x HTTP/1.1" 200' in each for each in told)
    assert "with a mapping: kept?yes" in told
