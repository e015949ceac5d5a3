"""Sounds for the mock servers: effects that differ with the prompt, lines with the rhythm of speech.

The same text and seed give the same sound on every machine. Ten seconds take a few tenths of a second to make.
"""

from __future__ import annotations

import math
import random
import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from ...audio.wavefile import FULL_SCALE, wave_bytes

LOUDEST = 0.5
FADE_S = 0.01
SECONDS_PER_SYLLABLE = 0.17
WORD_PAUSE_S = 0.06
SENTENCE_PAUSE_S = 0.3
FRAME_S = 0.01

Samples = list[float]

_CYCLE = 256
_VOWELS = ((730, 1090), (530, 1840), (270, 2290), (570, 840), (300, 870))
_SYLLABLE = re.compile(r"[aeiouyäöüáéíóúàèåæø]+", re.IGNORECASE)


def effect_wave(prompt: str, duration_s: float, *, rate: int = 48_000, seed: int = 0) -> bytes:
    """Make a mono WAV of ``prompt``, roughly: rain hisses, a hammer hits, a bell rings, an engine hums."""
    return wave_bytes(effect_samples(prompt, duration_s, rate=rate, seed=seed), rate)


def effect_samples(prompt: str, duration_s: float, *, rate: int, seed: int = 0) -> array[int]:
    """Make the same as 16-bit samples."""
    chance = random.Random(f"{prompt}|{seed}")
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    fitting = (make for starts, make in _EFFECTS if any(word.startswith(tuple(starts.split())) for word in words))
    make = next(fitting, None) or chance.choice(_EFFECTS)[1]
    return _level(make(max(1, round(duration_s * rate)), rate, chance), rate)


def speech_wave(text: str, voice: str, *, rate: int = 48_000, pitch: float = 0.0, seed: int = 0) -> bytes:
    """Make a mono WAV with the rhythm of ``text`` spoken: a vowel a syllable, pauses between words and sentences.

    ``voice`` decides the pitch, which ``pitch`` raises by so many semitones.
    """
    chance = random.Random(f"{text}|{voice}|{seed}")
    base = voice_hz(voice) * 2 ** (pitch / 12)
    spoken: Samples = []
    words = text.split() or ["hm"]
    for number, word in enumerate(words):
        fall = 1.1 - 0.2 * number / len(words)
        for syllable in _SYLLABLE.findall(word) or [word]:
            hertz = base * fall * chance.uniform(0.95, 1.05)
            table = _vibration(hertz, _VOWELS[ord(syllable[0].lower()) % len(_VOWELS)])
            length, step = round(SECONDS_PER_SYLLABLE * rate), hertz * _CYCLE / rate
            spoken += [table[int(at * step) % _CYCLE] * math.sin(math.pi * at / length) for at in range(length)]
        pause = SENTENCE_PAUSE_S if word[-1] in ".,;:!?" else WORD_PAUSE_S
        spoken += [0.0] * round(pause * rate)
    return wave_bytes(_level(spoken, rate), rate)


def convert_samples(samples: Sequence[float], voice: str, *, rate: int, pitch: float = 0.0) -> array[int]:
    """Convert a recording to another voice: as loud as it is at every moment, at the pitch of ``voice``."""
    hertz = voice_hz(voice) * 2 ** (pitch / 12)
    table, step = _vibration(hertz, _VOWELS[0]), hertz * _CYCLE / rate
    frame = max(1, round(FRAME_S * rate))
    converted: Samples = []
    before = 0.0
    for start in range(0, len(samples), frame):
        part = samples[start : start + frame]
        loud = max(map(abs, part))
        for at in range(len(part)):
            converted.append(table[int((start + at) * step) % _CYCLE] * (before + (loud - before) * at / len(part)))
        before = loud
    return _level(converted, rate)


def voice_hz(voice: str) -> float:
    """Return the pitch that belongs to a voice's name, 85 to 255 Hz."""
    return random.Random(voice).uniform(85.0, 255.0)


# Effects: noise that swells, short hits, partials that fade, a low buzz, tones that glide


