"""The voices of a mock RVC server, and the conversion of a recording into one of them."""

from __future__ import annotations

import io
import wave
from array import array
from collections.abc import Mapping

from ..http.context import SimulatedClock
from ..http.faults import FaultBook
from ..media.sound import convert_samples

VOICES: Mapping[str, int] = {"demo-voice": 40_000, "demo-narrator": 48_000}
CONVERSION_S = 0.3
SECONDS_PER_SECOND = {"harvest": 5.0}
QUICK_SECONDS_PER_SECOND = 0.1


class VoiceBank(dict[str, int]):
    """The rates of the voices in Hz, by name."""

    def __init__(self, rates: Mapping[str, int] | None, clock: SimulatedClock, faults: FaultBook) -> None:
        super().__init__(VOICES if rates is None else rates)
        self._clock = clock
        self._faults = faults

    def convert(self, sound: bytes, voice: str, *, pitch: float, method: str) -> tuple[array[int], int]:
        """Convert a WAV to a voice, in simulated time; return the samples and the voice's rate.

        Anything but a 16-bit WAV raises ``ValueError``, an unknown voice ``KeyError``.
        """
        rate = self[voice]
        samples, given_rate = read_wave(sound)
        seconds = len(samples) / given_rate
        self._clock.wait(CONVERSION_S + seconds * SECONDS_PER_SECOND.get(method, QUICK_SECONDS_PER_SECOND))
        if self._faults.take("silent_conversion", voice) is not None or self._clock.stopping.is_set():
            return array("h", bytes(2 * round(seconds * rate))), rate
        return convert_samples(_resample(samples, given_rate, rate), voice, rate=rate, pitch=pitch), rate


def read_wave(sound: bytes) -> tuple[list[float], int]:
    """Read the first channel of a 16-bit WAV and its rate; ``ValueError`` for anything else."""
    try:
        with wave.open(io.BytesIO(sound)) as file:
            if file.getsampwidth() != 2:
                raise ValueError("not 16 bit")
            samples = array("h", file.readframes(file.getnframes()))
            return [each / 32768 for each in samples[:: file.getnchannels()]], file.getframerate()
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error)) from error


def _resample(samples: list[float], rate: int, wanted: int) -> list[float]:
    count = round(len(samples) * wanted / rate)
    return [samples[min(len(samples) - 1, at * rate // wanted)] for at in range(count)]
