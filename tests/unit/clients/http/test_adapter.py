"""The ``requests.Session`` under our HTTP layer."""

from __future__ import annotations

import threading

import pytest
import requests  # noqa: TID251 - what it builds on
from faultserver import FaultServer, always, answer, answers
from support.waiting import HANG_GUARD_S

from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.http.adapter import make_request, make_session
from movie_director.clients.http.interruptible_pool import Call, Pool


@pytest.fixture
def send():
    """Send a request through a session that is closed at the end."""
    session = make_session(4, None)

    def send(url, headers=None, **more):
        call = Call(Interrupter(), HANG_GUARD_S)
        request = make_request("GET", url, headers or {}, None)
        return session.send(request, call=call, proxies={}, stream=True, allow_redirects=False, timeout=5, **more)

    send.session = session
    with session:
        yield send


def pool_for(adapter, url):
    """Ask for a pool in the way of the installed requests."""
    if hasattr(adapter, "get_connection_with_tls_context"):
        return adapter.get_connection_with_tls_context(make_request("GET", url, {}, None), verify=True)
    return adapter.get_connection(url)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://example.org/x", "example.org", 80),
        ("http://127.0.0.1:8188/x", "127.0.0.1", 8188),
        ("http://[::1]:8188/x", "::1", 8188),
        ("http://[fe80::1%25eth0]:8188/x", "fe80::1%eth0", 8188),
    ],
)
def test_the_pool_is_ours_and_of_the_right_host(send, url, host, port):
    pool = pool_for(send.session.get_adapter(url), url)
    assert type(pool) is Pool
    connection = pool._new_conn()
    assert (connection._dns_host, connection.port) == (host, port)


def test_the_line_and_the_headers_are_sent_as_they_are(send):
    """Requests' own preparing would write ``~`` and ``A`` for the first two of the escapes."""
    with FaultServer(always(answer(b""))) as server:
        for path in ("/a%7Eb/%41?q=%2F&x=a+b", "/"):
            send(f"{server.url}{path}", {"X-Odd": "ä".encode().decode("latin-1")})
        assert [each.target for each in server.asked] == ["/a%7Eb/%41?q=%2F&x=a+b", "/"]
        assert server.asked[0].headers["x-odd"].encode("latin-1") == "ä".encode()


def test_a_redirect_is_neither_followed_nor_read(send):
    go_on = threading.Event()

    def script(peer):
        peer.request()
        peer.send(answer(b"half", f"Location: {peer.server.url}/elsewhere", length=1000, status="302 Found"))
        go_on.wait(HANG_GUARD_S)

    with FaultServer(script) as server:
        response = send(server.url)
        assert (response.status_code, response.next) == (302, None)
        go_on.set()
        response.raw.close()
        assert len(server.asked) == 1


def test_no_cookie_is_kept(send):
    with FaultServer(always(answer(b"", "Set-Cookie: session=secret; Path=/"))) as server:
        send(server.url)
        send(server.url)
        assert all("cookie" not in each.headers for each in server.asked)
    assert not list(send.session.cookies)


def test_the_environment_is_not_asked(send, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", __file__)
    with FaultServer(answers(answer(b"direct"))) as server:
        assert send(server.url).raw.read() == b"direct"
        assert "authorization" not in server.asked[0].headers


def test_it_is_a_session_as_everybody_knows_it(send):
    assert isinstance(send.session, requests.Session)
    assert isinstance(send.session.get_adapter("https://example.org"), requests.adapters.HTTPAdapter)
