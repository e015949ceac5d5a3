"""Applio: conversions, its own speech, trainings with uploaded samples, and its sentences for what goes wrong."""

from __future__ import annotations

import wave
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.voices import write_tone
from support.waiting import HANG_GUARD_S, wait_for

from movie_director.clients import RVCClient, errors, events
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.mock import Fault
from movie_director.clients.mock.rvc.applio import NOT_AGREED, MockApplio
from movie_director.clients.rvc import ConvertRequest, SpeakRequest, TrainRequest
from movie_director.clients.rvc.applio import _make_upload_name, _split_path


@contextmanager
def applio(folder, *faults, speed=100.0, key=None, options=None, **given):
    with MockApplio(faults=faults, speed=speed, **given) as mock:
        changes = {"output_dir": folder / "out", "max_retries": 0, **(options or {})}
        with RVCClient(mock.url, options=replace(RVCClient.default_options, **changes), api_key=key) as client:
            yield mock, client


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "line.wav")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in "ab":
        write_tone(folder / f"{name}.wav", 6.0)
    return folder


@pytest.mark.parametrize("first", [12, 700])
def test_a_recording_is_converted_whatever_the_numbers_of_the_functions(tmp_path, line, first):
    with applio(tmp_path, first=first) as (mock, client):
        info = client.probe()
        assert (info.dialect, info.version) == ("applio", "Gradio 6.20.0")
        assert info.models == ("demo-narrator", "demo-voice")
        assert info.capabilities == {"convert", "list", "train", "speak"}
        request = ConvertRequest(line, "demo-voice", pitch=3, protect=0.2, index_rate=0.5, accept_terms=True)
        result = client.submit(request).result(HANG_GUARD_S)
        (sent,) = [
            each.json["data"]
            for each in mock.requests
            if each.json and each.route.endswith("/queue/join") and len(each.json["data"]) == 60
        ]
    assert sent[:6] == [True, 3, 0.5, 0.25, 0.2, "rmvpe"]
    assert sent[6].endswith("recording.wav")
    assert sent[7:10] == [
        "/srv/Applio/assets/audios/output_movie_director.wav",
        "logs/demo-voice/demo-voice.pth",
        "logs/demo-voice/demo-voice.index",
    ]
    assert sent[17:19] == ["WAV", "contentvec"]
    with wave.open(str(result.artifacts[0].path)) as sound:
        assert sound.getframerate() == 48_000
        assert sound.getnframes() == pytest.approx(48_000, abs=200)
    assert result.metadata["dialect"] == "applio"


def test_nothing_is_done_without_consent_to_the_terms(tmp_path, line, samples):
    with applio(tmp_path) as (mock, client):
        for request in (
            ConvertRequest(line, "demo-voice"),
            SpeakRequest("Hello.", "demo-voice", speaker="applio"),
            TrainRequest("one", [samples]),
        ):
            error = client.submit(request).exception(HANG_GUARD_S)
            assert isinstance(error, errors.ValidationError)
            assert error.code == "terms_not_accepted"
            assert "accept_terms" in error.hint
        assert not mock.requests.matching(lambda each: each.route.endswith("/queue/join"))


def test_a_refusal_for_want_of_consent_is_found_in_the_answer_too(tmp_path, line):
    with applio(tmp_path) as (mock, client):
        number = mock.app.by_name["enforce_terms"].id
        mock.app.dependencies[number] = replace(
            mock.app.dependencies[number], function=lambda *_given: [NOT_AGREED, None]
        )
        error = client.submit(ConvertRequest(line, "demo-voice", accept_terms=True)).exception(HANG_GUARD_S)
        assert error.code == "terms_not_accepted"


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("conversion_failed", errors.GenerationError, "conversion_failed"),
        ("conversion_oom", errors.OutOfMemory, "out_of_memory"),
        ("function_error", errors.GenerationError, "no_reason"),
    ],
)
def test_failures_that_end_complete_are_found(tmp_path, line, fault, kind, code):
    with applio(tmp_path, Fault(fault, on="enforce_terms" if fault == "function_error" else None)) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice", accept_terms=True)).exception(HANG_GUARD_S)
        assert type(error) is kind
        assert error.code == code
        assert error.hint


