"""The client of voices against the real API server of rvc-python with a stub for what converts: part of ``make test``,
alone ``make test-rvc``.

The server is started by the interpreter in ``MOVIE_DIRECTOR_RVC_PYTHON``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.voices import write_tone
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import RVCClient, errors
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.rvc import ConvertRequest, SpeakRequest, TrainRequest

START_S = 60.0
VOICES = ("mara", "slow", "failing", "broken")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server: its address, and the file in which it notes what it converts."""
    folder = tmp_path_factory.mktemp("rvc")
    for name in VOICES:
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / f"{name}.pth").write_bytes(b"broken" if name == "broken" else b"weights")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seen = folder / "seen.jsonl"
    app = Path(__file__).with_name("rvc_python_app.py")
    command = [os.environ["MOVIE_DIRECTOR_RVC_PYTHON"], str(app), str(port), str(folder / "models"), str(seen)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(lambda: process.poll() is not None or listens(port), START_S)
            assert process.poll() is None, (folder / "log").read_text(errors="replace")[-3000:]
            yield SimpleNamespace(url=f"http://127.0.0.1:{port}", seen=seen)
        finally:
            process.kill()
            process.wait(HANG_GUARD_S)


@pytest.fixture
def client(server, tmp_path):
    options = replace(RVCClient.default_options, output_dir=tmp_path / "out", drain_timeout_s=HANG_GUARD_S)
    with RVCClient(server.url, options=options) as made:
        yield made


@pytest.fixture
def line(tmp_path):
    return write_tone(tmp_path / "line.wav", 1.5, rate=48_000, channels=2)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def conversions(server):
    return [json.loads(line) for line in server.seen.read_text().splitlines()] if server.seen.exists() else []


def test_the_server_is_recognised_and_its_voices_are_listed(client):
    info = client.probe()
    assert (info.dialect, info.version) == ("rvc-python", "0.1.5")
    assert set(VOICES) <= set(info.models)
    assert {"convert", "list", "upload_model"} <= info.capabilities
    assert not {"train", "speech_server"} & info.capabilities


def test_a_recording_becomes_a_48_khz_file_with_the_settings_asked_for(client, server, line):
    request = ConvertRequest(line, "mara", pitch=-7, f0_method="harvest", index_rate=0.4, protect=0.2, filter_radius=5)
    result = client.submit(request).result(HANG_GUARD_S)
    with wave.open(str(result.artifacts[0].path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (48_000, 1, 2)
        assert sound.getnframes() == pytest.approx(72_000, abs=200)
    assert result.problems == ()
    assert result.metadata["server_rate"] == 40_000
    used = conversions(server)[-1]
    assert used["voice"] == "mara"
    assert used["form"][1:3] == [1, 2]
    wanted = {"f0_up_key": -7, "f0_method": "harvest", "index_rate": 0.4, "protect": 0.2, "filter_radius": 5}
    assert wanted.items() <= used.items()
    assert used["resample_sr"] == 0


def test_each_job_sets_all_that_it_needs(client, server, line):
    for pitch in (5, 0):
        client.submit(ConvertRequest(line, "mara", pitch=pitch)).result(HANG_GUARD_S)
        assert (conversions(server)[-1]["f0_up_key"], conversions(server)[-1]["f0_method"]) == (pitch, "rmvpe")


def test_a_recording_of_a_line_is_spoken(client, line):
    result = client.submit(SpeakRequest("It was never locked.", "mara", recording=line)).result(HANG_GUARD_S)
    assert result.metadata["speaker"] == {"name": "recording", "file": "line.wav"}
    assert result.artifacts[0].path.name == "It_was_never_locked._mara.wav"


@pytest.mark.parametrize(
    ("voice", "kind", "code"),
    [
        ("marra", errors.MissingResource, "missing_voice"),
        ("broken", errors.GenerationError, "voice_not_loaded"),
        ("failing", errors.GenerationError, "conversion_failed"),
    ],
)
def test_what_goes_wrong_is_typed_in_the_servers_words(client, line, voice, kind, code):
    error = client.submit(ConvertRequest(line, voice)).exception(HANG_GUARD_S)
    assert isinstance(error, kind)
    assert error.code == code
    assert error.hint
    words = {"marra": "mara", "broken": "zip archive", "failing": "no attribute 'dtype'"}[voice]
    assert words in f"{error.message} {error.hint}"


def test_a_phantom_of_a_failed_load_is_not_taken_for_a_voice(client, line):
    client.http.request("POST", "/models/ghost", expect=(400,)).close()
    assert "ghost" in client.probe().models
    assert isinstance(client.submit(ConvertRequest(line, "ghost")).exception(HANG_GUARD_S), errors.MissingResource)


def test_a_server_that_converts_is_busy_and_not_down(client, server, line, monkeypatch):
    monkeypatch.setattr("movie_director.clients.rvc.client.PROBE_PATIENCE_S", 0.5)
    client.probe()
    before = len(conversions(server))
    job = client.submit(ConvertRequest(line, "slow"))
    wait_for(lambda: len(conversions(server)) > before)
    assert client.probe().details["busy"] is True
    assert job.result(HANG_GUARD_S).artifacts


def test_a_cancelled_conversion_keeps_the_lane_until_the_server_answers_again(client, server, line):
    before = len(conversions(server))
    job = client.submit(ConvertRequest(line, "slow"))
    wait_for(lambda: len(conversions(server)) > before)
    after = client.submit(ConvertRequest(line, "mara"))
    assert job.cancel()
    assert after.result(HANG_GUARD_S).artifacts
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
    assert [each["voice"] for each in conversions(server)[before:]] == ["slow", "mara"]


def test_training_is_refused_at_once(client, line):
    error = client.submit(TrainRequest("new", [line.parent])).exception(HANG_GUARD_S)
    assert isinstance(error, errors.ValidationError)
    assert error.code == "unsupported"
    assert "Applio" in error.hint
