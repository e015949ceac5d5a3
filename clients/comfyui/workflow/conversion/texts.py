"""Edits texts as the editor does before it sends them: comments and choices in prompts, placeholders in file names."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import datetime

_COMMENT = re.compile(r"/\*|//[^\n\r\u2028\u2029]*")
_PLACEHOLDER = re.compile(r"%([^%]+)%")
_UNSAFE = re.compile(r'[/?<>\\:*|"\x00-\x1F\x7F]')
_DATE_PART = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_MOST_NESTED = 100

# Classes whose ``filename_prefix`` may contain placeholders.
SAVING = frozenset(
    {
        "CLIPSave",
        "LoraSave",
        "ModelSave",
        "Save3DAdvanced",
        "SaveAnimatedPNG",
        "SaveAnimatedWEBP",
        "SaveAudio",
        "SaveAudioAdvanced",
        "SaveAudioMP3",
        "SaveAudioOpus",
        "SaveGLB",
        "SaveGaussianSplat",
        "SaveImage",
        "SaveImageAdvanced",
        "SaveLatent",
        "SavePointCloud",
        "SaveSVGNode",
        "SaveVideo",
        "SaveWEBM",
        "VAESave",
    }
)


def choose(text: str, rng: random.Random, depth: int = 0) -> str:
    """Return a prompt without ``//`` and ``/* */`` comments, each ``{a|b}`` replaced by a random one of its options.

    A backslash escapes a brace or bar. Choices nested more than 100 deep are not replaced.
    """
    text = _without_comments(text)
    if depth > _MOST_NESTED:
        return text
    parts: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            parts.append(text[at : at + 2])
            at += 2
        elif char == "{":
            options, at = _get_options(text, at + 1)
            parts.append(choose(rng.choice(options), rng, depth + 1))
        else:
            parts.append(char)
            at += 1
    return re.sub(r"\\([{}|])", r"\1", "".join(parts))


def _without_comments(text: str) -> str:
    """Return a text without its comments; an unclosed ``/*`` is ordinary text."""
    parts, at = [], 0
    closable = True  # without this flag, each unclosed mark would search the rest of the text
    while (found := _COMMENT.search(text, at)) is not None:
        parts.append(text[at : found.start()])
        at = found.end()
        if found[0] == "/*":
            end = text.find("*/", at) if closable else -1
            closable = end >= 0
            if closable:
                at = end + 2
            else:
                parts.append(found[0])
    return "".join(parts) + text[at:]


def _get_options(text: str, at: int) -> tuple[list[str], int]:
    """Split the choice whose options begin at ``at``; return the options and the position after the choice."""
    options = [""]
    depth = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            options[-1] += char + text[at : at + 1]
            at += 1
            continue
        if char == "|" and not depth:
            options.append("")
            continue
        if char == "}" and not depth:
            break
        depth += {"{": 1, "}": -1}.get(char, 0)
        options[-1] += char
    return options, at


def fill(text: str, look_up: Callable[[str, str], object], now: datetime) -> str:
    """Return a file name with ``%date:yyyy-MM-dd%`` and ``%Node.widget%`` replaced.

    ``look_up`` returns the value of a node's widget, None if there is none. An unknown placeholder stays: the server
    replaces some others.
    """

    def replace(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) != 2:
            return _date(parts[0][5:], now) if parts[0].startswith("date:") else match[0]
        value = look_up(parts[0], parts[1])
        return match[0] if value is None else _UNSAFE.sub("_", _plain(value))

    return _PLACEHOLDER.sub(replace, text)


def _date(pattern: str, now: datetime) -> str:
    numbers = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return letters if len(letters) == 3 else f"{now.year:04}"[-len(letters) :]
        return str(numbers[letters[0]]).zfill(len(letters))

    return _DATE_PART.sub(part, pattern)


def _plain(value: object) -> str:
    """Return the text of a value in the editor's notation: ``true``, and ``3`` for 3.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
