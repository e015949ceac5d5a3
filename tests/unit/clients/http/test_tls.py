"""TLS: who is trusted, and what goes wrong."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
from certificates import Authority
from faultserver import FaultServer, always, answer, answers, silent
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.http.tls import tls_context
from movie_director.clients.http.transport import Timeouts, Transport
from movie_director.clients.http.url import parse_server_url

PATIENT = Timeouts(HANG_GUARD_S, HANG_GUARD_S, HANG_GUARD_S)
HERE = "IP:127.0.0.1,DNS:localhost"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def good(authority):
    return authority.server(HERE)


def ask(url, verify, *, timeouts=PATIENT, interrupter=None, method="GET", body=None):
    with Transport(verify_tls=verify) as transport:
        server = parse_server_url(url)
        with transport.exchange(
            method,
            server,
            server.join("/x"),
            headers={},
            body=body,
            timeouts=timeouts,
            interrupter=interrupter or Interrupter(),
        ) as response:
            return response.read(10_000_000)


def failing(*arguments, **settings):
    with pytest.raises(errors.BackendError) as caught:
        ask(*arguments, **settings)
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_file_of_ones_own_is_trusted(authority, good, host):
    with FaultServer(answers(answer(b"secure")), tls=good) as server:
        assert ask(server.url.replace("127.0.0.1", host), authority.file) == b"secure"


def test_the_connection_is_used_again_and_the_settings_are_made_once(authority, good):
    with FaultServer(always(answer(b"x")), tls=good) as server, Transport(verify_tls=authority.file) as transport:
        url = parse_server_url(server.url)
        for _ in range(3):
            with transport.exchange(
                "GET", url, url.join("/"), headers={}, body=None, timeouts=PATIENT, interrupter=Interrupter()
            ) as response:
                assert response.read(9) == b"x"
        assert server.connections == 1
        assert transport.tls_context() is transport.tls_context()


def test_who_does_not_want_to_check_need_not_and_is_not_warned(authority):
    wrong = authority.server("DNS:other.example", expired=True, self_signed=True)
    with FaultServer(always(answer(b"whoever")), tls=wrong) as server:
        assert ask(server.url, verify=False) == b"whoever"


@pytest.mark.parametrize(
    ("names", "settings", "words"),
    [
        (HERE, {"self_signed": True}, "self.signed"),
        (HERE, {"expired": True}, "expired"),
        ("DNS:other.example", {}, "127.0.0.1"),
        ("DNS:localhost", {}, "127.0.0.1"),
    ],
    ids=["self-signed", "expired", "wrong name", "name for address"],
)
def test_what_is_wrong_with_a_certificate_is_told(authority, names, settings, words):
    with FaultServer(silent, tls=authority.server(names, **settings)) as server:
        error = failing(server.url, authority.file)
    assert (type(error), error.code) == (errors.TLSError, "certificate")
    assert words.replace(".", "") in error.message.replace("-", "").replace(" ", "").replace(".", "")
    assert error.hint
    assert not error.retryable


def test_an_unknown_authority(good):
    with FaultServer(silent, tls=good) as server:
        error = failing(server.url, verify=True)
    assert (type(error), error.code) == (errors.TLSError, "certificate")
    assert "preferences" in error.hint


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\x00"])
def test_a_certificate_file_that_is_none(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    error = failing("https://127.0.0.1:1", path)
    assert (type(error), error.code) == (errors.ValidationError, "invalid_certificate_file")
    assert str(path) in error.message
    assert failing("https://127.0.0.1:1", tmp_path / "a\0b").code == "invalid_certificate_file"


def test_the_settings(authority):
    for verify in (True, authority.file):
        context = tls_context(verify)
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        # home-made authorities are seldom made as strictly as Python 3.13 would have them
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert tls_context(True).cert_store_stats()["x509_ca"] > 50


def test_a_servers_own_certificate_can_be_trusted(authority, tmp_path):
    for settings in ({}, {"self_signed": True}):
        tls = authority.server(HERE, **settings)
        with FaultServer(answers(answer(b"known")), tls=tls) as server:
            own = tmp_path / "own.pem"
            own.write_text(ssl.get_server_certificate(("127.0.0.1", server.port)))
        with FaultServer(answers(answer(b"known")), tls=tls) as server:
            assert ask(server.url, own) == b"known"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\nplain",
        b"<!DOCTYPE html><html>what?</html>" * 10,
        b"220 smtp.example.org\r\n" * 10,
    ],
)
def test_a_server_that_does_not_speak_tls(raw):
    def script(peer):
        peer.sock.recv(100)
        peer.send(raw)
        peer.wait_gone()

    with FaultServer(script) as server:
        error = failing(server.url.replace("http:", "https:"), verify=True)
    assert (type(error), error.code) == (errors.ProtocolError, "not_https")
    assert "http://" in error.hint


def test_http_to_a_server_that_speaks_tls(good):
    with FaultServer(silent, tls=good) as server:
        error = failing(server.url.replace("https:", "http:"), verify=True)
    # it sends an alert, which is no HTTP, or just hangs up
    assert error.code in ("not_http", "connection_lost")
    assert "https://" in error.hint


def test_a_server_that_hangs_up_in_the_handshake():
    def script(peer):
        peer.sock.recv(1)

    with FaultServer(script) as server:
        error = failing(server.url.replace("http:", "https:"), verify=True)
    assert type(error) is errors.ConnectionLost


def test_a_server_that_is_mute_in_the_handshake():
    with FaultServer(lambda peer: peer.wait_gone()) as server:
        began = time.monotonic()
        error = failing(
            server.url.replace("http:", "https:"), verify=True, timeouts=Timeouts(0.3, HANG_GUARD_S, HANG_GUARD_S)
        )
        assert time.monotonic() - began < 3.0
    assert (type(error), error.code) == (errors.NetworkTimeout, "connect")


@pytest.mark.parametrize("clean", [True, False])
def test_a_cut_body(authority, good, clean):
    def script(peer):
        peer.request()
        peer.send(answer(b"half", length=10))
        if clean:
            peer.sock.unwrap()
        else:
            socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)

    with FaultServer(script, tls=good) as server:
        error = failing(server.url, authority.file)
    assert (type(error), error.code) == (errors.ConnectionLost, "connection_lost")


def test_silence_in_the_body(authority, good):
    def script(peer):
        peer.request()
        peer.send(answer(b"half", length=10))
        peer.wait_gone()

    with FaultServer(script, tls=good) as server:
        error = failing(server.url, authority.file, timeouts=Timeouts(HANG_GUARD_S, HANG_GUARD_S, 0.2))
    assert (type(error), error.code) == (errors.NetworkTimeout, "read")


def test_a_large_body_both_ways(authority, good):
    size = 3_000_000

    def script(peer):
        asked = peer.request()
        peer.send(answer(asked.body))

    with FaultServer(script, tls=good) as server:
        assert ask(server.url, authority.file, method="POST", body=b"x" * size) == b"x" * size


@pytest.mark.parametrize("moment", ["handshake", "first byte", "body", "upload"])
def test_breaking_off(authority, good, moment):
    interrupter, ready = Interrupter(), threading.Event()
    fired_at = []

    def fire():
        assert ready.wait(HANG_GUARD_S)
        fired_at.append(time.monotonic())
        interrupter.fire()

    def script(peer):
        if moment in ("first byte", "body"):
            peer.request()
        if moment == "body":
            peer.send(answer(b"half", "Connection: close", length=10))
        ready.set()
        if moment == "upload":
            done.wait(HANG_GUARD_S)
        peer.wait_gone()

    done = threading.Event()
    thread = threading.Thread(target=fire)
    thread.start()
    with FaultServer(script, tls=None if moment == "handshake" else good) as server:
        body = [b"x" * 1_000_000] * 50 if moment == "upload" else None
        error = failing(
            server.url.replace("http:", "https:"),
            authority.file,
            interrupter=interrupter,
            method="POST" if body else "GET",
            body=body,
        )
        assert time.monotonic() - fired_at[0] < 1.0
        done.set()
    thread.join(HANG_GUARD_S)
    assert (type(error), error.code) == (errors.ConnectionLost, "interrupted")


def tunnel_to(target):
    """Return a proxy's script that joins its client with the target."""

    def script(peer):
        asked = peer.request()
        assert asked.method == "CONNECT"
        assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
        with socket.create_connection(("127.0.0.1", target.port), HANG_GUARD_S) as far:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(far, peer.sock))
            back.start()
            pump(peer.sock, far)
            back.join(HANG_GUARD_S)

    return script


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxied(monkeypatch):
    def proxied(proxy):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"{proxy.url.replace('://', '://user:pass@')}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)

    return proxied


