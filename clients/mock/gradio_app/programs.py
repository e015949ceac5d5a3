"""The mock's programs: music, speech, pictures; and apps without an endpoint that a client can use.

Each is a function that adds its components and endpoints to an app; the endpoints make the demo's media.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..gradio.app import App, Component, Dependency, GradioError
from ..gradio.events import Call
from ..http.context import SimulatedClock
from ..media.movie import Movie
from ..media.picture import Picture
from ..media.png import NotAPicture, decode, encode
from ..media.sound import effect_wave, speech_wave

STEPS = 5
STEP_S = 0.2
SLOWER = 8
ENDLESS = 100_000
MOST_S = 30.0
FPS = 12
STYLES = ("orchestral", "synth", "piano", "tension")
VOICES = (("Anna (warm)", "anna"), ("Bill (deep)", "bill"), ("Child", "child"))
FACTORS = (("2x", 2), ("4x", 4))
MAX_SIDE = 1024


class Builder:
    """Collects the numbered components and endpoints of one app."""

    def __init__(self) -> None:
        self._components: list[Component] = []
        self._dependencies: list[Dependency] = []

    def part(self, kind: str, label: str = "", **props: Any) -> int:
        """Add a component and return its number."""
        number = len(self._components) + 1
        self._components.append(Component(number, kind, label, props))
        return number

    def wire(
        self,
        name: str | None,
        function: Callable[..., Any],
        inputs: dict[str, int],
        outputs: tuple[int, ...],
        *,
        generator: bool = False,
        **more: Any,
    ) -> None:
        """Add an endpoint; ``inputs`` maps the names of its parameters to components."""
        button = self.part("button", value=(name or "Run").replace("_", " ").capitalize())
        self._dependencies.append(
            Dependency(
                len(self._dependencies),
                name,
                function,
                tuple(inputs.values()),
                outputs,
                ((button, "click"),),
                generator=generator,
                parameters=tuple(inputs),
                **more,
            )
        )

    def app(self, title: str) -> App:
        """Return the app with all components and endpoints."""
        return App(self._components, self._dependencies, title)


def music(clock: SimulatedClock, builder: Builder) -> None:
    """Add a music generator that yields while it composes."""

    def generate(call: Call, description: str, style: str, duration: float, seed: float, melody: Any) -> Iterator[Any]:
        tune = call.read(melody) if melody else b""
        for step in work(clock, call, description, "Composing"):
            yield None, f"step {step}"
        sound = effect_wave(f"{style} {description}", min(duration, MOST_S), seed=int(seed) + len(tune))
        yield call.file("music.wav", sound), f"{style}, {duration:g} s, seed {seed:g}"

    builder.wire(
        "generate_music",
        generate,
        {
            "description": builder.part("textbox", "Description", lines=3, placeholder="What the music is like"),
            "style": builder.part("dropdown", "Style", choices=[[each, each] for each in STYLES], value=STYLES[0]),
            "duration": builder.part("slider", "Duration (seconds)", minimum=1, maximum=30, step=1, value=8),
            "seed": builder.part("number", "Seed", value=42, precision=0),
            "melody": builder.part("audio", "Melody", info="Music that the new one is to follow"),
        },
        (builder.part("audio", "Music"), builder.part("textbox", "Notes")),
        generator=True,
        optional=("melody",),
    )


def speech(clock: SimulatedClock, builder: Builder) -> None:
    """Add a program that reads texts aloud, in one go: it can't be cancelled."""

    def speak(call: Call, text: str, voice: str, speed: float, cheerful: bool, sample: Any) -> Any:
        for _ in work(clock, call, text, "Speaking"):
            pass
        heard = call.read(sample) if sample else b""
        pitch = (2.0 if cheerful else 0.0) + (speed - 1.0) * 4
        return call.file("speech.wav", speech_wave(text, voice, rate=24_000, pitch=pitch, seed=len(heard)))

    builder.wire(
        "speak",
        speak,
        {
            "text": builder.part("textbox", "Text", lines=5),
            "voice": builder.part("radio", "Voice", choices=[list(each) for each in VOICES], value=VOICES[0][1]),
            "speed": builder.part("slider", "Speed", minimum=0.5, maximum=2.0, step=0.05, value=1.0),
            "cheerful": builder.part("checkbox", "Cheerful", value=False),
            "sample": builder.part("audio", "Voice sample", info="A few seconds of the voice to copy"),
        },
        (builder.part("audio", "Speech"),),
        optional=("sample",),
    )


