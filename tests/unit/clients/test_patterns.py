"""Patterns on foreign text take time in proportion to it: each one is fed a megabyte of what is worst for it.

A pattern that goes back over itself holds the interpreter, and with it all of Blender, until it is done.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from movie_director import clients

MEGABYTE = 1_000_000
MOST_S = 3.0
"""For a megabyte; what grows with its square takes minutes to hours."""

_CHARS = "aA1 .,:;-_|/\\<>()[]{}=%\"'`#*\t\n\r\x00é漢"


def patterns() -> Iterator[Any]:
    """Yield every compiled pattern of the clients, the mocks' excepted, with its module's name and its own."""
    for module in pkgutil.walk_packages(clients.__path__, f"{clients.__name__}."):
        if ".mock" in module.name or ".gradio_app" in module.name:
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for number, each in enumerate(found_in(value)):
                place = f"{module.name.removeprefix(f'{clients.__name__}.')}.{name}"
                yield pytest.param(each, id=f"{place}[{number}]" if number else place)


def found_in(value: Any) -> list[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [each for part in value for each in found_in(part)] if isinstance(value, (tuple, list)) else []


def words_in(pattern: re.Pattern[Any]) -> list[str]:
    """Return the beginnings that make a pattern start to match: its literal runs."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    plain = re.sub(r"\\[a-zA-Z]|\(\?[:=!<a-zA-Z]+|\{[^}]*\}|\[[^\]]*\]", "\0", source)
    runs = {each.replace("\\", "") for each in re.split(r"[\0|()?*+.^$]+", plain)}
    return sorted((each for each in runs if len(each) > 1), key=len)[-8:]


def worst_for(pattern: re.Pattern[Any], length: int) -> Iterator[str]:
    """Yield texts in which a pattern begins often and fails late."""
    words = words_in(pattern)
    for each in _CHARS:
        yield each * length
        for word in words:
            yield word + each * (length - len(word))
    for first in [*words, *"aA1 |<`=%:"]:
        for second in ["", " ", "1", "a", "\n", *words[:4]]:
            part = first + second
            yield part * (length // len(part))


@pytest.mark.parametrize("pattern", list(patterns()))
def test_a_megabyte_of_the_worst_takes_a_bounded_time(pattern):
    slowest = sorted(worst_for(pattern, 1000), key=lambda text: took_s(pattern, text))[-6:]
    for text in slowest:
        longer = (text * 32)[:32_000]
        assert took_s(pattern, longer) <= MOST_S / 4, f"for {len(longer)} of {text[:40]!r}"
        longer = text + text[-1] * 32_000
        assert took_s(pattern, longer) <= MOST_S / 4, f"for {text[:40]!r} and {len(longer)} of {text[-1]!r}"
    longest = (slowest[-1] * 1001)[:MEGABYTE]
    assert took_s(pattern, longest) <= MOST_S, f"for {len(longest)} of {slowest[-1][:40]!r}"


def took_s(pattern: re.Pattern[Any], text: str) -> float:
    """Return the processor's time, which other processes do not count in."""
    data = text.encode() if isinstance(pattern.pattern, bytes) else text
    started = time.process_time()
    pattern.search(data)
    for _ in pattern.finditer(data):
        pass
    pattern.fullmatch(data)
    return time.process_time() - started
