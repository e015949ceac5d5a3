"""The client of sounds against AudioLDM's own web apps (Gradio 3), mocked, and other Gradio apps."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import AudioLDMClient, errors, events
from movie_director.clients.audio import WaveCodec
from movie_director.clients.audio.codec import AudioInfo
from movie_director.clients.audioldm import SoundRequest
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.mock import Fault, MockBackends
from movie_director.clients.mock.gradio.app import App, Component, Dependency
from movie_director.clients.mock.gradio.gradio3 import MockGradio3
from movie_director.clients.mock.gradio.server import MockGradio
from movie_director.clients.mock.media.sound import effect_wave

APPS = ["audioldm1", "audioldm2"]


class VideoCodec(WaveCodec):
    """Takes the samples out of the mock's own MP4, as Blender does."""

    name = "test"

    def other_samples(self, path, kind):
        data = path.read_bytes()
        at = data.index(b"mdat") + 4
        size = int.from_bytes(data[at - 8 : at - 4], "big") - 8
        samples = memoryview(data[at : at + size]).cast("h").tolist()
        rate = int.from_bytes(data[data.index(b"mdhd") + 16 :][:4], "big")
        return AudioInfo(kind, rate, 1, len(samples)), iter([samples])


@pytest.fixture
def connect(tmp_path):
    clients = []

    def connected(server, codec=None, interval_s=0.02, **changes):
        chosen = replace(AudioLDMClient.default_options, output_dir=tmp_path / "out", **changes)
        clients.append(AudioLDMClient(server.url, options=chosen, codec=codec or VideoCodec()))
        clients[-1].interval_s = interval_s
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


@pytest.fixture
def app(request):
    dialect = getattr(request, "param", "audioldm2")
    with MockBackends(only=["audioldm"], speed=20.0, options={"audioldm": {"dialect": dialect}}) as mocks:
        yield mocks.audioldm


def calls_of(server):
    return [each.json["data"] for each in server.requests if each.path.startswith("/run/")]


@pytest.mark.parametrize("app", APPS, indirect=True)
def test_the_sound_is_taken_out_of_the_video(app, connect):
    client = connect(app)
    first = app.dialect == "audioldm1"
    assert client.submit(SoundRequest("rain", 5.0, seed=0)).result(HANG_GUARD_S).metadata["seed"] == 0
    app.requests.clear()
    job = client.submit(SoundRequest("a hammer", 99.0, seed=7, guidance=9, candidates=1, steps=3))
    result = job.result(HANG_GUARD_S)
    [artifact] = result.artifacts
    assert (artifact.path.name, artifact.kind) == ("a hammer.wav", "audio")
    assert result.metadata["model_rate"] == (16000 if first else 48000)
    assert result.metadata["duration_s"] == (10.0 if first else 15.0)
    assert result.metadata["seed"] == 7
    assert result.metadata["model"] == ("audioldm-m-full" if first else None)
    assert result.metadata["dialect"] == ("audioldm" if first else "audioldm2")
    [sent] = calls_of(app)
    assert sent == ["a hammer", 10.0, 5.0, 7, 1, "audioldm-m-full"] if first else ["a hammer", 15.0, 6.0, 7, 1]
    assert artifact.source.endswith(".mp4")
    seen = [each.progress for each in job.events() if isinstance(each, events.Progressed)]
    assert all(each.estimated for each in seen)
    assert sorted(each.name for each in client.options.output_dir.iterdir()) == ["a hammer.wav", "rain.wav"]


def test_a_model_is_chosen_by_name(connect):
    with MockBackends(only=["audioldm"], speed=20.0, options={"audioldm": {"dialect": "audioldm1"}}) as mocks:
        client = connect(mocks.audioldm)
        assert "audioldm-l-full" in client.probe().models
        assert client.submit(SoundRequest("rain", 5.0, model="audioldm-l-full")).result(HANG_GUARD_S).artifacts
        assert calls_of(mocks.audioldm)[0][-1] == "audioldm-l-full"
        error = client.submit(SoundRequest("rain", 5.0, model="nothing")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.MissingResource)


@pytest.mark.parametrize("app", APPS, indirect=True)
def test_probe(app, connect):
    info = connect(app).probe()
    assert info.version == "3.34.0"
    assert info.latency_s > 0
    assert info.dialect in ("audioldm", "audioldm2")
    assert {"sound", "seed", "guidance", "candidates"} <= info.capabilities
    assert not {"cancel", "progress"} & info.capabilities


def test_without_a_codec_the_video_is_kept(app, connect):
    result = connect(app, WaveCodec()).submit(SoundRequest("rain", 5.0)).result(HANG_GUARD_S)
    [artifact] = result.artifacts
    assert (artifact.path.name, artifact.kind) == ("rain.mp4", "video")
    assert result.problems[0].code == "needs_audio_codec"


def test_a_failure_without_a_reason_says_what_it_usually_is(app, connect):
    error = connect(app).submit(SoundRequest("explode", 5.0)).exception(HANG_GUARD_S)
    assert error.code == "no_reason"
    assert "gradio<4" in error.hint


def test_a_lost_answer_is_reported_and_never_repeated(app, connect):
    app.inject(Fault("lost_answer", on="/run/*"))
    error = connect(app).submit(SoundRequest("rain", 5.0)).exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost)
    assert error.code == "outcome_unknown"
    assert f"Seed {error.context['seed']} " in error.hint
    assert len(calls_of(app)) == 1