def pictures(clock: SimulatedClock, builder: Builder) -> None:
    """Add a program that enlarges a picture, makes a clip from one, and describes its content."""

    def upscale(call: Call, image: Any, factor: int) -> Any:
        for _ in work(clock, call, "", "Upscaling"):
            pass
        base = picture_of(call, image)
        width, height = (min(MAX_SIDE, side * int(factor)) for side in (base.width, base.height))
        return call.file("upscaled.png", encode(base.scaled(width, height)))

    def animate(call: Call, image: Any, prompt: str, seconds: float) -> Iterator[Any]:
        base = picture_of(call, image)
        for _ in work(clock, call, prompt, "Animating"):
            yield None
        clip = Movie(prompt, 1, base.width, base.height, int(seconds * FPS), FPS, base=base)
        yield call.file("clip.mp4", clip.file())

    def describe(call: Call, image: Any) -> str:
        base = picture_of(call, image)
        return f"A picture of {base.width} x {base.height} pixels."

    builder.wire(
        "upscale",
        upscale,
        {
            "image": builder.part("image", "Image"),
            "factor": builder.part("dropdown", "Factor", choices=[list(each) for each in FACTORS], value=2),
        },
        (builder.part("image", "Upscaled"),),
    )
    builder.wire(
        "animate",
        animate,
        {
            "image": builder.part("image", "First frame"),
            "prompt": builder.part("textbox", "What happens"),
            "seconds": builder.part("slider", "Seconds", minimum=1, maximum=5, step=0.5, value=2),
        },
        (builder.part("video", "Clip"),),
        generator=True,
    )
    builder.wire(
        "describe", describe, {"image": builder.part("image", "Image")}, (builder.part("textbox", "Description"),)
    )


def nameless(clock: SimulatedClock, builder: Builder) -> None:
    """Add a function that has no name, so that no client can call it."""
    del clock
    builder.wire(None, lambda _call, text: text, {"text": builder.part("textbox", "Text")}, (builder.part("textbox"),))


def state_only(clock: SimulatedClock, builder: Builder) -> None:
    """Add an endpoint that takes and returns only the page's state."""
    del clock
    state = builder.part("state", value=list)
    builder.wire("remember", lambda _call, kept: [*kept, 1], {"kept": state}, (state,))


PROGRAMS: dict[str, Callable[[SimulatedClock, Builder], None]] = {
    "music": music,
    "speech": speech,
    "pictures": pictures,
}
HELPLESS: dict[str, Callable[[SimulatedClock, Builder], None]] = {"nameless": nameless, "state_only": state_only}


def work(clock: SimulatedClock, call: Call, text: str, stage: str) -> Iterator[int]:
    """Simulate work in steps, with progress; fail if the text contains ``explode``, ``refuse`` or ``break``."""
    steps = ENDLESS if "endless" in text else STEPS
    for step in range(1, steps + 1):
        call.progress((step - 1, steps), stage)
        if clock.wait(STEP_S * (SLOWER if "slow" in text else 1)):
            return
        yield step
    if "explode" in text:
        raise GradioError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if "refuse" in text:
        raise GradioError("The description is too short.")
    if "break" in text:
        raise RuntimeError("internal detail")


def picture_of(call: Call, image: Any) -> Any:
    """Return the uploaded picture; for an unsupported format a landscape, with the size in bytes as its seed."""
    data = call.read(image)
    try:
        return decode(data)
    except NotAPicture:
        return Picture("picture", len(data), 320, 180).render()
