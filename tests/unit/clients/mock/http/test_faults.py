"""Every kind of fault a mock backend can commit, seen from a client."""

import contextlib
import http.client
import json
import socket
import threading
import time
from typing import Any

import pytest
import urllib3
import websocket
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from movie_director.clients.mock import FAULT_KINDS, Fault
from movie_director.clients.mock.comfyui.server import MockComfyUI
from movie_director.clients.mock.http.faults import FaultBook
from movie_director.clients.mock.litellm.server import MockLiteLLM

GUARD_S = 20.0
FAST = float("inf")
IMAGE = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 255}}


def slow(steps: int, nonce: int, delay: float = 0.0) -> dict[str, Any]:
    """A prompt whose second node counts to ``steps``."""
    inputs = {"image": ["1", 0], "steps": steps, "delay": delay, "previews": True, "nonce": nonce}
    save = {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "t"}}
    return {"1": IMAGE, "2": {"class_type": "ProbeSlow", "inputs": inputs}, "3": save}


class Answer:
    """An answer of urllib3, old or new: the old one has no ``json``."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def json(self) -> Any:
        return json.loads(self._response.data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


def get(url: str, **more: Any) -> Answer:
    with urllib3.PoolManager(retries=False, timeout=GUARD_S) as http:
        return Answer(http.request("GET", url, **more))


def post(url: str, data: Any) -> Answer:
    with urllib3.PoolManager(retries=False, timeout=GUARD_S) as http:
        return Answer(http.request("POST", url, body=json.dumps(data)))


# The value itself


def test_a_fault_keeps_what_it_was_given() -> None:
    fault = Fault("status:503", on="/prompt", after=2, times=None, retry_after=1.5)
    assert (fault.kind, fault.value, fault.on, fault.after, fault.times) == ("status", 503, "/prompt", 2, None)
    assert Fault("redirect:http://x/").value == "http://x/"
    assert Fault("slow_history", value=0.25).seconds(9) == 0.25
    assert Fault("slow_history").seconds(9) == 9
    with pytest.raises(AttributeError):
        fault.kind = "reset"  # type: ignore[misc]


def test_an_unknown_kind_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'ws_cut'"):
        Fault("ws_cutt")
    with pytest.raises(ValueError, match="did you mean 'stall'"):
        Fault("stal:5")


@pytest.mark.parametrize("wrong", [{"after": -1}, {"times": 0}])
def test_impossible_counts_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="after >= 0"):
        Fault("reset", **wrong)


def test_every_kind_is_documented() -> None:
    assert all(kind.text and kind.point for kind in FAULT_KINDS.values())


def test_after_and_times_count_only_what_matches() -> None:
    book = FaultBook([Fault("reset", on="/a", after=1, times=2)])
    taken = [bool(book.take_request("http-refuse", "GET", path)) for path in ("/a", "/b", "/a", "/b", "/a", "/a")]
    assert taken == [False, False, True, False, True, False]


def test_always_means_always_until_cleared() -> None:
    book = FaultBook([Fault("reset", times=None)])
    assert all(book.take_request("http-refuse", "GET", "/x") for _ in range(5))
    book.clear()
    assert book.take_request("http-refuse", "GET", "/x") is None


@pytest.mark.parametrize(
    ("on", "hits"),
    [
        ("/history", {"GET /history", "GET /history/1", "POST /history"}),
        ("GET /history", {"GET /history", "GET /history/1"}),
        ("/his*", {"GET /history", "GET /history/1", "POST /history"}),
        ("/history/1", {"GET /history/1"}),
    ],
)
def test_where_a_fault_strikes(on: str, hits: set[str]) -> None:
    book = FaultBook([Fault("reset", on=on, times=None)])
    requests = ("GET /history", "GET /history/1", "POST /history", "GET /historyx/1", "GET /")
    expected = hits | ({"GET /historyx/1"} if on == "/his*" else set())
    assert {each for each in requests if book.take_request("http-refuse", *each.split())} == expected


def test_named_subjects_and_defaults() -> None:
    book = FaultBook([Fault("oom"), Fault("oom", on="7"), Fault("node_error", on="Save*")])
    assert book.take("oom", "EmptyImage", "1", default=("KSampler",)) is None
    assert book.take("oom", "EmptyImage", "7", default=("KSampler",)) is not None
    assert book.take("oom", "KSampler", "3", default=("KSampler",)) is not None
    assert book.take("node_error", "SaveImage", "9") is not None
    assert book.take("node_error", "SaveImage", "9") is None


# HTTP


@pytest.fixture
def server() -> Any:
    with MockLiteLLM() as mock:
        yield mock


def test_status_with_retry_after(server: MockLiteLLM) -> None:
    server.inject(Fault("status:503", on="/models", retry_after=2))
    answer = get(f"{server.url}/models")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert get(f"{server.url}/models").status == 200


def test_status_without_a_number_is_500_and_without_retry_after(server: MockLiteLLM) -> None:
    server.inject(Fault("status"))
    answer = get(f"{server.url}/models")
    assert answer.status == 500
    assert "Retry-After" not in answer.headers


def test_clear_faults(server: MockLiteLLM) -> None:
    server.inject(Fault("status:503", times=None))
    server.clear_faults()
    assert get(f"{server.url}/models").status == 200


@pytest.mark.parametrize("kind", ["reset", "lost_answer"])
def test_connections_that_are_reset(server: MockLiteLLM, kind: str) -> None:
    server.inject(Fault(kind))
    with pytest.raises((ProtocolError, ConnectionResetError)) as caught:
        get(f"{server.url}/models")
    assert "reset" in str(caught.value).lower()
    assert len(server.requests) == 1


def test_close_before_answer(server: MockLiteLLM) -> None:
    server.inject(Fault("close_before_answer"))
    with pytest.raises(ProtocolError, match="without response"):
        get(f"{server.url}/models")


def test_stall_says_nothing_and_ends_with_the_server(server: MockLiteLLM) -> None:
    server.inject(Fault("stall", times=2))
    with pytest.raises(ReadTimeoutError):
        get(f"{server.url}/models", timeout=0.2)
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(HTTPError):
            get(f"{server.url}/models")
        ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_for_request("GET /models")
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 1.0
    assert ended.wait(GUARD_S)
    thread.join()


def test_stall_takes_what_else_the_client_says(server: MockLiteLLM) -> None:
    server.inject(Fault("stall"))
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=GUARD_S) as connection:
        connection.sendall(b"GET /models HTTP/1.1\r\n\r\n")
        server.wait_for_request("GET /models")
        connection.sendall(b"GET /models HTTP/1.1\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert len(server.requests) == 1


def test_html_login_page(server: MockLiteLLM) -> None:
    server.inject(Fault("html_login_page"))
    answer = get(f"{server.url}/models")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"password" in answer.data


def test_redirect(server: MockLiteLLM) -> None:
    server.inject(Fault("redirect"))
    server.inject(Fault("redirect", value="http://127.0.0.1:9/x"))
    places = [get(f"{server.url}/models", redirect=False).headers["Location"] for _ in range(2)]
    assert places == ["http://login.invalid/sign-in", "http://127.0.0.1:9/x"]


def test_huge_body(server: MockLiteLLM) -> None:
    server.inject(Fault("huge_body", value=200_000))
    answer = get(f"{server.url}/models")
    assert len(answer.data) == 200_000
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()
    server.inject(Fault("huge_body"))
    answer = get(f"{server.url}/models", preload_content=False)
    assert int(answer.headers["Content-Length"]) == 1 << 30
    assert answer.read(1000).startswith(b'{"huge": "xxx')
    answer.close()


def test_cut_body(server: MockLiteLLM) -> None:
    server.inject(Fault("cut_body"))
    with pytest.raises(ProtocolError, match="IncompleteRead"):
        get(f"{server.url}/models")


def test_wrong_length(server: MockLiteLLM) -> None:
    server.inject(Fault("wrong_length", value=3))
    with pytest.raises(ProtocolError, match="3 more expected"):
        get(f"{server.url}/models")


def test_bad_json(server: MockLiteLLM) -> None:
    server.inject(Fault("bad_json"))
    answer = get(f"{server.url}/models")
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()


def test_slow_body_comes_in_pieces_and_whole(server: MockLiteLLM) -> None:
    server.inject(Fault("slow_body", value=0.01))
    begun = time.monotonic()
    assert len(get(f"{server.url}/models").json()["data"]) == 3
    assert time.monotonic() - begun >= 0.05


def test_slow_body_ends_with_the_server(server: MockLiteLLM) -> None:
    server.inject(Fault("slow_body", value=60))
    host, port = server.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=GUARD_S)
    connection.request("GET", "/models")
    answer = connection.getresponse()
    server.stop()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
    answer.close()
    connection.close()


# ComfyUI


class Listener:
    """A client's websocket and its prompts."""

    def __init__(self, mock: MockComfyUI) -> None:
        self.mock = mock
        self.socket = websocket.WebSocket()
        try:
            self.socket.connect(f"{mock.url.replace('http', 'ws')}/ws?clientId=me", timeout=GUARD_S)
        except websocket.WebSocketException:
            self.socket.shutdown()
            raise

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.shutdown()

    def post(self, prompt: dict[str, Any]) -> str:
        answer = post(f"{self.mock.url}/prompt", {"prompt": prompt, "client_id": "me"})
        assert answer.status == 200, answer.data
        return str(answer.json()["prompt_id"])

    def until(self, *kinds: str) -> list[Any]:
        """Messages up to the first of one of these types; ``"end"`` is the last message of a run."""
        messages: list[Any] = []
        while True:
            data = self.socket.recv()
            if isinstance(data, bytes):
                messages.append(data)
                continue
            message = json.loads(data)
            messages.append(message)
            ended = message["type"] == "executing" and message["data"]["node"] is None
            if message["type"] in kinds or (ended and "end" in kinds):
                return messages


