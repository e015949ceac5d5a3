"""Lines, conversions and trainings: from the operator to the sound strip, against the embedded mock RVC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import fakes
import pytest
from conftest import own, preferences, pump_until, runtime_ref, strips, ui

FRAME = 33
VOICE = "demo-voice"
needs_audio = pytest.mark.skipif(bpy.app.version < (4, 3, 0), reason="the bpy module of 4.2 was built without sound")


@pytest.fixture
def rvc() -> Iterator[Any]:
    """A mock RVC on loopback, twenty times as fast as life; the preferences point to it."""
    with own("clients.mock").MockBackends(speed=20.0, only=["rvc"]) as mocks:
        preferences().backends.rvc.url = mocks.rvc.url
        yield mocks.rvc


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A second and a half of sound, as a WAV file."""
    path = tmp_path / "take one.wav"
    path.write_bytes(own("clients.mock.media.sound").effect_wave("a bell", 1.5, rate=24_000, seed=1))
    return path


def bounds(strip: Any) -> tuple[int, int]:
    found: tuple[int, int] = own("blender.platform.sequencer").bounds(strip)
    return found


def sounds() -> list[Any]:
    return [strip for strip in strips() if strip.type == "SOUND"]


def speak(**arguments: Any) -> set[str]:
    arguments = {"text": "It was never locked.", "voice": VOICE, **arguments}
    result: set[str] = bpy.ops.movie_director.speak_line("EXEC_DEFAULT", **arguments)
    return result


def add_recording(recording: Path, start: int) -> Any:
    strip = own("blender.platform.sequencer").add_sound(bpy.context.scene, "take one", recording, start, 1)
    for each in strips():
        each.select = each == strip
    return strip


@needs_audio
def test_a_line_lands_at_the_playhead(film: Path, rvc: Any) -> None:
    bpy.context.scene.frame_set(FRAME)
    assert speak() == {"FINISHED"}
    [strip] = sounds()
    assert bounds(strip)[0] == FRAME
    assert bounds(strip)[1] - FRAME > 12
    assert strip.show_waveform
    assert strip.sound.filepath.startswith("//movie_director/")
    assert strip.sound.samplerate == 48_000
    assert strip["movie_director"]["backend"] == "rvc"


def reader() -> dict[str, Any]:
    """Return what the newest result says of who read the line."""
    told: dict[str, Any] = runtime_ref().runtime().job(runtime_ref().jobs()[0].id).result(0).metadata["speaker"]
    return told


@needs_audio
def test_a_speech_server_reads_the_line(film: Path, rvc: Any) -> None:
    row = preferences().backends.rvc
    row.speech_url, row.speech_key, row.speech_model = rvc.url, "canary-speech", "kokoro"
    assert speak(speaker="SERVER", speaker_voice="af_sky") == {"FINISHED"}
    assert (reader()["name"], reader()["model"], reader()["voice"]) == ("server", "kokoro", "af_sky")
    [asked] = rvc.requests.matching("POST /v1/audio/speech")
    assert asked.headers["Authorization"] == "Bearer canary-speech"
    bpy.ops.wm.save_mainfile(compress=False)
    assert not [path for path in film.parent.rglob("*") if path.is_file() and b"canary-speech" in path.read_bytes()]


@needs_audio
def test_an_actor_reads_the_line(film: Path, rvc: Any, recording: Path) -> None:
    assert speak(speaker="RECORDING", take=str(recording)) == {"FINISHED"}
    assert reader() == {"name": "recording", "file": recording.name}
    assert not rvc.requests.matching("POST /v1/audio/speech")


