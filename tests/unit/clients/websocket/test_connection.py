"""One websocket connection, against servers that write the very bytes."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
import time
import tracemalloc

import pytest
import websocket
from certificates import Authority
from faultserver import BlackHole, FaultServer, answer, answers, closed_port, silent
from support.waiting import HANG_GUARD_S
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, Request, TextMessage

from movie_director.clients import errors
from movie_director.clients.core.interrupt import Interrupter
from movie_director.clients.http.transport import Transport
from movie_director.clients.http.url import parse_server_url
from movie_director.clients.websocket import connection as module
from movie_director.clients.websocket.connection import MAX_MESSAGE_BYTES, WebSocketConnection

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_of(asked):
    key = asked.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()


def switching(accept, *more, upgrade="websocket", connection="Upgrade"):
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        f"Upgrade: {upgrade}",
        f"Connection: {connection}",
        f"Sec-WebSocket-Accept: {accept}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def upgrade(peer):
    """Open the connection as a server should."""
    asked = peer.request()
    peer.send(switching(accept_of(asked)))
    return asked


def frame(opcode, payload=b"", *, fin=True, length=None):
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 1 << 16:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload


def received(peer):
    """Read one frame of the client: its opcode and its payload, unmasked."""
    head = peer.read(2)
    assert head[1] & 0x80, "clients must mask"
    length = head[1] & 0x7F
    if length > 125:
        length = int.from_bytes(peer.read(2 if length == 126 else 8), "big")
    mask = peer.read(4)
    return head[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(peer.read(length)))


def sending(*frames, then=None):
    """Return a script that opens, sends, does ``then`` and waits until the client goes."""

    def script(peer):
        upgrade(peer)
        peer.send(*frames)
        if then is not None:
            then(peer)
        else:
            peer.wait_gone()

    return script


@pytest.fixture
def connect():
    """Open websockets that are closed at the end."""
    opened = []

    with Transport() as transport:

        def connect(url, path="/ws?clientId=x", **more):
            given = {"headers": {}, "connect_timeout_s": HANG_GUARD_S, "idle_timeout_s": HANG_GUARD_S, **more}
            with_transport = given.pop("transport", transport)
            opened.append(WebSocketConnection.open(with_transport, parse_server_url(url), path, **given))
            return opened[-1]

        yield connect
        for each in opened:
            each.close()


def failing(call, *arguments, **settings):
    with pytest.raises(errors.BackendError) as caught:
        call(*arguments, **settings)
    return caught.value


# Opening


def test_the_request(connect, canary):
    with FaultServer(sending(frame(TEXT, "grüße".encode()), frame(BINARY, b"\0\xff"))) as server:
        headers = {"Authorization": f"Bearer {canary}", "user-agent": "mine", "Upgrade": "no", "Host": "other.example"}
        connection = connect(server.url + "/comfy?token=t", headers=headers)
        assert connection.receive() == "grüße"
        assert connection.receive() == b"\0\xff"
        (asked,) = server.asked
    assert (asked.method, asked.target) == ("GET", "/comfy/ws?clientId=x&token=t")
    assert asked.headers["authorization"] == f"Bearer {canary}"
    assert asked.headers["user-agent"] == "mine"
    assert asked.headers["host"] == "other.example"
    assert asked.headers["upgrade"] == "websocket"
    assert asked.headers["sec-websocket-version"] == "13"
    assert "origin" not in asked.headers
    assert len(asked.lines) == 7
    assert canary not in repr(connection)


def test_a_path_with_odd_letters(connect):
    with FaultServer(sending()) as server:
        connect(server.url, "/ws?name=a b&ü=1")
        assert server.asked[0].target == "/ws?name=a%20b&%C3%BC=1"
        assert server.asked[0].headers["host"] == f"127.0.0.1:{server.port}"


def test_frames_that_come_with_the_answer_are_not_lost(connect):
    def script(peer):
        asked = peer.request()
        peer.send(switching(accept_of(asked)), frame(TEXT, b"at once"), frame(TEXT, b"and this"))
        peer.wait_gone()

    with FaultServer(script) as server:
        connection = connect(server.url)
        assert [connection.receive(), connection.receive()] == ["at once", "and this"]


@pytest.mark.parametrize("spelling", [{"upgrade": "WebSocket"}, {"connection": "keep-alive, UPGRADE"}])
def test_answers_may_be_spelt_differently(connect, spelling):
    def script(peer):
        peer.send(switching(accept_of(peer.request()), **spelling))
        peer.send(frame(TEXT, b"x"))
        peer.wait_gone()

    with FaultServer(script) as server:
        assert connect(server.url).receive() == "x"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("401 Unauthorized", errors.AuthenticationError, "authentication"),
        ("403 Forbidden", errors.PermissionDenied, "permission_denied"),
        ("404 Not Found", errors.NotFound, "not_found"),
        ("429 Too Many Requests", errors.RateLimited, "rate_limited"),
        ("500 Oops", errors.ServerError, "server_error"),
        ("502 Bad Gateway", errors.ServerError, "server_error"),
        ("503 Busy", errors.Overloaded, "overloaded"),
        ("200 OK", errors.ProtocolError, "no_websocket"),
        ("400 Bad Request", errors.ProtocolError, "no_websocket"),
        ("426 Upgrade Required", errors.ProtocolError, "no_websocket"),
        ("302 Found", errors.ProtocolError, "no_websocket"),
    ],
)
def test_refusals(connect, status, kind, code, canary, assert_no_secret):
    """A redirect is one of them: following it would carry the key to another server."""
    with FaultServer(silent) as elsewhere:
        page = answer(canary.encode(), f"Location: {elsewhere.url}/{canary}", f"X-Echo: {canary}", status=status)
        with FaultServer(answers(page)) as server:
            error = failing(connect, server.url, headers={"X-Key": canary})
        assert elsewhere.connections == 0
    assert (type(error), error.code) == (kind, code)
    assert error.context["status"] == int(status[:3])
    assert error.hint
    assert_no_secret(error)


def test_a_refusals_page_is_not_waited_for(connect):
    """A login page can be large, or slow."""

    def script(peer):
        peer.request()
        peer.send(answer(b"x" * 200_000, status="401 Unauthorized", length=10_000_000))
        peer.wait_gone()

    with FaultServer(script) as server:
        assert type(failing(connect, server.url)) is errors.AuthenticationError


def test_cookies_of_other_connections_are_neither_kept_nor_sent(connect, monkeypatch):
    """websocket-client has one jar for the whole process, which other add-ons may use."""
    jar = websocket._handshake.CookieJar
    monkeypatch.setattr(jar, "jar", {})
    jar.set("theirs=1; domain=127.0.0.1")

    def script(peer):
        asked = peer.request()
        cookies = "Set-Cookie: a=1; domain=127.0.0.1\r\nX-A: b\r\nset-cookie: b=2; domain=none.invalid"
        peer.send(switching(accept_of(asked), cookies))
        peer.send(frame(TEXT, b"open"))
        peer.wait_gone()

    with FaultServer(script) as server:
        for _ in range(2):
            assert connect(server.url, headers={"Cookie": "mine=3"}).receive() == "open"
        assert [each.headers["cookie"] for each in server.asked] == ["mine=3"] * 2
    assert list(jar.jar) == [".127.0.0.1"]
    assert "theirs" in str(jar.jar)
    assert "a=1" not in str(jar.jar)


def test_the_librarys_trace_shows_no_key(connect, canary):
    """Another add-on may have turned it on."""
    websocket.enableTrace(True)
    try:
        with FaultServer(sending(frame(TEXT, b"open"))) as server:
            assert connect(server.url, headers={"Authorization": f"Bearer {canary}"}).receive() == "open"
            assert server.asked[0].headers["authorization"].endswith(canary)
    finally:
        websocket.enableTrace(False)


def test_header_values_go_out_as_latin_1(connect):
    with FaultServer(sending()) as server:
        connect(server.url, headers={"X-Name": "ä"})
        assert server.asked[0].headers["x-name"] == "ä"


@pytest.mark.parametrize(
    "reply",
    [
        lambda accept: switching("wrong" + accept),
        lambda accept: switching(accept, upgrade="h2c"),
        lambda accept: switching(accept, connection="close"),
        lambda accept: switching(accept, "Sec-WebSocket-Extensions: permessage-deflate"),
        lambda accept: b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        lambda accept: b"220 smtp.example.org\r\n\r\n",
        lambda accept: b"HTTP/1.1 abc\r\n\r\n",
        lambda accept: b"\xff\xfe\r\n\r\n",
        lambda accept: b"HTTP/1.1 101 S\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        lambda accept: b"HTTP/1.1 101 S\r\nX: " + b"y" * 200_000,
    ],
)
def test_answers_that_open_nothing(connect, reply):
    with FaultServer(lambda peer: peer.send(reply(accept_of(peer.request())))) as server:
        error = failing(connect, server.url)
    assert (type(error), error.code) == (errors.ProtocolError, "no_websocket")
    assert error.hint


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_in_the_handshake(connect, reset):
    def script(peer):
        peer.request()
        peer.send(b"HTTP/1.1 101")
        if reset:
            peer.reset()

    with FaultServer(script) as server:
        assert failing(connect, server.url).code == "connection_lost"


@pytest.mark.parametrize("drip", [False, True])
def test_the_handshake_has_its_time(connect, drip):
    """However often a byte of it comes."""

    def script(peer):
        peer.request()
        while drip:
            peer.send(b"x")
            peer.server.pause.wait(0.01)
        peer.wait_gone()

    with FaultServer(script) as server:
        server.pause = threading.Event()
        began = time.monotonic()
        error = failing(connect, server.url, connect_timeout_s=0.3)
        assert time.monotonic() - began < 3.0
        server.pause.set()
    assert (type(error), error.code) == (errors.NetworkTimeout, "connect")


def test_nobody_there(connect):
    assert failing(connect, f"http://127.0.0.1:{closed_port()}").code == "refused"
    with BlackHole() as hole:
        assert failing(connect, hole.url, connect_timeout_s=0.2).code == "connect"


@pytest.mark.parametrize("value", ["{}\r\nX-Injected: 1", "{}\n", "{}…"])
def test_headers_are_checked(connect, value, canary, assert_no_secret):
    error = failing(connect, "http://127.0.0.1:1", headers={"X-Key": "x" + value.format(canary) + "x"})
    assert error.code == "invalid_header"
    assert_no_secret(error)


def test_no_proxy_for_loopback_and_one_for_others(connect, monkeypatch):
    def tunnel(peer):
        assert peer.request().method == "CONNECT"
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        sending(frame(TEXT, b"far"))(peer)

    with FaultServer(tunnel) as proxy, FaultServer(sending(frame(TEXT, b"near"))) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert connect(server.url).receive() == "near"
        assert proxy.connections == 0
        assert connect("http://example.org:81").receive() == "far"
        assert proxy.asked[0].target == "example.org:81"


@pytest.mark.parametrize("moment", ["connecting", "handshake", "before"])
def test_opening_is_broken_off(connect, moment):
    interrupter, ready = Interrupter(), threading.Event()
    fired_at = []

    def script(peer):
        peer.request()
        ready.set()
        peer.wait_gone()

    def fire():
        assert ready.wait(HANG_GUARD_S)
        fired_at.append(time.monotonic())
        interrupter.fire()

    thread = threading.Thread(target=fire)
    thread.start()
    with BlackHole() as hole, FaultServer(script) as server:
        if moment != "handshake":
            ready.set()
        if moment == "before":
            thread.join(HANG_GUARD_S)
        error = failing(connect, hole.url if moment == "connecting" else server.url, interrupter=interrupter)
        assert time.monotonic() - fired_at[0] < 1.0
    thread.join(HANG_GUARD_S)
    assert (type(error), error.code) == (errors.ConnectionLost, "interrupted")


def test_a_handshake_that_ends_as_it_is_broken_off(connect, monkeypatch):
    interrupter = Interrupter()
    real = module._shake_hands

    def shake_hands(*arguments):
        opened = real(*arguments)
        interrupter.fire()
        return opened

    monkeypatch.setattr(module, "_shake_hands", shake_hands)
    with FaultServer(sending()) as server:
        assert failing(connect, server.url, interrupter=interrupter).code == "interrupted"


# Receiving


def test_fragments_with_control_frames_between(connect):
    with FaultServer(
        sending(
            frame(TEXT, "€".encode()[:1], fin=False),
            frame(PING, b"still there?"),
            frame(0, b"", fin=False),
            frame(PONG, b"unasked"),
            frame(0, "€".encode()[1:] + b" and more"),
            frame(BINARY, b"", fin=False),
            frame(0, b"end"),
        )
    ) as server:
        connection = connect(server.url)
        assert connection.receive() == "€ and more"
        assert connection.receive() == b"end"


def test_a_ping_is_answered(connect):
    answered = []

    def script(peer):
        upgrade(peer)
        peer.send(frame(PING, b"are you there?"), frame(PING, b"x" * 125))
        answered.append(received(peer))
        answered.append(received(peer))
        peer.send(frame(TEXT, b"good"))
        peer.wait_gone()

    with FaultServer(script) as server:
        assert connect(server.url).receive() == "good"
    assert answered == [(PONG, b"are you there?"), (PONG, b"x" * 125)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 5_000_000])
def test_sizes_both_ways(connect, size):
    got = []

    def script(peer):
        upgrade(peer)
        peer.send(frame(BINARY, b"\xab" * size))
        got.append(received(peer))
        peer.send(frame(TEXT, b"got it"))
        peer.wait_gone()

    with FaultServer(script) as server:
        connection = connect(server.url)
        assert connection.receive() == b"\xab" * size
        text = "ü" * (min(size, 70_000) // 2)
        connection.send_text(text)
        assert connection.receive() == "got it"
    assert got == [(TEXT, text.encode())]


def test_many_small_messages_in_one_piece(connect):
    with FaultServer(sending(b"".join(frame(TEXT, b"%d" % n) for n in range(5000)))) as server:
        connection = connect(server.url)
        assert [connection.receive() for _ in range(5000)] == [str(n) for n in range(5000)]


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9going away"])
def test_an_orderly_end(connect, payload):
    replies = []

    def script(peer):
        upgrade(peer)
        peer.send(frame(TEXT, b"last"), frame(CLOSE, payload))
        replies.append(received(peer))
        peer.wait_gone()

    with FaultServer(script) as server:
        connection = connect(server.url)
        assert connection.receive() == "last"
        assert connection.receive() is None
        assert connection.receive() is None
        error = failing(connection.send_text, "too late")
    assert type(error) is errors.ConnectionLost
    assert replies == [(CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut(connect, reset):
    def end(peer):
        if reset:
            peer.reset()

    with FaultServer(sending(frame(TEXT, b"one"), frame(TEXT, b"half", length=100), then=end)) as server:
        connection = connect(server.url)
        if not reset:
            assert connection.receive() == "one"
        for _ in range(2):
            error = failing(lambda: [connection.receive() for _ in range(2)])
            assert (type(error), error.code) == (errors.ConnectionLost, "connection_lost")
            assert error.hint


BAD = {
    "masked": (b"\x81\x83abcdxyz", 1002, "bad_frame"),
    "reserved": (b"\xc1\x01x", 1002, "bad_frame"),
    "unknown opcode": (b"\x83\x01x", 1002, "bad_frame"),
    "long ping": (frame(PING, b"x" * 126), 1002, "bad_frame"),
    "bad UTF-8": (frame(TEXT, b"\xff\xfe"), 1007, "bad_frame"),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002, "bad_frame"),
    "close 1005": (frame(CLOSE, b"\x03\xed"), 1002, "bad_frame"),
    "close 999": (frame(CLOSE, b"\x03\xe7"), 1002, "bad_frame"),
    "1 GiB": (frame(BINARY, length=1 << 30), 1009, "too_large"),
    "too many fragments": (frame(BINARY, b"x" * 600, fin=False) + frame(0, b"x" * 600), 1009, "too_large"),
}


@pytest.mark.parametrize("what", BAD)
def test_malformed_frames_end_the_connection(connect, what):
    data, close_code, code = BAD[what]
    replies = []

    def script(peer):
        upgrade(peer)
        peer.send(frame(TEXT, b"good"), data)
        replies.append(received(peer))
        peer.wait_gone()

    most = 1000 if what == "too many fragments" else MAX_MESSAGE_BYTES
    with FaultServer(script) as server:
        connection = connect(server.url, max_message_bytes=most)
        assert connection.receive() == "good"
        tracemalloc.start()
        try:
            error = failing(connection.receive)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert type(failing(connection.receive)) is errors.ConnectionLost
    assert (type(error), error.code) == (errors.ProtocolError, code)
    assert error.hint
    assert replies == [(CLOSE, struct.pack("!H", close_code))]
    assert peak < 1_000_000


# Silence


def test_silence_is_broken_by_pings(connect):
    pings = []

    def script(peer):
        upgrade(peer)
        for _ in range(6):
            opcode, payload = received(peer)
            pings.append(opcode)
            peer.send(frame(PONG, payload))
        peer.send(frame(TEXT, b"at last"))
        peer.wait_gone()

    with FaultServer(script) as server:
        assert connect(server.url, idle_timeout_s=0.2).receive() == "at last"
    assert pings == [PING] * 6


def test_a_server_that_answers_no_ping_is_given_up(connect):
    with FaultServer(sending()) as server:
        connection = connect(server.url, idle_timeout_s=0.2)
        began = time.monotonic()
        error = failing(connection.receive)
        assert 0.2 <= time.monotonic() - began < 2.0
        assert type(failing(connection.receive)) is errors.ConnectionLost
    assert (type(error), error.code) == (errors.NetworkTimeout, "stream_idle")


def test_a_slow_large_message_is_no_silence(connect):
    tick = threading.Event()

    def script(peer):
        upgrade(peer)
        whole = frame(BINARY, b"x" * 1000)
        for at in range(0, len(whole), 100):
            peer.send(whole[at : at + 100])
            tick.wait(0.06)
        peer.wait_gone()

    with FaultServer(script) as server:
        assert connect(server.url, idle_timeout_s=0.4).receive() == b"x" * 1000


def test_pings_are_at_most_20_s_apart(connect):
    with FaultServer(sending()) as server:
        for idle_s, every_s in ((10.0, 5.0), (30.0, 15.0), (60.0, 20.0), (70.0, 17.5)):
            assert connect(server.url, idle_timeout_s=idle_s)._ping_every_s == every_s


def test_a_server_that_takes_nothing_is_given_up(connect):
    def script(peer):
        upgrade(peer)
        peer.server.done.wait(HANG_GUARD_S)

    with FaultServer(script) as server:
        server.done = threading.Event()
        connection = connect(server.url, idle_timeout_s=0.2)
        error = failing(connection.send_text, "x" * 30_000_000)
        assert type(failing(connection.receive)) is errors.ConnectionLost
        server.done.set()
    assert type(error) is errors.ConnectionLost


# Closing


@pytest.mark.parametrize("secure", [False, True])
def test_closing_from_another_thread_ends_the_receiving(connect, secure, authority, tls):
    replies = []

    def script(peer):
        upgrade(peer)
        peer.send(frame(TEXT, b"go"))
        replies.append(received(peer))
        peer.wait_gone()

    with FaultServer(script, tls=tls if secure else None) as server, Transport(verify_tls=authority.file) as trusting:
        connection = connect(server.url, transport=trusting)
        assert connection.receive() == "go"
        ended = []

        def listen():
            ended.append(failing(connection.receive))
            ended.append(time.monotonic())

        thread = threading.Thread(target=listen)
        thread.start()
        while not connection._receiving:
            pass
        began = time.monotonic()
        connection.close()
        assert time.monotonic() - began < 10.0
        thread.join(HANG_GUARD_S)
        assert ended[1] - began < 1.0
        connection.close()
        assert connection._wire.sock.fileno() == -1
    assert type(ended[0]) is errors.ConnectionLost
    assert "closed by the client" in ended[0].message
    assert replies == [(CLOSE, b"\x03\xe8")]


def test_closing_while_a_send_is_stuck(connect):
    stuck = threading.Event()

    def script(peer):
        upgrade(peer)
        stuck.set()
        peer.server.done.wait(HANG_GUARD_S)

    with FaultServer(script) as server:
        server.done = threading.Event()
        connection = connect(server.url)
        failed = []
        thread = threading.Thread(target=lambda: failed.append(failing(connection.send_text, "x" * 30_000_000)))
        thread.start()
        assert stuck.wait(HANG_GUARD_S)
        while not connection._wire.sending.locked():
            pass
        began = time.monotonic()
        connection.close()
        thread.join(HANG_GUARD_S)
        assert time.monotonic() - began < 2.0
        server.done.set()
    assert type(failed[0]) is errors.ConnectionLost


def test_closing_is_for_ever(connect):
    with FaultServer(sending()) as server:
        connection = connect(server.url)
        connection.close()
        connection.close()
        assert "closed by the client" in failing(connection.receive).message
        assert type(failing(connection.send_text, "x")) is errors.ConnectionLost
        assert connection._wire.sock.fileno() == -1


def test_several_threads_send(connect):
    got = []

    def script(peer):
        upgrade(peer)
        for _ in range(400):
            got.append(received(peer)[1])
        peer.send(frame(TEXT, b"all"))
        peer.wait_gone()

    with FaultServer(script) as server:
        connection = connect(server.url)
        threads = [
            threading.Thread(target=lambda n=n: [connection.send_text(f"{n}" * 500) for _ in range(100)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        assert connection.receive() == "all"
        for thread in threads:
            thread.join(HANG_GUARD_S)
    assert sorted(got) == sorted(f"{n}".encode() * 500 for n in range(4) for _ in range(100))


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def tls(authority):
    return authority.server("IP:127.0.0.1")


@pytest.fixture
def trusting(authority):
    with Transport(verify_tls=authority.file) as transport:
        yield transport


def test_over_tls(connect, trusting, tls):
    got = []

    def script(peer):
        asked = upgrade(peer)
        peer.send(frame(TEXT, b"secure"), frame(BINARY, b"x" * 300_000), frame(PING, b"p"))
        got.extend([received(peer), received(peer), asked])
        peer.wait_gone()

    with FaultServer(script, tls=tls) as server:
        connection = connect(server.url, transport=trusting)
        connection.send_text("hello")
        assert connection.receive() == "secure"
        assert connection.receive() == b"x" * 300_000
        thread = threading.Thread(target=lambda: failing(connection.receive))
        thread.start()
        while len(got) < 3:
            threading.Event().wait(0.001)
        connection.close()
        thread.join(HANG_GUARD_S)
    assert got[:2] == [(TEXT, b"hello"), (PONG, b"p")]


def test_silence_and_cuts_over_tls(connect, trusting, tls):
    with FaultServer(sending(), tls=tls) as server:
        assert failing(connect(server.url, transport=trusting, idle_timeout_s=0.2).receive).code == "stream_idle"
    with FaultServer(sending(then=lambda peer: socket.socket.shutdown(peer.sock, socket.SHUT_RDWR)), tls=tls) as server:
        assert failing(connect(server.url, transport=trusting).receive).code == "connection_lost"


def test_receiving_and_sending_at_once_over_tls(connect, trusting, tls):
    """OpenSSL's connections are not made for two threads; the lock must not stop the one while the other waits."""
    count = 300

    def script(peer):
        upgrade(peer)
        for _ in range(count):
            _, payload = received(peer)
            peer.send(frame(TEXT, payload))
        peer.wait_gone()

    with FaultServer(script, tls=tls) as server:
        connection = connect(server.url, transport=trusting)
        thread = threading.Thread(target=lambda: [connection.send_text(f"{n}" * 100) for n in range(count)])
        thread.start()
        assert [connection.receive() for _ in range(count)] == [f"{n}" * 100 for n in range(count)]
        thread.join(HANG_GUARD_S)


def test_an_untrusted_server(connect, tls):
    with FaultServer(silent, tls=tls) as server:
        error = failing(connect, server.url)
    assert (type(error), error.code) == (errors.TLSError, "certificate")


# Another implementation


def test_with_another_librarys_server(connect):
    heard = []

    def script(peer):
        server = WSConnection(ConnectionType.SERVER)
        while True:
            data = peer.sock.recv(65536)
            server.receive_data(data or None)
            for event in server.events():
                heard.append(type(event))
                if isinstance(event, Request):
                    peer.send(server.send(AcceptConnection()), server.send(Ping(b"p")))
                elif isinstance(event, TextMessage):
                    peer.send(server.send(TextMessage(event.data.upper())), server.send(TextMessage("🎬" * 1000)))
                elif isinstance(event, CloseConnection):
                    return

    with FaultServer(script) as server:
        connection = connect(server.url)
        connection.send_text("straße")
        assert connection.receive() == "STRASSE"
        assert connection.receive() == "🎬" * 1000
        connection.close()
    assert heard == [Request, TextMessage, Pong, CloseConnection]
