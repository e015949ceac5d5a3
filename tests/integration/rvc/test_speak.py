"""Lines spoken: who speaks them, what the result says of it, and what is said where nobody can."""

from __future__ import annotations

import os
import sys
import threading
import time
import wave
from pathlib import Path

import pytest
from support.voices import voices, write_tone
from support.waiting import HANG_GUARD_S

from movie_director.clients import errors
from movie_director.clients.core.scope import SessionScope
from movie_director.clients.mock import Fault
from movie_director.clients.mock.rvc.server import MockRVC
from movie_director.clients.rvc import Line, Speaker, SpeakRequest
from movie_director.clients.rvc.speech.local_programs import ESpeak, Piper
from movie_director.clients.rvc.speech.server import SpeechServer
from movie_director.clients.rvc.speech.speaker import Spoken

KEY = "sk-speech-canary-0123456789"
needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="programs that are scripts start on Unix only")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of its own, where ``install(name, script)`` puts Python scripts as programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!{sys.executable}\nimport json, sys, wave\n{script}")
        path.chmod(0o755)
        return path

    return install


SPEAKING = f"""
target = sys.argv[sys.argv.index("-w" if "-w" in sys.argv else "-f") + 1]
text = sys.stdin.buffer.read().decode()
with wave.open(target, "wb") as sound:
    sound.setparams((1, 2, 22050, 0, "NONE", ""))
    sound.writeframes(b"\\x00\\x20\\x00\\xe0" * 11025)
with open({os.devnull!r} if False else target + ".json", "w") as told:
    json.dump([sys.argv[1:], text], told)
"""


class Reader(Speaker):
    """A speaker of a program of one's own."""

    name = "reader"

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def available(self, line):
        return "silent" not in line.text

    def speak(self, line, target, scope):
        scope.check()
        self.lines.append(line)
        return Spoken(write_tone(target, 1.0), {"name": self.name, "voice": "own"})


def test_a_server_that_speaks_is_used_so_that_demo_mode_needs_nothing(tmp_path, programs):
    with voices(tmp_path) as (mock, client):
        result = client.submit(SpeakRequest("Where is the lighthouse?", "demo-narrator", speed=1.25)).result(
            HANG_GUARD_S
        )
        (asked,) = mock.requests.matching("POST /v1/audio/speech")
        assert asked.json == {
            "model": "tts-1",
            "input": "Where is the lighthouse?",
            "voice": "alloy",
            "response_format": "wav",
            "speed": 1.25,
        }
        assert result.metadata["speaker"] == {
            "name": "rvc-server",
            "server": mock.url,
            "model": "tts-1",
            "voice": "alloy",
        }
    (artifact,) = result.artifacts
    assert artifact.path.name == "Where_is_the_lighthouse__demo-narrator.wav"
    assert result.metadata["request"]["text"] == "Where is the lighthouse?"
    assert result.metadata["peak_db"] > -20


def test_a_given_recording_comes_before_all_speakers(tmp_path, programs):
    recording = write_tone(tmp_path / "take 3.wav")
    with voices(tmp_path, client={"speakers": [Reader()]}) as (mock, client):
        request = SpeakRequest("Good night.", "demo-voice", recording=recording)
        result = client.submit(request).result(HANG_GUARD_S)
        assert result.metadata["speaker"] == {"name": "recording", "file": "take 3.wav"}
        assert not mock.requests.matching("POST /v1/audio/speech")


def test_a_given_speaker_comes_first_if_it_can(tmp_path, programs):
    reader = Reader()
    with voices(tmp_path, client={"speakers": [reader]}) as (_, client):
        result = client.submit(SpeakRequest("Good night.", "demo-voice", speaker_voice="own")).result(HANG_GUARD_S)
        assert result.metadata["speaker"] == {"name": "reader", "voice": "own"}
        assert reader.lines == [Line("Good night.", "own", 1.0)]
        other = client.submit(SpeakRequest("silent night.", "demo-voice")).result(HANG_GUARD_S)
        assert other.metadata["speaker"]["name"] == "rvc-server"