@pytest.mark.parametrize("fault", ["status:500", "html_login_page", "bad_json", "cut_body"])
def test_other_answers_are_typed(app, connect, fault):
    app.inject(Fault(fault, on="/run/*"))
    error = connect(app).submit(SoundRequest("rain", 5.0)).exception(HANG_GUARD_S)
    assert isinstance(error, errors.BackendError)
    assert error.code != "internal"
    assert error.hint


def test_a_call_that_was_cancelled_keeps_the_lane_until_the_server_is_free(app, connect):
    client = connect(app)
    job = client.submit(SoundRequest("slow rain", 5.0))
    wait_for(job.running)
    assert job.cancel()
    assert job.status.backend_cancel is BackendCancel.PENDING
    following = client.submit(SoundRequest("rain", 5.0))
    assert following.result(HANG_GUARD_S).artifacts
    assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
    assert not client.profile_cache.draining


def test_a_closed_client_waits_for_nothing(app, connect):
    client = connect(app)
    job = client.submit(SoundRequest("endless rain", 5.0))
    wait_for(job.running)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 20.0
    assert job.cancelled()
    assert not [each for each in threading.enumerate() if each.name.startswith("movie-director-audioldm")]


def test_a_job_s_time_is_over(app, connect):
    client = connect(app, job_timeout_s=0.5, drain_timeout_s=0.3)
    assert client.submit(SoundRequest("endless rain", 5.0)).exception(HANG_GUARD_S).code == "job_timeout"


def test_one_sound_at_a_time_whatever_the_workers(app, connect):
    client = connect(app, max_workers=3)
    jobs = [client.submit(SoundRequest("rain", 5.0)) for _ in range(3)]
    assert all(job.result(HANG_GUARD_S).artifacts for job in jobs)
    assert len(calls_of(app)) == 3


def test_a_cancel_before_its_turn_sends_nothing(app, connect):
    client = connect(app, max_workers=2)
    client.profile_cache.app_lock.acquire()
    job = client.submit(SoundRequest("rain", 5.0))
    wait_for(lambda: "Waiting" in job.status.message)
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is BackendCancel.CONFIRMED)
    client.profile_cache.app_lock.release()
    assert not calls_of(app)


class MockStableAudio(MockGradio):
    """An app of a newer Gradio with many inputs, progress, a queue, and functions that make no sounds."""

    def make_app(self):
        def generate(call, prompt, negative, start, seconds, cfg, steps, seed, video):
            for at in range(3):
                call.progress((at, 3), "Sampling")
                self.clock.wait(2.0)
            if prompt == "nothing":
                return None
            return call.file("out.wav", effect_wave(prompt, seconds, rate=16000))

        components = [
            Component(1, "textbox", "Prompt"),
            Component(2, "textbox", "Negative prompt"),
            Component(3, "slider", "Seconds start", {"minimum": 0, "maximum": 512, "step": 1, "value": 0}),
            Component(4, "slider", "Seconds total", {"minimum": 0, "maximum": 47, "step": 1, "value": 30}),
            Component(5, "slider", "CFG scale", {"minimum": 0, "maximum": 25, "step": 0.1, "value": 7}),
            Component(6, "slider", "Steps", {"minimum": 1, "maximum": 500, "step": 1, "value": 100}),
            Component(7, "textbox", "Seed (set to -1 for random seed)", {"value": "-1"}),
            Component(8, "audio", "Output audio"),
            Component(9, "video", "Video"),
            Component(10, "button", "Generate"),
        ]
        other = Dependency(0, "clear", lambda call: "", (), (1,), ((10, "click"),))
        other2 = Dependency(1, "score", lambda call, *given: None, (9, 1, 4), (8,), ((10, "click"),))
        inputs = (1, 2, 3, 4, 5, 6, 7, 99)
        return App(components, [other, other2, Dependency(2, "generate", generate, inputs, (8,), ((10, "click"),))])


class MockPainter(MockGradio3):
    """A Gradio app that makes pictures."""

    def make_app(self):
        components = [Component(1, "textbox", "Prompt"), Component(2, "image")]
        return App(components, [Dependency(0, "paint", lambda call, prompt: None, (1,), (2,))])


def test_apps_of_newer_gradio_are_spoken_to_as_well(connect):
    with MockStableAudio(version="5.29.0", speed=20.0) as server:
        client = connect(server)
        info = client.probe()
        assert info.dialect == "gradio"
        assert {"negative_prompt", "steps"} <= info.capabilities
        job = client.submit(
            SoundRequest("rain", 2.0, seed=5, steps=20, negative_prompt="music", settings={"Seconds start": 1})
        )
        result = job.result(HANG_GUARD_S)
        assert result.metadata["input"] == {
            "prompt": "rain",
            "duration": 2.0,
            "seed": "5",
            "negative_prompt": "music",
            "steps": 20,
            "Seconds start": 1,
        }
        assert result.metadata["model_rate"] == 16000
        seen = [each.progress for each in job.events() if isinstance(each, events.Progressed)]
        assert any(each.stage == "Sampling" and not each.estimated for each in seen)
        error = client.submit(SoundRequest("nothing", 2.0)).exception(HANG_GUARD_S)
        assert error.code == "no_output"


def test_other_apps_are_refused(connect):
    with MockPainter(speed=20.0) as server, pytest.raises(errors.ProtocolError) as caught:
        connect(server).probe()
    assert caught.value.code == "not_sound"
