"""The lights a demo scene can be in, and the words that ask for them, for a land, a figure or a landmark."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Mood:
    """The light of a scene: sky from top to horizon, the sun's own colour and place, land near, haze far."""

    sky: tuple[Colour, Colour, Colour]
    sun: Colour
    sun_height: float
    sun_size: float
    glow: float
    near: Colour
    cloud: Colour
    clouds: float
    stars: int = 0


MOODS = {
    "sunset": Mood(
        ((38, 44, 92), (196, 96, 92), (252, 182, 96)),
        (255, 226, 160),
        0.80,
        0.055,
        1.0,
        (22, 18, 34),
        (250, 148, 116),
        0.75,
    ),
    "dawn": Mood(
        ((66, 96, 150), (186, 160, 176), (250, 214, 178)),
        (255, 240, 212),
        0.86,
        0.04,
        0.8,
        (28, 36, 54),
        (246, 206, 196),
        0.6,
    ),
    "night": Mood(
        ((6, 10, 26), (16, 28, 58), (44, 66, 102)),
        (226, 234, 250),
        0.30,
        0.045,
        0.35,
        (3, 6, 14),
        (52, 70, 104),
        0.35,
        260,
    ),
    "day": Mood(
        ((52, 112, 182), (128, 176, 214), (214, 228, 232)),
        (255, 252, 238),
        0.22,
        0.035,
        0.55,
        (26, 42, 40),
        (250, 250, 252),
        0.8,
    ),
    "storm": Mood(
        ((26, 36, 46), (74, 90, 100), (156, 166, 162)),
        (212, 216, 204),
        0.62,
        0.0,
        0.55,
        (9, 14, 18),
        (44, 54, 62),
        1.0,
    ),
    "winter": Mood(
        ((92, 124, 164), (160, 182, 206), (226, 226, 226)),
        (255, 244, 226),
        0.66,
        0.03,
        0.34,
        (40, 56, 78),
        (226, 232, 242),
        0.7,
    ),
    "neon": Mood(
        ((14, 8, 36), (74, 20, 92), (224, 72, 130)),
        (255, 130, 170),
        0.86,
        0.0,
        0.9,
        (8, 5, 20),
        (120, 44, 120),
        0.5,
        60,
    ),
}

MOOD_WORDS = {
    "neon": "neon cyberpunk synthwave blade hologram",
    "storm": "storm rain rainy thunder fog foggy mist misty noir overcast gloomy war ruin ruins battle",
    "winter": "winter snow snowy ice icy frozen frost glacier arctic",
    "night": "night midnight moon moonlit moonlight stars starry dark space galaxy",
    "sunset": "sunset dusk golden evening twilight warm desert dune dunes western autumn fire",
    "dawn": "dawn sunrise morning spring soft pastel",
    "day": "day noon sunny bright summer blue meadow field",
}
LAND_WORDS = {
    "city": "city street skyline tower towers neon cyberpunk building buildings rooftop town urban metropolis",
    "water": "sea ocean beach lake river boat ship harbour harbor coast island shore water lighthouse pier",
    "desert": "desert dune dunes sand mars western canyon",
    "forest": "forest wood woods tree trees jungle pine pines wolf deer cabin",
    "hills": "hill hills mountain mountains alps valley meadow field castle road village",
}
FIGURE_WORDS = frozenset(
    {"man", "woman", "girl", "boy", "child", "person", "figure", "someone", "he", "she", "knight", "hero", "heroine"}
    | {"detective", "astronaut", "traveller", "traveler", "soldier", "hunter", "wanderer", "stranger", "king", "queen"}
    | {"actor", "dancer", "cowboy", "samurai", "wizard"}
)

LANDMARKS = {
    "lighthouse": {"lighthouse"},
    "castle": {"castle", "fortress", "palace"},
    "house": {"house", "cabin", "cottage", "farm", "barn", "hut", "church"},
}