@pytest.fixture
def comfy() -> Any:
    with MockComfyUI(speed=FAST) as mock:
        yield mock


@pytest.fixture
def listener(comfy: MockComfyUI) -> Any:
    with Listener(comfy) as own:
        yield own


def test_ws_refuse(comfy: MockComfyUI) -> None:
    comfy.inject(Fault("ws_refuse:401"))
    comfy.inject(Fault("ws_refuse"))
    for status in (401, 403):
        with pytest.raises(websocket.WebSocketBadStatusException) as caught:
            Listener(comfy)
        assert caught.value.status_code == status
    with Listener(comfy) as accepted:
        assert accepted.until("status")


def test_ws_drop_says_goodbye(comfy: MockComfyUI, listener: Listener) -> None:
    comfy.inject(Fault("ws_drop", on="executed", value=1012))
    listener.post(slow(1, 1))
    seen = []
    while True:
        opcode, frame = listener.socket.recv_data_frame(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            break
        seen.append(frame.data)
    assert int.from_bytes(frame.data[:2], "big") == 1012
    assert b"execution_start" in b"".join(seen)
    assert b'"executed"' not in b"".join(seen)


def test_ws_cut_ends_without_goodbye(comfy: MockComfyUI, listener: Listener) -> None:
    comfy.inject(Fault("ws_cut", on="progress", after=1))
    listener.post(slow(1, 1))
    prompt_id = listener.post(slow(1, 2))
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionResetError)):
        listener.until("never")
    assert finished(comfy, prompt_id)["status"]["status_str"] == "success"