def test_a_missing_voice_and_an_unknown_method(tmp_path, line):
    with applio(tmp_path) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voise", accept_terms=True)).exception(HANG_GUARD_S)
        assert isinstance(error, errors.MissingResource)
        assert error.nearest[0] == "demo-voice"
        error = client.submit(ConvertRequest(line, "demo-voice", f0_method="harvest")).exception(HANG_GUARD_S)
        assert error.code == "unsupported"


def test_applio_speaks_itself_only_when_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with applio(tmp_path) as (mock, client):
        error = client.submit(SpeakRequest("Where is it?", "demo-voice", accept_terms=True)).exception(HANG_GUARD_S)
        assert error.code == "no_speaker"
        assert "the speaker 'applio'" in error.hint
        request = SpeakRequest("Where is it?", "demo-voice", speaker="applio", speed=1.25, accept_terms=True)
        result = client.submit(request).result(HANG_GUARD_S)
        assert result.metadata["speaker"] == {"name": "applio", "voice": "en-US-AriaNeural"}
        (sent,) = [each.json["data"] for each in mock.requests if each.json and len(each.json.get("data", ())) == 25]
        assert sent[:5] == [True, "", "Where is it?", "en-US-AriaNeural", 25]
    assert result.artifacts[0].path.name == "Where_is_it__demo-voice.wav"


def test_a_voice_is_trained_with_samples_that_go_over_http(tmp_path, samples, line):
    with applio(tmp_path) as (mock, client):
        job = client.submit(TrainRequest("my-hero", [samples], epochs=4, rate=48_000, accept_terms=True))
        stages = list(
            dict.fromkeys(each.progress.stage for each in job.events() if isinstance(each, events.Progressed))
        )
        result = job.result(HANG_GUARD_S)
        assert stages == [
            "Checking the samples",
            "Uploading the samples",
            "Slicing the samples",
            "Extracting pitch and features",
            "Training the model",
            "Making the index",
            "Done",
        ]
        assert list(mock.datasets.values()) == [["sample_0000.wav", "sample_0001.wav"]]
        assert result.data == {"voice": "my-hero_4e_48s"}
        assert result.metadata["voice_files"] == ["logs/my-hero/my-hero_4e_48s.pth"]
        assert "my-hero_4e_48s" in result.text
        lines = [each.line for each in job.events() if isinstance(each, events.Logged)]
        assert "Model my-hero trained successfully." in lines
        assert (
            client.submit(ConvertRequest(line, result.data["voice"], accept_terms=True)).result(HANG_GUARD_S).artifacts
        )


@pytest.mark.parametrize("name", ["one", "failed", "error"])
def test_a_training_that_fails_is_told_from_its_name(tmp_path, samples, name):
    with applio(tmp_path, Fault("training_failed")) as (mock, client):
        mock.voices[f"{name}_4e_48s"], mock.folders[f"{name}_4e_48s"] = 40_000, name
        error = client.submit(TrainRequest(name, [samples], epochs=2, accept_terms=True)).exception(HANG_GUARD_S)
        assert error.code == "training_failed"


@pytest.mark.parametrize(
    ("before", "epochs", "voice"),
    [((), 30, "hero_30e_360s"), (("hero_90e_1080s",), 4, "hero_4e_48s"), (("hero_4e_48s", "hero_2e_24s"), 4, None)],
)
def test_the_newest_file_is_the_voice(tmp_path, samples, line, before, epochs, voice):
    with applio(tmp_path) as (mock, client):
        for each in before:
            mock.voices[each], mock.folders[each] = 40_000, "hero"
        result = client.submit(TrainRequest("hero", [samples], epochs=epochs, accept_terms=True)).result(HANG_GUARD_S)
        assert result.data == {"voice": voice or "hero_4e_48s"}
        request = ConvertRequest(line, result.data["voice"], accept_terms=True)
        assert client.submit(request).result(HANG_GUARD_S).artifacts
        assert any("logs/hero/hero.index" in (each.json or {}).get("data", ()) for each in mock.requests)


