"""The mock sound servers held to the recorded traffic of real ones, and the client's reading of it."""

from __future__ import annotations

import http.client
import http.server
import itertools
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from support.audioldm_scenarios import SCENARIOS
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.audioldm.cog.api import Prediction, failed, parse_health, refused
from movie_director.clients.audioldm.cog.schema import parse_fields
from movie_director.clients.audioldm.input_mapping import index_by_role
from movie_director.clients.mock import MockBackends

ROOT = Path(__file__).parents[2] / "recordings" / "audioldm"
DIALECTS = {
    "cog-0.23.1": "cog-0.23",
    "cog-0.9.25": "cog-0.9",
    "audioldm-app-gradio-3.34": "audioldm1",
    "audioldm2-app-gradio-3.34": "audioldm2",
}
RECORDED = sorted((path.parent.name, path.stem) for path in ROOT.glob("*/*.jsonl"))
SPEED = 4.0
NOT_OURS = ("/docs", "/openapi.json", "/trainings", "/info", "/queue/status", "/gradio_api/info", "/models")
"""Routes that the client never asks, or whose answers were shortened in the recording."""


def lines_of(server, scenario):
    text = (ROOT / server / f"{scenario}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_recorded_scenario_is_covered():
    assert {scenario for _, scenario in RECORDED} == set(SCENARIOS)
    for tests in SCENARIOS.values():
        for test in tests:
            file, _, function = test.partition("::")
            source = (Path(__file__).parents[3] / file).read_text(encoding="utf-8")
            assert f"def {function}(" in source, test


def shape(value):
    """Return keys and types of JSON, without its values."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__
    return "number"


class Listener:
    """Hears a server's webhooks."""

    def __init__(self):
        self.states = []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                listener.states.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Replay:
    """Sends recorded requests to a mock server."""

    def __init__(self, url, hook):
        self.host = url.removeprefix("http://")
        self.hook = hook
        self.open = []
        self.file = ""
        self.pool = ThreadPoolExecutor(4)

    def send(self, line, *, gives_up):
        body = line.get("body")
        if "json" in line:
            body = json.dumps(line["json"]).replace("http://127.0.0.1:PORT/hook", self.hook)
        path = line["path"]
        if path.startswith("/file="):
            path = f"/file={self.file}"
        timeout = 1.0 / SPEED if gives_up else HANG_GUARD_S

        def exchange():
            connection = http.client.HTTPConnection(self.host, timeout=timeout)
            try:
                connection.request(line["method"], path, body, {"Content-Type": "application/json", **line["headers"]})
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except TimeoutError:
                return None
            finally:
                connection.close()

        self.open.append((line, self.pool.submit(exchange)))

    def receive(self, line):
        """Return the request of this answer, what was recorded and what the mock said."""
        if len(self.open) > 1:  # whichever the recorded answer belongs to: a cancel's is short
            short = line.get("json") == {}
            place = next(at for at, (sent, _) in enumerate(self.open) if sent["path"].endswith("/cancel") == short)
        else:
            place = 0
        sent, future = self.open.pop(place)
        assert isinstance(future, Future)
        return sent, future.result(HANG_GUARD_S)


@pytest.mark.parametrize(("server", "scenario"), RECORDED)
def test_the_mock_answers_as_the_server_did(server, scenario):
    lines = lines_of(server, scenario)
    options = {"audioldm": {"dialect": DIALECTS[server]}}
    listener = Listener()
    with MockBackends(only=["audioldm"], speed=SPEED, options=options) as mocks:
        replay = Replay(mocks.audioldm.url, f"http://127.0.0.1:{listener.server.server_port}/hook")
        try:
            run_through(lines, replay)
            compare_webhooks(lines, listener, mocks.audioldm)
        finally:
            replay.pool.shutdown()
            listener.close()


def run_through(lines, replay):
    pause = threading.Event()
    before = 0.0
    for at, line in enumerate(lines):
        if line["dir"] == "send":
            pause.wait(max(0.0, line["t"] - before) / SPEED)
            gives_up = any(each["channel"] == "tcp" for each in lines[at + 1 : at + 2])
            replay.send(line, gives_up=gives_up)
        elif line["channel"] == "tcp":
            assert replay.receive(line)[1] is None
        elif line["channel"] == "http":
            sent, answer = replay.receive(line)
            compare(sent, line, answer, replay)
        before = line["t"]


def compare(sent, recorded, answer, replay):
    assert answer is not None, sent
    status, headers, body = answer
    if sent["path"] in NOT_OURS:
        return
    assert status == recorded["status"], (sent, body[:300])
    if sent["path"] == "/config":
        return
    if "json" in recorded:
        told, expected = json.loads(body), recorded["json"]
        assert shape(without_details(told)) == shape(without_details(expected)), sent
        for name in ("status", "error"):
            if isinstance(expected, dict) and name in expected and status != 400:
                assert (told[name] is None) == (expected[name] is None)
        if isinstance(told, dict) and told.get("data") and told["data"][0]:
            replay.file = told["data"][0][0]["name"]
    elif "body" in recorded:
        assert headers["Content-Type"] == dict(recorded["headers"])["content-type"]
        assert body[4:8] == b"ftyp"
    elif not recorded.get("len"):
        assert body == b""


def without_details(value):
    """Leave out what only says the same in other words: where JSON is broken."""
    if isinstance(value, dict) and isinstance(value.get("detail"), list):
        return {"detail": [{key: each[key] for key in ("loc", "msg", "type")} for each in value["detail"]]}
    return value


def compare_webhooks(lines, listener, server):
    recorded = [line["json"] for line in lines if line["channel"] == "webhook"]
    if not recorded:
        return
    pause = threading.Event()
    for _ in range(1000):
        if listener.states and listener.states[-1]["status"] == recorded[-1]["status"]:
            break
        pause.wait(0.01)
    expected = distinct([shape(each) for each in recorded])
    assert distinct([shape(each) for each in listener.states]) == expected
    assert listener.states[0]["status"] == recorded[0]["status"]


def distinct(shapes):
    return [each for at, each in enumerate(shapes) if each not in shapes[:at]]


# --- the client's reading


def answers(*scenarios):
    """Yield every recorded request with its answer, where one follows the other."""
    for server, scenario in RECORDED:
        if scenario in scenarios and server.startswith("cog"):
            lines = lines_of(server, scenario)
            for sent, received in itertools.pairwise(lines):
                if sent["dir"] == "send" and received["dir"] == "recv" and received["channel"] == "http":
                    yield server, sent, received


def test_every_recorded_end_of_a_run_is_understood():
    ended = {"succeeded": 0, "failed": 0, "refused": 0}
    for _, sent, received in answers("sync", "errors", "sync_cancel_from_other_thread", "async_webhook"):
        value = received.get("json")
        creates = sent["path"].startswith("/predictions") and sent["method"] in ("POST", "PUT")
        if not creates or sent["path"].endswith("/cancel"):
            continue
        answer = Prediction(received["status"], value, received.get("text", ""))
        if answer.status in (200, 202) and value.get("status") in ("succeeded", "failed"):
            ended[answer.run["status"]] += 1
            if value["status"] == "failed":
                error = failed(value["error"], value["logs"], str)
                assert isinstance(error, errors.OutOfMemory)
                assert error.message.endswith("CUDA out of memory. Tried to allocate 2.00 GiB")
                assert "Prediction failed" not in error.message
            else:
                assert value["output"].startswith("data:audio/")
        elif answer.status >= 400 and answer.status != 405:
            ended["refused"] += 1
            error = refused(answer)
            if answer.status == 422:
                assert isinstance(error, errors.ValidationError)
                assert all(": " in problem for problem in error.problems)
            if answer.status == 409:
                assert isinstance(error, errors.Overloaded)
    assert ended["succeeded"] >= 6
    assert ended["failed"] == 2
    assert ended["refused"] >= 10


def test_the_recorded_inputs_are_understood():
    seen = 0
    for _, sent, received in answers("probe"):
        if sent["path"] == "/openapi.json":
            fields = parse_fields(received["json"])
            assert [each.name for each in fields] == [
                "text",
                "duration",
                "guidance_scale",
                "random_seed",
                "n_candidates",
            ]
            known = index_by_role(fields)
            assert known["duration"].choices[0] == "2.5"
            assert known["prompt"].required
            assert (known["guidance"].minimum, known["guidance"].maximum) == (0, 20)
            seen += 1
        if sent["path"] == "/health-check":
            assert parse_health(received["json"], str).status == "READY"
            seen += 1
    assert seen == 4
