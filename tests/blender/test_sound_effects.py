"""Sound effects: from the operator to the sound strip, against the embedded mock AudioLDM."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import fakes
import pytest
from conftest import own, preferences, runtime_ref, strips

FRAME = 41
pytestmark = pytest.mark.skipif(
    bpy.app.version < (4, 3, 0), reason="the bpy module of 4.2 was built without sound (see test_voices)"
)


@pytest.fixture
def audioldm() -> Iterator[Any]:
    """A mock AudioLDM on loopback, twenty times as fast as life; the preferences point to it."""
    with own("clients.mock").MockBackends(speed=20.0, only=["audioldm"]) as mocks:
        preferences().backends.audioldm.url = mocks.audioldm.url
        yield mocks.audioldm


def bounds(strip: Any) -> tuple[int, int]:
    found: tuple[int, int] = own("blender.platform.sequencer").bounds(strip)
    return found


def sounds() -> list[Any]:
    return [strip for strip in strips() if strip.type == "SOUND"]


def submitted() -> Any:
    return runtime_ref().runtime().job(runtime_ref().jobs()[0].id).request


def add_strip(start: int, length: int) -> Any:
    strip = own("blender.platform.sequencer").add_colour(bpy.context.scene, "x", start, length, (0, 0, 0), 1)
    for each in strips():
        each.select = each == strip
    return strip


def effect(**arguments: Any) -> set[str]:
    result: set[str] = bpy.ops.movie_director.sound_effect("EXEC_DEFAULT", **{"prompt": "rain", **arguments})
    return result


def test_a_sound_lands_at_the_playhead(film: Path, audioldm: Any) -> None:
    bpy.context.scene.frame_set(FRAME)
    assert effect(seconds=2.5, seed="7") == {"FINISHED"}
    [strip] = sounds()
    start, end = bounds(strip)
    assert (start, end - start) == (FRAME, pytest.approx(60, abs=1))
    assert strip.show_waveform
    assert strip.sound.filepath.startswith("//movie_director/")
    assert strip["movie_director"].to_dict()["seed"] == "7"
    assert (submitted().prompt, submitted().duration_s, submitted().seed) == ("rain", 2.5, 7)


def test_a_sound_has_the_film_s_rate(film: Path, audioldm: Any) -> None:
    rates = []
    for rate in (44100, 48000):
        bpy.context.scene.render.ffmpeg.audio_mixrate = rate
        assert effect(seconds=2.5) == {"FINISHED"}
        with wave.open(bpy.path.abspath(sounds()[-1].sound.filepath), "rb") as file:
            rates.append(file.getframerate())
        for strip in sounds():
            strip.select = False
    assert sorted(rates) == [44100, 48000]


def test_a_sound_is_as_long_as_the_selected_strip_and_in_step(film: Path, audioldm: Any) -> None:
    strip = add_strip(55, 36)
    assert effect() == {"FINISHED"}
    assert submitted().duration_s == 1.5
    assert bounds(sounds()[0])[0] == 55
    assert bounds(sounds()[0])[1] == pytest.approx(bounds(strip)[1], abs=1)
    assert bounds(sounds()[0])[1] <= bounds(strip)[1]


def test_the_length_given_goes_before_the_strip_s(film: Path, audioldm: Any) -> None:
    add_strip(55, 36)
    bpy.context.scene.frame_set(FRAME)
    bpy.context.scene.movie_director.sound.match_strip = False
    bpy.context.scene.movie_director.sound.seconds = 1.0
    assert effect() == {"FINISHED"}
    assert submitted().duration_s == 1.0
    assert bounds(sounds()[0])[0] == FRAME


def test_the_sounds_of_shots(film: Path, audioldm: Any) -> None:
    shots = own("blender.placing.shots")
    rows = [
        own("blender.placing.listed_shot").ListedShot("A", "Wide", "a pier", "", "gulls", 1.0),
        own("blender.placing.listed_shot").ListedShot("A", "Close", "a key", "", "", 1.0),
    ]
    shots.add_placeholders(bpy.context.scene, rows, FRAME, 1)
    for strip in strips():
        strip.select = True
    assert bpy.ops.movie_director.generate_shots("EXEC_DEFAULT", kind="SOUND") == {"FINISHED"}
    assert submitted().prompt == "gulls"
    assert [bounds(strip)[0] for strip in sounds()] == [FRAME]
    assert len(strips()) == 3
    strips()[0].select = False
    for strip in strips():
        strip.select = strip.name.startswith("2 ")
    with pytest.raises(RuntimeError, match="None of the selected shots has a sound"):
        bpy.ops.movie_director.generate_shots("EXEC_DEFAULT", kind="SOUND")


def test_without_a_prompt_it_is_said(film: Path, audioldm: Any) -> None:
    with pytest.raises(RuntimeError, match="There is no prompt"):
        effect(prompt=" ")


def test_the_panel_says_how_long_it_will_be(film: Path, audioldm: Any) -> None:
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_sound_sequencer)
    assert {"prompt", "seconds", "match_strip", "seed"} <= set(drawn.properties())
    add_strip(55, 36)
    drawn = fakes.draw(bpy.types.MOVIE_DIRECTOR_PT_sound_sequencer)
    assert "x: 1.5 s from frame 55" in drawn.text()
    assert "seconds" not in drawn.properties()


def test_the_verb(film: Path, audioldm: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run = own("cli.command_line").run
    assert run(["sound-effect", "--prompt", "rain", "--seconds", "1", "--frame", "9", "--save"]) == 0
    assert ".wav" in capsys.readouterr().out
    bpy.ops.wm.open_mainfile(filepath=str(film))
    assert bounds(sounds()[0])[0] == 9
