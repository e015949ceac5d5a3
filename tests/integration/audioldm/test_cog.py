"""The client of sounds against the mock Cog servers, both generations."""

from __future__ import annotations

import threading
import time
import wave
from array import array
from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import AudioLDMClient, JobState, errors, events
from movie_director.clients.audio.wavefile import wave_bytes
from movie_director.clients.audioldm import SoundRequest
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.mock import Fault, MockBackends
from movie_director.clients.mock.http.responses import Response
from movie_director.clients.mock.http.server import MockServer
from movie_director.clients.mock.media.sound import effect_wave

SILENCE = array("h", [0] * 8000)


@pytest.fixture
def make(tmp_path):
    """Make a mock server and a client of it."""
    opened = []

    def made(dialect="cog-0.23", image="audioldm", speed=20.0, interval_s=0.02, api_key=None, **changes):
        options = {"audioldm": {"dialect": dialect, "image": image}}
        mocks = MockBackends(only=["audioldm"], speed=speed, options=options)
        opened.append(mocks)
        mocks.start()
        chosen = replace(AudioLDMClient.default_options, output_dir=tmp_path / "out", drain_timeout_s=10.0, **changes)
        client = AudioLDMClient(mocks.audioldm.url, options=chosen, api_key=api_key)
        client.interval_s = interval_s
        opened.append(client)
        return mocks.audioldm, client

    yield made
    for each in reversed(opened):
        getattr(each, "close", getattr(each, "stop", None))()


def error_of(client, prompt="rain", **fields):
    return client.submit(SoundRequest(**{"prompt": prompt, "duration_s": 2.5, **fields})).exception(HANG_GUARD_S)


def header_of(path):
    with wave.open(str(path), "rb") as file:
        return file.getframerate(), file.getnchannels(), file.getsampwidth(), file.getnframes()


@pytest.mark.parametrize("dialect", ["cog-0.23", "cog-0.9"])
def test_a_sound_is_made_whole_at_the_rate_asked_for(make, dialect):
    server, client = make(dialect)
    job = client.submit(SoundRequest("rain on a roof", 6.0, seed=11, candidates=1))
    result = job.result(HANG_GUARD_S)
    [artifact] = result.artifacts
    assert artifact.path.name == "rain on a roof.wav"
    assert artifact.kind == "audio"
    assert header_of(artifact.path) == (48000, 1, 2, 360000)
    assert result.metadata["seed"] == 11
    assert result.metadata["input"]["duration"] == "7.5"
    assert result.metadata["request"]["prompt"] == "rain on a roof"
    assert result.metadata["peak_db"] == pytest.approx(-4, abs=3)
    assert result.metadata["model_rate"] == 16000
    assert result.metadata["notes"] == ["duration: 7.5 instead of 6.0, the next value that this server accepts."]
    put = server.wait_for_request(lambda each: each.method == "PUT")
    assert put.path == f"/predictions/{job.id}"
    assert put.json["input"] == result.metadata["input"]
    seen = list(job.events())
    assert any(isinstance(each, events.Started) for each in seen)
    progress = [each.progress for each in seen if isinstance(each, events.Progressed)]
    assert progress[-1].fraction == 1.0
    assert (progress[-1].total_steps, progress[-1].estimated) == (5, False)
    assert [each.line for each in seen if isinstance(each, events.Logged)][-1] == "Using seed: 11"
    other = client.submit(SoundRequest("rain on a roof", 6.0, seed=11, sample_rate=16000)).result(HANG_GUARD_S)
    assert header_of(other.artifacts[0].path)[0] == 16000


def test_without_a_seed_one_is_chosen_and_said(make):
    _, client = make()
    first, second = (client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S).metadata for _ in range(2))
    assert first["seed"] != second["seed"]
    assert first["input"]["random_seed"] == first["seed"]