def test_a_voice_may_be_named_like_a_failure(tmp_path, samples):
    with applio(tmp_path) as (_, client):
        request = TrainRequest("terror_failed", [samples], epochs=2, accept_terms=True)
        assert client.submit(request).result(HANG_GUARD_S).data == {"voice": "terror_failed_2e_24s"}


def test_a_training_that_fails_says_so_in_a_complete_answer(tmp_path, samples):
    with applio(tmp_path, Fault("training_failed")) as (_, client):
        error = client.submit(TrainRequest("one", [samples], epochs=2, accept_terms=True)).exception(HANG_GUARD_S)
        assert isinstance(error, errors.GenerationError)
        assert error.code == "training_failed"
        assert "Training failed for model one" in error.message


@pytest.mark.parametrize("at_once", [True, False])
def test_cancel_stops_the_trainer_also_while_it_begins_and_waits_for_its_end(tmp_path, samples, at_once):
    with applio(tmp_path, speed=10.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=5000, accept_terms=True))
        wait_for(lambda: job.status.progress and job.status.progress.stage == "Training the model")
        assert at_once or mock.training.wait(HANG_GUARD_S)
        job.cancel()
        wait_for(lambda: not client.runner.busy())
        assert job.status.backend_cancel is BackendCancel.CONFIRMED
        assert mock.stopped == {"one"}
        assert not mock.training.is_set()
        assert not any(name.startswith("one") for name in mock.voices)


def test_a_trainer_that_does_not_end_is_a_failed_cancel(tmp_path, samples):
    with applio(tmp_path, speed=10.0, options={"drain_timeout_s": 0.5}) as (mock, client):
        deaf = replace(mock.app.by_name["stop_train"], function=lambda *_given: None)
        mock.app.dependencies[deaf.id] = mock.app.by_name["stop_train"] = deaf
        job = client.submit(TrainRequest("one", [samples], epochs=5000, accept_terms=True))
        wait_for(mock.training.is_set)
        job.cancel()
        wait_for(lambda: not client.runner.busy())
        assert job.status.backend_cancel is BackendCancel.FAILED


def test_a_cancelled_conversion_keeps_its_turn(tmp_path, line):
    with applio(tmp_path, speed=10.0) as (mock, client):
        told = []
        convert = mock.app.by_name["enforce_terms"]

        def watched(call, *given):
            told.append("begins")
            try:
                return convert.function(call, *given)
            finally:
                told.append("ends")

        mock.app.dependencies[convert.id] = mock.app.by_name["enforce_terms"] = replace(convert, function=watched)
        long = ConvertRequest(write_tone(tmp_path / "long.wav", 60), "demo-voice", accept_terms=True)
        job = client.submit(long)
        wait_for(lambda: told)
        job.cancel()
        assert client.submit(ConvertRequest(line, "demo-voice", accept_terms=True)).result(HANG_GUARD_S).artifacts
        assert told == ["begins", "ends"] * 2
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED


def test_other_steps_can_not_be_stopped_nor_conversions(tmp_path, samples, line):
    with applio(tmp_path, speed=10.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=2, accept_terms=True))
        wait_for(lambda: job.backend_id)
        job.cancel()
        conversion = client.submit(ConvertRequest(write_tone(tmp_path / "l.wav", 30), "demo-voice", accept_terms=True))
        wait_for(lambda: conversion.backend_id)
        conversion.cancel()
        wait_for(lambda: not client.runner.busy())
        assert job.status.backend_cancel is conversion.status.backend_cancel is BackendCancel.UNSUPPORTED
        assert mock.stopped == set()
        assert "one" not in mock.voices