@needs_audio
def test_the_demo_reads_whatever_is_chosen(film: Path) -> None:
    preferences().demo_mode = True
    assert speak(speaker="PIPER") == {"FINISHED"}
    assert reader()["name"] == "rvc-server"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"speaker": "SERVER"}, "No speech server is set"),
        ({"speaker": "PIPER"}, "No voice is set for Piper"),
        ({"speaker": "RECORDING"}, "no recording of the line"),
        ({"speaker": "APPLIO"}, "can't speak"),
    ],
)
def test_a_reader_that_is_not_there_says_what_to_do(film: Path, rvc: Any, given: dict[str, str], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        speak(**given)


def test_the_panel_follows_who_reads() -> None:
    voice = bpy.context.scene.movie_director.voice
    wanted = {
        "AUTO": set(),
        "RECORDING": {"take"},
        "SERVER": {"speech_url", "speaker_voice"},
        "PIPER": {"piper_voice"},
        "ESPEAK": {"speaker_voice"},
    }
    for voice.speaker, fields in wanted.items():
        drawn = set(fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_voice_view).properties())
        assert drawn & {"take", "speech_url", "piper_voice", "speaker_voice"} == fields


@needs_audio
def test_a_line_begins_with_the_selected_strip(film: Path, rvc: Any) -> None:
    strip = own("blender.platform.sequencer").add_colour(bpy.context.scene, "x", 71, 20, (0, 0, 0), 1)
    strip.select = True
    assert speak() == {"FINISHED"}
    assert bounds(sounds()[0])[0] == 71


@needs_audio
def test_the_lines_of_shots_are_spoken(film: Path, rvc: Any) -> None:
    shots = own("blender.placing.shots")
    rows = [
        own("blender.placing.listed_shot").ListedShot("A", "Wide", "a pier", "", duration=2),
        own("blender.placing.listed_shot").ListedShot("A", "Close", "a key", "Mara: It was never locked.", duration=3),
    ]
    shots.add_placeholders(bpy.context.scene, rows, FRAME, 1)
    for strip in strips():
        strip.select = True
    bpy.context.scene.movie_director.voice.voice = VOICE
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT", kind="LINE") == {"FINISHED"}
    [strip] = sounds()
    assert bounds(strip)[0] == FRAME + 48
    assert runtime_ref().runtime().job(runtime_ref().jobs()[0].id).request.text == "It was never locked."
    # what is to be seen is not there yet: its placeholders stay
    assert len(strips()) == 3


@needs_audio
def test_a_recording_is_converted_in_step(film: Path, rvc: Any, recording: Path) -> None:
    source = add_recording(recording, FRAME)
    result = bpy.ops.movie_director.convert_recording("EXEC_DEFAULT", voice=VOICE, pitch=-5)
    assert result == {"FINISHED"}
    converted = next(strip for strip in sounds() if strip != source)
    assert bounds(converted)[0] == FRAME
    assert bounds(converted)[1] == pytest.approx(bounds(source)[1], abs=2)
    assert converted.channel != source.channel
    request = runtime_ref().runtime().job(runtime_ref().jobs()[0].id).request
    assert (request.audio, request.voice, request.pitch) == (recording, VOICE, -5)


def test_without_audio_the_file_is_kept_and_it_is_said(film: Path, rvc: Any) -> None:
    if bpy.app.version >= (4, 3, 0):
        pytest.skip("this Blender has sound")
    with pytest.raises(RuntimeError, match="built without sound"):
        speak()
    assert list((film.parent / "movie_director").glob("*.wav"))


def test_voices_are_suggested(film: Path, rvc: Any) -> None:
    search = own("blender.properties.search_choices").models("rvc")
    search(None, None, "")
    probes = ui().probes
    pump_until(lambda: not probes["rvc"].pending)
    assert VOICE in search(None, None, "demo")


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("speak_line", {"text": " ", "voice": VOICE}, "no line to speak"),
        ("speak_line", {"text": "x"}, "No voice is chosen"),
        ("convert_recording", {"voice": VOICE}, "No recording is chosen"),
        ("convert_recording", {"recording": "/none.wav"}, "No voice is chosen"),
        ("train_voice", {"samples": "/tmp"}, "no name"),
        ("train_voice", {"new_voice": "mara"}, "No samples"),
    ],
)
def test_what_is_missing_is_said(film: Path, rvc: Any, name: str, given: dict[str, str], words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        getattr(bpy.ops.movie_director, name)("EXEC_DEFAULT", **given)
    assert runtime_ref().jobs() == []


def test_an_error_is_said(film: Path, rvc: Any) -> None:
    preferences().backends.rvc.url = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError):
        speak()
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_voice_view)
    assert "RVC: no connection" in drawn.texts()