@pytest.mark.parametrize(
    ("image", "prompt_name"), [("audiogen", "prompt"), ("mmaudio", "prompt"), ("stable-audio", "prompt")]
)
def test_siblings_make_sounds_too(make, image, prompt_name):
    _, client = make(image=image)
    result = client.submit(SoundRequest("rain", 2.0, seed=3)).result(HANG_GUARD_S)
    assert result.artifacts[0].path.exists()
    assert result.metadata["input"][prompt_name] == "rain"
    assert client.probe().details["inputs"][0] == "prompt"


def test_observing_never_starts_a_run(make):
    server, client = make(speed=5.0)
    client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
    puts = [each.json for each in server.requests if each.method == "PUT"]
    assert puts[0]["input"]
    assert len(puts) > 3
    assert all(each == {"input": {}} for each in puts[1:])


@pytest.mark.parametrize("fault", ["status:429", "status:401", "status:404", "bad_json", "html_login_page", "reset"])
def test_a_look_that_fails_does_not_end_a_sound_that_is_made(make, fault):
    server, client = make(speed=5.0)
    spoils = fault == "bad_json"  # is counted by answers, of which the first belongs to a look
    server.inject(Fault(fault, on="PUT /predictions", after=0 if spoils else 1, times=2 if spoils else None))
    assert client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S).artifacts
    assert len([each for each in server.requests if each.method == "PUT"]) > 2


@pytest.mark.parametrize(("fault", "lost"), [("status:429", False), ("stall", False), ("status:404", True)])
def test_a_look_at_a_server_that_works_in_the_background_may_fail(make, monkeypatch, fault, lost):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.02)
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.QUICK_S", 0.2)
    server, client = make("cog-0.9")
    for _ in range(2):
        client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
    assert client.profile_cache.shares_disk
    job = running(client, "endless rain" if lost else "slow rain")
    server.inject(Fault(fault, on="/health-check", times=None if lost else 2))
    if lost:
        assert isinstance(job.exception(HANG_GUARD_S), errors.JobLost)
    else:
        assert job.result(HANG_GUARD_S).artifacts


def test_a_server_whose_prompt_is_optional_is_not_observed_but_tells(make):
    server, client = make(image="mmaudio", speed=5.0)
    job = client.submit(SoundRequest("rain", 2.5))
    job.result(HANG_GUARD_S)
    [put] = [each.json for each in server.requests if each.method == "PUT"]
    assert put["webhook"].startswith("http://127.0.0.1:")
    progress = [each.progress for each in job.events() if isinstance(each, events.Progressed)]
    assert any(not each.estimated for each in progress)


def test_a_server_without_a_schema_gets_audioldm_s_inputs(make):
    _, client = make(image=None)
    result = client.submit(SoundRequest("rain", 2.5, seed=4)).result(HANG_GUARD_S)
    assert result.metadata["input"] == {"text": "rain", "duration": "2.5", "random_seed": 4}
    assert "progress" not in client.probe().capabilities


def test_probe(make):
    _, client = make()
    info = client.probe()
    assert (info.version, info.dialect) == ("0.23.1", "cog")
    assert {"cancel", "progress", "seed", "candidates", "guidance"} <= info.capabilities
    _, older = make("cog-0.9")
    info = older.probe()
    assert info.dialect == "cog-old"
    assert "cancel" not in info.capabilities


def test_probe_of_other_servers(make):
    with MockBackends(only=["litellm"]) as mocks, AudioLDMClient(mocks.litellm.url) as client:
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
        assert caught.value.code == "not_a_sound_server"
    server, client = make()
    server.inject(Fault("html_login_page", times=None))
    with pytest.raises(errors.ProtocolError):
        client.probe()
    server.clear_faults()
    server.inject(Fault("status:401"))
    with pytest.raises(errors.AuthenticationError):
        client.probe()
    _, client = make(image="image")
    with pytest.raises(errors.ProtocolError) as caught:
        client.probe()
    assert caught.value.code == "not_sound"


