"""The mock WanGP compared with recordings of the real web UI, v12.60: see support/gradio_replay.py."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from support.gradio_replay import differences
from support.waiting import wait_for
from support.wan2gp_scenarios import SCENARIOS
from support.wangp import RECORDINGS, WanGPReplay, queue_zip, recorded, settings, without_chance

from movie_director.clients.mock.http.context import SimulatedClock
from movie_director.clients.mock.http.faults import Fault, FaultBook
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import encode
from movie_director.clients.mock.wan2gp.generation_task import TaskRunner
from movie_director.clients.mock.wan2gp.server import MockWan2GP
from movie_director.clients.mock.wan2gp.task import Refused, Task

SPEED = 5.0
PICTURE = encode(Pixels.plain(16, 16, b"\x40\x80\xc0"))
ONE = queue_zip(settings())
UPLOADS: dict[str, list[bytes]] = {
    "gradio_generate_zip": [ONE],
    "gradio_image_to_video_zip": [
        queue_zip(settings(model_type="i2v", image_prompt_type="S", image_start="a.png"), media={"a.png": PICTURE})
    ],
    "gradio_load_without_trigger_id": [ONE],
    "gradio_abort": [queue_zip(settings("first", 20), settings("second"))],
    "gradio_abort_queued_by_client_id": [
        queue_zip(*(settings(f"p{at}", 8, client_id=f"c{at}") for at in (1, 2, 3))),
    ],
    "gradio_two_sessions": [ONE, ONE],
    "gradio_model_error": [ONE],
    "gradio_invalid_settings": [
        queue_zip(settings(model_type="no_such_model")),
        queue_zip(settings(resolution="nonsense")),
        b"not a zip",
    ],
    "gradio_settings_json_upload": [
        b'{"model_type": "t2v_1.3B", "prompt": "json route", "video_length": 17, "num_inference_steps": 4}'
    ],
    "gradio_call_api_json_settings": [],
    "gradio_disconnect_mid_generation": [queue_zip(settings(steps=12)), ONE, ONE, ONE],
    "gradio_cancel_route_on_process_tasks": [queue_zip(settings(steps=12))],
}
OPTIONS = {"gradio_cancel_route_on_process_tasks": {"previews": 0}}  # cancelled before the first
UNTIL_S = {"gradio_disconnect_mid_generation": 23.0}
"""Later on, two streams of one session were open at once: which of them gets a message is chance."""
for scenario in ("gradio_client_1.10.0", "gradio_client_2.7.2"):
    fetched = next(line["path"] for line in recorded(scenario) if "/file=" in line.get("path", ""))
    UPLOADS[scenario] = [queue_zip(settings(output_filename=Path(fetched).stem))] * 2
FAULTS = {"gradio_model_error": Fault("out_of_memory", value="CUDA out of memory. Tried to allocate 2.00 GiB (stub)")}


class Patient(MockWan2GP):
    """Ends the status function where the recording does: which calls come before that is the polling's chance."""

    def __init__(self, **given: Any) -> None:
        self.released = threading.Event()
        super().__init__(**given)

    def do_refresh_status_async(self, call: Any, session: Any) -> Any:
        yield from super().do_refresh_status_async(call, session)
        while not (self.released.wait(0.02) or self.stopping.is_set()):
            pass

    def release_at(self, message: Any) -> None:
        data = message.get("output", {}).get("data") if isinstance(message, dict) else None
        status = isinstance(data, list) and len(data) == 1 and str(data[0]).startswith(("Total", "Model loaded"))
        if status and message["msg"] == "process_completed":
            self.released.set()


@pytest.mark.parametrize("scenario", UPLOADS)
def test_the_mock_answers_as_the_recorded_program_did(scenario: str) -> None:
    until = UNTIL_S.get(scenario, 1e9)
    lines = [_tidied(line) for line in recorded(scenario) if line["t"] < until]
    faults = [FAULTS[scenario]] if scenario in FAULTS else []
    with Patient(speed=SPEED, faults=faults, **{"previews": 1, **OPTIONS.get(scenario, {})}) as mock:
        mock.heartbeat_s /= SPEED
        replay = WanGPReplay(mock.url, lines, UPLOADS[scenario])
        replay.told = mock.release_at
        # the recorder waited until the file was made
        replay.settle = lambda: wait_for(lambda: mock.outputs and not mock.queue.knows("576357c4da0"))
        try:
            replay.run()
        finally:
            replay.stop()
        for stream in replay.streams.values():
            stream.messages = [(name, told) for name, told in _tidy(stream.messages) if told is not None]
        found = differences(replay)
    assert not found, "\n".join(found)


