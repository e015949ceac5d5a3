"""Which fault a mock commits, and what it looks like on the wire; the clients' answers: tests/integration."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import websocket
from support.http import request
from support.waiting import HANG_GUARD_S, wait_for
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from movie_director.clients.mock import FAULT_KINDS, Fault
from movie_director.clients.mock.comfyui.server import MockComfyUI
from movie_director.clients.mock.http.faults import FaultBook
from movie_director.clients.mock.litellm.server import MockLiteLLM


def test_a_fault_keeps_what_it_was_given() -> None:
    fault = Fault("status:503", on="/prompt", after=2, times=None, retry_after=1.5)
    assert (fault.kind, fault.value, fault.on, fault.after, fault.times) == ("status", 503, "/prompt", 2, None)
    assert Fault("redirect:http://x/").value == "http://x/"
    assert (Fault("slow_history", value=0.25).seconds(9), Fault("slow_history").seconds(9)) == (0.25, 9)
    assert all(kind.text and kind.point for kind in FAULT_KINDS.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "ws_cutt"}, "did you mean 'ws_cut'"),
        ({"kind": "stal:5"}, "did you mean 'stall'"),
        ({"kind": "reset", "after": -1}, "after >= 0"),
        ({"kind": "reset", "times": 0}, "times >= 1"),
    ],
)
def test_impossible_faults_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**options)


def test_after_and_times_count_only_what_matches() -> None:
    book = FaultBook([Fault("reset", on="/a", after=1, times=2)])
    taken = [bool(book.take_request("http-refuse", "GET", path)) for path in ("/a", "/b", "/a", "/b", "/a", "/a")]
    assert taken == [False, False, True, False, True, False]
    book.add(Fault("reset", times=None))
    assert all(book.take_request("http-refuse", "GET", "/x") for _ in range(5))
    book.clear()
    assert book.take_request("http-refuse", "GET", "/x") is None


@pytest.mark.parametrize(
    ("on", "hits"),
    [
        ("/history", {"GET /history", "GET /history/1", "POST /history"}),
        ("GET /history", {"GET /history", "GET /history/1"}),
        ("/his*", {"GET /history", "GET /history/1", "POST /history", "GET /historyx/1"}),
        ("/history/1", {"GET /history/1"}),
    ],
)
def test_where_a_fault_is_committed(on: str, hits: set[str]) -> None:
    book = FaultBook([Fault("reset", on=on, times=None)])
    requests = ("GET /history", "GET /history/1", "POST /history", "GET /historyx/1", "GET /")
    assert {each for each in requests if book.take_request("http-refuse", *each.split())} == hits


def test_named_subjects_and_defaults() -> None:
    book = FaultBook([Fault("oom"), Fault("oom", on="7"), Fault("node_error", on="Save*")])
    assert book.take("oom", "EmptyImage", "1", default=("KSampler",)) is None
    assert book.take("oom", "EmptyImage", "7", default=("KSampler",)) is not None
    assert book.take("oom", "KSampler", "3", default=("KSampler",)) is not None
    assert [book.take("node_error", "SaveImage", "9") is not None for _ in range(2)] == [True, False]


# HTTP


@pytest.fixture
def server() -> Iterator[MockLiteLLM]:
    with MockLiteLLM() as mock:
        yield mock


@pytest.mark.parametrize(
    ("fault", "status", "headers", "begin"),
    [
        (Fault("status:503", retry_after=2), 503, {"Retry-After": "2"}, b'{"error"'),
        (Fault("status"), 500, {"Retry-After": None}, b'{"error"'),
        (Fault("html_login_page"), 200, {"Content-Type": "text/html; charset=utf-8"}, b"<!DOCTYPE html>"),
        (Fault("redirect"), 302, {"Location": "http://login.invalid/sign-in"}, b""),
        (Fault("redirect", value="http://127.0.0.1:9/x"), 302, {"Location": "http://127.0.0.1:9/x"}, b""),
        (Fault("huge_body", value=200_000), 200, {"Content-Length": "200000"}, b'{"huge": "xxx'),
        (Fault("bad_json"), 200, {"Content-Length": "15"}, b'{"cut": "xxxxxx'),
        (Fault("slow_body", value=0.001), 200, {}, b'{"data": ['),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_answers_of_http_faults(
    server: MockLiteLLM, fault: Fault, status: int, headers: dict[str, str], begin: bytes
) -> None:
    server.inject(fault)
    answer = request("GET", f"{server.url}/models", redirect=False)
    assert (answer.status, {name: answer.headers.get(name) for name in headers}) == (status, headers)
    assert answer.data.startswith(begin)
    assert request("GET", f"{server.url}/models").status == 200


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("reset", "reset"),
        ("lost_answer", "reset"),
        ("close_before_answer", "without response"),
        ("cut_body", "IncompleteRead"),
        ("wrong_length:3", "3 more expected"),
    ],
)
def test_connections_that_end_too_early(server: MockLiteLLM, kind: str, message: str) -> None:
    server.inject(Fault(kind))
    with pytest.raises((ProtocolError, ConnectionResetError), match=f"(?i){message}"):
        request("GET", f"{server.url}/models")
    assert len(server.requests) == 1


def test_a_stall_sends_nothing_and_ends_with_the_server(server: MockLiteLLM) -> None:
    server.inject(Fault("stall", times=3))
    with pytest.raises(ReadTimeoutError):
        request("GET", f"{server.url}/models", timeout=0.2)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=HANG_GUARD_S) as connection:
        connection.sendall(b"GET /models HTTP/1.1\r\n\r\n" * 2)  # the second is read and ignored
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    errors: list[HTTPError] = []

    def ask() -> None:
        with pytest.raises(HTTPError) as caught:
            request("GET", f"{server.url}/models")
        errors.append(caught.value)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: len(server.requests) == 3)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 10.0
    thread.join()
    assert len(errors) == 1


def test_a_slow_body_ends_with_the_server(server: MockLiteLLM) -> None:
    server.inject(Fault("slow_body", value=60))
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=HANG_GUARD_S) as connection:
        connection.sendall(b"GET /models HTTP/1.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        server.stop()
        while connection.recv(4096):
            pass


# ComfyUI's websocket

IMAGE = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255}}
PROMPT = {"1": IMAGE, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "t"}}}


@pytest.fixture
def comfy() -> Iterator[MockComfyUI]:
    with MockComfyUI(speed=float("inf")) as mock:
        yield mock


@pytest.fixture
def client(comfy: MockComfyUI) -> Iterator[websocket.WebSocket]:
    opened = websocket.create_connection(f"{comfy.url.replace('http', 'ws')}/ws?clientId=me", timeout=HANG_GUARD_S)
    opened.recv()
    yield opened
    opened.shutdown()


def run(mock: MockComfyUI) -> dict[str, Any]:
    body = json.dumps({"prompt": PROMPT, "client_id": "me"})
    prompt_id = request("POST", f"{mock.url}/prompt", body=body).json()["prompt_id"]
    return wait_for(lambda: mock.engine.entry(prompt_id))


def test_a_dropped_websocket_gets_a_close_frame(comfy: MockComfyUI, client: websocket.WebSocket) -> None:
    comfy.inject(Fault("ws_drop", on="executed", value=1012))
    run(comfy)
    opcode, seen = 0, []
    while opcode != websocket.ABNF.OPCODE_CLOSE:
        opcode, frame = client.recv_data_frame(control_frame=True)
        seen.append(frame.data)
    assert int.from_bytes(seen[-1][:2], "big") == 1012
    assert b"execution_start" in b"".join(seen)
    assert b'"executed"' not in b"".join(seen)


def test_a_muted_websocket_answers_pings_and_nothing_else(comfy: MockComfyUI, client: websocket.WebSocket) -> None:
    comfy.inject(Fault("ws_deaf"))
    assert run(comfy)["status"]["status_str"] == "success"
    client.ping("still there?")
    opcode, frame = client.recv_data_frame(control_frame=True)
    assert (opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, b"still there?")


def test_a_cut_websocket_ends_without_a_close_frame(comfy: MockComfyUI, client: websocket.WebSocket) -> None:
    comfy.inject(Fault("foreign_messages", on="execution_start"))
    comfy.inject(Fault("ws_cut", on="executed"))
    assert run(comfy)["status"]["status_str"] == "success"
    seen: list[str] = []
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionResetError)):
        seen.extend(str(each) for each in iter(client.recv, None))
    assert any("crystools.monitor" in each for each in seen), "noise comes beside the own messages"
    assert any("execution_start" in each for each in seen)


def test_a_restart_leaves_only_output_files(comfy: MockComfyUI, client: websocket.WebSocket) -> None:
    run(comfy)
    comfy.files.put("temp", "", "gone.png", b"x")
    comfy.vanish(60.0)
    with pytest.raises((HTTPError, OSError)):
        request("GET", f"{comfy.url}/queue")
    comfy.go_down(0.0)
    assert request("GET", f"{comfy.url}/history").json() == {}
    assert comfy.files.get("output", "", "t_00001_.png") is not None
    assert comfy.files.get("temp", "", "gone.png") is None
    assert run(comfy)["prompt"][0] == 0
    comfy.stop()
    comfy.vanish()
    assert comfy.engine.remaining() == 0
