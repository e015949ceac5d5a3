"""The mock servers' HTTP side, their websocket side, and their life."""

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

from movie_director.clients import BACKENDS
from movie_director.clients.mock import Fault, MockBackends
from movie_director.clients.mock.audioldm.server import MockAudioLDM
from movie_director.clients.mock.comfyui.server import MockComfyUI
from movie_director.clients.mock.http import websocket as mock_websocket
from movie_director.clients.mock.http.multipart import read_form
from movie_director.clients.mock.http.request_log import KEPT_BODY
from movie_director.clients.mock.http.responses import Request, Response, Upgrade, range_response
from movie_director.clients.mock.http.server import MockServer
from movie_director.clients.mock.litellm.server import MockLiteLLM
from movie_director.clients.mock.rvc.server import MockRVC
from movie_director.clients.mock.wan2gp.server import MockWan2GP

GUARD_S = 20.0


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
        deadline = time.monotonic() + GUARD_S
        while not request.gone():
            assert time.monotonic() < deadline
            self.left.wait(0.001)
        self.left.set()
        return Response(204)

    def _broken(self, request: Request) -> Response:
        raise KeyError("broken")

    def _open(self, connection: mock_websocket.WebSocketConnection) -> Callable[[], None]:
        self.connection = connection
        self.opened.set()
        assert self.gate.wait(GUARD_S)

        def talk() -> None:
            for message in connection.messages():
                self.texts.append(message)
                connection.send(message)

        return talk


@pytest.fixture
def small() -> Iterator[Small]:
    with Small() as mock:
        yield mock


@pytest.fixture
def http_pool() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=GUARD_S) as pool:
        yield pool


def address(mock: MockServer) -> tuple[str, int]:
    host, _, port = mock.url.removeprefix("http://").partition("/")[0].rpartition(":")
    return host, int(port)


def raw(mock: MockServer, data: bytes) -> bytes:
    """What the server answers to bytes, up to its closing."""
    with socket.create_connection(address(mock), timeout=GUARD_S) as connection:
        connection.sendall(data)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


# HTTP


def test_a_route_gets_its_decoded_part_and_the_body(small: Small, http_pool: urllib3.PoolManager) -> None:
    answer = http_pool.request("POST", f"{small.url}/echo/a%2Fb%20c?x=1", body=b"hello")
    assert (answer.status, answer.data, answer.headers["X-Name"]) == (200, b"hello", "a/b c")
    assert answer.headers["Server"] == "mock"


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
def test_no_web_page_from_elsewhere_is_served(
    small: Small, http_pool: urllib3.PoolManager, headers: dict[str, str], status: int
) -> None:
    answer = http_pool.request("GET", f"{small.url}/nothing", headers=headers)
    assert (answer.status, answer.data) == (status, b"")
    with Small(local_only=False) as open_to_all:
        assert http_pool.request("GET", f"{open_to_all.url}/nothing", headers=headers).status == 204


