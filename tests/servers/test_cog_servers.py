"""The client of sounds against real Cog servers with a stub for a model: part of ``make test``, alone
``make test-cog``.

The servers are started by the interpreters in ``MOVIE_DIRECTOR_COG_PYTHON`` and ``MOVIE_DIRECTOR_OLD_COG_PYTHON``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import wave
from dataclasses import replace
from pathlib import Path

import pytest
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import AudioLDMClient, errors, events
from movie_director.clients.audioldm import SoundRequest
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.mock.audioldm.cog_schemas import document

START_S = 120.0
PREDICTOR = """
import math, random, struct, tempfile, time, wave
from cog import BasePredictor, Input, Path

DURATIONS = ["2.5", "5.0", "7.5", "10.0", "12.5", "15.0", "17.5", "20.0"]


class Predictor(BasePredictor):
    def setup(self):
        print("loading stub")

    def predict(
        self,
        text: str = Input(description="Text prompt from which to generate audio"),
        duration: str = Input(default="5.0", choices=DURATIONS),
        guidance_scale: float = Input(default=2.5, ge=0, le=20),
        random_seed: int = Input(default=None),
        n_candidates: int = Input(default=3, ge=1, le=5),
    ) -> Path:
        seed = random_seed if random_seed is not None else random.randrange(2**31)
        print(f"Using seed: {seed}", flush=True)
        if "explode" in text:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        steps = 400 if "slow" in text else 5
        for step in range(1, steps + 1):
            time.sleep(0.2)  # a model at work in the server's process: nothing there to wait for
            print(f"DDIM Sampler: {step * 100 // steps}%|{step}/{steps}", flush=True)
        path = tempfile.mkdtemp() + "/out.wav"
        with wave.open(path, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            samples = (int(9000 * math.sin(at * 0.2)) for at in range(round(float(duration) * 16000)))
            file.writeframes(b"".join(struct.pack("<h", each) for each in samples))
        return Path(path)
"""


def started(interpreter, folder):
    """Start a server and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "predict.py").write_text(PREDICTOR, encoding="utf-8")
    (folder / "cog.yaml").write_text('predict: "predict.py:Predictor"\nbuild:\n  python_version: "3.11"\n')
    (folder / ".cog").mkdir()
    # what `cog build` would write: the newer server validates by it
    (folder / ".cog" / "openapi_schema.json").write_text(json.dumps(document("audioldm")), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {
        "PATH": f"{Path(interpreter).parent}{os.pathsep}{os.environ['PATH']}",  # its worker is started as `python`
        "COG_PREDICT_TYPE_STUB": "predict.py:Predictor",
        "PORT": str(port),
    }
    command = [interpreter, "-m", "cog.server.http", "--host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(lambda: process.poll() is not None or listens(port), START_S)
            assert process.poll() is None, (folder / "log").read_text(errors="replace")[-3000:]
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()  # it ends its worker
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(HANG_GUARD_S)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def newest(tmp_path_factory):
    yield from started(os.environ["MOVIE_DIRECTOR_COG_PYTHON"], tmp_path_factory.mktemp("cog"))


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    yield from started(os.environ["MOVIE_DIRECTOR_OLD_COG_PYTHON"], tmp_path_factory.mktemp("oldcog"))


@pytest.fixture(params=["newest", "older"])
def client(request, tmp_path):
    options = replace(AudioLDMClient.default_options, output_dir=tmp_path / "out")
    with AudioLDMClient(request.getfixturevalue(request.param), options=options) as made:
        made.is_newest = request.param == "newest"
        yield made


def cancelled(client, job):
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    return job.status.backend_cancel


def test_sounds_with_progress_seed_and_the_right_types(client):
    job = client.submit(SoundRequest("a hammer hitting wood", 6.0, seed=12, candidates=9))
    result = job.result(HANG_GUARD_S)
    with wave.open(str(result.artifacts[0].path), "rb") as file:
        assert (file.getframerate(), file.getnframes()) == (48000, 360000)
    assert result.metadata["input"] == {
        "text": "a hammer hitting wood",
        "duration": "7.5",
        "random_seed": 12,
        "n_candidates": 5,
    }
    assert result.metadata["seed"] == 12
    assert result.metadata["dialect"] == ("cog" if client.is_newest else "cog-old")
    steps = [each.progress.step for each in job.events() if isinstance(each, events.Progressed) and each.progress.step]
    assert steps[-1] == 5
    assert len(steps) >= 1


def test_a_failure_and_a_refusal(client):
    assert isinstance(client.submit(SoundRequest("explode", 2.5)).exception(HANG_GUARD_S), errors.OutOfMemory)
    error = client.submit(SoundRequest("rain", 2.5, settings={"guidance_scale": 99})).exception(HANG_GUARD_S)
    assert isinstance(error, errors.ValidationError)
    assert error.problems[0].startswith("guidance_scale: ")


def test_cancel_frees_the_server(client):
    if not client.is_newest:  # so that it is known to share our disk, and works in the background
        for _ in range(2):
            client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
        assert client.profile_cache.shares_disk
    job = client.submit(SoundRequest("slow rain", 2.5))
    wait_for(lambda: job.status.progress is not None or job.done())
    assert cancelled(client, job) is BackendCancel.CONFIRMED
    started_at = time.monotonic()
    assert client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S).artifacts
    assert time.monotonic() - started_at < 30.0


def test_a_server_that_does_not_reach_us_is_not_slowed_down(client, monkeypatch):
    """A container does not reach this machine's loopback."""
    monkeypatch.setattr(
        "movie_director.clients.audioldm.cog.webhook_listener.WebhookListener.address",
        lambda *given: "http://127.0.0.1:9/run",
    )
    started_at = time.monotonic()
    for _ in range(2):
        assert client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S).artifacts
    assert time.monotonic() - started_at < 30.0
    assert not client.profile_cache.receives_webhooks


def test_a_second_client_waits_its_turn(client):
    with AudioLDMClient(str(client.url), options=client.options) as other:
        jobs = [each.submit(SoundRequest("rain", 2.5)) for each in (client, other)]
        assert all(job.result(HANG_GUARD_S).artifacts for job in jobs)
