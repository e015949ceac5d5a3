"""Fitting a conversation into a model's context window: the oldest turns go, the system text and the last turn stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .payload import Messages, add_system_text

FALLBACK_WINDOW = 4096
"""Tokens, for a model with an unknown window."""

REPLY_TOKENS = 1024
SUMMARY_TOKENS = 400
SUMMARY_HEAD = "Summary of the conversation so far:\n"
SUMMARISE = (
    "Sum up the conversation below in at most 200 words, for someone who will carry it on: what was asked, what was"
    " decided, all names, numbers and facts. Write the summary only."
)

Counter = Callable[[Messages], int]


@dataclass(frozen=True)
class Fit:
    """Messages that fit; ``dropped`` are the turns left out, in order."""

    messages: Messages
    dropped: Messages
    tokens: int
    window: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON-ready metadata of the result."""
        return {"dropped": len(self.dropped), "estimated_tokens": self.tokens, "window": self.window}


def reply_tokens(window: int, max_tokens: int | None) -> int:
    """Return the tokens of the window that are reserved for the answer."""
    return min(max_tokens or REPLY_TOKENS, window // 2)


def fit(messages: Messages, window: int | None, max_tokens: int | None, count: Counter) -> Fit:
    """Drop the oldest turns until the rest and an answer fit; the system text and the last turn always stay.

    A turn is a user's message and all messages up to the next one, so that no tool result is sent without its call. If
    even the last turn is too long it is sent anyway: the count is an estimate, and only the server knows.
    """
    if window is None:
        return Fit(messages, [], count(messages), None)
    budget = window - reply_tokens(window, max_tokens)
    head, turns = _split_turns(messages)
    first = 0
    tokens = count(messages)
    while tokens > budget and first < len(turns) - 1:
        first += 1
        tokens = count(_join_turns(head, turns[first:]))
    return Fit(_join_turns(head, turns[first:]), _join_turns([], turns[:first]), tokens, window)


def transcript(messages: Messages) -> str:
    """Return messages as plain text for a summary."""
    return "\n\n".join(f"{each.get('role')}: {get_text(each)}" for each in messages)


def get_text(message: Mapping[str, Any]) -> str:
    """Return a message's text, without pictures."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return str(content or "")


def prepend_summary(messages: Messages, summary: str) -> Messages:
    """Return the messages with a summary of the dropped turns in front."""
    return add_system_text(messages, SUMMARY_HEAD + summary)


def _split_turns(messages: Messages) -> tuple[Messages, list[Messages]]:
    head: Messages = []
    turns: list[Messages] = []
    for each in messages:
        if each.get("role") in ("system", "developer"):
            head.append(each)
        elif each.get("role") == "user" or not turns:
            turns.append([each])
        else:
            turns[-1].append(each)
    return head, turns


def _join_turns(head: Messages, turns: list[Messages]) -> Messages:
    return [*head, *(each for turn in turns for each in turn)]
