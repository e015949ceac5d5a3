"""The HTTP server under every mock: routes, bodies, the log, websockets, and how it starts and ends."""

from __future__ import annotations

import collections
import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3
import websocket
from support.http import request
from support.waiting import HANG_GUARD_S

from movie_director.clients import BACKENDS
from movie_director.clients.mock import Fault, MockBackends
from movie_director.clients.mock.http import websocket as mock_websocket
from movie_director.clients.mock.http.multipart import read_files, read_form
from movie_director.clients.mock.http.request_log import KEPT_BODY
from movie_director.clients.mock.http.responses import Request, Response, Upgrade, range_response
from movie_director.clients.mock.http.server import MockServer
from movie_director.clients.mock.litellm.server import MockLiteLLM


class Small(MockServer):
    """A server with one route of each kind."""

    name = "small"
    max_body = 1000

    def add_routes(self) -> None:
        self.route(
            "POST", "/echo/{name}", lambda request: Response(200, request.body, {"X-Name": request.parts["name"]})
        )
        self.route("GET", "/broken", self._broken)
        self.route("GET", "/chunked", lambda _: Response(200, b"x" * 100_000, chunked=True))
        self.route("GET", "/nothing", lambda _: Response(204))
        self.route("GET", "/socket", lambda _: Upgrade(open=self._open))
        self.route("GET", "/patient", self._patient)
        self.left = threading.Event()
        self.texts: list[str | bytes] = []
        self.opened = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def _patient(self, request: Request) -> Response:
        self.opened.set()
        while not request.gone():
            self.stopping.wait(0.001)
        self.left.set()
        return Response(204)

    def _broken(self, request: Request) -> Response:
        raise KeyError("broken")

    def _open(self, connection: mock_websocket.WebSocketConnection) -> Callable[[], None]:
        self.connection = connection
        self.opened.set()
        assert self.gate.wait(HANG_GUARD_S)

        def converse() -> None:
            for message in connection.messages():
                self.texts.append(message)
                connection.send(message)

        return converse


@pytest.fixture
def small() -> Iterator[Small]:
    with Small() as mock:
        yield mock


def connected(mock: MockServer) -> socket.socket:
    host, _, port = mock.url.removeprefix("http://").partition("/")[0].rpartition(":")
    return socket.create_connection((host, int(port)), timeout=HANG_GUARD_S)


def raw(mock: MockServer, data: bytes) -> bytes:
    with connected(mock) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


# Who is served


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"Origin": "http://localhost:3000"}, 204),
        ({"Origin": "http://[::1]"}, 204),
        ({"Host": "localhost:80"}, 204),
        ({"Host": "127.9.9.9"}, 204),
        ({"Origin": "https://films.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[bad"}, 403),
        ({"Host": "films.example"}, 403),
        ({"Host": "127.0.0.1.films.example:80"}, 403),
        ({"Host": "10.0.0.5"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1"}, 204),
    ],
)
def test_no_web_page_from_elsewhere_is_served(small: Small, headers: dict[str, str], status: int) -> None:
    assert request("GET", f"{small.url}/nothing", headers=headers).status == status
    with Small(local_only=False) as open_to_all:
        assert request("GET", f"{open_to_all.url}/nothing", headers=headers).status == 204


