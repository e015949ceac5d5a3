"""Sounds made from nothing, for the mock servers: effects that differ with the prompt, lines with the rhythm of speech.

Everything is decided by the words and the seed, so the same request gives the same file on every machine. Ten seconds
take a few tenths of a second to make.
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
    """A mono WAV of what ``prompt`` asks for, roughly: rain hisses, a hammer hits, a bell rings, an engine hums."""
    return wave_bytes(effect_samples(prompt, duration_s, rate=rate, seed=seed), rate)


def effect_samples(prompt: str, duration_s: float, *, rate: int, seed: int = 0) -> array[int]:
    """The same as 16-bit samples."""
    chance = random.Random(f"{prompt}|{seed}")
    shape = _shape_of(prompt, chance)
    return _levelled(shape(max(1, round(duration_s * rate)), rate, chance), rate)


def speech_wave(text: str, voice: str, *, rate: int = 48_000, pitch: float = 0.0, seed: int = 0) -> bytes:
    """A mono WAV with the rhythm of ``text`` spoken: a vowel for each syllable, pauses between words and sentences.

    ``voice`` decides the pitch, which ``pitch`` raises by so many semitones.
    """
    chance = random.Random(f"{text}|{voice}|{seed}")
    base = voice_hz(voice) * 2 ** (pitch / 12)
    spoken: Samples = []
    words = text.split() or ["hm"]
    for number, word in enumerate(words):
        fall = 1.1 - 0.2 * number / len(words)
        for syllable in _SYLLABLE.findall(word) or [word]:
            vowel = _VOWELS[ord(syllable[0].lower()) % len(_VOWELS)]
            spoken += _syllable(base * fall * chance.uniform(0.95, 1.05), vowel, rate)
        pause = SENTENCE_PAUSE_S if word[-1] in ".,;:!?" else WORD_PAUSE_S
        spoken += [0.0] * round(pause * rate)
    return wave_bytes(_levelled(spoken, rate), rate)


def convert_samples(samples: Sequence[float], voice: str, *, rate: int, pitch: float = 0.0) -> array[int]:
    """A recording in another voice: as loud as it was at every moment, at the pitch of ``voice``."""
    table = _cycle(voice_hz(voice) * 2 ** (pitch / 12), _VOWELS[0])
    step = voice_hz(voice) * 2 ** (pitch / 12) * _CYCLE / rate
    frame = max(1, round(FRAME_S * rate))
    made: Samples = []
    before = 0.0
    for start in range(0, len(samples), frame):
        part = samples[start : start + frame]
        loud = max(map(abs, part))
        made += [
            table[int((start + at) * step) % _CYCLE] * (before + (loud - before) * at / len(part))
            for at in range(len(part))
        ]
        before = loud
    return _levelled(made, rate)


def voice_hz(voice: str) -> float:
    """The pitch that goes with a voice's name, 85 to 255 Hz."""
    return random.Random(voice).uniform(85.0, 255.0)


# Shapes of effects


def _shape_of(prompt: str, chance: random.Random) -> Callable[[int, int, random.Random], Samples]:
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    for names, shape in _SHAPES:
        if any(word.startswith(name) for word in words for name in names.split()):
            return shape
    return chance.choice(_SHAPES)[1]


