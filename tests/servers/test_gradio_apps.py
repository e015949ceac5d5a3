"""The client for any Gradio app against real apps of Gradio 4.44, 5.29 and 6.31: part of ``make test``, alone
``make test-gradio``.

The servers are started by the interpreters in ``MOVIE_DIRECTOR_GRADIO_4_PYTHON`` and so on.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from support.gradio_process import QUIET, real_app
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import ClientOptions, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.gradio_app import Choice, EndpointRequest, FieldKind, GradioAppClient
from movie_director.clients.mock.media.pixels import Pixels
from movie_director.clients.mock.media.png import decode, encode

NAMES = ("GRADIO_4", "GRADIO_5", "GRADIO_6")
PYTHONS = {name: os.environ.get(f"MOVIE_DIRECTOR_{name}_PYTHON", "") for name in NAMES}
APP_PATH = Path(__file__).with_name("film_app.py")
JUDGE = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False, httpx_kwargs={"timeout": 60, "trust_env": False})
print(json.dumps(client.view_api(print_info=False, return_format="dict")))
"""
MOVIE = b"\0\0\0\x20ftypisom" + bytes(4000)


@pytest.fixture(scope="module", params=NAMES)
def python(request):
    assert PYTHONS[request.param], "run it by make test-gradio"
    return PYTHONS[request.param]


