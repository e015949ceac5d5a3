"""The request to LiteLLM."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.json_fields import is_number
from ..core.request import Request, integer_problems, mapping_problems, text_problems
from .schema import schema_of, schema_problems

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
OVERFLOW = ("refuse", "trim", "summarise")
MAX_REPAIRS = 10
_OWN_FIELDS = ("messages", "model", "stream", "stream_options", "response_format")


@dataclass(frozen=True)
class ChatRequest(Request):
    """A turn of a chat: ``messages`` in the OpenAI form, or just a ``prompt``.

    With ``model`` None the client chooses a model (the result's metadata give the choice and its reason). ``system``
    goes before the messages. ``images`` are files, ``data:`` or http(s) addresses that the last user message shows to
    the model; the ``image_url`` parts of messages may name files too. ``tools`` and ``tool_choice`` are passed on;
    calls are in the result's ``metadata["tool_calls"]``.

    ``schema``, a JSON Schema or a dataclass (converted at once), requests a structured answer: ``Result.data`` is the
    parsed value, and an answer that does not fit is requested again at most ``max_repairs`` times. It is None if the
    model calls a tool first.

    ``overflow`` is the treatment of a prompt longer than the model's window: ``refuse``, ``trim`` (leave out the
    oldest turns) or ``summarise`` (have the model sum them up); the system text always stays. ``window`` is the
    model's window in tokens if the server does not report it. ``extra`` are further fields of the body.
    ``stream=False`` only leaves out the TextDelta events.
    """

    messages: list[dict[str, Any]] | None = None
    prompt: str | None = None
    model: str | None = None
    schema: Any = None
    stream: bool = True
    system: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    images: list[str | Path] = field(default_factory=list)
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    overflow: str = "refuse"
    window: int | None = None
    max_repairs: int = 2
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.schema, type) and dataclasses.is_dataclass(self.schema):
            object.__setattr__(self, "schema", schema_of(self.schema))

    def problems(self) -> list[str]:
        """Return the problems that show without a server."""
        return [
            *super().problems(),
            *self._message_problems(),
            *self._number_problems(),
            *self._tool_problems(),
            *(schema_problems(self.schema) if self.schema is not None else []),
            *self._other_problems(),
        ]

    def _message_problems(self) -> list[str]:
        found = []
        if (self.messages is None) == (self.prompt is None):
            found.append("messages, prompt: one of the two is required.")
        if self.prompt is not None:
            found += text_problems("prompt", self.prompt)
        if self.messages is not None and (not isinstance(self.messages, list) or not self.messages):
            found.append("messages: a list with at least one message is required.")
        elif self.messages is not None:
            found += [problem for at, each in enumerate(self.messages) for problem in message_problems(at, each)]
        return found

    def _number_problems(self) -> list[str]:
        return [
            *_range_problems("temperature", self.temperature, 0.0, 2.0),
            *_range_problems("top_p", self.top_p, 0.0, 1.0),
            *integer_problems("max_tokens", self.max_tokens, least=1),
            *integer_problems("seed", self.seed, least=-(2**63), most=2**63 - 1),
            *integer_problems("window", self.window, least=1),
            *_repair_problems(self.max_repairs),
        ]

    def _tool_problems(self) -> list[str]:
        found = []
        if self.tools is not None and not (
            isinstance(self.tools, list) and self.tools and all(isinstance(each, Mapping) for each in self.tools)
        ):
            found.append("tools: a list of tool definitions is required.")
        choice: Any = self.tool_choice
        if choice is not None and not isinstance(choice, (str, Mapping)):
            found.append("tool_choice: a text or a mapping is required.")
        return found

    def _other_problems(self) -> list[str]:
        found = []
        given: Any = self  # the annotations promise these types; callers may ignore them
        for name in ("model", "system"):
            if getattr(self, name) is not None:
                found += text_problems(name, getattr(self, name))
        if not isinstance(given.stream, bool):
            found.append("stream: True or False is required.")
        if given.stop is not None and not _is_stop(given.stop):
            found.append("stop: a text or a list of one to four texts is required.")
        if self.overflow not in OVERFLOW:
            found.append(f"overflow: one of {', '.join(OVERFLOW)} is required.")
        found += image_problems(given.images)
        found += mapping_problems("extra", self.extra)
        if isinstance(given.extra, Mapping):
            found += [f"extra: {name} has a field of its own." for name in _OWN_FIELDS if name in self.extra]
        return found


def message_problems(at: int, message: Any) -> list[str]:
    """Return the problems of one message of the OpenAI form."""
    place = f"messages[{at}]"
    if not isinstance(message, Mapping):
        return [f"{place}: a mapping with role and content is required."]
    if message.get("role") not in ROLES:
        return [f"{place}: its role must be one of {', '.join(ROLES)}."]
    content = message.get("content")
    if content is None and message.get("tool_calls"):
        return []
    parts = isinstance(content, list) and all(isinstance(each, Mapping) and "type" in each for each in content)
    return [] if isinstance(content, str) or parts else [f"{place}: its content must be a text or a list of parts."]


def image_problems(images: Any) -> list[str]:
    """Return the problems of a list of pictures, without reading them."""
    good = isinstance(images, (list, tuple)) and all(map(_is_image, images))
    return [] if good else ["images: a list of files or addresses is required."]


def _range_problems(name: str, value: Any, least: float, most: float) -> list[str]:
    if value is None:
        return []
    good = is_number(value) and least <= value <= most
    return [] if good else [f"{name}: a number from {least:g} to {most:g} is required."]


def _repair_problems(value: Any) -> list[str]:
    problem = ["max_repairs: a whole number is required."]
    return problem if value is None else integer_problems("max_repairs", value, least=0, most=MAX_REPAIRS)


def _is_stop(value: Any) -> bool:
    texts = [value] if isinstance(value, str) else value
    return isinstance(texts, (list, tuple)) and 1 <= len(texts) <= 4 and all(isinstance(t, str) and t for t in texts)


def _is_image(value: Any) -> bool:
    return isinstance(value, (str, Path)) and bool(str(value))
