"""Conversions by the mock rvc-python: what is sent, what comes back, and everything that can go wrong."""

from __future__ import annotations

import threading
import wave
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.voices import replace_route, voices, write_tone
from support.waiting import HANG_GUARD_S

from movie_director.clients import RVCClient, errors
from movie_director.clients.audio import WaveCodec
from movie_director.clients.core.model import BackendCancel
from movie_director.clients.http.url import parse_server_url
from movie_director.clients.mock import Fault
from movie_director.clients.mock.http.responses import Response
from movie_director.clients.mock.litellm.server import MockLiteLLM
from movie_director.clients.mock.rvc.rvc_python import reply
from movie_director.clients.mock.rvc.server import MockRVC
from movie_director.clients.rvc import ConvertRequest, TrainRequest


@pytest.fixture
def line(tmp_path: Path) -> Path:
    return write_tone(tmp_path / "line one.wav")


@pytest.mark.parametrize("dialect", ["rvc-python", "rvc-python-git"])
def test_a_recording_becomes_a_48_khz_file_of_the_same_length_in_the_voice(tmp_path, line, dialect):
    with voices(tmp_path, dialect=dialect) as (mock, client):
        job = client.submit(ConvertRequest(line, "demo-voice", pitch=12, protect=0.2, metadata={"shot": 7}))
        result = job.result(HANG_GUARD_S)
        (params,) = mock.requests.matching("POST /params")
        assert params.json["params"] == {
            "f0method": "rmvpe",
            "f0up_key": 12,
            "index_rate": 0.75,
            "filter_radius": 3,
            "resample_sr": 0,
            "rms_mix_rate": 0.25,
            "protect": 0.2,
        }
    (artifact,) = result.artifacts
    assert artifact.path.name == "line one_demo-voice.wav"
    assert (artifact.kind, artifact.media_type) == ("audio", "audio/wav")
    with wave.open(str(artifact.path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (48_000, 1, 2)
        assert sound.getnframes() == pytest.approx(48_000, abs=200)
    assert result.problems == ()
    told = result.metadata
    assert (told["dialect"], told["voice"], told["rate"], told["server_rate"]) == (
        "rvc-python",
        "demo-voice",
        48_000,
        40_000,
    )
    assert told["request"]["pitch"] == 12
    assert told["request_metadata"] == {"shot": 7}
    assert told["codec"] == WaveCodec.name
    assert -20 < told["peak_db"] < 0
    assert told["duration_s"] == pytest.approx(1.0, abs=0.01)
    assert job.backend_id == job.id


def test_any_wav_is_brought_to_what_the_server_reads_and_the_result_to_the_wanted_rate(tmp_path):
    source = write_tone(tmp_path / "stereo.wav", rate=96_000, channels=2)
    with voices(tmp_path) as (_, client):
        result = client.submit(ConvertRequest(source, "demo-narrator", rate=44_100)).result(HANG_GUARD_S)
    with wave.open(str(result.artifacts[0].path)) as sound:
        assert sound.getframerate() == 44_100
    assert result.metadata["server_rate"] == 48_000


def test_what_is_no_wav_needs_a_codec_that_reads_it(tmp_path):
    (tmp_path / "line.flac").write_bytes(b"fLaC" + bytes(100))
    (tmp_path / "line.wav").write_bytes(b"<!DOCTYPE html><html>")
    with voices(tmp_path) as (mock, client):
        for name, code in (("line.flac", "needs_audio_codec"), ("line.wav", "unreadable_audio")):
            error = client.submit(ConvertRequest(tmp_path / name, "demo-voice")).exception(HANG_GUARD_S)
            assert isinstance(error, errors.ValidationError)
            assert (error.code, error.backend) == (code, "rvc")
            assert error.hint
        error = client.submit(ConvertRequest(tmp_path / "none.wav", "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.StorageError)
        assert error.code == "missing_file"
        assert not mock.requests.matching(lambda each: each.method == "POST")


def test_a_voice_that_is_not_there_is_never_asked_for_and_the_nearest_are_named(tmp_path, line):
    with voices(tmp_path) as (mock, client):
        error = client.submit(ConvertRequest(line, "demo-voise")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.MissingResource)
        assert (error.kind, error.code, error.name) == ("voice", "missing_voice", "demo-voise")
        assert error.nearest[0] == "demo-voice"
        assert "demo-voice" in error.hint
        far = client.submit(ConvertRequest(line, "xyzzy")).exception(HANG_GUARD_S)
        assert far.hint == "It has: demo-narrator, demo-voice."
        assert not mock.requests.matching(lambda each: each.method == "POST")
        mock.voices.clear()
        none = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert "no voices" in none.hint


def test_a_phantom_in_the_list_is_found_out_when_it_is_loaded(tmp_path, line):
    with voices(tmp_path) as (mock, client):
        client.http.request("POST", "/models/ghost", expect=(400,)).close()
        assert "ghost" in client.probe().models
        error = client.submit(ConvertRequest(line, "ghost")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.MissingResource)
        assert not mock.requests.matching("POST /convert_file")


@pytest.mark.parametrize(
    ("fault", "kind", "code", "words"),
    [
        ("voice_broken", errors.GenerationError, "voice_not_loaded", "failed reading zip archive"),
        ("conversion_failed", errors.GenerationError, "conversion_failed", "no attribute 'dtype'"),
        ("conversion_oom", errors.OutOfMemory, "out_of_memory", "memory"),
    ],
)
def test_what_the_server_says_after_a_failure_is_kept(tmp_path, line, fault, kind, code, words):
    with voices(tmp_path, Fault(fault)) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert type(error) is kind
        assert error.code == code
        assert words in str(error)
        assert error.hint
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).artifacts


@pytest.mark.parametrize(
    ("path", "code"),
    [("GET /models", "list_failed"), ("POST /params", "settings_refused"), ("POST /convert_file", "conversion_failed")],
)
def test_an_error_status_of_each_route_is_typed(tmp_path, line, path, code):
    with voices(tmp_path, Fault("status:500", on=path)) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert error.code == code
        assert error.hint


def test_an_error_in_plain_text_is_an_error_all_the_same(tmp_path, line):
    with voices(tmp_path) as (mock, client):
        replace_route(mock, "POST", "/convert_file", lambda _: Response.text("Internal Server Error", 500))
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert error.code == "conversion_failed"
        assert error.message == "The RVC server failed at the conversion."


def test_a_key_that_the_server_repeats_is_in_no_error(tmp_path, line, canary, assert_no_secret):
    with voices(tmp_path, client={"api_key": canary}) as (mock, client):
        for route in ("/models/demo-voice", "/convert_file"):
            replace_route(mock, "POST", route, lambda _: reply({"detail": f"no right for {canary}"}, 500))
            error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
            assert "no right for" in error.message
            assert_no_secret(error)


def test_a_server_that_takes_no_connection_is_down(tmp_path):
    with voices(tmp_path) as (mock, client):
        client.probe()
        mock.stop()
        with pytest.raises(errors.ConnectionFailed):
            client.probe()


def test_a_silent_result_and_one_of_the_wrong_length_are_problems(tmp_path, line):
    with voices(tmp_path, Fault("silent_conversion")) as (mock, client):
        result = client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S)
        assert [each.code for each in result.problems] == ["silent_output"]
        assert result.artifacts

        def resample(request, kept=mock.flavour._set):
            answer = kept(request)
            mock.flavour.params["resample_sr"] = 96_000  # somebody else's settings came between
            return answer

        replace_route(mock, "POST", "/params", resample)
        result = client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S)
        assert [each.code for each in result.problems] == ["wrong_length"]


@pytest.mark.parametrize(("dialect", "route"), [("rvc-python", "/convert_file"), ("rvc-python-git", "/convert")])
def test_a_conversion_is_never_sent_twice(tmp_path, line, dialect, route):
    retrying = {"max_retries": 3, "backoff_base_s": 0.0}
    faults = (Fault("lost_answer", on=route), Fault("status:503", on="/models"))
    with voices(tmp_path, *faults, dialect=dialect, options=retrying) as (mock, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ConnectionLost)
        assert len(mock.requests.matching(f"POST {route}")) == 1


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reset", errors.ConnectionLost),
        ("html_login_page", errors.ProtocolError),
        ("cut_body", errors.ConnectionLost),
        ("wrong_length", errors.ConnectionLost),
        ("status:401", errors.AuthenticationError),
    ],
)
def test_what_happens_on_the_way_of_the_sound_is_typed(tmp_path, line, fault, kind):
    with voices(tmp_path, Fault(fault, on="/convert_file")) as (_, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, kind), repr(error)
        assert not list((tmp_path / "out").iterdir())