def test_through_a_tunnel(authority, proxied):
    with FaultServer(answers(answer(b"far")), tls=authority.server("DNS:example.org")) as server:
        with FaultServer(tunnel_to(server)) as proxy:
            proxied(proxy)
            assert ask("https://example.org", authority.file) == b"far"
            assert proxy.asked[0].target == "example.org:443"
    assert "proxy-authorization" not in server.asked[0].headers


def test_a_proxy_with_tls(authority, good, proxied):
    with FaultServer(always(answer(b"by proxy")), tls=good) as proxy:
        proxied(proxy)
        assert ask("http://example.org", authority.file) == b"by proxy"
        assert proxy.asked[0].target == "http://example.org/x"


def test_a_tunnel_through_a_proxy_with_tls(authority, good, proxied):
    with FaultServer(answers(answer(b"far")), tls=authority.server("DNS:example.org")) as server:
        with FaultServer(tunnel_to(server), tls=good) as proxy:
            proxied(proxy)
            assert ask("https://example.org", authority.file) == b"far"


# Sockets for other protocols


def open_socket(url, verify=True, *, timeout_s=HANG_GUARD_S, interrupter=None):
    with Transport(verify_tls=verify) as transport:
        return transport.open_socket(
            parse_server_url(url), timeout_s=timeout_s, interrupter=interrupter or Interrupter()
        )


