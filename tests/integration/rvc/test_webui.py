"""RVC-WebUI in both generations: conversions, and trainings with their ends, good and bad."""

from __future__ import annotations

import base64
import errno
import json
import threading
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.voices import replace_route, voices, write_tone
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import RVCClient, errors, events
from movie_director.clients.core.context import CancelContext
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.http.url import parse_server_url
from movie_director.clients.mock import Fault
from movie_director.clients.mock.rvc.webui import reply
from movie_director.clients.rvc import ConvertRequest, SpeakRequest, TrainRequest
from movie_director.clients.rvc.sample_upload import provide_samples
from movie_director.clients.rvc.samples import prepare_samples

BOTH = ("rvc-webui", "rvc-webui-2.2")
both = pytest.mark.parametrize("dialect", BOTH)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "line.wav")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in "ab":
        write_tone(folder / f"{name}.wav", 6.0)
    (folder / "notes.txt").write_text("not a sound")
    return folder


def idle(client):
    wait_for(lambda: not client.runner.busy())


def calls(mock, function):
    """Return the bodies of the calls of a function, by its name or number."""
    program = mock.flavour.program
    number = program.number(function) if isinstance(function, str) else function
    return [each.json for each in mock.requests if each.json and each.json.get("fn_index") == number]


def sessions_of(mock):
    return {each["session_hash"] for each in calls(mock, "train_start_all")}


# --- conversions


@both
def test_a_recording_is_converted(tmp_path, line, dialect):
    with voices(tmp_path, dialect=dialect) as (mock, client):
        info = client.probe()
        assert info.dialect == dialect
        assert info.models == ("demo-narrator", "demo-voice")
        assert info.capabilities == {"convert", "list", "train", "speech_server"}
        job = client.submit(ConvertRequest(line, "demo-voice", pitch=-5, protect=0.2, index_rate=0.5))
        result = job.result(HANG_GUARD_S)
        sent = calls(mock, "infer_convert")[-1]["data"]
    with wave.open(str(result.artifacts[0].path)) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (48_000, 1)
        assert sound.getnframes() == pytest.approx(48_000, abs=200)
    assert result.metadata["dialect"] == dialect
    assert "Gradio 3." in result.metadata["server_version"]
    if dialect == "rvc-webui":
        assert sent[1]["data"].startswith("data:audio/wav;base64,")
        assert [sent[0], *sent[2:]] == [0, -5, "rmvpe", "", 0.5, 0, 0.25, 0.2]
    else:
        assert sent[1].startswith("/srv/gradio_tmp/")
        assert [sent[0], *sent[2:]] == [0, -5, None, "rmvpe", "", "", 0.5, 3, 0, 0.25, 0.2]


@both
def test_a_line_is_spoken_by_the_server_that_lists_the_route(tmp_path, monkeypatch, dialect):
    monkeypatch.setenv("PATH", str(tmp_path))
    with voices(tmp_path, dialect=dialect) as (_, client):
        result = client.submit(SpeakRequest("Where is it?", "demo-voice")).result(HANG_GUARD_S)
        assert result.metadata["speaker"]["name"] == "rvc-server"
    with voices(tmp_path, dialect=dialect, speaks=False) as (_, client):
        assert client.probe().capabilities == {"convert", "list", "train"}
        assert client.submit(SpeakRequest("Where is it?", "demo-voice")).exception(HANG_GUARD_S).code == "no_speaker"


@both
@pytest.mark.parametrize(
    ("fault", "kind", "code", "words"),
    [
        ("voice_broken", errors.GenerationError, "voice_not_loaded", "loading the voice"),
        ("conversion_failed", errors.GenerationError, "conversion_failed", "RuntimeError: no index"),
        ("conversion_oom", errors.OutOfMemory, "out_of_memory", "memory"),
    ],
)
def test_errors_that_hide_in_good_answers_are_found(tmp_path, line, dialect, fault, kind, code, words):
    with voices(tmp_path, Fault(fault), dialect=dialect) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert type(error) is kind
        assert error.code == code
        assert words in str(error)
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).artifacts


@both
def test_a_missing_voice_and_an_error_without_a_word(tmp_path, line, dialect):
    with voices(tmp_path, dialect=dialect) as (mock, client):
        error = client.submit(ConvertRequest(line, "demo-voise")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.MissingResource)
        assert error.nearest[0] == "demo-voice"
        mock.flavour._functions["infer_convert"] = lambda *_given: None.no_such_thing
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.GenerationError)
        assert error.code == "conversion_failed"
        assert error.backend == "rvc"
        mock.flavour._functions["infer_convert"] = lambda *_given: []
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ProtocolError)