def test_a_conversion_that_answers_with_json_is_a_protocol_error(tmp_path, line):
    with voices(tmp_path, Fault("bad_json", on="/models")) as (mock, client):
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ProtocolError)
        replace_route(mock, "POST", "/convert_file", mock.flavour._models)
        error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ProtocolError)
        assert "a sound was expected" in error.message
        for odd in ({"models": [1, 2]}, {}, [], 5, None):
            replace_route(mock, "GET", "/models", lambda _, odd=odd: reply(odd))
            error = client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
            assert isinstance(error, errors.ProtocolError)


def test_an_f0_method_that_the_server_lacks_is_refused_with_those_it_has(tmp_path, line):
    with voices(tmp_path) as (mock, client):
        error = client.submit(ConvertRequest(line, "demo-voice", f0_method="fcpe")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ValidationError)
        assert error.code == "unsupported"
        assert "rmvpe" in error.message
        assert not mock.requests.matching(lambda each: each.method == "POST")


def test_clients_of_one_server_take_turns(tmp_path, line):
    other = write_tone(tmp_path / "other.wav")
    with voices(tmp_path, speed=20.0) as (mock, client), RVCClient(mock.url, options=client.options) as second:
        first = [client.submit(ConvertRequest(line, "demo-voice", pitch=1)) for _ in range(2)]
        others = [second.submit(ConvertRequest(other, "demo-narrator", pitch=2)) for _ in range(2)]
        for job in (*first, *others):
            assert job.result(HANG_GUARD_S).problems == ()
        posts = [each.route for each in mock.requests if each.method == "POST"]
    assert len(posts) == 12
    for at in range(0, 12, 3):
        assert posts[at].startswith("/models/demo-")
        assert posts[at + 1 : at + 3] == ["/params", "/convert_file"]