def test_nobody_there_says_what_to_start():
    with AudioLDMClient("http://127.0.0.1:9") as client, pytest.raises(errors.ConnectionFailed) as caught:
        client.probe()
    assert "python app.py" in caught.value.hint


# --- the server's life


def test_a_model_that_loads_is_waited_for(make):
    server, client = make()
    server.inject(Fault("model_loading", times=2))
    job = client.submit(SoundRequest("rain", 2.5))
    wait_for(lambda: "loading" in job.status.message or job.done())
    assert "The model is loading" in job.status.message
    assert job.result(HANG_GUARD_S).artifacts
    server.inject(Fault("model_loading"))
    assert client.probe().details == {"status": "STARTING", "inputs": []}


@pytest.mark.parametrize(("kind", "code"), [("setup_failed", "setup_failed"), ("unhealthy", "unhealthy")])
def test_a_server_that_is_ill_ends_the_job_with_its_words(make, kind, code):
    server, client = make()
    server.inject(Fault("model_loading"))
    server.inject(Fault(kind, times=None))
    error = error_of(client)
    assert error.code == code
    assert error.hint
    if kind == "setup_failed":
        assert "no weights in /src/ckpt" in error.message
        with pytest.raises(errors.GenerationError):
            client.probe()
    assert not [each for each in server.requests if each.method == "PUT"]


def test_a_busy_server_is_waited_for(make, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.05)
    server, client = make()
    server.inject(Fault("busy", times=2))
    job = client.submit(SoundRequest("rain", 2.5))
    wait_for(lambda: job.status.message or job.done())
    assert job.result(HANG_GUARD_S).artifacts
    accepted = [each for each in server.requests if each.method == "PUT" and each.json["input"]]
    assert len(accepted) == 3


def test_two_clients_take_turns(make, tmp_path, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.05)
    server, client = make(speed=10.0)
    with AudioLDMClient(server.url, options=client.options) as second:
        jobs = [each.submit(SoundRequest("slow rain", 2.5)) for each in (client, second)]
        assert all(job.result(HANG_GUARD_S).artifacts for job in jobs)
    assert len({job.result(0).artifacts[0].path for job in jobs}) == 2


# --- failures


def test_failures_of_the_run_are_typed(make):
    server, client = make()
    assert isinstance(error_of(client, "explode"), errors.OutOfMemory)
    server.inject(Fault("oom", on="*storm*"))
    assert isinstance(error_of(client, "a storm"), errors.OutOfMemory)
    server.inject(Fault("run_error"))
    error = error_of(client)
    assert isinstance(error, errors.GenerationError)
    assert "Using seed" in error.message
    server.inject(Fault("cancelled_elsewhere"))
    assert error_of(client).code == "cancelled_elsewhere"
    for kind, code in (("no_sound", "no_output"), ("bad_sound", "bad_file"), ("broken_sound", "bad_file")):
        server.inject(Fault(kind))
        error = error_of(client)
        assert isinstance(error, errors.ProtocolError)
        assert error.code == code
    assert list((client.options.output_dir).iterdir()) == []


def test_a_sound_that_can_not_be_read_here_is_kept_as_it_is(make):
    server, client = make()
    server.inject(Fault("flac_sound"))
    result = client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
    [artifact] = result.artifacts
    assert (artifact.path.name, artifact.media_type) == ("rain.flac", "audio/flac")
    [problem] = result.problems
    assert problem.code == "needs_audio_codec"


def test_what_the_server_refuses_is_said_in_its_words(make):
    _, client = make()
    error = error_of(client, settings={"n_candidates": 99})
    assert isinstance(error, errors.ValidationError)
    assert error.problems == ("n_candidates: 99 is greater than the maximum of 5.",)


KEY = "sk-canary-4711"