@pytest.mark.parametrize("dialect", ["rvc-webui", "rvc-python-git"])
def test_a_long_recording_is_encoded_in_slices(tmp_path, monkeypatch, dialect):
    longest = []

    def watched(function):
        def call(given, *rest, **options):
            made = function(given, *rest, **options)
            longest.append(len(made))
            return made

        return call

    recording = write_tone(tmp_path / "long.wav", 30, rate=48_000)
    with voices(tmp_path, dialect=dialect) as (mock, client):
        monkeypatch.setattr(base64, "b64encode", watched(base64.b64encode))
        monkeypatch.setattr(json, "dumps", watched(json.dumps))
        assert client.submit(ConvertRequest(recording, "demo-voice")).result(HANG_GUARD_S).problems == ()
        monkeypatch.undo()
        short = write_tone(tmp_path / "short.wav", 5, rate=48_000)
        client.submit(ConvertRequest(short, "demo-voice")).result(HANG_GUARD_S)
        (sent,) = [each.json for each in list(mock.requests)[-3:] if each.json and "audio" in str(each.json)[:200]]
        text = sent["audio_data"] if dialect == "rvc-python-git" else sent["data"][1]["data"].partition(",")[2]
        assert len(base64.b64decode(text, validate=True)) == short.stat().st_size
    assert max(longest) < 1 << 20


def told_by(mock, *functions):
    """Return a list that grows with the begin and end of each call of those functions."""
    told = []

    def watched(name, function):
        def call(*given):
            told.append(f"{name} begins")
            try:
                return function(*given)
            finally:
                told.append(f"{name} ends")

        return call

    for name in functions:
        mock.flavour._functions[name] = watched(name, mock.flavour._functions[name])
    return told


@both
def test_a_conversion_can_not_be_stopped_and_keeps_its_turn(tmp_path, line, dialect):
    with voices(tmp_path, dialect=dialect, speed=10.0) as (mock, client):
        told = told_by(mock, "infer_change_voice", "infer_convert")
        job = client.submit(ConvertRequest(write_tone(tmp_path / "long.wav", 60), "demo-voice"))
        wait_for(lambda: "infer_convert begins" in told)
        job.cancel()
        assert job.cancelled()
        with another(mock, client) as second:
            result = second.submit(ConvertRequest(line, "demo-narrator")).result(HANG_GUARD_S)
        idle(client)
        assert result.metadata["voice"] == "demo-narrator"
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
    one = ["infer_change_voice begins", "infer_change_voice ends", "infer_convert begins", "infer_convert ends"]
    assert told == [*one, *one]


def test_a_conversion_that_outlasts_the_drain_is_broken_off(tmp_path, line):
    soon = {"drain_timeout_s": 0.2}
    with voices(tmp_path, dialect="rvc-webui", speed=1.0, options=soon) as (mock, client):
        told = told_by(mock, "infer_convert")
        job = client.submit(ConvertRequest(write_tone(tmp_path / "long.wav", 60), "demo-voice"))
        wait_for(lambda: told)
        job.cancel()
        idle(client)
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
        assert told == ["infer_convert begins"]
        assert not client._server_lock.conversions.locked
        assert not client._kept_runs


@both
def test_a_conversion_whose_time_is_over_keeps_its_turn_too(tmp_path, line, dialect):
    with voices(tmp_path, dialect=dialect, speed=5.0, options={"job_timeout_s": 0.8}) as (mock, client):
        told = told_by(mock, "infer_change_voice", "infer_convert")
        job = client.submit(ConvertRequest(write_tone(tmp_path / "long.wav", 60), "demo-voice"))
        assert job.exception(HANG_GUARD_S).code == "job_timeout"
        with RVCClient(mock.url, options=replace(client.options, job_timeout_s=None)) as second:
            assert second.submit(ConvertRequest(line, "demo-narrator")).result(HANG_GUARD_S).artifacts
        assert told[2:5] == ["infer_convert begins", "infer_convert ends", "infer_change_voice begins"]