def test_a_job_that_waits_for_its_turn_can_be_cancelled_and_timed_out(tmp_path, line):
    impatient = replace(RVCClient.default_options, output_dir=tmp_path / "out", job_timeout_s=1.0)
    with voices(tmp_path, speed=1.0) as (mock, client), RVCClient(mock.url, options=impatient) as second:
        slow = client.submit(ConvertRequest(write_tone(tmp_path / "long.wav", 20), "demo-voice", f0_method="harvest"))
        mock.wait_for_request("POST /convert_file", HANG_GUARD_S)
        before = len(mock.requests)
        second._detected = client._detected  # a mute server can't be asked who it is
        late, waiting = (second.submit(ConvertRequest(line, "demo-voice")) for _ in range(2))
        while waiting.status.message != "Waiting for the server":
            threading.Event().wait(0.01)
        assert waiting.cancel()
        error = late.exception(HANG_GUARD_S)
        assert isinstance(error, errors.NetworkTimeout)
        assert error.code == "job_timeout"
        posted = [each.route for each in list(mock.requests)[before:] if each.method == "POST"]
        assert posted == []
        slow.cancel()


def test_cancel_ends_the_job_at_once_and_keeps_the_lane_until_the_server_is_free(tmp_path, line):
    with voices(tmp_path, speed=20.0) as (mock, client):
        long = write_tone(tmp_path / "long.wav", 5)
        job = client.submit(ConvertRequest(long, "demo-voice", f0_method="harvest"))
        mock.wait_for_request("POST /convert_file", HANG_GUARD_S)
        assert job.cancel()
        assert job.cancelled()
        assert job.status.backend_cancel is BackendCancel.PENDING
        mock.wait_for_request("GET /params", HANG_GUARD_S)
        while client.runner.busy():
            threading.Event().wait(0.01)
        assert job.status.backend_cancel is BackendCancel.UNSUPPORTED
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).artifacts