def _tidied(line: dict[str, Any]) -> dict[str, Any]:
    if line["channel"] == "sse" and "data" in line:
        told = without_chance(line["data"])
        if told is None:
            return {"channel": "chance", "dir": "recv", "x": line["x"]}
    return line


def _tidy(messages: list[tuple[str | None, Any]]) -> list[tuple[str | None, Any]]:
    return [(name, without_chance(message)) for name, message in messages]


def test_the_wiring_is_the_recorded_one() -> None:
    outline = json.loads((RECORDINGS / "config_outline.json").read_text(encoding="utf-8"))
    known = {each["id"]: each for each in outline["dependencies"]}
    mock = MockWan2GP()
    config = mock.app.dependencies.values()
    for mine in config:
        theirs = known[mine.id]
        assert mine.api_name == theirs["api_name"]
        assert [list(each) for each in mine.targets] == theirs["targets"]
        assert (list(mine.inputs), list(mine.outputs)) == (theirs["inputs"], theirs["outputs"])
        assert (mine.trigger_after, mine.generator) == (theirs["trigger_after"], theirs["types"]["generator"])
        assert mine.extra["trigger_mode"] == theirs["trigger_mode"]
    for part in mock.app.components.values():
        assert [part.type, part.label] == outline["components"][str(part.id)]
    names = {each["api_name"] for each in outline["dependencies"]}
    assert {each.api_name for each in config} <= names


@pytest.mark.parametrize("scenario", ["cli_dry_run", "cli_process_mixed_errors", "cli_process_ok", "cli_sigint"])
def test_the_command_line_says_what_the_mock_says(scenario: str) -> None:
    """The command line is not mocked, but loading, generating and failing have the same words through all endpoints."""
    lines = recorded(scenario)
    told = "".join(line["text"] for line in lines if line["channel"] == "stdout")
    given = next(line["json"] for line in lines if line["channel"] == "argv")
    tasks = [Task(at, each) for at, each in enumerate(given if isinstance(given, list) else [given], 1)]
    for task in tasks:
        refusal = _refusal(task)
        if refusal:
            assert f"{refusal} for task #{task.number}" in told
            continue
        if "DRY-RUN" in told:
            assert f"model={task.params['model_type']}, steps={task.steps}, frames={task.frames}" in told
            continue
        fault = Fault("out_of_memory", on="STUB_FAIL", value="CUDA out of memory. Tried to allocate 2.00 GiB (stub)")
        work = TaskRunner(task, threading.Lock(), SimulatedClock(1000.0, threading.Event()), FaultBook([fault]))
        work.start().join(20.0)
        said = [work.commands.get_nowait() for _ in range(work.commands.qsize())]
        for command in said:
            if command.kind == "status":
                assert command.data in told
            elif command.kind == "error":
                assert f"[ERROR] {command.data}" in told
            elif command.kind == "progress":
                index, length, text = command.data
                if length is None and "Aborted by user" in told:
                    continue  # it was stopped before its end
                count = f"[{index}/{length}] " if length is not None else "[0/1] "
                assert re.search(re.escape(count) + r"(Prompt \d/\d - )?" + re.escape(text.partition(" | ")[0]), told)


def _refusal(task: Task) -> str:
    try:
        task.check()
    except Refused as refusal:
        return str(refusal)
    return ""


def test_every_recorded_scenario_is_covered() -> None:
    assert sorted(SCENARIOS) == sorted(path.stem for path in RECORDINGS.iterdir() if path.suffix != ".md")
    root = Path(__file__).resolve().parents[5]
    for test in {each for tests in SCENARIOS.values() for each in tests}:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (root / file).read_text(encoding="utf-8"), test
    assert set(UPLOADS) == {name for name in SCENARIOS if name.startswith("gradio_")}