def test_who_speaks_is_left_out_of_the_line() -> None:
    spoken = own("blender.requests.sound_request").spoken
    assert spoken("Mara: It was never locked.") == "It was never locked."
    assert spoken("It was never locked.") == "It was never locked."
    assert spoken("I tell you all one thing: no.") == "I tell you all one thing: no."


def test_a_new_voice_is_chosen_and_the_list_asked_for_again(film: Path) -> None:
    board, target = own("blender.state.ui_state"), own("blender.state.placement_request")
    ui().probes["rvc"] = board.ConnectionTest("1")
    made = own("blender.requests.image_request").target_for(
        bpy.context.scene, kind="voice", title="Voice mara", prompt="mara"
    )
    result = own("clients.core.model").Result(data={"voice": "mara_9e"})
    placement = board.Placement("1", "rvc", result, target.PlacementTarget.from_tag(made.to_tag()))
    own("blender.placing.placement").settle(placement)
    assert placement.message == "The voice 'mara_9e' can be used now"
    assert bpy.context.scene.movie_director.voice.voice == "mara_9e"
    assert "rvc" not in ui().probes


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three recordings, long enough for a voice."""
    folder = tmp_path_factory.mktemp("samples")
    for number in range(3):
        words = "Hello there, my friend, and how are you today? " * 8
        (folder / f"{number}.wav").write_bytes(own("clients.mock.media.sound").speech_wave(words, "mara", seed=number))
    return folder


def test_a_voice_is_trained(film: Path, samples: Path) -> None:
    with own("clients.mock.rvc.server").MockRVC(dialect="rvc-webui", speed=20.0) as webui:
        preferences().backends.rvc.url = webui.url
        result = bpy.ops.movie_director.train_voice("EXEC_DEFAULT", new_voice="mara", samples=str(samples), epochs=3)
        assert result == {"FINISHED"}
        own("blender.commands").close()
    assert bpy.context.scene.movie_director.voice.voice == "mara"
    assert strips() == []


def test_a_server_that_can_t_train_says_so(film: Path, rvc: Any, samples: Path) -> None:
    with pytest.raises(RuntimeError, match="can't train voices"):
        bpy.ops.movie_director.train_voice("EXEC_DEFAULT", new_voice="mara", samples=str(samples))


def test_the_panels_show_what_is_needed(film: Path, rvc: Any, recording: Path) -> None:
    voice = bpy.context.scene.movie_director.voice
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_voice_view)
    assert {"voice", "pitch", "text"} <= set(drawn.properties())
    assert "movie_director.speak_line" in drawn.operators()
    assert "Select a sound strip" in fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_convert_sequencer).text()
    voice.recording = str(recording)
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_convert_sequencer)
    assert "Select a sound strip" not in drawn.text()
    assert {"new_voice", "samples", "epochs"} <= set(fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_train_view).properties())


@needs_audio
def test_the_verbs(film: Path, rvc: Any, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = own("cli.command_line").run
    assert run(["speak", "--text", "Hello", "--voice", VOICE, "--frame", "9", "--save"]) == 0
    assert run(["convert", "--recording", str(recording), "--voice", VOICE, "--frame", "50", "--save"]) == 0
    assert capsys.readouterr().out.count(".wav") == 2
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert sorted(bounds(strip)[0] for strip in sounds()) == [9, 50]
    assert run(["train-voice", "no such name!", str(recording.parent)]) == 1
    assert run(["speak", "--text", "Hello", "--voice", VOICE, "--take", str(recording)]) == 0
    assert reader()["name"] == "recording"
    assert run(["speak", "--text", "Hello", "--voice", VOICE, "--read-by", "rvc-server", "--reader-voice", "x"]) == 0
    assert reader()["voice"] == "x"