def _weather(length: int, rate: int, chance: random.Random) -> Samples:
    cutoff, swell = chance.uniform(600, 5000), chance.uniform(0.15, 0.6)
    slow = [0.65 + 0.35 * math.sin(2 * math.pi * swell * at * 64 / rate) for at in range(length // 64 + 1)]
    return [each * slow[at >> 6] for at, each in enumerate(_noise(length, rate, cutoff, chance))]


def _impacts(length: int, rate: int, chance: random.Random) -> Samples:
    step, every = 2 * math.pi * chance.uniform(70, 260) / rate, round(chance.uniform(0.35, 0.8) * rate)
    noise = _noise(round(0.25 * rate), rate, 3000, chance)
    hit = [(each * 0.5 + math.sin(step * at)) * math.exp(-14 * at / rate) for at, each in enumerate(noise)]
    return _repeat(hit + [0.0] * (every - len(hit)), length)


def _bells(length: int, rate: int, chance: random.Random) -> Samples:
    step, every = 2 * math.pi * chance.uniform(300, 900) / rate, round(chance.uniform(1.5, 2.5) * rate)
    ring = [0.0] * min(length, every)
    for ratio, loud, fading in ((1.0, 1.0, 1.2), (2.76, 0.5, 2.2), (5.4, 0.25, 4.0)):
        decay = [loud * math.exp(-fading * at * 64 / rate) for at in range(len(ring) // 64 + 1)]
        ring = [each + math.sin(step * ratio * at) * decay[at >> 6] for at, each in enumerate(ring)]
    return _repeat(ring, length)


def _engine(length: int, rate: int, chance: random.Random) -> Samples:
    step = chance.uniform(45, 110) / rate
    return [2 * ((at * step) % 1.0) - 1 + 0.6 * each for at, each in enumerate(_noise(length, rate, 400, chance))]


def _calls(length: int, rate: int, chance: random.Random) -> Samples:
    step, glide = 2 * math.pi * chance.uniform(700, 2400) / rate, chance.uniform(-0.4, 0.6)
    period = max(1, round(chance.uniform(0.3, 0.7) * rate))
    sounding = round(period * 0.7)
    places = [(at, at / sounding) for at in range(sounding)]
    call = [math.sin(step * at * (1 + glide * part)) * math.sin(math.pi * part) for at, part in places]
    return _repeat(call + [0.0] * (period - sounding), length)


_EFFECTS: tuple[tuple[str, Callable[[int, int, random.Random], Samples]], ...] = (
    ("rain wind sea ocean wave water river storm thunder fire crowd applause forest static snow", _weather),
    ("hammer step foot knock door gun shot hit punch drum crash explo slam horse clap typ wood box", _impacts),
    ("bell chime glass metal ring clock piano harp coin sword magic", _bells),
    ("engine car motor machine truck train plane drone hum space ship robot helicopter fan", _engine),
    ("bird cat dog whistle siren alarm beep phone owl cricket horn laugh scream voice", _calls),
)
"""Beginnings of words, and what they sound like."""


# Parts


def _repeat(sound: Samples, length: int) -> Samples:
    return (sound * (length // len(sound) + 1))[:length]


def _noise(length: int, rate: int, cutoff: float, chance: random.Random) -> Iterable[float]:
    """Make white noise, lower above ``cutoff`` Hz."""
    white: array[int] = array("h")
    white.frombytes(chance.randbytes(2 * length))
    share = min(1.0, 2 * math.pi * cutoff / rate)
    return accumulate((each / FULL_SCALE for each in white), lambda low, each: low + share * (each - low))


def _vibration(hertz: float, vowel: tuple[int, int]) -> Samples:
    """Return one vibration of a voice: harmonics, louder near the vowel's two formants."""
    cycle = [0.0] * _CYCLE
    for harmonic in range(1, 24):
        weight = sum(1 / (1 + ((hertz * harmonic - formant) / 120) ** 2) for formant in vowel) + 0.3 / harmonic
        step = 2 * math.pi * harmonic / _CYCLE
        cycle = [each + weight * math.sin(step * at) for at, each in enumerate(cycle)]
    return cycle


def _level(samples: Samples, rate: int) -> array[int]:
    """Return 16-bit samples, the loudest at half of full scale, without a click at either end."""
    fade = min(len(samples) // 2, max(1, round(FADE_S * rate)))
    for at in range(fade):
        samples[at] *= at / fade
        samples[-1 - at] *= at / fade
    loudest = abs(max(samples, key=abs)) or 1.0
    return array("h", [round(each * LOUDEST * (FULL_SCALE - 1) / loudest) for each in samples])