def everything_said(job):
    """Return all that a user, a log file or a journal gets of a job that failed."""
    error = job.exception(HANG_GUARD_S)
    lines = [each.line for each in job.events() if isinstance(each, events.Logged)]
    return error, " ".join([repr(error), str(error.context), str(getattr(error, "problems", "")), *lines])


@pytest.mark.parametrize("with_words", [True, False])
def test_a_key_that_the_run_s_log_or_error_repeats_is_kept_out_of_ours(make, monkeypatch, with_words):
    server, client = make(api_key=KEY, interval_s=0.02)

    def spill(run, gone):
        run.log += f"Bearer {KEY}\nRuntimeError: {KEY} is refused\n"
        server.cog.mock.clock.wait(1.0)
        server.cog._fail(run, f"the hub refuses {KEY}" if with_words else "")

    monkeypatch.setattr(server.cog, "_sample", spill)
    job = client.submit(SoundRequest("rain", 2.5))
    error, said = everything_said(job)
    assert "[redacted]" in error.message
    assert said.count("[redacted]") > 1
    assert KEY not in said


@pytest.mark.parametrize("status", [422, 500])
def test_a_key_that_a_refusal_repeats_is_kept_out_of_the_error(make, monkeypatch, status):
    server, client = make(api_key=KEY)
    detail = [{"loc": ["body", "input", "text"], "msg": f"not {KEY}"}] if status == 422 else f"not {KEY}"
    monkeypatch.setattr(server.cog, "_refusal", lambda *_given: (Response.json({"detail": detail}, status), "x"))
    error, said = everything_said(client.submit(SoundRequest("rain", 2.5)))
    assert KEY not in said
    assert "[redacted]" in error.message


def test_a_key_in_the_log_of_a_model_that_did_not_load_is_kept_out_of_the_error(make, monkeypatch):
    server, client = make(api_key=KEY)
    setup = {"status": "failed", "logs": f"token {KEY}\nno weights for {KEY}\n"}
    broken = {"status": "SETUP_FAILED", "setup": setup}
    health, answer = [broken], server.answer
    monkeypatch.setattr(
        server, "answer", lambda each: Response.json(health[-1]) if each.path == "/health-check" else answer(each)
    )
    with pytest.raises(errors.GenerationError) as caught:
        client.probe()
    assert KEY not in f"{caught.value!r} {caught.value.context}"
    assert "[redacted]" in caught.value.message
    health.append({"status": "STARTING"})
    job = client.submit(SoundRequest("rain", 2.5))
    wait_for(lambda: "loading" in job.status.message or job.done())
    health.append(broken)
    error, said = everything_said(job)
    assert error.code == "setup_failed"
    assert KEY not in said


@pytest.mark.parametrize("kind", ["lost_answer", "reset", "close_before_answer"])
def test_a_lost_answer_is_reported_and_never_repeated(make, kind):
    server, client = make(interval_s=HANG_GUARD_S)  # never observed, so that the fault strikes the call itself
    server.inject(Fault(kind, on="PUT /predictions"))
    error = error_of(client)
    assert isinstance(error, errors.JobLost)
    assert error.code == "outcome_unknown"
    assert len([each for each in server.requests if each.method == "PUT" and each.json["input"]]) == 1


def test_the_seed_of_a_lost_sound_is_said_and_recorded(make):
    server, client = make(interval_s=HANG_GUARD_S)
    server.inject(Fault("lost_answer", on="PUT /predictions"))
    job = client.submit(SoundRequest("rain", 2.5))
    error = job.exception(HANG_GUARD_S)
    [sent] = [each.json["input"]["random_seed"] for each in server.requests if each.method == "PUT"]
    assert f"Seed {sent} will give the same sound." in error.hint
    assert error.context["seed"] == sent
    resumed = client.resume(job.record())
    assert f"Seed {sent}" in resumed.exception(HANG_GUARD_S).hint
    assert resumed.exception(0).context["seed"] == sent