def test_a_reason_that_the_server_gives_is_kept(tmp_path, line):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        run = mock.flavour._run

        def refused(request):
            return reply({"error": "no more voices"}, 500) if request.json().get("fn_index") == 2 else run(request)

        for index, (method, regex, handler) in enumerate(mock._routes):
            if handler == run:
                mock._routes[index] = (method, regex, refused)
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.GenerationError)
        assert "no more voices" in error.message


def test_a_key_that_the_server_repeats_is_in_no_error(tmp_path, line, samples, canary, assert_no_secret):
    def telling(*_given):
        yield [f"【X】\nStatus：Starting\n\n{canary}", None, None, None]
        yield [f"【X】\nStatus：Failed\n\nTraceback of {canary}", None, None, None]

    with voices(tmp_path, dialect="rvc-webui", client={"api_key": canary}) as (mock, client):
        mock.flavour._functions["infer_convert"] = lambda *_given: [f"Traceback\nno {canary}", None]
        mock.flavour.trainings.generators["train_start_all"] = telling
        for request in (ConvertRequest(line, "demo-voice"), TrainRequest("one", [samples])):
            job = client.submit(request)
            assert_no_secret(job.exception(HANG_GUARD_S))
            assert canary not in "".join(map(repr, job.events()))


def test_a_gradio_app_of_another_kind_is_none_of_ours(tmp_path):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        replace_route(mock, "GET", "/config", lambda _: reply({"version": "3.14.0", "dependencies": []}))
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
        assert caught.value.code == "not_rvc"
        replace_route(mock, "GET", "/config", lambda _: reply({"version": "2.9.0", "dependencies": []}))
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
        assert caught.value.code == "gradio_version"


def test_a_sound_that_can_not_be_fetched_is_an_error(tmp_path, line):
    with voices(tmp_path, dialect="rvc-webui-2.2") as (mock, client):
        gone = ["Success", {"name": "/etc/hostname", "data": None, "is_file": True}]
        mock.flavour._functions["infer_convert"] = lambda *_given: gone
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.PermissionDenied)


# --- trainings