def echo(peer):
    while data := peer.sock.recv(100):
        peer.send(data)


def test_a_plain_and_a_secured_socket(authority, good):
    for tls, verify in ((None, True), (good, authority.file)):
        with FaultServer(echo, tls=tls) as server, open_socket(server.url, verify) as sock:
            sock.sendall(b"hello")
            assert sock.recv(100) == b"hello"
            assert sock.gettimeout() == HANG_GUARD_S
            assert isinstance(sock, ssl.SSLSocket) is (tls is not None)


def test_a_socket_through_a_tunnel(authority, proxied):
    for scheme, tls in (("http", None), ("https", authority.server("DNS:example.org"))):
        with FaultServer(echo, tls=tls) as server, FaultServer(tunnel_to(server)) as proxy:
            proxied(proxy)
            with open_socket(f"{scheme}://example.org:81", authority.file) as sock:
                sock.sendall(b"hello")
                assert sock.recv(100) == b"hello"
            assert proxy.asked[0].target == "example.org:81"


def test_a_socket_does_not_speak_plain_text_to_a_proxy_with_tls(good, proxied):
    with FaultServer(silent, tls=good) as proxy:
        proxied(proxy)
        with pytest.raises(errors.NetworkError) as caught:
            open_socket("http://example.org:81")
        assert proxy.connections == 0
    assert caught.value.code == "proxy"
    assert "https://" in caught.value.message
    assert "NO_PROXY" in caught.value.hint


def test_a_socket_that_can_not_be_had(authority, proxied, monkeypatch):
    def failure(url, **settings):
        with pytest.raises(errors.BackendError) as caught:
            open_socket(url, **settings)
        return caught.value

    with FaultServer(silent) as server:
        refused = f"http://127.0.0.1:{server.port}"
    assert failure(refused).code == "refused"
    with FaultServer(silent, tls=authority.server("DNS:example.org")) as server:
        assert failure(server.url, verify=authority.file).code == "certificate"
    with FaultServer(lambda peer: peer.wait_gone()) as server:
        assert failure(server.url.replace("http:", "https:"), timeout_s=0.2).code == "connect"
    fired = Interrupter()
    fired.fire()
    assert failure(refused, interrupter=fired).code == "interrupted"
    with FaultServer(answers(answer(status="403 Forbidden"))) as proxy:
        proxied(proxy)
        error = failure("http://example.org")
    assert error.code == "proxy"
    assert "403" in error.message
