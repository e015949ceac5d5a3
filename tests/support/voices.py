"""What the tests of RVC share: recordings, a mock server with a client, an empty PATH."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from movie_director.clients import RVCClient
from movie_director.clients.audio.wavefile import wave_bytes
from movie_director.clients.mock import Fault
from movie_director.clients.mock.http.server import Route
from movie_director.clients.mock.rvc.server import MockRVC


def write_tone(path: Path, seconds: float = 1.0, *, rate: int = 16_000, channels: int = 1, loud: float = 0.4) -> Path:
    """Write a WAV with a tone and return its path."""
    frames = round(seconds * rate)
    step = 2 * math.pi * 220 / rate
    samples = array("h", (round(loud * 32767 * math.sin(step * (at // channels))) for at in range(frames * channels)))
    path.write_bytes(wave_bytes(samples, rate, channels))
    return path


@contextmanager
def voices(
    folder: Path,
    *faults: Fault,
    client: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
    **given: Any,
) -> Iterator[Any]:
    """Start a mock server and a client of it; results go to ``folder``/out."""
    given.setdefault("speed", 100.0)
    with ExitStack() as stack:
        mock = stack.enter_context(MockRVC(faults=faults, **given))
        changes = {"output_dir": folder / "out", "max_retries": 0, **(options or {})}
        settings = replace(RVCClient.default_options, **changes)
        yield mock, stack.enter_context(RVCClient(mock.url, options=settings, **(client or {})))


def replace_route(mock: MockRVC, method: str, path: str, handler: Route) -> None:
    """Have another function answer a route."""
    for index, (known, regex, _) in enumerate(mock._routes):
        if known == method and regex.fullmatch(path):
            mock._routes[index] = (method, regex, handler)