def test_a_voice_is_trained_with_stages_and_epochs_and_can_be_used(tmp_path, samples, line):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        job = client.submit(TrainRequest("my-hero", [samples], epochs=4, rate=48_000, gpus="0"))
        seen = [each.progress for each in job.events() if isinstance(each, events.Progressed)]
        result = job.result(HANG_GUARD_S)
        first = calls(mock, "train_start_all")[0]
        folder = Path(first["data"][3])
        assert first["data"] == [
            *("my-hero", "48k", True, str(folder), 0, 2, "rmvpe", 10, 4, 4, "Yes"),
            *("assets/pretrained_v2/f0G48k.pth", "assets/pretrained_v2/f0D48k.pth", "0", "No", "No", "v2", "0"),
        ]
        assert folder.parent.parent == client.options.output_dir
        assert not folder.exists()
        assert "my-hero" in client.probe().models
        assert client.submit(ConvertRequest(line, "my-hero")).result(HANG_GUARD_S).metadata["server_rate"] == 48_000
    stages = list(dict.fromkeys(each.stage for each in seen))
    assert stages == [
        "Checking the samples",
        "Slicing the samples",
        "Extracting pitch and features",
        "Training the model",
        "Making the index",
        "Done",
    ]
    fractions = [each.fraction for each in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    epochs = [(each.step, each.total_steps) for each in seen if each.stage == "Training the model" and each.step]
    assert epochs[0] == (1, 4)
    assert epochs[-1] == (4, 4)
    lines = [each.line for each in job.events() if isinstance(each, events.Logged)]
    assert "[Preprocess] 2/3" in lines
    assert len([each for each in lines if "====> Epoch: 3" in each]) == 1
    assert any("minutes long" in each for each in lines)
    assert "my-hero" in result.text
    assert result.data == {"voice": "my-hero"}
    assert result.metadata["samples"] == {"count": 2, "seconds": 12.0}


def test_the_older_one_is_trained_too_by_the_steps_that_it_tells(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui-2.2") as (mock, client):
        job = client.submit(TrainRequest("my-hero", [samples], epochs=4))
        seen = {each.progress.stage for each in job.events() if isinstance(each, events.Progressed)}
        assert job.result(HANG_GUARD_S).data == {"voice": "my-hero"}
        assert {"Slicing the samples", "Extracting pitch and features", "Training the model"} <= seen
        assert "my-hero" in mock.voices
        assert len(sessions_of(mock)) == 1


@both
def test_a_training_that_fails_is_an_error_though_the_status_is_200(tmp_path, samples, dialect):
    with voices(tmp_path, Fault("training_failed"), dialect=dialect) as (_, client):
        error = client.submit(TrainRequest("my-hero", [samples], epochs=4)).exception(HANG_GUARD_S)
        assert isinstance(error, errors.GenerationError)
        assert error.code == "training_failed"
        if dialect == "rvc-webui":
            assert "no valid training audio" in error.message
        assert not list((tmp_path / "out" / "rvc_samples").iterdir())
        assert client.submit(TrainRequest("my-hero", [samples], epochs=4)).result(HANG_GUARD_S)


def test_a_voice_that_was_there_before_proves_no_training_of_the_older_one(tmp_path, samples):
    with voices(tmp_path, Fault("training_failed"), dialect="rvc-webui-2.2") as (mock, client):
        result = client.submit(TrainRequest("demo-voice", [samples], epochs=4)).result(HANG_GUARD_S)
        assert [each.code for each in result.problems] == ["training_unconfirmed"]
        assert "trained" not in result.text
        assert result.metadata["confirmed"] is False

        def broken(_name, _rate, _pitched, folder, *_rest):
            yield [f"Step 1: Processing data\n\n{folder}\n\nStep 3a: Model training started\nRuntimeError: no GPU"]

        mock.flavour.trainings.generators["train_start_all"] = broken
        error = client.submit(TrainRequest("demo-voice", [samples], epochs=4)).exception(HANG_GUARD_S)
        assert error.code == "training_failed"
        assert "no GPU" in error.message


@both
def test_a_voice_that_was_there_before_can_be_trained_again(tmp_path, samples, dialect):
    with voices(tmp_path, dialect=dialect, voices={"failed-error": 40_000}) as (_, client):
        result = client.submit(TrainRequest("failed-error", [samples], epochs=4)).result(HANG_GUARD_S)
        assert result.data == {"voice": "failed-error"}
        assert bool(result.problems) is (dialect == "rvc-webui-2.2")


@both
def test_a_training_of_a_known_voice_that_the_server_forgot_is_lost(tmp_path, samples, dialect):
    with voices(tmp_path, dialect=dialect, speed=20.0) as (mock, client):
        job = client.submit(TrainRequest("demo-voice", [samples], epochs=6))
        wait_for(lambda: job.status.progress and job.status.progress.stage == "Extracting pitch and features")
        client.close(detach=True)
        mock.flavour.restart()
        with another(mock, client) as fresh:
            error = fresh.resume(job.record()).exception(HANG_GUARD_S)
        assert isinstance(error, errors.JobLost)


@both
def test_only_one_training_runs_on_a_server_and_the_next_waits(tmp_path, samples, line, dialect):
    with voices(tmp_path, dialect=dialect, speed=20.0) as (mock, client):
        first = client.submit(TrainRequest("one", [samples], epochs=20))
        wait_for(lambda: first.backend_id)
        second = client.submit(TrainRequest("two", [samples], epochs=2))
        wait_for(lambda: second.status.message == "Waiting for the server")
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).artifacts
        assert first.running()
        assert len(sessions_of(mock)) == 1
        assert first.result(HANG_GUARD_S)
        assert second.result(HANG_GUARD_S).data == {"voice": "two"}
        asked = [each["data"][0] for each in calls(mock, "train_start_all")]
        assert asked == sorted(asked)


def test_a_training_of_somebody_else_is_not_waited_for(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (mock, client):
        mock.flavour.trainings.task = "One-click training"
        error = client.submit(TrainRequest("two", [samples], epochs=2)).exception(HANG_GUARD_S)
        assert isinstance(error, errors.Overloaded)
        assert error.code == "training_busy"
        assert error.retryable
        assert "stop" in error.hint


def test_a_cancelled_training_keeps_its_turn_until_it_is_seen_out(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (_, client):
        first = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: first.backend_id)
        second = client.submit(TrainRequest("two", [samples], epochs=2))
        wait_for(lambda: second.status.message == "Waiting for the server")
        first.cancel()
        assert second.result(HANG_GUARD_S).data == {"voice": "two"}
        idle(client)
        assert first.status.backend_cancel is BackendCancel.CONFIRMED


def test_cancel_stops_the_trainer_and_sees_the_generator_out(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=10.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: job.status.progress and job.status.progress.stage == "Extracting pitch and features")
        assert job.cancel()
        idle(client)
        assert job.status.backend_cancel is BackendCancel.CONFIRMED
        assert len(calls(mock, 21)) == 1
        assert mock.flavour.trainings.task is None
        assert not mock.flavour._generators
        assert not list((tmp_path / "out" / "rvc_samples").iterdir())
        mock.clock.speed = 1000.0
        assert client.submit(TrainRequest("two", [samples], epochs=2)).result(HANG_GUARD_S)


def test_cancel_finds_the_stop_button_in_other_languages(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (mock, client):
        config = json.loads(client.http.request("GET", "/config").read(1 << 20))
        for each in config["components"]:
            each["props"]["value"] = "停" if each["type"] == "button" else each["props"].get("value")
        replace_route(mock, "GET", "/config", lambda _: reply(config))
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: job.backend_id)
        job.cancel()
        idle(client)
        assert job.status.backend_cancel is BackendCancel.CONFIRMED
        assert mock.flavour.trainings.task is None


def test_a_cancel_before_the_first_text_stops_only_what_is_ours(tmp_path, samples):
    with voices(tmp_path, Fault("stall", on="/run/*", after=1), dialect="rvc-webui", speed=50.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: calls(mock, "train_start_all"))
        job.cancel()
        idle(client)
        assert job.status.backend_cancel is BackendCancel.CONFIRMED
        assert mock.flavour.trainings.task is None


def test_the_older_one_can_not_be_stopped_but_ends_with_its_step(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui-2.2", speed=10.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: job.backend_id)
        job.cancel()
        idle(client)
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
        assert copies(tmp_path) == []
        mock.clock.speed = 1000.0
        wait_for(lambda: not any(each.lock.locked() for each in mock.flavour._generators.values()))
        assert "one" not in mock.voices


def copies(folder):
    """Return the folders of samples that are left on this machine's disk."""
    return list((folder / "out" / "rvc_samples").iterdir())


@pytest.mark.parametrize("end", ["full", "cancelled", "refused"])
def test_no_copies_of_samples_are_left_by_a_training_that_never_began(tmp_path, samples, monkeypatch, end):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        jobs = []

        def copied(source, target):
            Path(target).write_bytes(b"RIFF")
            if end == "full":
                raise OSError(errno.ENOSPC, "No space left on device")
            jobs[0].cancel()

        def listed():
            raise LookupError("no list")

        if end == "refused":
            mock.flavour._functions["infer_refresh"] = listed
        else:
            monkeypatch.setattr("movie_director.clients.rvc.sample_upload.shutil.copyfile", copied)
        gate = threading.Event()
        monkeypatch.setattr(
            "movie_director.clients.rvc.conversion_run.prepare_samples",
            lambda *given: gate.wait(HANG_GUARD_S) and prepare_samples(*given),
        )
        jobs.append(client.submit(TrainRequest("one", [samples], epochs=2)))
        gate.set()
        idle(client)
        assert jobs[0].done()
        assert not calls(mock, "train_start_all")
        folder = tmp_path / "out" / "rvc_samples"
        assert not folder.exists() or copies(tmp_path) == []


def test_a_cancel_between_the_copies_and_the_start_leaves_none(tmp_path, samples, monkeypatch):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        jobs, gate = [], threading.Event()

        def placed(job, *given):
            done = provide_samples(job, *given)
            assert gate.wait(HANG_GUARD_S)
            jobs[0].cancel()
            return done

        monkeypatch.setattr("movie_director.clients.rvc.webui.training.provide_samples", placed)
        jobs.append(client.submit(TrainRequest("one", [samples], epochs=2)))
        gate.set()
        idle(client)
        assert jobs[0].cancelled()
        assert not calls(mock, "train_start_all")
        assert copies(tmp_path) == []


def another(mock, client):
    return RVCClient(mock.url, options=client.options)


@both
def test_a_detached_training_is_found_again_by_its_record(tmp_path, samples, dialect):
    with voices(tmp_path, dialect=dialect, speed=20.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=6))
        wait_for(lambda: job.status.progress and job.status.progress.stage == "Extracting pitch and features")
        client.close(detach=True)
        assert isinstance(job.exception(HANG_GUARD_S), errors.JobDetached)
        record = json.loads(json.dumps(job.record()))
        with another(mock, client) as fresh:
            again = fresh.resume(record)
            result = again.result(HANG_GUARD_S)
            assert again.id == job.id
            assert "one" in fresh.probe().models
        assert result.metadata["samples"] == {"count": 2, "seconds": 12.0}
        assert len(sessions_of(mock)) == 1


@both
def test_a_record_of_a_training_that_has_ended_starts_none(tmp_path, samples, dialect):
    with voices(tmp_path, dialect=dialect) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=2))
        job.result(HANG_GUARD_S)
        with another(mock, client) as fresh:
            assert fresh.resume(job.record()).result(HANG_GUARD_S).data == {"voice": "one"}
            assert getattr(mock.flavour.trainings, "task", None) is None
            mock.flavour.restart()
            del mock.voices["one"]
            error = fresh.resume(job.record()).exception(HANG_GUARD_S)
            assert isinstance(error, errors.JobLost)
            assert getattr(mock.flavour.trainings, "task", None) is None