def test_a_mute_server_is_not_down(tmp_path, line, monkeypatch):
    monkeypatch.setattr("movie_director.clients.rvc.client.PROBE_PATIENCE_S", 0.3)
    with voices(tmp_path, speed=1.0) as (mock, client):
        info = client.probe()
        assert (info.dialect, info.version) == ("rvc-python", "0.1.5")
        assert info.models == ("demo-narrator", "demo-voice")
        assert info.capabilities == {"convert", "list", "upload_model", "speech_server"}
        assert info.details["busy"] is False
        assert "rmvpe" in info.details["f0_methods"]
        long = write_tone(tmp_path / "long.wav", 10)
        job = client.submit(ConvertRequest(long, "demo-voice", f0_method="harvest"))
        mock.wait_for_request("POST /convert_file", HANG_GUARD_S)
        busy = client.probe()
        assert busy.details["busy"] is True
        assert busy.models == info.models
        with RVCClient(mock.url) as stranger, pytest.raises(errors.NetworkTimeout) as caught:
            stranger.probe()
        assert "busy" in caught.value.hint
        job.cancel()


def test_a_machine_that_does_not_answer_is_not_said_to_be_busy(tmp_path, monkeypatch):
    def unreachable(*_given):
        raise errors.NetworkTimeout("did not accept the connection", code="connect", hint="Is it on?")

    with voices(tmp_path) as (_, client):
        monkeypatch.setattr("movie_director.clients.rvc.detection.detect", unreachable)
        with pytest.raises(errors.NetworkTimeout) as caught:
            client.probe()
    assert caught.value.hint == "Is it on?"


def test_a_voice_can_not_be_trained_here(tmp_path):
    with voices(tmp_path) as (_, client):
        write_tone(tmp_path / "sample.wav", 12)
        error = client.submit(TrainRequest("new", [tmp_path / "sample.wav"])).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ValidationError)
        assert error.code == "unsupported"
        assert "RVC-WebUI" in error.hint
        assert client.submit(TrainRequest("new", [tmp_path / "sample.wav"])).exception(HANG_GUARD_S)


@contextmanager
def swapped(folder, **given):
    """Yield a function that puts another kind of server behind the address, and a client of the address."""
    with voices(folder, **given) as (mock, client), MockRVC(dialect="rvc-webui", speed=100.0) as other:

        def swap():
            client.http.url = replace(client.http.url, port=parse_server_url(other.url).port)

        yield mock, client, swap


def test_a_probe_tells_jobs_too_which_server_answers_now(tmp_path, line):
    with swapped(tmp_path) as (_, client, swap):
        assert (
            client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).metadata["dialect"] == "rvc-python"
        )
        swap()
        assert client.probe().dialect == "rvc-webui"
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).metadata["dialect"] == "rvc-webui"


def test_a_server_that_does_not_know_its_own_routes_is_asked_again_who_it_is(tmp_path, line):
    with swapped(tmp_path) as (_, client, swap):
        client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S)
        swap()
        assert client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S)
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).metadata["dialect"] == "rvc-webui"


def test_a_server_that_was_gone_is_asked_again_who_it_is(tmp_path, line):
    with swapped(tmp_path) as (mock, client, swap):
        client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S)
        mock.stop()
        assert isinstance(
            client.submit(ConvertRequest(line, "demo-voice")).exception(HANG_GUARD_S), errors.ConnectionFailed
        )
        swap()
        assert client.submit(ConvertRequest(line, "demo-voice")).result(HANG_GUARD_S).metadata["dialect"] == "rvc-webui"


def test_another_server_is_told_apart():
    with MockLiteLLM() as other, RVCClient(other.url) as client, pytest.raises(errors.ProtocolError) as caught:
        client.probe()
    assert caught.value.code == "not_rvc"
    with MockRVC(faults=[Fault("html_login_page", times=None)]) as page, RVCClient(page.url) as client:
        with pytest.raises(errors.ProtocolError) as caught:
            client.probe()
    assert caught.value.code == "web_page"
