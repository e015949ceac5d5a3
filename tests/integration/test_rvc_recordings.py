"""The recordings of the real RVC servers: replayed through the client, and reproduced by the mock."""

from __future__ import annotations

import ast
import base64
import io
import itertools
import json
import threading
import time
import urllib.error
import urllib.request
import wave
import zipfile

import pytest
from support.replay import RECORDINGS, ReplayServer, shape
from support.replay import exchanges as read_exchanges
from support.rvc_scenarios import SCENARIOS
from support.voices import GUARD_S, voices, write_tone

from movie_director.clients import RVCClient, errors
from movie_director.clients.mock import Fault
from movie_director.clients.mock.rvc import MockRVC
from movie_director.clients.rvc import ConvertRequest

FOLDER = RECORDINGS / "rvc"
ROOT = RECORDINGS.parents[1]
REST = "rvc-python-0.1.5"
BOUNDARY = "----recboundary7MA4YWxk"


def read(server, scenario):
    return read_exchanges(FOLDER / server / f"{scenario}.jsonl")


def test_every_scenario_is_covered_by_a_test_that_exists():
    files = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.glob("*/*.jsonl")}
    assert files == set(SCENARIOS)
    for test in set(itertools.chain.from_iterable(SCENARIOS.values())):
        name, _, function = test.partition("::")
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        assert function in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}, test


def call(url, method, path, body=None, content_type="application/json"):
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    headers = {"Content-Type": content_type} if data is not None else {}
    request = urllib.request.Request(f"{url}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=GUARD_S) as response:
            return response.status, dict(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


# --- rvc-python


def form(name, filename, data, media_type):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return f"{head}Content-Type: {media_type}\r\n\r\n".encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def zipped(*names):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, b"PTH")
    return target.getvalue()


def sent_again(recorded, line):
    """Return the body and content type of a recorded request: audio and archives were shortened in the recording."""
    sent, path = recorded.sent, recorded.path
    if path in ("/convert_file", "/upload_model"):
        return None
    if isinstance(sent, dict) and str(sent.get("audio_data", "")).startswith("UklGR"):
        return {"audio_data": base64.b64encode(line).decode()}
    return sent


@pytest.mark.parametrize("scenario", ["probe", "models", "params", "convert", "upload_model"])
def test_the_mock_rvc_python_has_the_recorded_shapes(scenario, tmp_path):
    line = write_tone(tmp_path / "line.wav", 0.5).read_bytes()
    uploads = iter(
        [
            form("file", "villain.zip", zipped("villain/villain.pth", "villain/added.index"), "application/zip"),
            form("file", "x.zip", b"not a zip", "application/zip"),
            form("file", "flat.zip", zipped("flat.pth"), "application/zip"),
        ]
        if scenario == "upload_model"
        else [form("file", "line.wav", line, "audio/wav"), form("audio", "line.wav", line, "audio/wav")]
    )
    known = {"broken": 40_000, "heroine": 40_000}
    faults = [Fault("voice_broken", on="broken", times=None)]
    with MockRVC(voices=known, speaks=False, speed=float("inf"), faults=faults) as mock:
        for recorded in read(REST, scenario):
            if recorded.path == "/docs":
                continue
            body, media_type = sent_again(recorded, line), "application/json"
            if recorded.path in ("/convert_file", "/upload_model"):
                body, media_type = next(uploads), f"multipart/form-data; boundary={BOUNDARY}"
            status, headers, answer = call(mock.url, recorded.method, recorded.path, body, media_type)
            where = (recorded.method, recorded.path, recorded.sent)
            assert status == recorded.status, where
            ours, theirs = ({name.lower() for name in each} for each in (headers, dict(recorded.headers)))
            assert ours == theirs, where
            assert headers["content-type"] == dict(recorded.headers)["content-type"]
            if recorded.body is None:
                assert answer[:4] == b"RIFF"
                continue
            value = json.loads(answer)
            assert shape(value) == shape(recorded.body), where
            if recorded.path not in ("/openapi.json", "/models") and "input" not in str(value):
                assert value == recorded.body, where
            if recorded.path == "/models":
                assert sorted(value["models"]) == sorted(recorded.body["models"])


def test_rvc_python_is_recognised_by_its_recording():
    with ReplayServer(read(REST, "probe")) as server, RVCClient(server.url) as client:
        info = client.probe()
    assert (info.dialect, info.version) == ("rvc-python", "0.1.5")
    assert info.models == ("broken", "heroine")
    assert info.capabilities == {"convert", "list", "upload_model"}


def test_resampling_by_the_server_plays_slow_and_is_never_asked_for(tmp_path):
    line = write_tone(tmp_path / "line.wav", 0.5)
    with voices(tmp_path) as (mock, client):
        call(mock.url, "POST", "/models/demo-voice")
        call(mock.url, "POST", "/params", {"params": {"resample_sr": 48_000}})
        sound = base64.b64encode(line.read_bytes()).decode()
        _, _, slow = call(mock.url, "POST", "/convert", {"audio_data": sound})
        with wave.open(io.BytesIO(slow)) as file:
            assert (file.getframerate(), file.getnframes()) == (40_000, 24_000)  # as recorded: 0.5 s became 0.6 s
        result = client.submit(ConvertRequest(line, "demo-voice")).result(GUARD_S)
        assert result.metadata["duration_s"] == pytest.approx(0.5, abs=0.01)


def test_the_mock_is_mute_while_it_converts_as_recorded(tmp_path):
    waits = {}
    for scenario in ("blocking", "disconnect"):
        notes = (FOLDER / REST / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines()
        (said,) = [json.loads(each)["text"] for each in notes if json.loads(each)["channel"] == "timing"]
        assert " took 1." in said  # of the two seconds that the conversion took
    line = write_tone(tmp_path / "line.wav", 0.5)
    with voices(tmp_path, speed=2.0) as (mock, client):
        job = client.submit(ConvertRequest(line, "demo-voice", f0_method="harvest"))
        mock.wait_for_request("POST /convert_file", GUARD_S)
        job.cancel()  # the client leaves, the server goes on
        started = time.monotonic()
        call(mock.url, "GET", "/models")
        waits["after the client has left"] = time.monotonic() - started
        while client.runner.busy():
            threading.Event().wait(0.01)
    assert waits["after the client has left"] > 0.5


def test_a_recorded_refusal_is_typed(tmp_path):
    recorded = [each for each in read(REST, "convert") if each.status == 500]
    assert recorded
    line = write_tone(tmp_path / "line.wav", 0.5)
    with voices(tmp_path, Fault("conversion_failed")) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(GUARD_S)
    assert isinstance(error, errors.GenerationError)
    assert recorded[0].body["detail"] in error.message
