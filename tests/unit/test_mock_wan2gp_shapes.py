"""The mock WanGP compared with recordings of the real web UI, v12.60: see support/gradio_replay.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.gradio_replay import differences
from support.waiting import eventually
from support.wangp import WanGPReplay, queue_zip, recorded, settings, without_chance

from movie_director.clients.mock.faults import Fault
from movie_director.clients.mock.pixels import Pixels
from movie_director.clients.mock.png import encode
from movie_director.clients.mock.wan2gp import MockWan2GP

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


@pytest.mark.parametrize("scenario", UPLOADS)
def test_the_mock_answers_as_the_recorded_program_did(scenario: str) -> None:
    until = UNTIL_S.get(scenario, 1e9)
    lines = [_tidied(line) for line in recorded(scenario) if line["t"] < until]
    faults = [FAULTS[scenario]] if scenario in FAULTS else []
    with MockWan2GP(speed=SPEED, faults=faults, **{"previews": 1, **OPTIONS.get(scenario, {})}) as mock:
        mock.heartbeat_s /= SPEED
        replay = WanGPReplay(mock.url, lines, UPLOADS[scenario])
        # the recorder waited until the file was made
        replay.settle = lambda: eventually(lambda: mock.outputs and not mock.queue.known("576357c4da0"))
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