def test_where_nobody_speaks_the_error_says_what_to_install(tmp_path, programs):
    with voices(tmp_path, speaks=False) as (mock, client):
        error = client.submit(SpeakRequest("Good night.", "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.MissingResource)
        assert (error.code, error.kind, error.backend) == ("no_speaker", "speaker", "rvc")
        assert "espeak-ng" in error.hint
        assert "piper" in error.hint
        named = client.submit(SpeakRequest("Good night.", "demo-voice", speaker="espeak-ng")).exception(HANG_GUARD_S)
        assert named.name == "espeak-ng"
        assert "espeak-ng" in named.hint
        unknown = client.submit(SpeakRequest("Good night.", "demo-voice", speaker="hal")).exception(HANG_GUARD_S)
        assert "piper" in unknown.hint
        applio = client.submit(SpeakRequest("Good night.", "demo-voice", speaker="applio")).exception(HANG_GUARD_S)
        assert applio.code == "unsupported"
        assert not mock.requests.matching(lambda each: each.method == "POST")


@needs_scripts
def test_espeak_speaks_through_its_standard_input(tmp_path, programs):
    programs("espeak-ng", SPEAKING)
    with voices(tmp_path, speaks=False) as (_, client):
        line = SpeakRequest("-v; Good $HOME night ü", "demo-voice", speaker_voice="de+f3", speed=1.5)
        result = client.submit(line).result(HANG_GUARD_S)
    assert result.metadata["speaker"] == {"name": "espeak-ng", "voice": "de+f3"}
    assert result.metadata["recording_s"] == pytest.approx(1.0, abs=0.01)
    target = tmp_path / "out.wav"
    ESpeak().speak(Line("-v; Good $HOME night ü"), target, SessionScope())
    told = (tmp_path / "out.wav.json").read_text()
    assert '"-v", "en-us", "-s", "160", "-w"' in told
    assert "-v; Good $HOME night \\u00fc" in told


@needs_scripts
def test_piper_speaks_with_the_file_of_a_voice(tmp_path, programs):
    programs("piper", SPEAKING)
    voice = tmp_path / "en_US-amy.onnx"
    piper = Piper()
    assert not piper.available(Line("hello"))
    assert not piper.available(Line("hello", str(voice)))
    voice.touch()
    assert piper.available(Line("hello", str(voice)))
    assert Piper(voice).available(Line("hello"))
    with voices(tmp_path) as (_, client):
        request = SpeakRequest("Good night.", "demo-voice", speaker="piper", speaker_voice=str(voice), speed=2.0)
        result = client.submit(request).result(HANG_GUARD_S)
    assert result.metadata["speaker"] == {"name": "piper", "voice": "en_US-amy.onnx"}
    with wave.open(str(result.artifacts[0].path)) as sound:
        assert sound.getframerate() == 48_000


@needs_scripts
def test_what_a_program_says_after_a_failure_is_kept(tmp_path, programs):
    programs("espeak-ng", 'sys.stderr.write("loading\\nError: voice not found\\n"); sys.exit(1)')
    with pytest.raises(errors.GenerationError, match="voice not found") as caught:
        ESpeak().speak(Line("hello"), tmp_path / "out.wav", SessionScope())
    assert caught.value.code == "speaker_failed"
    programs("espeak-ng", "sys.exit(3)")
    with pytest.raises(errors.GenerationError, match="it exited with status 3"):
        ESpeak().speak(Line("hello"), tmp_path / "out.wav", SessionScope())
    programs("espeak-ng", "")
    with pytest.raises(errors.GenerationError, match="no sound"):
        ESpeak().speak(Line("hello"), tmp_path / "out.wav", SessionScope())


def test_a_program_that_is_not_there_any_more_fails_with_its_name(tmp_path, programs):
    with pytest.raises(errors.GenerationError, match="espeak-ng could not speak"):
        ESpeak(program="espeak-here").speak(Line("hello"), tmp_path / "out.wav", SessionScope())


@needs_scripts
def test_a_program_that_hangs_is_killed_after_its_time(tmp_path, programs):
    programs("espeak-ng", "sys.stdin.read(); import threading; threading.Event().wait(600)")
    with pytest.raises(errors.GenerationError) as caught:
        ESpeak(time_limit_s=1.0).speak(Line("hello"), tmp_path / "out.wav", SessionScope())
    assert caught.value.code == "speaker_timeout"


@needs_scripts
def test_cancel_kills_the_program(tmp_path, programs):
    began = tmp_path / "began"
    programs("espeak-ng", f"open({str(began)!r}, 'w').close(); import threading; threading.Event().wait(600)")
    with voices(tmp_path, speaks=False) as (_, client):
        job = client.submit(SpeakRequest("Good night.", "demo-voice"))
        while not began.exists():
            threading.Event().wait(0.01)
        started = time.monotonic()
        assert job.cancel()
        while client.runner.busy():
            threading.Event().wait(0.01)
        assert time.monotonic() - started < 30
        assert job.cancelled()


def test_a_speech_server_of_its_own_address_with_a_key(tmp_path, programs, canary):
    with MockRVC(speed=100.0, auth=f"Bearer {KEY}") as other:
        speaker = SpeechServer(f"{other.url}/v1/", api_key=KEY, model="kokoro", voice="af_sky")
        assert KEY not in repr(speaker)
        with voices(tmp_path, speaks=False, client={"speakers": [speaker]}) as (mock, client):
            result = client.submit(SpeakRequest("Good night.", "demo-voice")).result(HANG_GUARD_S)
            (asked,) = other.requests.matching("POST /v1/audio/speech")
            assert (asked.json["model"], asked.json["voice"]) == ("kokoro", "af_sky")
            assert result.metadata["speaker"]["name"] == "server"
            assert KEY not in str(result.metadata)
            assert not mock.requests.matching("POST /v1/audio/speech")
            wrong = SpeechServer(other.url, api_key="sk-wrong")
            client._speakers = (wrong,)
            error = client.submit(SpeakRequest("Good night.", "demo-voice")).exception(HANG_GUARD_S)
            assert isinstance(error, errors.AuthenticationError)


def test_a_speech_server_that_sends_no_sound(tmp_path, programs):
    with voices(tmp_path, Fault("html_login_page", on="/v1/audio/speech")) as (_, client):
        error = client.submit(SpeakRequest("Good night.", "demo-voice")).exception(HANG_GUARD_S)
        assert isinstance(error, errors.ProtocolError)
        assert error.code == "no_sound"
        assert "/v1/audio/speech" in error.hint
