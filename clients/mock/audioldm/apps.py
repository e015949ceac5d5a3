"""Mocks the web apps of AudioLDM and AudioLDM2 on Gradio 3.34: a sound with a picture, in an MP4."""

from __future__ import annotations

import random
from typing import Any

from ..gradio.app import App, Component, Dependency
from ..gradio.gradio3 import Gradio3Call
from ..http.context import SimulatedClock
from ..media.mp4 import Sound, make_mp4
from ..media.sound import effect_samples
from .timing import STEP_S, count_steps

MODELS = (
    "audioldm-s-full",
    "audioldm-l-full",
    "audioldm-s-full-v2",
    "audioldm-m-text-ft",
    "audioldm-s-text-ft",
    "audioldm-m-full",
)
RATES = {"audioldm1": 16_000, "audioldm2": 48_000}
MAX_S = 20.0
"""The longest sound: a longer one would make tests slow."""

_SEED = "Change this value (any integer number) will lead to a different generation result."
_CANDIDATES = "Automatic quality control. This number control the number of candidates"


def _slider(number: int, label: str, value: float, least: float, most: float, step: float) -> Component:
    return Component(number, "slider", label, {"value": value, "minimum": least, "maximum": most, "step": step})


def make_sound_app(clock: SimulatedClock, dialect: str) -> App:
    """Make the app of ``audioldm1`` or ``audioldm2``."""
    rate = RATES[dialect]

    def text2audio(call: Gradio3Call, text: str, duration: float, *others: Any) -> list[Any]:
        for _ in range(count_steps(text)):
            if clock.wait(STEP_S):
                raise RuntimeError("stopped")
        if "explode" in text:
            raise RuntimeError("CUDA out of memory")
        samples = effect_samples(text, min(float(duration), MAX_S), rate=rate, seed=int(others[1]))
        video = make_mp4((), 0, 0, 1.0, sound=Sound(samples, rate))
        return [call.file(f"tmp{random.getrandbits(32):08x}.mp4", video, named=True), None]

    first = dialect == "audioldm1"
    prompt = Component(4, "textbox", "Input your text here.", {"value": "A hammer is hitting a wooden surface"})
    inputs = [
        prompt,
        _slider(7, "Duration (seconds)", 5, 2.5, 10, 2.5)
        if first
        else _slider(7, "Duration (seconds)", 10, 5, 15, 2.5),
        _slider(8, "Guidance scale", 2.5, 0, 5, 0.5) if first else _slider(8, "Guidance scale", 3.5, 0, 6, 0.5),
        Component(6, "number", _SEED, {"value": 42.0 if first else 45.0}),
        _slider(9, _CANDIDATES, 3, 1, 5 if first else 3, 1),
    ]
    model = Component(10, "dropdown", "Choose the model to use.", {"value": MODELS[-1], "choices": list(MODELS)})
    button, video = Component(13, "button", "Submit"), Component(12, "video", "Output")
    wired = tuple(each.id for each in [*inputs, *([model] if first else [])])
    name = None if first else "text2audio"
    function = Dependency(0, name, text2audio, wired, (video.id,), ((button.id, "click"),))
    return App([*inputs, model, button, video], [function], "AudioLDM" if first else "AudioLDM2")