def test_a_server_without_seeds_is_promised_no_same_sound(make):
    server, client = make(image="audiogen", interval_s=HANG_GUARD_S)
    server.inject(Fault("lost_answer", on="PUT /predictions"))
    job = client.submit(SoundRequest("rain", 2.5))
    assert "seed" not in job.exception(HANG_GUARD_S).hint
    assert "seed" not in client.resume(job.record()).exception(HANG_GUARD_S).hint


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status:500", errors.GenerationError),
        ("status:401", errors.AuthenticationError),
        ("status:404", errors.NotFound),
        ("html_login_page", errors.ProtocolError),
        ("bad_json", errors.ProtocolError),
    ],
)
def test_other_answers_are_typed(make, fault, kind):
    server, client = make(interval_s=HANG_GUARD_S)  # never observed, so that the fault strikes the call itself
    server.inject(Fault(fault, on="PUT /predictions"))
    assert isinstance(error_of(client), kind)


def test_a_server_that_is_mute_for_too_long(make):
    server, client = make(first_byte_timeout_s=0.3)
    server.inject(Fault("stall", on="PUT /predictions", times=None))
    error = error_of(client)
    assert isinstance(error, errors.NetworkTimeout)


def test_progress_by_the_clock_where_the_log_says_nothing(make):
    server, client = make(speed=10.0)
    server.inject(Fault("mute_log", times=None))
    job = client.submit(SoundRequest("rain", 2.5))
    job.result(HANG_GUARD_S)
    assert all(each.progress.fraction is None for each in job.events() if isinstance(each, events.Progressed))
    second = client.submit(SoundRequest("rain", 2.5))
    reader = second.events()
    guesses = [each.progress for each in reader if isinstance(each, events.Progressed)]
    assert guesses
    assert all(each.estimated and 0 <= each.fraction <= 1 for each in guesses)


class MockFiles(MockServer):
    """Where a server started with --upload-url puts its sounds."""

    def add_routes(self):
        self.route("GET", "/bucket/out.wav", lambda _: Response(200, effect_wave("rain", 1.0, rate=16000)))
        self.route("GET", "/bucket/gone.wav", lambda _: Response.text("gone", 410))


def test_a_sound_that_lies_elsewhere_is_fetched_without_our_keys(make, monkeypatch):
    server, client = make()
    client._headers["X-Secret"] = "s3cret"
    with MockFiles() as files:
        address = f"{files.url}/bucket/out.wav?signature=5"
        monkeypatch.setattr(server.cog, "_output", lambda run, seed: {"sounds": [address], "more": 5})
        result = client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
        assert result.artifacts[0].source == f"{files.url}/bucket/out.wav"
        [asked] = list(files.requests)
        assert asked.path == "/bucket/out.wav?signature=5"
        assert "X-Secret" not in asked.headers
        monkeypatch.setattr(server.cog, "_output", lambda run, seed: f"{files.url}/bucket/gone.wav")
        assert isinstance(error_of(client), errors.APIError)
    for address, code in (
        ("https://example.org/out.wav", "output_elsewhere"),
        ("http://:99999", "bad_file"),
        ("data:audio/wav;base64,UklG!", "bad_file"),
        ([[[[["data:audio/wav;base64,AAAA"]]]]], "no_output"),
        ("/etc/hostname", "no_output"),
    ):
        monkeypatch.setattr(server.cog, "_output", lambda run, seed, address=address: address)
        assert error_of(client).code == code
    assert [each.name for each in client.options.output_dir.iterdir()] == ["rain.wav"]


def test_silence_is_said(make, monkeypatch):
    _, client = make()
    monkeypatch.setattr(
        "movie_director.clients.mock.audioldm.cog.effect_wave", lambda *given, **more: wave_bytes(SILENCE, 16000)
    )
    job = client.submit(SoundRequest("rain", 2.5))
    assert job.result(HANG_GUARD_S).metadata["peak_db"] == -120.0
    assert "The sound is silent." in [each.line for each in job.events() if isinstance(each, events.Logged)]