@both
def test_a_conversion_of_before_is_lost_and_its_cancel_waits_for_nothing(tmp_path, line, dialect):
    with voices(tmp_path, dialect=dialect) as (mock, client):
        job = client.submit(ConvertRequest(line, "demo-voice"))
        job.result(HANG_GUARD_S)
        with another(mock, client) as fresh:
            again = fresh.resume(job.record())
            assert again.exception(HANG_GUARD_S).code == "outcome_unknown"
            context = CancelContext(again._internals, HANG_GUARD_S, threading.Event())
            assert fresh.cancel_on_backend(context) is BackendCancel.UNSUPPORTED


def test_a_record_of_another_kind_of_server_is_lost(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=2))
        job.result(HANG_GUARD_S)
        record = {**job.record(), "state": {"dialect": "applio", "step": "train"}}
        with another(mock, client) as fresh:
            error = fresh.resume(record).exception(HANG_GUARD_S)
            assert isinstance(error, errors.JobLost)
            assert error.code == "outcome_unknown"


def test_a_server_that_goes_away_in_mid_training_is_asked_again_for_a_while(tmp_path, samples, monkeypatch):
    monkeypatch.setattr("movie_director.clients.rvc.webui.training.ATTEMPTS", 2)
    monkeypatch.setattr("movie_director.clients.rvc.webui.training.ASK_AGAIN_S", 0.01)
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: job.backend_id)
        mock.stop()
        error = job.exception(HANG_GUARD_S)
        assert isinstance(error, errors.NetworkError)


