"""Estimates tokens without a tokenizer, by classes of characters, in pure Python.

Tokenizers are compiled and fetch tables from the network, so none can be bundled. Against cl100k_base this estimate
was off by +3 to +5 % on prose, -16 % on screenplays, -1 % on JSON, +15 to +27 % on Python, -24 % on German, -2 % on
Russian, -19 to -22 % on Chinese and -8 % on Japanese; tests keep it to that for prose, code and Chinese. ``SAFETY``
covers that where text must fit; ``TokenMeter`` learns each model's own ratio from the usage in its answers.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from ..core.json_fields import as_int

SAFETY = 1.2
TOKENS_PER_MESSAGE = 4
TOKENS_PER_REPLY = 3
TOKENS_PER_IMAGE = 1000
WEIGHT_OF_NEWEST = 0.3
LEAST_PROMPT = 100
"""Estimated tokens of a prompt that says something of a model's ratio: in a shorter one its template counts most."""

_LEAST_RATIO, _MOST_RATIO = 0.5, 3.0

_PIECES = re.compile(
    r"(?P<word>[A-Za-z]+)|(?P<digits>[0-9]{1,3})|(?P<indent>\n[ \t]*)|(?P<punctuation>[!-/:-@\[-`{-~])"
    r"|(?P<cjk>[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff])|(?P<other>[^\x00-\x7f])"
)
_WEIGHTS = {"digits": 1.0, "indent": 1.0, "punctuation": 0.75, "cjk": 1.15, "other": 0.55}


def estimate_text(text: str) -> float:
    """Return the estimated tokens of a text."""
    total = 0.0
    for match in _PIECES.finditer(text):
        weight = _WEIGHTS.get(str(match.lastgroup))
        total += weight if weight is not None else max(1, round((match.end() - match.start()) / 6 + 0.2))
    return total


def estimate_messages(messages: Iterable[Mapping[str, Any]]) -> float:
    """Return the estimated tokens of a prompt with these messages, each with its frame."""
    return sum(map(estimate_message, messages)) + TOKENS_PER_REPLY


def estimate_message(message: Mapping[str, Any]) -> float:
    """Return the estimated tokens that one message adds to a prompt."""
    content = message.get("content")
    total = float(TOKENS_PER_MESSAGE)
    if isinstance(content, str):
        total += estimate_text(content)
    elif isinstance(content, list):
        total += sum(estimate_text(str(part.get("text", ""))) for part in content)
        total += sum(TOKENS_PER_IMAGE for part in content if part.get("type") == "image_url")
    if message.get("tool_calls"):
        total += estimate_text(str(message["tool_calls"]))
    return total


class TokenMeter:
    """Corrects estimates by the prompt tokens that each model reports; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ratios: dict[str, float] = {}

    def ratio(self, model: str) -> float:
        """Return the ratio of the model's own count to the estimate; ``SAFETY`` while it is unknown."""
        with self._lock:
            return self._ratios.get(model, SAFETY)

    def knows(self, model: str) -> bool:
        """Return True if the model has reported a count."""
        with self._lock:
            return model in self._ratios

    def tokens(self, model: str, messages: Iterable[Mapping[str, Any]]) -> int:
        """Return the estimated tokens of the messages for the model, rather too many than too few."""
        return round(estimate_messages(messages) * self.ratio(model))

    def learn(
        self,
        model: str,
        messages: Iterable[Mapping[str, Any]],
        prompt_tokens: Any,
        *,
        weight: float = WEIGHT_OF_NEWEST,
    ) -> None:
        """Update the ratio with the prompt tokens that a server reported; implausible and small numbers are ignored."""
        estimate, counted = estimate_messages(messages), as_int(prompt_tokens, least=1)
        if counted is None or estimate < LEAST_PROMPT:
            return
        seen = max(_LEAST_RATIO, min(counted / estimate, _MOST_RATIO))
        with self._lock:
            known = self._ratios.get(model)
            self._ratios[model] = seen if known is None else known + weight * (seen - known)