def test_a_training_can_not_be_found_again_and_says_where_to_look(tmp_path, samples):
    with applio(tmp_path, speed=10.0) as (mock, client):
        job = client.submit(TrainRequest("one", [samples], epochs=2, accept_terms=True))
        wait_for(lambda: job.backend_id)
        record = job.record()
        client.close(detach=True)
        assert job.cancelled()
        with RVCClient(mock.url, options=client.options) as fresh:
            error = fresh.resume(record).exception(HANG_GUARD_S)
            assert isinstance(error, errors.JobLost)
            assert "page" in error.hint


def test_a_name_and_password_sign_in(tmp_path, line):
    with applio(tmp_path, login=("mara", "lens cap"), key="mara:lens cap") as (mock, client):
        assert client.probe().dialect == "applio"
        assert client.submit(ConvertRequest(line, "demo-voice", accept_terms=True)).result(HANG_GUARD_S)
        assert not any("lens" in str(each.headers) for each in mock.requests)
        with RVCClient(mock.url) as stranger, pytest.raises(errors.AuthenticationError):
            stranger.probe()


def test_a_version_with_other_functions_is_told_apart(tmp_path, line, samples):
    with applio(tmp_path) as (mock, client):
        client.probe()
        for name in ("enforce_terms", "run_extract_script"):
            number = mock.app.by_name[name].id
            mock.app.dependencies[number] = replace(mock.app.dependencies[number], inputs=())
        convert = ConvertRequest(line, "demo-voice", accept_terms=True)
        assert client.submit(convert).exception(HANG_GUARD_S).kind == "function"
    with applio(tmp_path) as (mock, client):
        del mock.app.dependencies[mock.app.by_name["run_extract_script"].id]
        error = client.submit(TrainRequest("one", [samples], epochs=2, accept_terms=True)).exception(HANG_GUARD_S)
        assert error.name == "run_extract_script"
    with applio(tmp_path) as (mock, client):
        number = mock.app.by_name["save_drop_dataset_audio"].id
        lost = replace(mock.app.dependencies[number], function=lambda *_given: [None, None])
        mock.app.dependencies[number] = mock.app.by_name["save_drop_dataset_audio"] = lost
        error = client.submit(TrainRequest("one", [samples], epochs=2, accept_terms=True)).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ProtocolError)


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        ("run_preprocess_script", None, errors.GenerationError),
        ("run_index_script", None, errors.GenerationError),
        ("refresh_pth_and_index_list", [None, None], errors.GenerationError),
    ],
)
def test_odd_answers_of_a_training_are_errors(tmp_path, samples, name, answer, kind):
    with applio(tmp_path) as (mock, client):
        odd = replace(mock.app.by_name[name], function=lambda *_given: answer)
        mock.app.dependencies[odd.id] = mock.app.by_name[name] = odd
        error = client.submit(TrainRequest("one", [samples], epochs=2, accept_terms=True)).exception(HANG_GUARD_S)
        assert isinstance(error, kind)
        assert error.code == "training_failed"


def test_a_list_of_voices_that_is_none_is_a_protocol_error(tmp_path):
    with applio(tmp_path) as (mock, client):
        name = "refresh_pth_and_index_list"
        odd = replace(mock.app.by_name[name], outputs=mock.app.by_name[name].outputs[:1], function=lambda _call: None)
        mock.app.dependencies[odd.id] = mock.app.by_name[name] = odd
        with pytest.raises(errors.ProtocolError):
            client.probe()


def test_paths_of_windows_are_understood():
    assert _split_path("logs\\hero\\hero.pth") == ("logs", "hero", "hero.pth")
    assert _make_upload_name("C:\\Applio\\assets\\output.wav") == "C:\\Applio\\assets\\output_movie_director.wav"
    assert _make_upload_name("") == "movie_director.wav"