def test_a_stop_that_the_server_does_not_take_is_a_failed_cancel(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: job.backend_id)
        mock.stop()
        job.cancel()
        idle(client)
        assert job.status.backend_cancel is BackendCancel.FAILED
        assert copies(tmp_path) == []


def test_a_cancel_that_reaches_nobody_is_a_failed_one(tmp_path, samples):
    stalled, soon = Fault("stall", on="/run/*", after=1), {"drain_timeout_s": 0.3}
    with voices(tmp_path, stalled, dialect="rvc-webui", options=soon) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: calls(mock, "train_start_all"))
        job.cancel()
        mock.inject(Fault("reset", on="/run/*", times=None))
        idle(client)
        assert job.status.backend_cancel is BackendCancel.FAILED


def test_a_training_that_fails_without_a_word_ends_at_once(tmp_path, samples):
    def broken(*_given):
        yield from ()
        raise LookupError("no such experiment")

    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        mock.flavour.trainings.generators["train_start_all"] = broken
        error = client.submit(TrainRequest("one", [samples], epochs=2)).exception(HANG_GUARD_S)
        assert isinstance(error, errors.GenerationError)
        assert error.code == "no_reason"
        assert len(calls(mock, "train_start_all")) == 1


def test_a_lost_connection_in_mid_training_is_no_end(tmp_path, samples):
    cut = Fault("lost_answer", on="/run/*", after=6, times=2)
    with voices(tmp_path, cut, dialect="rvc-webui") as (_, client):
        job = client.submit(TrainRequest("one", [samples], epochs=4))
        assert job.result(HANG_GUARD_S).data == {"voice": "one"}
        assert any(isinstance(each, events.Reconnected) for each in job.events())