def test_ws_deaf_answers_pings_and_nothing_else(comfy: MockComfyUI, listener: Listener) -> None:
    listener.until("status")
    comfy.inject(Fault("ws_deaf"))
    finished(comfy, listener.post(slow(1, 1)))
    listener.socket.ping("still there?")
    opcode, frame = listener.socket.recv_data_frame(control_frame=True)
    assert (opcode, frame.data) == (websocket.ABNF.OPCODE_PONG, b"still there?")


def test_foreign_messages_come_beside_the_own_ones(comfy: MockComfyUI, listener: Listener) -> None:
    comfy.inject(Fault("foreign_messages", on="executed"))
    prompt_id = listener.post(slow(1, 1))
    texts: list[str | bytes] = []
    while not texts or '"node": null' not in str(texts[-1]):
        texts.append(listener.socket.recv())
    joined = [str(each) for each in texts]
    assert any("crystools.monitor" in each for each in joined)
    assert any(isinstance(each, bytes) and len(each) < 4 for each in texts)
    assert any(prompt_id in each and "execution_success" in each for each in joined)


def finished(mock: MockComfyUI, prompt_id: str, timeout: float = GUARD_S) -> dict[str, Any]:
    """The history entry, once there is one."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while (entry := mock.engine.entry(prompt_id)) is None:
        assert time.monotonic() < deadline, "the prompt does not end"
        pause.wait(0.01)
    return entry


def test_oom_strikes_the_sampler(comfy: MockComfyUI, listener: Listener) -> None:
    comfy.inject(Fault("oom"))
    listener.post(slow(2, 1))
    error = listener.until("execution_error")[-1]["data"]
    assert (error["node_type"], error["exception_type"]) == ("ProbeSlow", "torch.OutOfMemoryError")
    assert "TIPS" in error["exception_message"]
    assert finished(comfy, listener.post(slow(2, 1)))["status"]["status_str"] == "success"


def test_node_error_at_a_node(comfy: MockComfyUI, listener: Listener) -> None:
    comfy.inject(Fault("node_error", on="3", value="no paper"))
    first = finished(comfy, listener.post(slow(1, 1)))["status"]["messages"][-1][1]
    comfy.inject(Fault("node_error"))
    second = finished(comfy, listener.post(slow(1, 2)))["status"]["messages"][-1][1]
    assert (first["node_id"], first["exception_message"]) == ("3", "no paper\n")
    assert second["exception_message"] == "injected fault\n"


@pytest.mark.parametrize("on", ["ProbeSlow", "progress"])
def test_vanish_leaves_only_output_files(comfy: MockComfyUI, listener: Listener, on: str) -> None:
    listener.post(slow(1, 1))
    listener.until("end")
    comfy.files.put("temp", "", "gone.png", b"x")
    comfy.inject(Fault("vanish", on=on))
    with contextlib.suppress(HTTPError, OSError):  # the answer may be lost with the server
        listener.post(slow(1, 2))
    with pytest.raises((websocket.WebSocketException, OSError)):
        listener.until("never")
    assert get(f"{comfy.url}/history").json() == {}
    assert get(f"{comfy.url}/queue").json() == {"queue_running": [], "queue_pending": []}
    assert comfy.files.get("output", "", "t_00001_.png") is not None
    assert comfy.files.get("temp", "", "gone.png") is None
    with Listener(comfy) as again:
        assert finished(comfy, again.post(slow(1, 2)))["prompt"][0] == 0


def test_vanish_refuses_for_a_while(comfy: MockComfyUI) -> None:
    comfy.vanish(0.3)
    with pytest.raises((HTTPError, OSError)):
        get(f"{comfy.url}/queue")
    pause = threading.Event()
    deadline = time.monotonic() + GUARD_S
    while True:
        try:
            assert get(f"{comfy.url}/queue").status == 200
            return
        except (HTTPError, OSError):
            assert time.monotonic() < deadline
            pause.wait(0.05)


def test_vanish_of_a_stopped_server_does_nothing(comfy: MockComfyUI) -> None:
    comfy.stop()
    comfy.vanish()
    assert comfy.engine.remaining() == 0


def test_worker_dead_accepts_and_never_runs(comfy: MockComfyUI, listener: Listener) -> None:
    comfy.inject(Fault("worker_dead"))
    stuck = listener.post(slow(1, 1))
    listener.until("execution_cached")
    waiting = listener.post(slow(1, 2))
    queue = get(f"{comfy.url}/queue").json()
    assert [item[1] for item in queue["queue_running"]] == [stuck]
    assert [item[1] for item in queue["queue_pending"]] == [waiting]
    assert post(f"{comfy.url}/api/jobs/{stuck}/cancel", {}).json() == {"cancelled": True}
    assert comfy.engine.entry(stuck) is None
    comfy.vanish()
    with Listener(comfy) as again:
        assert finished(comfy, again.post(slow(1, 3)))["status"]["completed"]


def test_ignore_interrupt() -> None:
    with MockComfyUI(faults=[Fault("ignore_interrupt")]) as mock, Listener(mock) as listener:
        prompt_id = listener.post(slow(3, 1, 0.1))
        listener.until("progress")
        assert post(f"{mock.url}/api/jobs/{prompt_id}/cancel", {}).json() == {"cancelled": True}
        assert finished(mock, prompt_id)["status"]["status_str"] == "success"


def test_slow_history_comes_after_the_end_message() -> None:
    with MockComfyUI() as mock, Listener(mock) as listener:
        mock.inject(Fault("slow_history", value=0.3))
        prompt_id = listener.post(slow(1, 1))
        listener.until("execution_success")
        assert get(f"{mock.url}/history/{prompt_id}").json() == {}
        assert mock.engine.remaining() == 1
        listener.until("end")
        assert prompt_id in get(f"{mock.url}/history/{prompt_id}").json()


def test_view_faults(comfy: MockComfyUI) -> None:
    comfy.files.put("output", "", "a.bin", b"0123456789" * 10)
    comfy.inject(Fault("view_404"))
    comfy.inject(Fault("view_truncated"))
    url = f"{comfy.url}/view?filename=a.bin"
    assert (get(url).status, get(f"{comfy.url}/queue").status) == (404, 200)
    with pytest.raises(ProtocolError, match="50 more expected"):
        get(url)
    assert get(url).data == b"0123456789" * 10


def test_faults_given_at_the_start() -> None:
    with MockComfyUI(faults=[Fault("status:500", on="/queue")]) as mock:
        assert [get(f"{mock.url}/api/queue").status for _ in range(2)] == [500, 200]