@pytest.mark.parametrize("origin", ["https://films.example", "null"])
def test_no_web_page_from_elsewhere_opens_a_websocket(small: Small, origin: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(f"{small.url}/socket".replace("http", "ws"), origin=origin, timeout=HANG_GUARD_S)
    assert refused.value.status_code == 403
    assert not small.opened.is_set()


def test_a_path_prefix_and_an_authorization() -> None:
    with Small(prefix="/comfy/", auth="Bearer secret") as mock:
        assert mock.url.endswith("/comfy")
        url, key = f"{mock.url}/echo/x", {"Authorization": "Bearer secret"}
        assert request("POST", url).status == 401
        assert request("POST", url, headers=key).status == 200
        assert request("POST", url.replace("/comfy", ""), headers=key).status == 404
        assert [record.route for record in mock.requests] == ["/echo/x", "/echo/x", ""]
        assert "secret" not in repr(list(mock.requests))


# Routes and bodies


def test_routes_and_what_is_none(small: Small) -> None:
    answer = request("POST", f"{small.url}/echo/a%2Fb%20c?x=1", body=b"hello")
    assert (answer.status, answer.data, answer.headers["X-Name"]) == (200, b"hello", "a/b c")
    assert answer.headers["Server"] == "mock"
    assert request("GET", f"{small.url}/echo/x").status == 404
    broken = request("GET", f"{small.url}/broken")
    assert (broken.status, broken.headers["Connection"]) == (500, "close")
    large = request("POST", f"{small.url}/echo/x", body=b"x" * 2000)
    assert (large.status, large.data) == (413, b"Maximum request body size 1000 exceeded.")


def test_one_connection_serves_many_requests_chunked_both_ways(small: Small) -> None:
    with connected(small) as probe:
        connection = http.client.HTTPConnection(*probe.getpeername()[:2], timeout=HANG_GUARD_S)
    connection.request(
        "POST", "/echo/x", iter([b"one ", b"two"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    assert connection.getresponse().read() == b"one two"
    local = connection.sock.getsockname()
    connection.request("GET", "/chunked")
    assert len(connection.getresponse().read()) == 100_000
    assert connection.sock.getsockname() == local
    connection.close()
    head = b"POST /echo/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert raw(small, head + b"4;ext=1\r\nabcd\r\n0\r\nX-Sum: 1\r\n\r\n").endswith(b"\r\n\r\nabcd")
    answer = raw(small, b"HEAD /chunked HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_client_that_leaves_in_mid_request_harms_nothing(small: Small) -> None:
    with connected(small) as connection:
        connection.sendall(b"POST /echo/x HTTP/1.1\r\nContent-Length: 100\r\n\r\nonly this")
    assert raw(small, b"POST /echo/x HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n") == b""
    assert request("POST", f"{small.url}/echo/x", body=b"1").status == 200


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_route_can_tell_that_its_client_has_left(small: Small, abruptly: bool) -> None:
    with connected(small) as connection:
        connection.sendall(b"GET /patient HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert small.opened.wait(HANG_GUARD_S)
        assert not small.left.is_set()
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert small.left.wait(HANG_GUARD_S)


@pytest.mark.parametrize(
    ("wanted", "status", "body", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=5-99", 206, b"56789", "bytes 5-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=4-2", 416, b"", "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_ranges(wanted: str | None, status: int, body: bytes, content_range: str | None) -> None:
    answer = range_response(b"0123456789", {"Etag": "1"}, wanted)
    assert (answer.status, answer.body, answer.headers.get("Content-Range")) == (status, body, content_range)


def test_forms() -> None:
    data = bytes(range(256)) + b"\r\n--no boundary\r\n\r\n"
    body, kind = urllib3.encode_multipart_formdata({"image": ("a \u732b.png", data, "image/png"), "type": "input"})
    form = read_form(kind, body)
    assert (form["image"].filename, form["image"].data) == ("a \u732b.png", data)
    assert (form["type"].filename, form["type"].data) == (None, b"input")
    assert [part.data for part in read_files(kind, body, "type")] == [b"input"]


@pytest.mark.parametrize(
    ("content_type", "body", "names"),
    [
        ("application/json", b"{}", {}),
        ("text/plain; boundary=x", b"", {}),
        ("multipart/form-data; boundary=x", b"no parts", {}),
        ("multipart/form-data; boundary=x", b"--x\r\nX: y\r\n\r\ndata\r\n--x--", {}),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%C3%A9.png\r\n\r\n1\r\n--x--",
            {"a": "\xe9.png"},
        ),
    ],
)
def test_odd_forms(content_type: str, body: bytes, names: dict[str, str]) -> None:
    assert {name: part.filename for name, part in read_form(content_type, body).items()} == names


# The log


def test_the_log_of_requests(small: Small) -> None:
    request("POST", f"{small.url}/echo/x?a=1", body=json.dumps({"n": 1}), headers={"X-Key": "k"})
    request("GET", f"{small.url}/nothing")
    first = small.requests[0]
    assert (first.method, first.path, first.route, first.json) == ("POST", "/echo/x?a=1", "/echo/x", {"n": 1})
    assert first.headers["X-Key"] == "k"
    assert small.requests[1].json is None
    assert [record.method for record in small.requests.matching("/echo/x")] == ["POST"]
    assert small.requests.matching("GET /echo/x") == []
    assert len(small.requests.matching(lambda record: "a=1" in record.path)) == 1
    small.requests.clear()
    assert len(small.requests) == 0
    with MockLiteLLM() as mock:
        request("POST", f"{mock.url}/models", body=bytes(KEPT_BODY + 5))
        assert (len(mock.requests[0].body), mock.requests[0].body_length) == (KEPT_BODY, KEPT_BODY + 5)


def test_waiting_for_a_request(small: Small) -> None:
    timer = threading.Timer(0.05, lambda: request("GET", f"{small.url}/nothing"))
    timer.start()
    assert small.wait_for_request("GET /nothing", timeout=HANG_GUARD_S).route == "/nothing"
    timer.join()
    with pytest.raises(TimeoutError, match="1 others arrived"):
        small.wait_for_request("GET /never", timeout=0.01)


# Websocket


@pytest.fixture
def client(small: Small) -> Iterator[websocket.WebSocket]:
    opened = websocket.create_connection(f"{small.url.replace('http', 'ws')}/socket", timeout=HANG_GUARD_S)
    assert small.opened.wait(HANG_GUARD_S)
    yield opened
    opened.shutdown()


def test_texts_binary_fragments_and_the_close(client: websocket.WebSocket) -> None:
    client.send("text")
    assert client.recv() == "text"
    client.send_binary(b"\x00\x01")
    assert client.recv() == b"\x00\x01"
    client.send_frame(websocket.ABNF.create_frame("frag", websocket.ABNF.OPCODE_TEXT, fin=0))
    client.ping("in between")
    client.send_frame(websocket.ABNF.create_frame("ment", websocket.ABNF.OPCODE_CONT))
    assert client.recv() == "fragment"
    client.send_close(1000)
    assert client.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE


def test_garbage_frames_end_the_connection_with_a_close_frame(client: websocket.WebSocket) -> None:
    client.sock.sendall(b"\xff\xff\xff\xff")
    opcode, frame = client.recv_data_frame(control_frame=True)
    assert (opcode, frame.data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1002).to_bytes(2, "big"))


def test_nothing_is_sent_after_the_close_frame(small: Small, client: websocket.WebSocket) -> None:
    small.connection.close(1001)
    small.connection.send("too late")
    assert client.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE


def test_messages_and_queues_are_bounded(
    small: Small, client: websocket.WebSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mock_websocket, "MAX_INCOMING", 1000)
    monkeypatch.setattr(mock_websocket, "MAX_WAITING", 100_000)
    never_reads = websocket.create_connection(f"{small.url.replace('http', 'ws')}/socket", timeout=HANG_GUARD_S)
    waiting = small.connection
    client.send("x" * 2000)
    with pytest.raises((OSError, websocket.WebSocketException)):
        client.recv()
    assert small.texts == []
    while waiting is not small.connection or not waiting._ended:
        small.connection.send("x" * 50_000)
    small.connection.send("into the void")
    with pytest.raises((OSError, websocket.WebSocketException)):
        collections.deque(iter(never_reads.recv, None), maxlen=0)
    never_reads.shutdown()


def test_handshakes_that_fail(small: Small) -> None:
    assert request("GET", f"{small.url}/socket", headers={"Upgrade": "h2c"}).status == 400
    small.gate.clear()
    with connected(small) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        head = b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
        connection.sendall(head)
        assert small.opened.wait(HANG_GUARD_S)
    small.gate.set()
    small.stop()
    assert own_threads() == []


# Start and stop


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mock-")]


def test_stop_leaves_no_thread_and_no_socket() -> None:
    mocks = MockBackends().start()
    sockets = [websocket.create_connection(f"{mocks.comfyui.url.replace('http', 'ws')}/ws") for _ in range(3)]
    idle = connected(mocks.litellm)
    image = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}}
    sleep = {"class_type": "ProbeSleepOut", "inputs": {"image": ["1", 0], "seconds": 500, "nonce": 1}}
    request("POST", f"{mocks.comfyui.url}/prompt", body=json.dumps({"prompt": {"1": image, "2": sleep}}))
    assert len(own_threads()) > 8
    urls = [server.url for server in mocks.servers.values()]
    begun = time.monotonic()
    mocks.stop()
    assert time.monotonic() - begun < 10.0
    assert own_threads() == []
    for url in urls:
        with pytest.raises(urllib3.exceptions.HTTPError):
            request("GET", url)
    assert idle.recv(10) == b""
    idle.close()
    for each in sockets:
        each.shutdown()


def test_start_and_stop_may_be_repeated() -> None:
    mock = MockLiteLLM()
    with pytest.raises(RuntimeError, match="litellm is not running"):
        _ = mock.url
    mock.stop()
    url = mock.start().url
    assert mock.start().url == url
    mock.stop()
    mock.stop()
    assert request("GET", f"{mock.start().url}/models").status == 200
    mock.stop()
    assert own_threads() == []


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_loopback() -> None:
    with MockLiteLLM(host="::1") as mock:
        assert mock.url.startswith("http://[::1]:")
        assert request("GET", f"{mock.url}/models").status == 200


def test_the_speed_divides_every_simulated_wait() -> None:
    assert [MockLiteLLM(speed=speed).clock.seconds(3) for speed in (1.0, 2.0, float("inf"))] == [3, 1.5, 0]
    for speed in (0, -1):
        with pytest.raises(ValueError, match="above 0"):
            MockLiteLLM(speed=speed)


# All together


def test_only_the_backends_asked_for() -> None:
    mocks = MockBackends(only=["rvc"], faults={"rvc": [Fault("reset")]}, speed=2.0)
    assert mocks.rvc.clock.speed == 2.0
    assert mocks.rvc.faults.take_request("http-refuse", "GET", "/") is not None
    for name in set(BACKENDS) - {"rvc"}:
        with pytest.raises(AttributeError, match=f"no {name}"):
            getattr(mocks, name)


@pytest.mark.parametrize("wrong", [{"only": ["comfy"]}, {"faults": {"comfy": []}}, {"options": {"comfy": {}}}])
def test_unknown_backends_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no such mock backend: comfy"):
        MockBackends(**wrong)


def test_what_had_started_is_stopped_when_another_cannot() -> None:
    mocks = MockBackends(only=["litellm", "rvc"], options={"rvc": {"host": "192.0.2.1"}})
    with pytest.raises(OSError, match=r"."):
        mocks.start()
    assert own_threads() == []


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys; import movie_director.clients.mock; "
        "print([name for name in ('http.server', 'wsproto', 'socketserver', 'zlib', 'urllib3') if name in sys.modules])"
    )
    environment = {"PYTHONPATH": next(path for path in sys.path if path.endswith("build/src"))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"