def test_another_server_at_the_same_address(make):
    server, client = make()
    server.inject(Fault("model_loading"))
    server.inject(Fault("status:200", on="/health-check", after=1))
    assert error_of(client).code == "not_cog"


def test_a_busy_older_server_that_works_in_the_background_is_asked_again(make, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.05)
    server, client = make("cog-0.9")
    client.profile_cache.receives_webhooks = client.profile_cache.shares_disk = True
    server.inject(Fault("busy", times=2))
    server.inject(Fault("mute_log"))
    monkeypatch.setattr(server.cog, "_file", lambda data: "https://example.org/out.wav")
    assert error_of(client).code == "output_elsewhere"
    assert isinstance(error_of(client, settings={"n_candidates": 99}), errors.ValidationError)


# --- cancel


def running(client, prompt="endless rain"):
    job = client.submit(SoundRequest(prompt, 2.5))
    wait_for(lambda: job.running() or job.done())
    assert job.running(), job.status
    return job


def test_cancel_stops_this_run_and_no_other(make):
    server, client = make()
    job = running(client)
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    cancels = {each.path for each in server.requests if each.path.endswith("/cancel")}
    assert cancels == {f"/predictions/{job.id}/cancel"}
    assert client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S).artifacts


def test_an_older_server_can_not_be_told_while_a_call_waits(make):
    server, client = make("cog-0.9", speed=20.0)
    job = running(client, "slow rain")
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
    assert not [each for each in server.requests if each.path.endswith("/cancel")]
    assert client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S).artifacts


def test_an_older_server_that_shares_our_disk_works_in_the_background_and_can_be_told(make):
    server, client = make("cog-0.9")
    for heard in (False, True):
        assert client.profile_cache.receives_webhooks == heard
        first = client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
        assert first.artifacts[0].source == "output.wav"
        put = [each for each in server.requests if each.method == "PUT"][-1]
        assert ("completed" in put.json["webhook_events_filter"]) == heard
    second = client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
    assert second.artifacts[0].source.endswith(".wav")
    assert "/" in second.artifacts[0].source
    put = [each for each in server.requests if each.method == "PUT"][-1]
    assert put.headers["Prefer"] == "respond-async"
    job = running(client)
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert job.status.backend_cancel is BackendCancel.CONFIRMED
    error = error_of(client, "explode")
    assert isinstance(error, errors.OutOfMemory)
    assert isinstance(error_of(client, settings={"n_candidates": 99}), errors.ValidationError)


def test_an_older_server_that_finishes_without_a_word(make, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.02)
    server, client = make("cog-0.9")
    for _ in range(2):
        client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
    assert client.profile_cache.shares_disk
    job = running(client)
    client.profile_cache.forget_run(job.id)
    server.cog._prediction.cancelled.set()
    error = job.exception(HANG_GUARD_S)
    assert isinstance(error, errors.JobLost)


