"""The sounds that the mock servers make."""

from __future__ import annotations

import io
import wave
from array import array

import pytest

from movie_director.clients.mock.media import sound

PROMPTS = ("rain on a roof", "a hammer hitting wood", "church bell", "car engine", "birdsong", "something odd")


def samples_of(data):
    with wave.open(io.BytesIO(data), "rb") as file:
        return array("h", file.readframes(file.getnframes())), file.getframerate()


def loudness(samples, parts=20):
    """Return the loudest sample of each part."""
    size = len(samples) // parts
    return [max(map(abs, samples[at * size : (at + 1) * size])) for at in range(parts)]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_effect_can_be_heard_and_has_the_length_asked_for(prompt):
    samples, rate = samples_of(sound.effect_wave(prompt, 2.5, rate=16000))
    assert (len(samples), rate) == (40000, 16000)
    assert max(map(abs, samples)) == pytest.approx(0.5 * 32767, abs=2)
    assert samples[0] == 0
    assert sum(each > 1000 for each in loudness(samples)) >= 5


def test_effects_differ_with_prompt_and_seed_and_are_the_same_otherwise():
    made = {sound.effect_wave(prompt, 0.5, rate=8000, seed=seed) for prompt in PROMPTS for seed in (0, 1)}
    assert len(made) == 2 * len(PROMPTS)
    assert sound.effect_wave("rain", 0.5, seed=3) == sound.effect_wave("rain", 0.5, seed=3)


def test_impacts_have_silence_between_and_rain_has_none():
    impacts = loudness(sound.effect_samples("footsteps", 3, rate=8000), 60)
    rain = loudness(sound.effect_samples("rain", 3, rate=8000), 60)
    assert min(impacts[2:-2]) < 0.05 * max(impacts)
    assert min(rain[2:-2]) > 0.1 * max(rain)


def test_a_line_is_as_long_as_its_text_and_pauses_after_sentences():
    short, _ = samples_of(sound.speech_wave("Go.", "Anna", rate=16000))
    long, _ = samples_of(sound.speech_wave("We leave at dawn. Tell the others, and bring the map.", "Anna", rate=16000))
    assert len(long) > 5 * len(short)
    first, second = samples_of(sound.speech_wave("Go. Go.", "Anna", rate=16000))[0], len(short)
    assert max(map(abs, first[second - 3000 : second])) == 0
    assert sound.speech_wave("", "Anna")
    assert sound.speech_wave("!? 42", "Anna")


def test_the_voice_decides_the_pitch():
    assert sound.speech_wave("Go.", "Anna") != sound.speech_wave("Go.", "Boris")
    assert 85 <= sound.voice_hz("Anna") != sound.voice_hz("Boris") <= 255
    assert sound.speech_wave("Go.", "Anna", pitch=12) != sound.speech_wave("Go.", "Anna")


def test_a_converted_recording_is_as_long_and_as_loud_at_every_moment():
    steps = sound.effect_samples("footsteps", 2, rate=8000)
    other = sound.convert_samples(steps, "Anna", rate=8000)
    assert len(other) == len(steps)
    before, after = loudness(steps, 40), loudness(other, 40)
    quiet = [at for at, each in enumerate(before) if each < 500]
    assert quiet
    assert all(after[at] < 4000 for at in quiet)
    assert sound.convert_samples([0.0] * 10, "Anna", rate=8000) == array("h", [0] * 10)
    assert sound.convert_samples(steps, "Boris", rate=8000, pitch=3) != other