def _weather(length: int, rate: int, chance: random.Random) -> Samples:
    """Noise that swells."""
    cutoff, swell = chance.uniform(600, 5000), chance.uniform(0.15, 0.6)
    slow = [0.65 + 0.35 * math.sin(2 * math.pi * swell * at * 64 / rate) for at in range(length // 64 + 1)]
    return [each * slow[at >> 6] for at, each in enumerate(_noise(length, rate, cutoff, chance))]


def _impacts(length: int, rate: int, chance: random.Random) -> Samples:
    """Short hits, some time apart."""
    hertz, every = chance.uniform(70, 260), chance.uniform(0.35, 0.8)
    made = [0.0] * length
    noise = list(_noise(round(0.25 * rate), rate, 3000, chance))
    hit = [
        (each * 0.5 + math.sin(2 * math.pi * hertz * at / rate)) * math.exp(-14 * at / rate)
        for at, each in enumerate(noise)
    ]
    starts = [0.05]
    while starts[-1] * rate < length:
        starts.append(starts[-1] + every * chance.uniform(0.9, 1.1))
    for start in (round(each * rate) for each in starts[:-1]):
        made[start : start + len(hit)] = hit[: length - start]
    return made


def _bells(length: int, rate: int, chance: random.Random) -> Samples:
    """Partials that ring and fade."""
    hertz, every = chance.uniform(300, 900), chance.uniform(1.5, 2.5)
    made = [0.0] * length
    partials = [(1.0, 1.0, 1.2), (2.76, 0.5, 2.2), (5.4, 0.25, 4.0)]
    for ratio, loud, fading in partials:
        tone = _tone(min(length, round(every * rate)), rate, hertz * ratio)
        decay = [loud * math.exp(-fading * at * 64 / rate) for at in range(len(tone) // 64 + 1)]
        for start in range(0, length, len(tone)):
            for at, each in enumerate(tone[: length - start]):
                made[start + at] += each * decay[at >> 6]
    return made


def _engine(length: int, rate: int, chance: random.Random) -> Samples:
    """A low buzz with some noise in it."""
    hertz = chance.uniform(45, 110)
    noise = _noise(length, rate, 400, chance)
    step = hertz / rate
    return [2 * ((at * step) % 1.0) - 1 + 0.6 * each for at, each in enumerate(noise)]


def _calls(length: int, rate: int, chance: random.Random) -> Samples:
    """Tones that glide, with silence between: a bird, an alarm, a whistle."""
    hertz, glide, every = chance.uniform(700, 2400), chance.uniform(-0.4, 0.6), chance.uniform(0.3, 0.7)
    period = max(1, round(every * rate))
    sounding = round(period * 0.7)
    call = [
        math.sin(2 * math.pi * hertz * at / rate * (1 + glide * at / sounding)) * math.sin(math.pi * at / sounding)
        for at in range(sounding)
    ] + [0.0] * (period - sounding)
    return (call * (length // period + 1))[:length]


_SHAPES: tuple[tuple[str, Callable[[int, int, random.Random], Samples]], ...] = (
    ("rain wind sea ocean wave water river storm thunder fire crowd applause forest static snow", _weather),
    ("hammer step foot knock door gun shot hit punch drum crash explo slam horse clap typ wood box", _impacts),
    ("bell chime glass metal ring clock piano harp coin sword magic", _bells),
    ("engine car motor machine truck train plane drone hum space ship robot helicopter fan", _engine),
    ("bird cat dog whistle siren alarm beep phone owl cricket horn laugh scream voice", _calls),
)


# Parts


def _noise(length: int, rate: int, cutoff: float, chance: random.Random) -> Iterable[float]:
    """White noise with what lies above ``cutoff`` Hz turned down."""
    white: array[int] = array("h")
    white.frombytes(chance.randbytes(2 * length))
    share = min(1.0, 2 * math.pi * cutoff / rate)
    return accumulate((each / FULL_SCALE for each in white), lambda low, each: low + share * (each - low))


def _tone(length: int, rate: int, hertz: float) -> Samples:
    step = 2 * math.pi * hertz / rate
    return [math.sin(step * at) for at in range(length)]


def _syllable(hertz: float, vowel: tuple[int, int], rate: int) -> Samples:
    table = _cycle(hertz, vowel)
    length = round(SECONDS_PER_SYLLABLE * rate)
    step = hertz * _CYCLE / rate
    return [table[int(at * step) % _CYCLE] * math.sin(math.pi * at / length) for at in range(length)]


def _cycle(hertz: float, vowel: tuple[int, int]) -> Samples:
    """One vibration of a voice: harmonics, louder near the vowel's two formants."""
    weights = [
        sum(1 / (1 + ((hertz * harmonic - formant) / 120) ** 2) for formant in vowel) + 0.3 / harmonic
        for harmonic in range(1, 24)
    ]
    return [
        sum(weight * math.sin(2 * math.pi * harmonic * at / _CYCLE) for harmonic, weight in enumerate(weights, 1))
        for at in range(_CYCLE)
    ]


def _levelled(samples: Samples, rate: int) -> array[int]:
    """As 16-bit numbers, the loudest at half of full scale, without a click at either end."""
    fade = min(len(samples) // 2, max(1, round(FADE_S * rate)))
    for at in range(fade):
        samples[at] *= at / fade
        samples[-1 - at] *= at / fade
    loudest = abs(max(samples, key=abs)) or 1.0
    scale = LOUDEST * (FULL_SCALE - 1) / loudest
    return array("h", [round(each * scale) for each in samples])
