"""The mock MCP server compared with recordings of WanGP v12.60.

Requests are sent in the recorded order and pauses (shortened); a question whose recorded answer says that the job was
done is repeated until it is. Statuses, headers and JSON (keys in order, types, words of errors) must be the recorded
ones. Of the events it is chance how many are told at which question: each kind must come, with the recorded keys, and
no other.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from support.gradio_replay import form
from support.http import Pool
from support.waiting import wait_for
from support.wangp import recorded

from movie_director.clients.mock.http.faults import Fault
from movie_director.clients.mock.wan2gp.mcp import MockWan2GPMCP

SCENARIOS = (
    "mcp_handshake_tools",
    "mcp_discovery",
    "mcp_generate_ok",
    "mcp_cancel",
    "mcp_upload_image_to_video",
    "mcp_errors",
)
SPEED = 10.0
HEADERS = ("content-type", "location", "content-disposition", "accept-ranges")
FAULTS = {
    "mcp_errors": Fault("out_of_memory", on="STUB_FAIL", value="CUDA out of memory. Tried to allocate 2.00 GiB (stub)")
}


class Replay:
    def __init__(self, mock: MockWan2GPMCP, lines: list[dict[str, Any]]) -> None:
        self.url = mock.url
        self.lines = lines
        self.http = Pool(20.0)
        self.known: dict[str, str] = {}
        self.events: tuple[set[str], set[str]] = (set(), set())
        self.found: list[str] = []

    def run(self) -> None:
        answers = {line["x"]: line for line in self.lines if line["dir"] == "recv"}
        before, pause = 0.0, threading.Event()
        for line in self.lines:
            if line["dir"] == "send":
                pause.wait((line["t"] - before) / SPEED)
                before = line["t"]
                self.exchange(line, answers[line["x"]])
        for mine, theirs in ((self.events[1], self.events[0]),):
            if mine != theirs:
                self.found.append(f"events:\n recorded {sorted(theirs - mine)}\n mock     {sorted(mine - theirs)}")

    def exchange(self, sent: dict[str, Any], recorded_answer: dict[str, Any]) -> None:
        done = self._snapshot(recorded_answer.get("json"))
        told: Any = None

        def asked() -> bool:
            nonlocal told
            told = self.send(sent)
            mine = self._snapshot(_json(told.data))
            if done is None or mine is None:
                return True
            kinds = [{each["kind"] for each in side["events"]} - {"stream"} for side in (done, mine)]
            return (bool(mine["done"]) or not done["done"]) and (kinds[0] <= kinds[1] or bool(mine["done"]))

        assert wait_for(asked)
        self.learn(recorded_answer.get("json"), _json(told.data))
        theirs, mine = self.shape(recorded_answer, 0), self.shape(_line(told, recorded_answer), 1)
        snapshot = self._snapshot(_json(told.data))
        if done is not None and snapshot is not None and snapshot["done"] and not done["done"]:
            # it ended sooner than the recorded one, which is chance
            for side in (theirs, mine):
                side["job"] = [pair for pair in side["job"] if pair[0] != "result"]
        if theirs != mine:
            self.found.append(f"answer {sent['x']}:\n recorded {theirs}\n mock     {mine}")

    def send(self, sent: dict[str, Any]) -> Any:
        body = json.dumps(sent["json"]) if "json" in sent else "x" * sent.get("length", 0)
        for theirs, mine in self.known.items():
            body = body.replace(theirs, mine)
        body = body.replace('"event_limit": 20', '"event_limit": 500')  # whose window console lines fill
        path = sent["path"]
        for theirs, mine in self.known.items():
            path = path.replace(theirs, mine)
        headers = {key: value for key, value in sent["headers"].items() if key in ("accept", "content-type")}
        return self.http.request(
            sent["method"], self.url + path, body=body.encode() or None, headers=headers, redirect=False
        )

    def learn(self, theirs: Any, mine: Any) -> None:
        """Which of the mock's ids and URLs stand for recorded ones."""
        if isinstance(theirs, dict) and isinstance(mine, dict):
            for key in theirs.keys() & mine.keys():
                if key in ("job_id", "gallery_id", "upload_url", "download_url") and isinstance(mine[key], str):
                    self.known[theirs[key]] = mine[key]
                self.learn(theirs[key], mine[key])
        elif isinstance(theirs, list) and isinstance(mine, list) and theirs and mine:
            self.learn(theirs[-1], mine[-1])

    def _snapshot(self, answer: Any) -> Any:
        result = answer.get("result") if isinstance(answer, dict) else None
        told = result.get("structuredContent") if isinstance(result, dict) else None
        return told if isinstance(told, dict) and "done" in told else None

    def shape(self, line: dict[str, Any], side: int) -> dict[str, Any]:
        headers = {key: value for key, value in line["headers"].items() if key in HEADERS}
        told: dict[str, Any] = {
            "status": line["status"],
            "headers": sorted(headers),
            "type": headers.get("content-type"),
        }
        answer = line.get("json")
        snapshot = self._snapshot(answer)
        if snapshot is not None:
            self.events[side].update(json.dumps(_event(each)) for each in snapshot["events"])
            told["job"] = form({key: value for key, value in snapshot.items() if key != "events"})
        elif answer is not None:
            told["json"] = _form(answer)
        return told


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


def _line(answer: Any, like: dict[str, Any]) -> dict[str, Any]:
    headers = {key.lower(): value for key, value in answer.headers.items()}
    line = {"status": answer.status, "headers": headers}
    return {**line, "json": _json(answer.data)} if "json" in like else line


def _event(event: dict[str, Any]) -> Any:
    data = event["data"]
    keys = sorted(data) if isinstance(data, dict) else type(data).__name__
    # at which phase a preview comes is chance
    return [event["kind"], keys, data.get("phase") if event["kind"] == "progress" else None]


def _form(answer: Any) -> Any:
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict):
        return form(answer)
    if "tools" in result:
        return [sorted(each) for each in result["tools"]][:1]
    told = result.get("structuredContent")
    if isinstance(told, dict):
        for key in ("result", "matches"):  # lists of models and files: the first stands for all
            if isinstance(told.get(key), list):
                told = {**told, key: told[key][:1]}
    content = [each["text"] if result.get("isError") else sorted(each) for each in result.get("content", [])][:1]
    return {"keys": sorted(result), "content": content, "told": form(told)}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_mock_answers_as_the_recorded_server_did(scenario: str) -> None:
    faults = [FAULTS[scenario]] if scenario in FAULTS else []
    with MockWan2GPMCP(speed=SPEED, faults=faults) as mock:
        replay = Replay(mock, recorded(scenario))
        replay.run()
    assert not replay.found, "\n".join(replay.found)