def test_a_lost_first_answer_does_not_start_a_second_training(tmp_path, samples):
    cut = Fault("lost_answer", on="/run/*", after=1, times=1)
    with voices(tmp_path, cut, dialect="rvc-webui") as (mock, client):
        assert client.submit(TrainRequest("one", [samples], epochs=4)).result(HANG_GUARD_S).data == {"voice": "one"}
        assert len(sessions_of(mock)) == 1


def test_an_abandoned_training_keeps_the_server_busy_until_it_is_seen_out(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=3))
        wait_for(lambda: job.backend_id)
        client.close(detach=True)
        with another(mock, client) as fresh:
            error = fresh.submit(TrainRequest("two", [samples], epochs=2)).exception(HANG_GUARD_S)
            assert error.code == "training_busy"
            assert fresh.resume(job.record()).result(HANG_GUARD_S)
            assert fresh.submit(TrainRequest("two", [samples], epochs=2)).result(HANG_GUARD_S)


def test_a_training_that_somebody_stops_on_the_page_says_so(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui", speed=20.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=100))
        wait_for(lambda: job.status.progress and job.status.progress.stage == "Training the model")
        mock.flavour.trainings._stopped = True
        error = job.exception(HANG_GUARD_S)
        assert error.code == "training_stopped"


def test_rates_and_methods_that_the_server_lacks_are_refused(tmp_path, samples):
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        for wrong in ({"rate": 32_000}, {"f0_method": "crepe"}):
            error = client.submit(TrainRequest("one", [samples], **wrong)).exception(HANG_GUARD_S)
            assert isinstance(error, errors.ValidationError)
            assert error.code == "unsupported"
        assert not calls(mock, "train_start_all")


# --- samples


def test_bad_samples_are_all_named_before_anything_is_sent(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    write_tone(folder / "fine.wav", 12)
    write_tone(folder / "short.wav", 0.5)
    write_tone(folder / "silent.wav", 3, loud=0.0)
    write_tone(folder / "phone.wav", 3, rate=8_000)
    (folder / "broken.wav").write_bytes(b"RIFF----WAVE")
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        error = client.submit(TrainRequest("one", [folder, folder / "fine.wav"])).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ValidationError)
        assert error.code == "bad_samples"
        assert [each.split()[0] for each in error.problems] == ["broken.wav", "phone.wav", "short.wav", "silent.wav"]
        assert not mock.requests.matching(lambda each: each.method == "POST")
        short = client.submit(TrainRequest("one", [write_tone(tmp_path / "s.wav", 3)])).exception(HANG_GUARD_S)
        assert "3.0 s long" in short.message
        (tmp_path / "empty").mkdir()
        none = client.submit(TrainRequest("one", [tmp_path / "empty"])).exception(HANG_GUARD_S)
        assert none.code == "no_samples"
        (tmp_path / "a.flac").write_bytes(b"fLaC" + bytes(64))
        codec = client.submit(TrainRequest("one", [tmp_path / "a.flac"])).exception(HANG_GUARD_S)
        assert codec.code == "needs_audio_codec"


def test_samples_go_through_a_shared_folder(tmp_path, samples):
    shared = tmp_path / "share"
    with voices(tmp_path, dialect="rvc-webui") as (mock, client):
        request = TrainRequest("one", [samples], epochs=2, shared_folder=shared, server_folder="D:\\share\\")
        job = client.submit(request)
        job.result(HANG_GUARD_S)
        asked = calls(mock, "train_start_all")[0]["data"][3]
        assert asked == f"D:\\share\\one-{job.id[:8]}"
        assert list(shared.iterdir()) == []
        there = client.submit(replace(request, shared_folder=None, server_folder="/data/one"))
        there.result(HANG_GUARD_S)
        assert calls(mock, "train_start_all")[-1]["data"][3] == "/data/one"
        same = client.submit(replace(request, server_folder=None))
        same.result(HANG_GUARD_S)
        assert calls(mock, "train_start_all")[-1]["data"][3].startswith(str(shared))


def test_a_server_on_another_machine_needs_a_folder_that_both_see():
    request = TrainRequest("one", [Path("a.wav")])
    with pytest.raises(errors.ValidationError) as caught:
        provide_samples(SimpleNamespace(job_id="0123456789"), request, None, parse_server_url("http://studio.lan:7865"))
    assert caught.value.code == "samples_not_shared"
    assert "shared_folder" in caught.value.hint
    assert "server_folder" in caught.value.hint