@pytest.fixture(scope="module")
def url(python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    with real_app(python, folder, app=APP_PATH) as address:
        yield address


@pytest.fixture
def client(url, tmp_path):
    options = ClientOptions(output_dir=tmp_path / "out", max_workers=1, first_byte_timeout_s=60.0, max_retries=3)
    with GradioAppClient(url, options=options) as made:
        yield made
    assert [each.name for each in threading.enumerate() if each.name.startswith("movie-director-gradio")] == []


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "still.png"
    path.write_bytes(encode(Pixels.plain(8, 6, b"\x20\x40\x60")))
    return path


def run(client, *given, **more):
    """Run one request and return its result."""
    return client.submit(EndpointRequest(*given, **more)).result(HANG_GUARD_S)


def test_the_app_is_described_as_the_library_describes_it(client, url, python):
    endpoints = {each.name: each for each in client.endpoints()}
    assert "hidden" not in "".join(endpoints)
    music = endpoints["/generate_music"]
    assert music.is_generator
    assert music.media == ("audio", "text")
    fields = {each.name: each for each in music.fields}
    assert [each.kind for each in music.fields] == [
        FieldKind.TEXT,
        FieldKind.CHOICE,
        FieldKind.WHOLE_NUMBER,
        FieldKind.WHOLE_NUMBER,
        FieldKind.FILE,
    ]
    duration = fields["duration"]
    assert (duration.label, duration.minimum, duration.maximum, duration.default) == ("Duration (seconds)", 1, 30, 2)
    assert (fields["melody"].required, fields["melody"].media) == (False, "audio")
    assert fields["description"].lines == 3
    voices = endpoints["/speak"].fields[1].choices
    assert voices == (Choice("Anna (warm)", "anna"), Choice("Bill (deep)", "bill"))
    done = subprocess.run(
        [python, "-c", JUDGE, url], env={**os.environ, **QUIET}, capture_output=True, text=True, check=True
    )
    judged = json.loads(done.stdout.splitlines()[-1])["named_endpoints"]
    assert list(judged) == list(endpoints)
    for name, entry in judged.items():
        assert [each["parameter_name"] for each in entry["parameters"]] == [
            each.name for each in endpoints[name].fields
        ]
        assert len(entry["returns"]) == len(endpoints[name].outputs)


def test_music_with_progress_warnings_and_a_melody(client, tmp_path):
    first = run(client, "/generate_music", {"description": "calm sea", "duration": 1})
    (sound,) = first.artifacts
    assert (sound.kind, sound.path.name) == ("audio", "music.wav")
    assert first.text == "orchestral, 1 s, seed 42, melody 0"
    request = EndpointRequest(
        "/generate_music", {"description": "warn", "style": "synth", "seed": 7}, {"melody": sound.path}
    )
    job = client.submit(request)
    result = job.result(HANG_GUARD_S)
    assert result.text == f"synth, 2 s, seed 7, melody {sound.size}"
    assert [each.line for each in job.events() if isinstance(each, events.Logged)] == [
        "The description is very general."
    ]
    assert job.status.progress.stage == "Composing"
    assert job.status.progress.total_steps == 4


def test_pictures_clips_and_files(client, picture, tmp_path):
    upscaled = run(client, "/upscale", {"factor": 4}, {"image": picture})
    assert [each.kind for each in upscaled.artifacts] == ["image"]
    assert decode(upscaled.artifacts[0].path.read_bytes()).width == 32
    turned = run(client, "/variations", files={"image": picture})
    assert [each.path.name for each in turned.artifacts] == [f"variation_{number}.png" for number in range(3)]
    clip = tmp_path / "shot.mp4"
    clip.write_bytes(MOVIE)
    trimmed = run(client, "/trim", {"seconds": 2}, {"clip": clip})
    assert [(each.kind, each.size) for each in trimmed.artifacts] == [("video", 2000)]
    joined = run(client, "/join_files", files={"files": [picture, clip]})
    assert joined.data["Data"] == {"files": 2}
    assert joined.artifacts[0].size == picture.stat().st_size + len(MOVIE)
    assert run(client, "/describe", files={"image": picture}).text == "8 x 6"


def test_each_call_has_a_session_of_its_own(client):
    assert [run(client, "/remember", {"text": text}).text for text in "ab"] == ["a", "b"]


def test_failures_are_told_apart(client, tmp_path):
    def error(*given):
        return client.submit(EndpointRequest(*given)).exception(HANG_GUARD_S)

    assert isinstance(error("/generate_music", {"description": "explode"}), errors.OutOfMemory)
    assert error("/speak", {"text": "break"}).code == "no_reason"
    assert error("/nothing", {}).nearest
    large = tmp_path / "large.png"
    large.write_bytes(bytes(2_000_000))
    assert error("/describe", {}, {"image": large}).code == "file_too_large"


def running(client, *given):
    job = client.submit(EndpointRequest(*given))
    assert wait_for(lambda: job.running() or job.done())
    assert job.running(), job.status
    return job


def cancelled(job):
    assert job.cancel()
    assert wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    return job.status.backend_cancel


def test_a_generator_is_cancelled(client):
    assert cancelled(running(client, "/generate_music", {"description": "endless"})) is BackendCancel.CONFIRMED


def test_a_function_that_can_t_be_stopped_runs_to_its_end(client):
    before = run(client, "/done").text
    started = time.monotonic()
    assert cancelled(running(client, "/speak", {"text": "slow", "voice": "bill"})) is BackendCancel.UNSUPPORTED
    assert time.monotonic() - started > 1.0, "it was waited for"
    assert run(client, "/done").text == ",".join(filter(None, (before, "bill 1 False")))


def test_what_waits_is_taken_out_and_a_full_queue_is_told(client, url, tmp_path):
    options = ClientOptions(output_dir=tmp_path, max_workers=4)
    with GradioAppClient(url, options=options) as other:
        before = run(client, "/done").text
        ahead = running(other, "/speak", {"text": "slowest"})
        waiting = [other.submit(EndpointRequest("/speak", {"text": "hi", "voice": "bill"})) for _ in range(2)]
        assert wait_for(lambda: sorted(job.status.queue_position or 0 for job in waiting) == [0, 1])
        full = client.submit(EndpointRequest("/speak", {"text": "hi"}))
        assert full.exception(HANG_GUARD_S).code == "queue_full"
        assert [cancelled(job) for job in waiting] == [BackendCancel.CONFIRMED] * 2
        ahead.result(HANG_GUARD_S)
        assert run(client, "/done").text == ",".join(filter(None, (before, "anna 1 False")))


def test_the_user_signs_in(python, tmp_path):
    with real_app(python, tmp_path, "--auth", "anna:secret-word", app=APP_PATH) as address:
        options = ClientOptions(output_dir=tmp_path)
        with GradioAppClient(address, api_key="anna:secret-word", options=options) as client:
            assert run(client, "/generate_music", {"description": "sea"}).artifacts
        with GradioAppClient(address, api_key="anna:another-word", options=options) as client:
            with pytest.raises(errors.AuthenticationError) as caught:
                client.probe()
            assert caught.value.code == "sign_in_refused"


@pytest.mark.parametrize(("app", "code"), [("nameless", "no_endpoint"), ("state_only", "state_only")])
def test_apps_that_nothing_can_be_done_with(python, tmp_path, app, code):
    with real_app(python, tmp_path, "--app", app, app=APP_PATH) as address, GradioAppClient(address) as client:
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
    assert caught.value.code == code


def test_a_server_that_dies_in_the_middle(python, tmp_path):
    with real_app(python, tmp_path, app=APP_PATH) as address:
        client = GradioAppClient(address, options=ClientOptions(output_dir=tmp_path))
        job = running(client, "/generate_music", {"description": "endless"})
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost)
    client.close()