@pytest.mark.parametrize("origin", ["https://films.example", "null"])
def test_no_web_page_from_elsewhere_opens_a_websocket(small: Small, origin: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(f"{small.url}/socket".replace("http", "ws"), origin=origin, timeout=GUARD_S)
    assert refused.value.status_code == 403
    assert not small.opened.is_set()


def test_unknown_routes_and_broken_ones(small: Small, http_pool: urllib3.PoolManager) -> None:
    assert http_pool.request("GET", f"{small.url}/nosuch").status == 404
    assert http_pool.request("GET", f"{small.url}/echo/x").status == 404
    broken = http_pool.request("GET", f"{small.url}/broken")
    assert (broken.status, broken.headers["Connection"]) == (500, "close")


def test_one_connection_serves_many_requests(small: Small) -> None:
    connection = http.client.HTTPConnection(*address(small), timeout=GUARD_S)
    for number in range(3):
        connection.request("POST", "/echo/x", body=str(number))
        assert connection.getresponse().read() == str(number).encode()
    local = connection.sock.getsockname()
    connection.request("GET", "/nothing")
    answer = connection.getresponse()
    assert (answer.status, answer.read(), connection.sock.getsockname()) == (204, b"", local)
    connection.close()


def test_chunked_both_ways(small: Small, http_pool: urllib3.PoolManager) -> None:
    connection = http.client.HTTPConnection(*address(small), timeout=GUARD_S)
    body = iter([b"one ", b"two ", b"three"])
    connection.request("POST", "/echo/x", body, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().read() == b"one two three"
    connection.close()
    with_trailer = b"4;ext=1\r\nabcd\r\n0\r\nX-Sum: 1\r\n\r\n"
    head = b"POST /echo/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert raw(small, head + with_trailer).endswith(b"\r\n\r\nabcd")
    assert len(http_pool.request("GET", f"{small.url}/chunked").data) == 100_000


def test_head_has_the_headers_and_no_body(small: Small) -> None:
    answer = raw(small, b"HEAD /chunked HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_body_over_the_limit_is_refused(small: Small, http_pool: urllib3.PoolManager) -> None:
    answer = http_pool.request("POST", f"{small.url}/echo/x", body=b"x" * 2000)
    assert (answer.status, answer.data) == (413, b"Maximum request body size 1000 exceeded.")
    assert len(small.requests) == 0


def test_a_client_that_leaves_in_mid_request_harms_nothing(small: Small, http_pool: urllib3.PoolManager) -> None:
    with socket.create_connection(address(small), timeout=GUARD_S) as connection:
        connection.sendall(b"POST /echo/x HTTP/1.1\r\nContent-Length: 100\r\n\r\nonly this")
    with socket.create_connection(address(small), timeout=GUARD_S) as connection:
        connection.sendall(b"POST /echo/x HTTP/1.1\r\nContent-Length: nonsense\r\n\r\n")
        assert connection.recv(100) == b""
    assert http_pool.request("POST", f"{small.url}/echo/x", body=b"1").status == 200


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_route_can_tell_that_its_client_has_left(small: Small, abruptly: bool) -> None:
    connection = socket.create_connection(address(small), timeout=GUARD_S)
    with connection:
        connection.sendall(b"GET /patient HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert small.opened.wait(GUARD_S)
        assert not small.left.is_set()
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert small.left.wait(GUARD_S)


def test_a_path_prefix_and_an_authorization(http_pool: urllib3.PoolManager) -> None:
    with Small(prefix="/comfy/", auth="Bearer secret") as mock:
        assert mock.url.endswith("/comfy")
        url = f"{mock.url}/echo/x"
        assert http_pool.request("POST", url).status == 401
        assert http_pool.request("POST", url, headers={"Authorization": "Bearer secret"}).status == 200
        outside = url.replace("/comfy", "")
        assert http_pool.request("POST", outside, headers={"Authorization": "Bearer secret"}).status == 404
        assert [record.route for record in mock.requests] == ["/echo/x", "/echo/x", ""]
        assert "secret" not in repr(list(mock.requests))


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


# What arrived


def test_the_log_of_requests(small: Small, http_pool: urllib3.PoolManager) -> None:
    http_pool.request("POST", f"{small.url}/echo/x?a=1", body=json.dumps({"n": 1}), headers={"X-Key": "k"})
    http_pool.request("GET", f"{small.url}/nothing")
    first = small.requests[0]
    assert (first.method, first.path, first.route, first.json) == ("POST", "/echo/x?a=1", "/echo/x", {"n": 1})
    assert first.headers["X-Key"] == "k"
    assert abs(first.time - time.time()) < GUARD_S
    assert small.requests[1].json is None
    assert len(small.requests) == len(list(small.requests)) == 2
    assert [record.method for record in small.requests.matching("/echo/x")] == ["POST"]
    assert small.requests.matching("GET /echo/x") == []
    assert len(small.requests.matching(lambda record: "a=1" in record.path)) == 1
    small.requests.clear()
    assert len(small.requests) == 0


def test_the_log_keeps_the_beginning_of_a_long_body(http_pool: urllib3.PoolManager) -> None:
    with MockLiteLLM() as mock:
        http_pool.request("POST", f"{mock.url}/models", body=bytes(KEPT_BODY + 5))
        record = mock.requests[0]
        assert (len(record.body), record.body_length) == (KEPT_BODY, KEPT_BODY + 5)


def test_waiting_for_a_request(small: Small, http_pool: urllib3.PoolManager) -> None:
    timer = threading.Timer(0.05, lambda: http_pool.request("GET", f"{small.url}/nothing"))
    timer.start()
    assert small.wait_for_request("GET /nothing", timeout=GUARD_S).route == "/nothing"
    timer.join()
    with pytest.raises(TimeoutError, match="1 others arrived"):
        small.wait_for_request("GET /never", timeout=0.01)


# Websocket


def connect(mock: MockServer, path: str = "/socket") -> websocket.WebSocket:
    return websocket.create_connection(f"{mock.url.replace('http', 'ws')}{path}", timeout=GUARD_S)


def test_texts_binary_and_fragments(small: Small) -> None:
    own = connect(small)
    own.send("text")
    assert own.recv() == "text"
    own.send_binary(b"\x00\x01")
    assert own.recv() == b"\x00\x01"
    own.send_frame(websocket.ABNF.create_frame("frag", websocket.ABNF.OPCODE_TEXT, fin=0))
    own.ping("in between")
    own.send_frame(websocket.ABNF.create_frame("ment", websocket.ABNF.OPCODE_CONT))
    assert own.recv() == "fragment"
    own.close()


def test_the_close_is_answered(small: Small) -> None:
    own = connect(small)
    own.send_close(1000)
    assert own.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    own.shutdown()


def test_garbage_frames_end_the_connection_in_good_order(small: Small) -> None:
    own = connect(small)
    own.sock.sendall(b"\xff\xff\xff\xff")
    opcode, frame = own.recv_data_frame(control_frame=True)
    assert (opcode, frame.data[:2]) == (websocket.ABNF.OPCODE_CLOSE, (1002).to_bytes(2, "big"))
    own.shutdown()


def test_nothing_is_sent_after_the_goodbye(small: Small) -> None:
    own = connect(small)
    small.opened.wait(GUARD_S)
    small.connection.close(1001)
    small.connection.send("too late")
    assert own.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    own.shutdown()


def test_a_client_message_over_the_limit_cuts_the_connection(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock_websocket, "MAX_INCOMING", 1000)
    own = connect(small)
    own.send("x" * 2000)
    with pytest.raises((OSError, websocket.WebSocketException)):
        own.recv()
    assert small.texts == []
    own.shutdown()


def test_a_client_that_never_reads_is_cut_off(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock_websocket, "MAX_WAITING", 100_000)
    own = connect(small)
    small.opened.wait(GUARD_S)
    for _ in range(2000):
        small.connection.send("x" * 50_000)
    small.connection.send("into the void")
    with pytest.raises((OSError, websocket.WebSocketException)):
        collections.deque(iter(own.recv, None), maxlen=0)
    own.shutdown()


def test_no_websocket_without_its_headers(small: Small, http_pool: urllib3.PoolManager) -> None:
    answer = http_pool.request("GET", f"{small.url}/socket", headers={"Upgrade": "h2c"})
    assert answer.status == 400


def test_a_client_that_leaves_during_the_handshake(small: Small) -> None:
    head = b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    small.gate.clear()
    with socket.create_connection(address(small), timeout=GUARD_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.sendall(head)
        assert small.opened.wait(GUARD_S)
    small.gate.set()
    small.stop()
    assert own_threads() == []


# Life


def own_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("mock-")]


def test_stop_leaves_no_thread_and_no_socket() -> None:
    mocks = MockBackends().start()
    sockets = [connect(mocks.comfyui, "/ws") for _ in range(3)]
    idle = socket.create_connection(address(mocks.litellm), timeout=GUARD_S)
    assert len(own_threads()) > 8
    urls = [server.url for server in mocks.servers.values()]
    begun = time.monotonic()
    mocks.stop()
    assert time.monotonic() - begun < 1.0
    assert own_threads() == []
    for url in urls:
        host, port = url.removeprefix("http://").split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=GUARD_S)
    assert idle.recv(10) == b""
    idle.close()
    for each in sockets:
        each.shutdown()


def test_stop_ends_a_running_prompt_at_once() -> None:
    image = {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}}
    sleep = {"class_type": "ProbeSleepOut", "inputs": {"image": ["1", 0], "seconds": 500, "nonce": 1}}
    mock = MockComfyUI().start()
    with urllib3.PoolManager(retries=False) as pool:
        pool.request("POST", f"{mock.url}/prompt", body=json.dumps({"prompt": {"1": image, "2": sleep}}))
    begun = time.monotonic()
    mock.stop()
    assert time.monotonic() - begun < 1.0
    assert own_threads() == []


def test_start_and_stop_may_be_repeated(http_pool: urllib3.PoolManager) -> None:
    mock = MockLiteLLM()
    with pytest.raises(RuntimeError, match="litellm is not running"):
        _ = mock.url
    mock.stop()
    url = mock.start().url
    assert mock.start().url == url
    mock.stop()
    mock.stop()
    assert http_pool.request("GET", f"{mock.start().url}/models").status == 200
    mock.stop()
    assert own_threads() == []


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_loopback(http_pool: urllib3.PoolManager) -> None:
    with MockLiteLLM(host="::1") as mock:
        assert mock.url.startswith("http://[::1]:")
        assert http_pool.request("GET", f"{mock.url}/models").status == 200


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_must_be_above_nothing(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        MockLiteLLM(speed=speed)


def test_speed_divides_every_pretended_wait() -> None:
    assert [MockLiteLLM(speed=speed).clock.seconds(3) for speed in (1.0, 2.0, float("inf"))] == [3, 1.5, 0]


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


def test_the_identity_routes(http_pool: urllib3.PoolManager) -> None:
    with MockBackends() as mocks:

        def get(server: MockServer, path: str) -> Any:
            answer = http_pool.request("GET", server.url + path)
            assert answer.status == 200
            return json.loads(answer.data) if "json" in answer.headers["Content-Type"] else answer.data.decode()

        assert isinstance(mocks.comfyui, MockComfyUI)
        assert isinstance(mocks.wan2gp, MockWan2GP)
        assert isinstance(mocks.litellm, MockLiteLLM)
        assert isinstance(mocks.rvc, MockRVC)
        assert isinstance(mocks.audioldm, MockAudioLDM)
        assert get(mocks.comfyui, "/system_stats")["system"]["comfyui_version"] == "0.33.0"
        assert "ComfyUI" in get(mocks.comfyui, "/")
        config = get(mocks.wan2gp, "/config")
        assert config["version"] == "5.29.0"
        assert "process_tasks" in {each["api_name"] for each in config["dependencies"]}
        assert "WanGP" in get(mocks.wan2gp, "/")
        assert get(mocks.litellm, "/health/liveliness") == "I'm alive!"
        assert get(mocks.litellm, "/health/readiness")["status"] == "healthy"
        assert get(mocks.litellm, "/v1/models")["object"] == "list"
        assert get(mocks.rvc, "/models") == {"models": ["demo-voice", "demo-narrator"]}
        assert get(mocks.rvc, "/params")["f0method"] == "rmvpe"
        assert "/convert_file" in get(mocks.rvc, "/openapi.json")["paths"]
        assert get(mocks.audioldm, "/")["predictions_url"] == "/predictions"
        assert get(mocks.audioldm, "/health-check")["status"] == "READY"


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys; import movie_director.clients.mock; "
        "print([name for name in ('http.server', 'wsproto', 'socketserver', 'zlib', 'urllib3') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=_environment(), check=True
    )
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": next(path for path in sys.path if path.endswith("build/src"))}


# Forms


def test_reading_forms() -> None:
    body, kind = urllib3.encode_multipart_formdata(
        {"image": ('a "b" \u732b.png', b"\r\n--no boundary", "image/png"), "type": "input"}
    )
    form = read_form(kind, body)
    assert form["image"].data == b"\r\n--no boundary"
    assert form["image"].filename is not None
    assert "\u732b" in form["image"].filename
    assert (form["type"].filename, form["type"].data) == (None, b"input")


def test_forms_that_are_none() -> None:
    assert read_form("application/json", b"{}") == {}
    assert read_form("text/plain; boundary=x", b"") == {}
    assert read_form("multipart/form-data; boundary=x", b"no parts") == {}
    assert read_form("multipart/form-data; boundary=x", b"--x\r\nX: y\r\n\r\ndata\r\n--x--") == {}
    encoded = (
        b"--x\r\nContent-Disposition: form-data; name=a; filename*=utf-8''%C3%A9.png; name=\"a\"\r\n\r\n1\r\n--x--"
    )
    assert read_form("multipart/form-data; boundary=x", encoded)["a"].filename == "\xe9.png"