def test_an_older_server_that_works_is_not_called_down(make, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audioldm.client.PROBE_FIRST_BYTE_S", 0.1)
    monkeypatch.setattr("movie_director.clients.audioldm.client.LOOK_FIRST_BYTE_S", 0.1)
    server, client = make("cog-0.9", speed=10.0)
    job = running(client, "slow rain")
    assert client.probe().dialect == "cog-old"
    with AudioLDMClient(server.url) as other, pytest.raises(errors.NetworkTimeout):
        other.probe()
    with AudioLDMClient(server.url) as other:
        assert isinstance(error_of(other), errors.NetworkTimeout)
        other.profile_cache.profile = client.profile_cache.profile
        late = other.submit(SoundRequest("rain", 2.5))
        wait_for(lambda: late.status.message or late.done())
        assert "busy" in late.status.message
        assert late.result(HANG_GUARD_S).artifacts
    assert job.result(HANG_GUARD_S).artifacts


def known_but_lost(client, monkeypatch, code):
    """Let the client know its server, which then fails with a time-out of this kind."""
    client.probe()
    client.profile_cache.profile = client._ask(None, 5.0).profile
    client.profile_cache.at_work.add("another job")

    def ask(*_given):
        raise errors.NetworkTimeout("no answer", code=code)

    monkeypatch.setattr(client, "_ask", ask)


@pytest.mark.parametrize("code", ["connect", "read"])
def test_a_known_server_that_can_not_be_reached_is_not_called_busy(make, monkeypatch, code):
    _, client = make(job_timeout_s=5.0)
    known_but_lost(client, monkeypatch, code)
    assert error_of(client).code == code
    with pytest.raises(errors.NetworkTimeout) as caught:
        client.probe()
    assert caught.value.code == code


def test_a_job_s_time_is_over_while_a_known_server_is_mute(make):
    server, client = make(job_timeout_s=0.5)
    client.profile_cache.profile = client._ask(None, HANG_GUARD_S).profile
    server.inject(Fault("stall", on="GET /health-check", times=None))
    late = client.submit(SoundRequest("rain", 2.5))
    assert late.exception(HANG_GUARD_S).code == "job_timeout"
    assert late.status.state is JobState.FAILED


def test_a_cancel_that_has_no_effect_keeps_the_lane_no_longer_than_the_drain(make, monkeypatch):
    server, client = make()
    server.inject(Fault("ignore_cancel", times=None))
    sample = server.cog._sample
    monkeypatch.setattr(server.cog, "_sample", lambda run, gone: sample(run, lambda: False))  # nor that nobody waits
    client.runner.options = replace(client.options, drain_timeout_s=0.5)
    job = running(client)
    started = time.monotonic()
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert 0.5 <= time.monotonic() - started < 5.0
    assert (job.status.state, job.status.backend_cancel) == (JobState.CANCELLED, BackendCancel.FAILED)
    server.cog._prediction.cancelled.set()


def test_a_job_s_time_is_over(make):
    server, client = make(job_timeout_s=0.5)
    job = client.submit(SoundRequest("endless rain", 2.5))
    assert job.exception(HANG_GUARD_S).code == "job_timeout"
    wait_for(lambda: any(each.path.endswith("/cancel") for each in server.requests))


def test_no_thread_is_left(make):
    _, client = make("cog-0.9")
    client.submit(SoundRequest("rain", 2.5)).result(HANG_GUARD_S)
    client.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("movie-director-audioldm")]


def test_a_job_of_before_that_was_never_sent_is_not_told_of(make):
    server, client = make()
    assert client.cancel_on_backend(SimpleNamespace(state={})) is BackendCancel.CONFIRMED
    assert len(server.requests) == 0


def test_an_older_server_that_stays_mute_keeps_the_lane_no_longer_than_the_drain(make, monkeypatch):
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.QUICK_S", 0.1)
    monkeypatch.setattr("movie_director.clients.audioldm.cog.run.BUSY_PAUSE_S", 0.05)
    _, client = make("cog-0.9")
    client.runner.options = replace(client.options, drain_timeout_s=0.5)
    job = running(client)
    started = time.monotonic()
    assert job.cancel()
    wait_for(lambda: job.status.backend_cancel is not BackendCancel.PENDING)
    assert 0.5 <= time.monotonic() - started < 5.0
    assert job.status.backend_cancel is BackendCancel.UNSUPPORTED


def test_a_sound_is_never_looked_for_again(make):
    server, client = make()
    job = client.submit(SoundRequest("rain", 2.5))
    record = job.record() | {"stage": "sent"}
    job.result(HANG_GUARD_S)
    before = len(server.requests)
    resumed = client.resume(record)
    assert isinstance(resumed.exception(HANG_GUARD_S), errors.JobLost)
    assert len(server.requests) == before
